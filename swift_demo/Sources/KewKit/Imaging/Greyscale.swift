extension Picture {
  /// Returns the picture in grey, with what is transparent on white; not yet upright.
  ///
  /// Grey is `(19595 R + 38470 G + 7471 B + 32768) >> 16`: the weights 0.299, 0.587 and 0.114 in 16 bits, rounded to the
  /// nearest level. Source: ITU-R BT.601-7, 2.5.1; Pillow, `Image.convert`, which Python's pipeline uses.
  public func grey() -> GreyImage {
    let count = width * height
    let grey: [UInt8] =
      switch layout {
      case .grey8: bytes
      case .grey16: sixteenBitGrey(count)
      case .rgb8: opaqueGrey(count)
      case .rgba8: greyOnWhite(count, red: 0, blue: 2)
      case .bgra8: greyOnWhite(count, red: 2, blue: 0)
      }
    return GreyImage(width: width, height: height, checked: grey)
  }

  private func opaqueGrey(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { out, written in
      bytes.withUnsafeBufferPointer { source in
        for index in 0..<count {
          out[index] = luma(source[3 * index], source[3 * index + 1], source[3 * index + 2])
        }
      }
      written = count
    }
  }

  /// Scales by 255/65535 = 1/257 and rounds.
  private func sixteenBitGrey(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { out, written in
      bytes.withUnsafeBufferPointer { source in
        for index in 0..<count {
          let level = UInt32(source[2 * index]) | UInt32(source[2 * index + 1]) << 8
          let isTransparent = transparentLevel.map { UInt32($0) == level } ?? false
          out[index] = isTransparent ? 255 : UInt8(truncatingIfNeeded: (level + 128) / 257)
        }
      }
      written = count
    }
  }

  private func greyOnWhite(_ count: Int, red: Int, blue: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { out, written in
      bytes.withUnsafeBufferPointer { source in
        for index in 0..<count {
          let alpha = UInt32(source[4 * index + 3])
          out[index] = luma(
            onWhite(source[4 * index + red], alpha),
            onWhite(source[4 * index + 1], alpha),
            onWhite(source[4 * index + blue], alpha))
        }
      }
      written = count
    }
  }
}

@inline(__always)
private func luma(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
  let sum = UInt32(red) &* 19595 &+ UInt32(green) &* 38470 &+ UInt32(blue) &* 7471 &+ 32768
  return UInt8(truncatingIfNeeded: sum >> 16)
}

/// Lays a colour on white.
///
/// Over an opaque backdrop the result is `(c a + 255 (255 - a)) / 255`. Pillow's `alpha_composite` computes it in
/// fixed point: the share of the colour, `a / 255`, has 7 more bits; and a division by 255 is written as
/// `(v + (v >> 8)) >> 8` after adding one half. Both are repeated here, or the last bit would differ.
@inline(__always)
private func onWhite(_ colour: UInt8, _ alpha: UInt32) -> UInt8 {
  let share = alpha << 7
  let sum = UInt32(colour) &* share &+ 255 &* ((255 << 7) &- share) &+ (0x80 << 7)
  return UInt8(truncatingIfNeeded: ((sum &+ (sum >> 8)) >> 8) >> 7)
}
