/// What the bytes of a decoded picture are.
public enum PixelLayout: String, Sendable, CaseIterable, Codable {
  /// One byte a pixel, 0 black to 255 white.
  case grey8
  /// Two bytes a pixel, the lower one first, 0 black to 65535 white.
  case grey16
  /// Red, green and blue, a byte each.
  case rgb8
  /// Red, green, blue and alpha, a byte each; alpha is not multiplied in.
  case rgba8
  /// Blue, green, red and alpha, a byte each, as cameras deliver them; alpha is not multiplied in.
  case bgra8

  /// How many bytes a pixel takes.
  public var bytesPerPixel: Int {
    switch self {
    case .grey8: 1
    case .grey16: 2
    case .rgb8: 3
    case .rgba8, .bgra8: 4
    }
  }
}

/// A decoded picture as a decoder gives it: not yet upright, in its own colours.
public struct Picture: Sendable, Hashable {
  /// What the bytes are.
  public let layout: PixelLayout
  /// Pixels in a row.
  public let width: Int
  /// Rows.
  public let height: Int
  /// How the picture is to be turned.
  public let orientation: Orientation
  /// The level of ``PixelLayout/grey16`` that stands for transparent; `nil` where none does.
  public let transparentLevel: UInt16?
  /// The pixels, row by row from the top, without padding.
  public let bytes: [UInt8]

  /// Makes a picture of pixels that lie row by row without padding.
  ///
  /// - Throws: ``KewError/badPicture(name:reason:)`` where the number of bytes is not what the size says.
  public init(
    layout: PixelLayout, width: Int, height: Int, orientation: Orientation = .up,
    transparentLevel: UInt16? = nil, bytes: [UInt8]
  ) throws(KewError) {
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, pixels <= Self.largestPixelCount else {
      throw .badPicture(name: "", reason: "its size is \(width) x \(height) pixels")
    }
    guard bytes.count == pixels * layout.bytesPerPixel else {
      throw .badPicture(
        name: "",
        reason: "\(width) x \(height) pixels of \(layout.rawValue) have "
          + "\(pixels * layout.bytesPerPixel) bytes, got \(bytes.count)")
    }
    self.layout = layout
    self.width = width
    self.height = height
    self.orientation = orientation
    self.transparentLevel = transparentLevel
    self.bytes = bytes
  }

  /// The most pixels that a picture may have, as in `kewcore.data.images`.
  public static let largestPixelCount = 89_478_485
}

/// Greyscale pixels, a byte each, 0 black to 255 white; row by row from the top, without padding.
public struct GreyImage: Sendable, Hashable {
  /// Pixels in a row.
  public let width: Int
  /// Rows.
  public let height: Int
  /// The pixels.
  public let pixels: [UInt8]

  /// Makes an image of `width * height` pixels.
  ///
  /// - Throws: ``KewError/badPicture(name:reason:)`` where their number is another.
  public init(width: Int, height: Int, pixels: [UInt8]) throws(KewError) {
    let (count, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, pixels.count == count else {
      throw .badPicture(
        name: "", reason: "\(width) x \(height) grey pixels expected, got \(pixels.count)")
    }
    self.init(width: width, height: height, checked: pixels)
  }

  init(width: Int, height: Int, checked pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}
