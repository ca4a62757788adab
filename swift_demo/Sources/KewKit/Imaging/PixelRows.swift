/// Pixels as a system hands them out, where a row may be followed by padding, turned into a ``Picture``'s bytes.
///
/// It stands apart from the systems' own types, so that it is tested where those are not.
struct PixelRows {
  let bytes: UnsafeRawBufferPointer
  let bytesPerRow: Int
  let width: Int
  let height: Int

  /// Makes rows; `nil` where there are fewer bytes than they need.
  init?(_ bytes: UnsafeRawBufferPointer, bytesPerRow: Int, width: Int, height: Int, bytesPerPixel: Int) {
    guard width > 0, height > 0, bytesPerRow >= width * bytesPerPixel,
      bytes.count >= (height - 1) * bytesPerRow + width * bytesPerPixel
    else { return nil }
    self.bytes = bytes
    self.bytesPerRow = bytesPerRow
    self.width = width
    self.height = height
  }

  /// The bytes without padding.
  func packed(bytesPerPixel: Int) -> [UInt8] {
    let rowBytes = width * bytesPerPixel
    var packed: [UInt8] = []
    packed.reserveCapacity(rowBytes * height)
    for y in 0..<height {
      packed.append(contentsOf: bytes[(y * bytesPerRow)..<(y * bytesPerRow + rowBytes)])
    }
    return packed
  }
}

/// Changes to the bytes of pixels, in place.
enum PixelBytes {
  /// Makes every pixel of four bytes opaque.
  static func makeOpaque(_ bytes: inout [UInt8]) {
    for index in stride(from: 3, to: bytes.count, by: 4) { bytes[index] = 255 }
  }

  /// Takes alpha out of colours that it was multiplied into. What was rounded then is lost: a level for every 255/alpha.
  static func divideByAlpha(_ bytes: inout [UInt8]) {
    for pixel in stride(from: 0, to: bytes.count - 3, by: 4) {
      let alpha = Int(bytes[pixel + 3])
      guard alpha != 0, alpha != 255 else { continue }
      for channel in pixel..<(pixel + 3) {
        bytes[channel] = UInt8(clamping: (Int(bytes[channel]) * 255 + alpha / 2) / alpha)
      }
    }
  }

  /// Returns pixels of grey and alpha as red, green, blue and alpha.
  static func rgba(ofGreyAlpha bytes: [UInt8]) -> [UInt8] {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(2 * bytes.count)
    for pixel in stride(from: 0, to: bytes.count - 1, by: 2) {
      let (grey, alpha) = (bytes[pixel], bytes[pixel + 1])
      pixels.append(contentsOf: repeatElement(grey, count: 3))
      pixels.append(alpha)
    }
    return pixels
  }

  /// Swaps the two bytes of every pixel.
  static func swapPairs(_ bytes: inout [UInt8]) {
    for pixel in stride(from: 0, to: bytes.count - 1, by: 2) { bytes.swapAt(pixel, pixel + 1) }
  }

  /// Stretches luma of video range, 16 black to 235 white, to 0 to 255. Source: ITU-R BT.601-7, 2.5.3.
  static func stretchVideoRange(_ bytes: inout [UInt8]) {
    for index in bytes.indices {
      bytes[index] = UInt8(clamping: ((Int(bytes[index]) - 16) * 255 + 109) / 219)
    }
  }
}
