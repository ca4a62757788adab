/// How a picture must be turned to stand upright: the orientation tag of EXIF.
///
/// Source: CIPA DC-008 (Exif 2.32), 4.6.4 A, Orientation. The raw values are those of `CGImagePropertyOrientation` too.
public enum Orientation: Int, Sendable, CaseIterable, Codable {
  /// It stands upright.
  case up = 1
  /// Mirrored left to right.
  case upMirrored
  /// Upside down.
  case down
  /// Mirrored top to bottom.
  case downMirrored
  /// Mirrored along the diagonal from the top left.
  case leftMirrored
  /// To be turned by 90 degrees clockwise.
  case right
  /// Mirrored along the diagonal from the top right.
  case rightMirrored
  /// To be turned by 90 degrees anticlockwise.
  case left

  /// Whether width and height change places.
  public var swapsAxes: Bool { rawValue >= 5 }
}

extension GreyImage {
  /// Returns the image turned upright.
  ///
  /// Turning after greying gives the same pixels as turning before, which Python does, and moves a third of the bytes.
  public func upright(_ orientation: Orientation) -> GreyImage {
    guard orientation != .up else { return self }
    let turnedWidth = orientation.swapsAxes ? height : width
    let turnedHeight = orientation.swapsAxes ? width : height
    // Where the first pixel of the result lies, and how far on the next one of its row and of its column.
    let right = width - 1
    let bottom = (height - 1) * width
    let (first, alongRow, alongColumn) =
      switch orientation {
      case .up: (0, 1, width)
      case .upMirrored: (right, -1, width)
      case .down: (bottom + right, -1, -width)
      case .downMirrored: (bottom, 1, -width)
      case .leftMirrored: (0, width, 1)
      case .right: (bottom, -width, 1)
      case .rightMirrored: (bottom + right, -width, -1)
      case .left: (right, width, -1)
      }
    let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { out, count in
      pixels.withUnsafeBufferPointer { source in
        // In tiles, so that reading along columns stays within the processor's cache.
        let tile = 64
        for top in stride(from: 0, to: turnedHeight, by: tile) {
          for left in stride(from: 0, to: turnedWidth, by: tile) {
            for y in top..<min(top + tile, turnedHeight) {
              var from = first + y * alongColumn + left * alongRow
              for x in left..<min(left + tile, turnedWidth) {
                out[y * turnedWidth + x] = source[from]
                from += alongRow
              }
            }
          }
        }
      }
      count = pixels.count
    }
    return GreyImage(width: turnedWidth, height: turnedHeight, checked: turned)
  }
}
