// Declarations of CoreVideo, as far as KewKit calls it, after Apple's documentation of it. Nothing here does
// anything: see tests/swift/test_apple_sources.py.

@_exported import CoreGraphics
import Foundation

public typealias OSType = UInt32
public typealias CVReturn = Int32
public class CVBuffer {}
public typealias CVPixelBuffer = CVBuffer
public class CFAllocator {}
public nonisolated(unsafe) let kCFAllocatorDefault: CFAllocator! = nil
public let kCVReturnSuccess: CVReturn = 0
public let kCVPixelBufferIOSurfacePropertiesKey: CFString = ""
public var kCVPixelFormatType_32BGRA: OSType { 1 }
public var kCVPixelFormatType_32RGBA: OSType { 2 }
public var kCVPixelFormatType_OneComponent8: OSType { 3 }
public var kCVPixelFormatType_420YpCbCr8BiPlanarFullRange: OSType { 4 }
public var kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange: OSType { 5 }
public struct CVPixelBufferLockFlags: OptionSet, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public static var readOnly: CVPixelBufferLockFlags { .init(rawValue: 1) }
}
public func CVPixelBufferGetPixelFormatType(_ b: CVPixelBuffer) -> OSType { 0 }
@discardableResult public func CVPixelBufferLockBaseAddress(_ b: CVPixelBuffer, _ f: CVPixelBufferLockFlags)
  -> CVReturn
{ 0 }
@discardableResult public func CVPixelBufferUnlockBaseAddress(_ b: CVPixelBuffer, _ f: CVPixelBufferLockFlags)
  -> CVReturn
{ 0 }
public func CVPixelBufferIsPlanar(_ b: CVPixelBuffer) -> Bool { false }
public func CVPixelBufferGetWidth(_ b: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetHeight(_ b: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetBytesPerRow(_ b: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetBytesPerRowOfPlane(_ b: CVPixelBuffer, _ p: Int) -> Int { 0 }
public func CVPixelBufferGetBaseAddress(_ b: CVPixelBuffer) -> UnsafeMutableRawPointer? { nil }
public func CVPixelBufferGetBaseAddressOfPlane(_ b: CVPixelBuffer, _ p: Int) -> UnsafeMutableRawPointer? {
  nil
}
@discardableResult public func CVPixelBufferCreate(
  _ a: CFAllocator?, _ w: Int, _ h: Int, _ f: OSType, _ d: CFDictionary?,
  _ o: UnsafeMutablePointer<CVPixelBuffer?>
) -> CVReturn { 0 }
