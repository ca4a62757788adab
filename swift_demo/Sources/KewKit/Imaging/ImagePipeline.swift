/// How a picture of another shape is brought to the size that a model takes.
public enum ResizePolicy: String, Sendable, CaseIterable, Codable {
  /// The whole picture inside, with white bars beside it.
  case fit
  /// Stretched to the frame.
  case fill
  /// The largest centred rectangle of the frame's shape, cut out.
  case centreCrop = "centre-crop"
}

/// From a decoded picture to the pixels that a model takes: the same bytes that training saw.
///
/// The order is fixed: upright, transparent parts on white, grey, crop, resize. It is that of `kewcore.data.images` in
/// Python, and golden images hold the two together.
public struct ImagePipeline: Sendable, Hashable {
  /// Columns of the result.
  public let width: Int
  /// Rows of the result.
  public let height: Int
  /// How another shape is brought to that size.
  public let resize: ResizePolicy

  /// How many columns and how many rows a result may have.
  public static let sides = 1...16384

  /// Makes a pipeline for images of a size.
  ///
  /// - Parameters:
  ///   - width: Columns of the result.
  ///   - height: Rows of the result.
  ///   - resize: How another shape is brought to that size.
  /// - Throws: ``KewError/badPicture(name:reason:)`` where no result has that size; see ``sides``.
  public init(width: Int, height: Int, resize: ResizePolicy) throws(KewError) {
    try Self.check(width: width, height: height)
    self.width = width
    self.height = height
    self.resize = resize
  }

  /// Returns the pixels that a model takes.
  public func prepare(_ picture: Picture) -> GreyImage {
    framed(picture.grey().upright(picture.orientation))
  }

  /// Brings an upright grey image to size.
  public func framed(_ image: GreyImage) -> GreyImage {
    switch resize {
    case .fill: image.scaled(width: width, height: height)
    case .fit: fitted(image)
    case .centreCrop: centred(image)
    }
  }

  static func check(width: Int, height: Int) throws(KewError) {
    guard sides.contains(width), sides.contains(height) else {
      throw .badPicture(
        name: "",
        reason: "it cannot be brought to \(width) x \(height) pixels, "
          + "only to \(sides.lowerBound) to \(sides.upperBound) a side")
    }
  }

  private func fitted(_ image: GreyImage) -> GreyImage {
    let scale = min(Double(width) / Double(image.width), Double(height) / Double(image.height))
    let innerWidth = min(width, max(1, wholePixels(Double(image.width) * scale)))
    let innerHeight = min(height, max(1, wholePixels(Double(image.height) * scale)))
    let inner = image.scaled(width: innerWidth, height: innerHeight)
    guard innerWidth != width || innerHeight != height else { return inner }
    let left = (width - innerWidth) / 2
    let top = (height - innerHeight) / 2
    var frame = [UInt8](repeating: 255, count: width * height)
    for y in 0..<innerHeight {
      let start = (top + y) * width + left
      frame.replaceSubrange(
        start..<(start + innerWidth),
        with: inner.pixels[(y * innerWidth)..<((y + 1) * innerWidth)])
    }
    return GreyImage(width: width, height: height, checked: frame)
  }

  private func centred(_ image: GreyImage) -> GreyImage {
    let scale = min(Double(image.width) / Double(width), Double(image.height) / Double(height))
    let innerWidth = max(1, wholePixels(Double(width) * scale))
    let innerHeight = max(1, wholePixels(Double(height) * scale))
    let part = image.cropped(
      left: (image.width - innerWidth) / 2, top: (image.height - innerHeight) / 2,
      width: innerWidth, height: innerHeight)
    return part.scaled(width: width, height: height)
  }

  /// Rounds to whole pixels, halves to the even number, as Python's `round` does.
  private func wholePixels(_ size: Double) -> Int {
    Int(size.rounded(.toNearestOrEven))
  }
}
