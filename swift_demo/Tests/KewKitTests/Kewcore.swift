import Foundation
import Testing

/// The `kewcore` command that tests of the Linux engine run; `make test-swift` sets it.
let kewcore = ProcessInfo.processInfo.environment["KEWCORE"].flatMap { $0.isEmpty ? nil : $0 }

/// Whether models can be run here: by Core ML, or by kewcore.
var canRunModels: Bool {
  #if canImport(CoreML)
    true
  #else
    kewcore != nil
  #endif
}

let whyNot: Comment = "the variable KEWCORE names no kewcore command; `make test-swift` sets it"

extension Golden {
  /// A package of a few kilobytes that tells three patterns apart, with sidecar and golden cases.
  static var package: URL {
    get throws { try fixtures.appendingPathComponent("Tiny-original-fp16.mlpackage") }
  }

  /// A command that stands in the place of kewcore. They are files that lie ready: a script that a test has just written
  /// cannot be run while another test's child still holds it open.
  static func command(_ name: String) throws -> URL {
    try fixtures.appendingPathComponent("commands").appendingPathComponent(name)
  }

  static func picture(_ name: String) throws -> URL {
    try fixtures.appendingPathComponent("pictures").appendingPathComponent(name)
  }
}

/// A folder for one test, removed when the test is over.
final class Scratch {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(at: folder)
  }

  /// A copy of the package, its sidecar and its golden images, to be damaged.
  func package() throws -> URL {
    for ending in ["mlpackage", "json", "golden"] {
      let from = try Golden.package.deletingPathExtension().appendingPathExtension(ending)
      try FileManager.default.copyItem(at: from, to: folder.appendingPathComponent("Tiny.\(ending)"))
    }
    return folder.appendingPathComponent("Tiny.mlpackage")
  }
}
