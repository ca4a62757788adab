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

  /// Makes a kept model look as if it had last been used some days ago.
  private func age(_ place: URL, days: Double) throws {
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -days * 24 * 3600)],
      ofItemAtPath: place.deletingLastPathComponent().path)
  }

  @Test func modelsOfOneNameAreKeptSideBySide() throws {
    // As `/a/X.mlpackage` and `/b/X.mlpackage`, and a classifier of each.
    let (one, other) = (models.place(name: "X", digest: "a1"), models.place(name: "X", digest: "b2"))
    try models.keep(compiled("one"), at: one)
    try models.keep(compiled("two"), at: other)
    #expect(try content(one) == "one" && content(other) == "two")
  }

  @Test func whatWasNotUsedForAMonthGoesWhenAnotherOfItsNameComes() throws {
    let places = ["a1", "b2", "c3"].map { models.place(name: "X", digest: $0) }
    let otherName = models.place(name: "Y", digest: "a1")
    for place in places + [otherName] { try models.keep(compiled("one"), at: place) }
    try age(places[0], days: 31)
    try age(places[1], days: 29)
    try age(places[2], days: 31)
    try age(otherName, days: 31)
    models.markUsed(places[2])
    #expect(models.has(places[0]))
    try models.keep(compiled("two"), at: models.place(name: "X", digest: "d4"))
    #expect(try files().filter { $0.split(separator: "/").count == 2 } == ["X/b2", "X/c3", "X/d4", "Y/a1"])
  }

  @Test func anOldModelThatIsKeptAgainStays() throws {
    let place = models.place(name: "X", digest: "a1")
    try models.keep(compiled("one"), at: place)
    try age(place, days: 31)
    try models.keep(compiled("two"), at: place)
    #expect(try content(place) == "one")
  }

  @Test func aDamagedModelIsReplacedAndTheOthersStay() throws {
    let (place, other) = (models.place(name: "X", digest: "a1"), models.place(name: "X", digest: "b2"))
    for one in [place, other] { try models.keep(compiled("one"), at: one) }
    try Data("damaged".utf8).write(to: place.appendingPathComponent("model.mil"))
    try models.keep(compiled("two"), at: place, replacingDamaged: true)
    #expect(try content(place) == "two" && content(other) == "one")
    #expect(try files().filter { $0.split(separator: "/").count == 2 } == ["X/a1", "X/b2"])
    // Somebody may have removed it meanwhile.
    let none = models.place(name: "X", digest: "c3")
    try models.keep(compiled("three"), at: none, replacingDamaged: true)
    #expect(try content(none) == "three")
  }

  @Test func whatCannotBeCopiedLeavesWhatWasThere() throws {
    let old = models.place(name: "X", digest: "a1")
    try models.keep(compiled("one"), at: old)
    let nowhere = scratch.folder.appendingPathComponent("none")
    #expect(throws: (any Error).self) {
      try models.keep(nowhere, at: models.place(name: "X", digest: "b2"))
    }
    #expect(throws: (any Error).self) { try models.keep(nowhere, at: old, replacingDamaged: true) }
    #expect(try files() == ["X", "X/a1", "X/a1/X.mlmodelc", "X/a1/X.mlmodelc/model.mil"])
  }
}
