import Foundation
import Testing

@testable import KewKit

@Suite struct SidecarTests {
  @Test func whatKewcoreWroteIsRead() throws {
    let sidecar = try #require(try Sidecar.beside(Golden.package))
    #expect(sidecar.name == "Tiny-original-fp16")
    #expect(sidecar.mode == "fp16")
    #expect(sidecar.classNames == ["bars", "dots", "plain"])
    #expect(sidecar.input.width == 40 && sidecar.input.height == 32)
    #expect(sidecar.input.resize == .centreCrop)
    #expect(sidecar.golden.count == 12)
    #expect(sidecar.inputsSHA256.count == 64)
  }

  @Test func itLiesBesideThePackageOrItsCompiledForm() {
    let model = URL(fileURLWithPath: "/app/KewCNN-original-palette-4.mlmodelc")
    #expect(Sidecar.url(beside: model).path == "/app/KewCNN-original-palette-4.json")
    #expect(Sidecar.goldenFolder(beside: model).path == "/app/KewCNN-original-palette-4.golden")
  }

  @Test func noneIsNoError() throws {
    let nowhere = URL(fileURLWithPath: "/nowhere/at all.mlpackage")
    #expect(try Sidecar.beside(nowhere) == nil)
  }

  struct Damage: Sendable, CustomTestStringConvertible {
    let what: String
    let replacement: String
    let reason: String
    var testDescription: String { reason }
  }

  /// Each replaces a part of a sound sidecar.
  static let damages = [
    Damage(what: "{\"schema_version\": 1", replacement: "", reason: "it is not JSON"),
    Damage(
      what: "\"schema_version\": 1", replacement: "\"schema_version\": 2",
      reason: "it has schema_version 2, this KewKit reads 1"),
    Damage(what: "\"mode\": \"fp16\",", replacement: "", reason: "it lacks 'mode'"),
    Damage(
      what: "\"height\": 4", replacement: "\"height\": \"4\"", reason: "'input.height' must be of type Int"),
    Damage(
      what: "\"height\": 4", replacement: "\"height\": null",
      reason: "'input.height' must be of type Int, got null"),
    Damage(
      what: "\"height\": 4", replacement: "\"height\": 0",
      reason: "the model cannot take images of 3 x 0 pixels"),
    Damage(
      what: "\"channels\": 1", replacement: "\"channels\": 3", reason: "input.channels must be 1, got 3"),
    Damage(
      what: "\"fill\"", replacement: "\"squash\"", reason: "'input.resize' has a value that is not known"),
    Damage(
      what: "[\"a\", \"b\"]", replacement: "[\"a\", \"a\"]",
      reason: "class_names must be different names, got [\"a\", \"a\"]"),
    Damage(what: "[\"a\", \"b\"]", replacement: "[]", reason: "class_names must be different names, got []"),
    Damage(
      what: "\"g.png\"", replacement: "\"../g.png\"",
      reason: "golden image '../g.png' must be a file name without folders"),
    Damage(
      what: "[0.5, 0.5]", replacement: "[0.5]",
      reason: "golden image 'g.png' has 1 probabilities for 2 classes"),
    Damage(
      what: "[0.5, 0.5]", replacement: "[0.5, \"x\"]",
      reason: "'golden.0.reference.1' must be of type Double"),
  ]

  static let sound = """
    {"schema_version": 1, "name": "n", "mode": "fp16", "inputs_sha256": "0",
     "input": {"name": "image", "height": 4, "width": 3, "channels": 1, "resize": "fill"},
     "class_names": ["a", "b"], "something new": 5,
     "golden": [{"image": "g.png", "reference": [0.5, 0.5], "package": [0.25, 0.75]}]}
    """

  @Test func unknownKeysAreLeftAlone() throws {
    #expect(try Sidecar(Data(Self.sound.utf8), path: "s.json").golden[0].package == [0.25, 0.75])
  }

  @Test(arguments: damages) func damageIsNamedWithItsPlace(_ damage: Damage) throws {
    let damaged = Self.sound.replacingOccurrences(of: damage.what, with: damage.replacement)
    try #require(damaged != Self.sound)
    let error = #expect(throws: KewError.self) { try Sidecar(Data(damaged.utf8), path: "s.json") }
    guard case .badSidecar("s.json", let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason == damage.reason)
  }

  @Test func cutAnywhereItIsRefused() throws {
    for length in stride(from: 0, to: Self.sound.utf8.count - 1, by: 3) {
      #expect(throws: KewError.self) {
        try Sidecar(Data(Self.sound.utf8.prefix(length)), path: "s.json")
      }
    }
  }
}
