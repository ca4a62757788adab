// Declarations of CoreGraphics, as far as KewKit calls it, after Apple's documentation of it. Nothing here does
// anything: see tests/swift/test_apple_sources.py.

import Foundation

public typealias CFString = String
public typealias CFData = Data
public typealias CFDictionary = [String: Any]
public enum CGColorSpaceModel { case unknown, monochrome, rgb, cmyk, lab, deviceN, indexed, pattern, XYZ }
public class CGColorSpace {
  public var model: CGColorSpaceModel { .rgb }
  public var supportsOutput: Bool { true }
  public var baseColorSpace: CGColorSpace? { nil }
}
public func CGColorSpaceCreateDeviceRGB() -> CGColorSpace { CGColorSpace() }
public enum CGImageAlphaInfo: UInt32 {
  case none, premultipliedLast, premultipliedFirst, last, first, noneSkipLast, noneSkipFirst, alphaOnly
}
public struct CGBitmapInfo: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static var floatComponents: CGBitmapInfo { .init(rawValue: 256) }
  public static var byteOrderMask: CGBitmapInfo { .init(rawValue: 0x7000) }
  public static var byteOrder32Big: CGBitmapInfo { .init(rawValue: 4 << 12) }
  public static var byteOrder32Little: CGBitmapInfo { .init(rawValue: 2 << 12) }
  public static var byteOrder16Little: CGBitmapInfo { .init(rawValue: 1 << 12) }
}
public class CGDataProvider { public var data: CFData? { nil } }
public class CGImage {
  public var width: Int { 0 }
  public var height: Int { 0 }
  public var bitsPerComponent: Int { 8 }
  public var bitsPerPixel: Int { 8 }
  public var bytesPerRow: Int { 8 }
  public var colorSpace: CGColorSpace? { nil }
  public var alphaInfo: CGImageAlphaInfo { .none }
  public var bitmapInfo: CGBitmapInfo { [] }
  public var dataProvider: CGDataProvider? { nil }
  public var decode: UnsafePointer<CGFloat>? { nil }
}
public enum CGBlendMode { case normal, copy }
public class CGContext {
  public init?(
    data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int, bytesPerRow: Int,
    space: CGColorSpace, bitmapInfo: UInt32
  ) { nil }
  public func setBlendMode(_ m: CGBlendMode) {}
  public func draw(_ i: CGImage, in r: CGRect, byTiling: Bool = false) {}
}
