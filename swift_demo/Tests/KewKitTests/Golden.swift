import Foundation
import Testing

@testable import KewKit

/// The pictures that swift_demo/Tests/make_golden.py made, with the pixels that Python makes of them.
struct Golden: Decodable {
  struct Entry: Decodable {
    struct Case: Decodable {
      let width: Int
      let height: Int
      let resize: ResizePolicy
      let offset: Int
    }

    let name: String
    let layout: PixelLayout
    let width: Int
    let height: Int
    let orientation: Orientation
    let transparent_level: UInt16?
    let offset: Int
    let cases: [Case]
  }

  let pictures: [Entry]

  static let renewal = "renew with: .venv/bin/python swift_demo/Tests/make_golden.py"

  /// The checked-in folder, or the one that `KEWKIT_GOLDEN` names.
  static var folder: URL {
    get throws {
      if let named = ProcessInfo.processInfo.environment["KEWKIT_GOLDEN"] {
        return URL(fileURLWithPath: named)
      }
      return try fixtures
    }
  }

  /// It is not called Resources: Apple's systems take a bundle with a folder of that name for one of an old layout, look for
  /// files inside that folder only, and do not sign it for iOS.
  static var fixtures: URL {
    get throws { try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil)) }
  }

  static func load() throws -> Golden {
    let content = try Data(contentsOf: folder.appendingPathComponent("manifest.json"))
    return try JSONDecoder().decode(Golden.self, from: content)
  }

  static func bytes(_ file: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: folder.appendingPathComponent(file)))
  }
}

extension Golden.Entry {
  /// The picture as a decoder must give it.
  func picture(_ raw: [UInt8]) throws -> Picture {
    let count = width * height * layout.bytesPerPixel
    return try Picture(
      layout: layout, width: width, height: height, orientation: orientation,
      transparentLevel: transparent_level, bytes: Array(raw[offset..<(offset + count)]))
  }
}
