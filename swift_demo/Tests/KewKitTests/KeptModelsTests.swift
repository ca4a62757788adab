import Foundation
import Testing

@testable import KewKit

@Suite struct KeptModelsTests {
  private let scratch: Scratch
  private let models: KeptModels

  init() throws {
    scratch = try Scratch()
    models = KeptModels(folder: scratch.folder.appendingPathComponent("Caches/KewKit"))
  }

  private func compiled(_ content: String) throws -> URL {
    let folder = scratch.folder.appendingPathComponent("\(UUID().uuidString)/X.mlmodelc")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data(content.utf8).write(to: folder.appendingPathComponent("model.mil"))
    return folder
  }

  private func content(_ place: URL) throws -> String {
    try String(contentsOf: place.appendingPathComponent("model.mil"), encoding: .utf8)
  }

  private func files() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: models.folder.path).sorted()
  }

  @Test func whatIsKeptIsFoundAndLiesWhereItLay() throws {
    let place = models.place(name: "X", digest: "a1")
    #expect(place.path == models.folder.path + "/X/a1/X.mlmodelc")
    #expect(!models.has(place))
    let source = try compiled("one")
    try models.keep(source, at: place)
    #expect(models.has(place))
    #expect(try content(place) == "one")
    #expect(try content(source) == "one")  // copied, not moved
    #expect(!models.has(models.place(name: "X", digest: "a2")))
    #expect(!models.has(models.place(name: "Y", digest: "a1")))
  }

  @Test func theFirstOfTwoProcessesIsKept() throws {
    let place = models.place(name: "X", digest: "a1")
    try models.keep(compiled("one"), at: place)
    try models.keep(compiled("two"), at: place)
    #expect(try content(place) == "one")
    #expect(try files() == ["X", "X/a1", "X/a1/X.mlmodelc", "X/a1/X.mlmodelc/model.mil"])
  }

  @Test func oneOfEachNameIsKept() throws {
    let (old, new) = (models.place(name: "X", digest: "a1"), models.place(name: "X", digest: "b2"))
    let other = models.place(name: "Y", digest: "a1")
    for place in [old, other, new] { try models.keep(compiled("one"), at: place) }
    #expect(!models.has(old) && models.has(other) && models.has(new))
    models.remove(new)
    #expect(try files() == ["X", "Y", "Y/a1", "Y/a1/Y.mlmodelc", "Y/a1/Y.mlmodelc/model.mil"])
    try models.keep(compiled("two"), at: new)
    #expect(try content(new) == "two")
  }

  @Test func whatCannotBeCopiedLeavesWhatWasThere() throws {
    let old = models.place(name: "X", digest: "a1")
    try models.keep(compiled("one"), at: old)
    let nowhere = scratch.folder.appendingPathComponent("none")
    #expect(throws: (any Error).self) {
      try models.keep(nowhere, at: models.place(name: "X", digest: "b2"))
    }
    #expect(try files() == ["X", "X/a1", "X/a1/X.mlmodelc", "X/a1/X.mlmodelc/model.mil"])
  }
}
