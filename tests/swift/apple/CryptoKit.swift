// Declarations of CryptoKit, as far as KewKit calls it, after Apple's documentation of it. Nothing here does
// anything: see tests/swift/test_apple_sources.py.

import Foundation

public struct SHA256Digest: Sequence {
  public func makeIterator() -> [UInt8].Iterator { [UInt8]().makeIterator() }
}
public struct SHA256 {
  public init() {}
  public mutating func update<D: DataProtocol>(data: D) {}
  public func finalize() -> SHA256Digest { SHA256Digest() }
}
