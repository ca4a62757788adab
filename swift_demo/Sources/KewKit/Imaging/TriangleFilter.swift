/// For every pixel of a resized row: which pixels of the source it is made of, and how much of each.
///
/// The filter is a triangle whose support grows with the reduction, so that every source pixel counts when an image
/// shrinks (antialiasing); when it grows this is bilinear interpolation. Weights are fixed-point numbers of 22 bits: a
/// byte times a weight then just fits into 31 bits.
///
/// Source: the definition of Pillow's `Image.resize` with `BILINEAR` for 8-bit images (Pillow, `Resample.c`), which Python's
/// pipeline uses: supports rounded to whole pixels, weights normalised to the sum 1 in double precision, then rounded
/// half away from zero to 22 bits; sums rounded by one half.
struct TriangleFilter {
  /// Bits behind the binary point of a weight.
  static let fractionBits = 22

  /// First source pixel of each result.
  let starts: [Int]
  /// How many source pixels make up each result.
  let counts: [Int]
  /// Weights, `stride` for each result.
  let weights: [Int32]
  /// Weights set aside for each result.
  let stride: Int

  /// Makes the filter that turns `source` pixels into `target` pixels.
  init(from source: Int, to target: Int) {
    let scale = Double(source) / Double(target)
    let reduction = max(scale, 1)
    let support = reduction  // A triangle reaches one pixel to either side, in pixels of the smaller image.
    let stride = Int(support.rounded(.up)) * 2 + 1
    var starts = [Int](repeating: 0, count: target)
    var counts = [Int](repeating: 0, count: target)
    var weights = [Int32](repeating: 0, count: target * stride)
    for index in 0..<target {
      let centre = (Double(index) + 0.5) * scale
      let first = max(0, Int(centre - support + 0.5))
      let end = min(source, Int(centre + support + 0.5))
      let shares = (first..<end).map { pixel in
        max(0, 1 - abs((Double(pixel) - centre + 0.5) * (1 / reduction)))
      }
      let sum = shares.reduce(0, +)
      for (offset, share) in shares.enumerated() {
        let normalised = sum == 0 ? share : share / sum
        weights[index * stride + offset] = Int32(
          0.5 + normalised * Double(1 << Self.fractionBits))
      }
      starts[index] = first
      counts[index] = end - first
    }
    self.starts = starts
    self.counts = counts
    self.weights = weights
    self.stride = stride
  }
}
