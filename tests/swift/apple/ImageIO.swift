// Declarations of ImageIO, as far as KewKit calls it, after Apple's documentation of it. Nothing here does
// anything: see tests/swift/test_apple_sources.py.

@_exported import CoreGraphics
import Foundation

public class CGImageSource {}
public func CGImageSourceCreateWithData(_ d: CFData, _ o: CFDictionary?) -> CGImageSource? { nil }
public func CGImageSourceGetType(_ s: CGImageSource) -> CFString? { nil }
public func CGImageSourceGetCount(_ s: CGImageSource) -> Int { 0 }
public func CGImageSourceCreateImageAtIndex(_ s: CGImageSource, _ i: Int, _ o: CFDictionary?) -> CGImage? {
  nil
}
public func CGImageSourceCopyPropertiesAtIndex(_ s: CGImageSource, _ i: Int, _ o: CFDictionary?) -> Any? {
  nil
}
public let kCGImageSourceShouldCache: CFString = ""
public let kCGImagePropertyOrientation: CFString = ""
