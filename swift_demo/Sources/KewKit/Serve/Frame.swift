import Foundation

/// One message of the protocol of `kewcore serve`, which docs/serve.md describes: a header in JSON, and bytes as they are.
struct Frame: Sendable, Hashable {
  static let magic: [UInt8] = Array("KEW1".utf8)
  static let prefixBytes = 16
  static let largestHeaderBytes = 1 << 20
  static let largestPayloadBytes = 1 << 30

  let header: Data
  let payload: [UInt8]

  /// The prefix that goes before a header and a payload.
  static func prefix(headerBytes: Int, payloadBytes: Int) -> [UInt8] {
    magic + littleEndian(UInt32(headerBytes)) + littleEndian(UInt64(payloadBytes))
  }

  /// Reads a prefix.
  ///
  /// - Throws: ``KewError/engineFailed(reason:output:)`` where it is none, or names sizes that no frame has.
  static func sizes(_ prefix: [UInt8]) throws(KewError) -> (header: Int, payload: Int) {
    guard prefix.count == prefixBytes, prefix.starts(with: magic) else {
      let shown = String(decoding: prefix, as: UTF8.self).filter { !$0.isNewline }
      throw .engineFailed(reason: "kewcore answered with something else than a frame", output: shown)
    }
    let header = value(prefix[4..<8])
    let payload = value(prefix[8..<16])
    guard header <= largestHeaderBytes, payload <= largestPayloadBytes else {
      throw .engineFailed(
        reason: "kewcore announced a frame of \(header) and \(payload) bytes", output: "")
    }
    return (Int(header), Int(payload))
  }

  private static func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    (0..<(Number.bitWidth / 8)).map { UInt8(truncatingIfNeeded: number >> Number($0 * 8)) }
  }

  private static func value(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

/// What a program asks.
struct Request: Encodable, Sendable {
  let kind: String
  let id: Int
  let count: Int?
}

/// The kinds of answers, and what each holds.
enum Answer {
  struct Kind: Decodable {
    let kind: String
    let id: Int?
  }

  struct Ready: Decodable {
    struct Input: Decodable {
      let height: Int
      let width: Int
      let channels: Int
      let resize: String
    }

    let `protocol`: Int
    let input: Input
    let classNames: [String]

    private enum CodingKeys: String, CodingKey {
      case `protocol`, input
      case classNames = "class_names"
    }
  }

  struct Scores: Decodable {
    let count: Int
    let classes: Int
  }

  struct Pixels: Decodable {
    let layout: PixelLayout
    let width: Int
    let height: Int
    let orientation: Int
    let transparentLevel: Int?

    private enum CodingKeys: String, CodingKey {
      case layout, width, height, orientation
      case transparentLevel = "transparent_level"
    }
  }

  struct Failure: Decodable {
    let error: String
    let message: String
    let notes: [String]
  }
}
