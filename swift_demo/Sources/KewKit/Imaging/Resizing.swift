extension GreyImage {
  /// Resizes the image, antialiased.
  ///
  /// - Parameters:
  ///   - newWidth: Columns of the result.
  ///   - newHeight: Rows of the result.
  /// - Returns: The image at that size.
  /// - Throws: ``KewError/badPicture(name:reason:)`` where no result has that size; see ``ImagePipeline/sides``.
  public func resized(width newWidth: Int, height newHeight: Int) throws(KewError) -> GreyImage {
    try ImagePipeline.check(width: newWidth, height: newHeight)
    return scaled(width: newWidth, height: newHeight)
  }

  /// Returns the image at another size that is known to be sound.
  ///
  /// Rows are resized first, then columns, and the result of the first pass is rounded to bytes, as Pillow does.
  func scaled(width newWidth: Int, height newHeight: Int) -> GreyImage {
    let narrow = newWidth == width ? self : withWidth(newWidth)
    return newHeight == height ? narrow : narrow.withHeight(newHeight)
  }

  /// Returns the part of the image that lies in a rectangle.
  func cropped(left: Int, top: Int, width newWidth: Int, height newHeight: Int) -> GreyImage {
    guard newWidth != width || newHeight != height else { return self }
    var part: [UInt8] = []
    part.reserveCapacity(newWidth * newHeight)
    for y in top..<(top + newHeight) {
      part.append(contentsOf: pixels[(y * width + left)..<(y * width + left + newWidth)])
    }
    return GreyImage(width: newWidth, height: newHeight, checked: part)
  }

  private func withWidth(_ newWidth: Int) -> GreyImage {
    let filter = TriangleFilter(from: width, to: newWidth)
    let resized = [UInt8](unsafeUninitializedCapacity: newWidth * height) { out, count in
      pixels.withUnsafeBufferPointer { source in
        filter.weights.withUnsafeBufferPointer { weights in
          for y in 0..<height {
            let row = source.baseAddress.map { $0 + y * width }
            guard let row else { return }
            for x in 0..<newWidth {
              let first = filter.starts[x]
              let firstWeight = x * filter.stride
              var sum = half
              for offset in 0..<filter.counts[x] {
                sum &+= Int32(row[first + offset]) &* weights[firstWeight + offset]
              }
              out[y * newWidth + x] = byte(sum)
            }
          }
        }
      }
      count = newWidth * height
    }
    return GreyImage(width: newWidth, height: height, checked: resized)
  }

  private func withHeight(_ newHeight: Int) -> GreyImage {
    let filter = TriangleFilter(from: height, to: newHeight)
    var sums = [Int32](repeating: 0, count: width)
    let resized = [UInt8](unsafeUninitializedCapacity: width * newHeight) { out, count in
      pixels.withUnsafeBufferPointer { source in
        sums.withUnsafeMutableBufferPointer { sums in
          for y in 0..<newHeight {
            // Row after row, not column after column: memory is read in order.
            sums.update(repeating: half)
            for offset in 0..<filter.counts[y] {
              let weight = filter.weights[y * filter.stride + offset]
              let row = (filter.starts[y] + offset) * width
              for x in 0..<width {
                sums[x] &+= Int32(source[row + x]) &* weight
              }
            }
            for x in 0..<width {
              out[y * width + x] = byte(sums[x])
            }
          }
        }
      }
      count = width * newHeight
    }
    return GreyImage(width: width, height: newHeight, checked: resized)
  }
}

private let half = Int32(1) << (TriangleFilter.fractionBits - 1)

/// Drops the fraction. Weights are not negative and sum to 1, but for their rounding, which may carry 255 over by one.
@inline(__always)
private func byte(_ sum: Int32) -> UInt8 {
  UInt8(clamping: sum >> Int32(TriangleFilter.fractionBits))
}
