import Testing

@testable import KewKit

/// Numbers that look random and are the same in every run.
struct Dice: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    // SplitMix64. Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, figure 16.
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

private func noise(_ width: Int, _ height: Int, seed: UInt64) -> GreyImage {
  var dice = Dice(state: seed)
  let pixels = (0..<(width * height)).map { _ in UInt8.random(in: 0...255, using: &dice) }
  return GreyImage(width: width, height: height, checked: pixels)
}

@Suite struct OrientationTests {
  /// Rows as EXIF stores them, and as they must be seen: `1 2 3` over `4 5 6`. Source: CIPA DC-008, 4.6.4 A.
  static let stored: [(Orientation, [[UInt8]])] = [
    (.up, [[1, 2, 3], [4, 5, 6]]),
    (.upMirrored, [[3, 2, 1], [6, 5, 4]]),
    (.down, [[6, 5, 4], [3, 2, 1]]),
    (.downMirrored, [[4, 5, 6], [1, 2, 3]]),
    (.leftMirrored, [[1, 4], [2, 5], [3, 6]]),
    (.right, [[3, 6], [2, 5], [1, 4]]),
    (.rightMirrored, [[6, 3], [5, 2], [4, 1]]),
    (.left, [[4, 1], [5, 2], [6, 3]]),
  ]

  @Test(arguments: stored) func picturesStandUpright(_ orientation: Orientation, _ rows: [[UInt8]]) {
    let image = GreyImage(width: rows[0].count, height: rows.count, checked: rows.flatMap { $0 })
    let upright = image.upright(orientation)
    #expect(upright.width == 3 && upright.height == 2)
    #expect(upright.pixels == [1, 2, 3, 4, 5, 6])
  }

  @Test func turningLeftUndoesTurningRightWhateverTheSize() {
    for (width, height) in [(1, 1), (1, 200), (130, 67), (64, 64), (65, 1)] {
      let image = noise(width, height, seed: 3)
      #expect(image.upright(.right).upright(.left) == image)
      for orientation in [Orientation.upMirrored, .down, .downMirrored, .leftMirrored, .rightMirrored] {
        #expect(image.upright(orientation).upright(orientation) == image)
      }
    }
  }
}

@Suite struct GreyscaleTests {
  private func grey(_ layout: PixelLayout, _ bytes: [UInt8], transparent: UInt16? = nil) throws -> [UInt8] {
    let count = bytes.count / layout.bytesPerPixel
    return try Picture(
      layout: layout, width: count, height: 1, transparentLevel: transparent, bytes: bytes
    ).grey().pixels
  }

  @Test func weightsAreThoseOfTheStandard() throws {
    // 0.299, 0.587 and 0.114 of 255, rounded.
    #expect(try grey(.rgb8, [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]) == [76, 150, 29, 255])
  }

  @Test func everyColourIsTheNearestLevelToTheExactValue() throws {
    var dice = Dice(state: 9)
    let bytes = (0..<30_000).map { _ in UInt8.random(in: 0...255, using: &dice) }
    let found = try grey(.rgb8, bytes)
    let errors = found.indices.map { index in
      let parts = Array(bytes[(3 * index)..<(3 * index + 3)]).map(Double.init)
      return abs(0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2] - Double(found[index]))
    }
    #expect((errors.max() ?? 1) < 0.503)
  }

  @Test func whatIsTransparentLiesOnWhite() throws {
    #expect(try grey(.rgba8, [9, 9, 9, 0, 0, 0, 0, 255, 0, 0, 0, 128]) == [255, 0, 127])
    #expect(try grey(.bgra8, [255, 0, 0, 255]) == grey(.rgba8, [0, 0, 255, 255]))
  }

  @Test func sixteenBitsAreScaledNotCut() throws {
    // 65535 is white; 257 is one level; half a level rounds up.
    #expect(try grey(.grey16, [255, 255, 1, 1, 129, 0, 128, 0], transparent: 257) == [255, 255, 1, 0])
  }
}

@Suite struct ResizingTests {
  @Test func weightsOfEveryResultAddUpToOne() {
    for (source, target) in [(1, 1), (1, 9), (9, 1), (640, 500), (500, 640), (3, 1000), (4000, 7)] {
      let filter = TriangleFilter(from: source, to: target)
      for index in 0..<target {
        let weights = filter.weights[(index * filter.stride)..<((index + 1) * filter.stride)]
        let sum = weights.reduce(0) { $0 + Int($1) }
        #expect(abs(sum - (1 << TriangleFilter.fractionBits)) <= filter.counts[index])
        #expect(filter.starts[index] >= 0 && filter.starts[index] + filter.counts[index] <= source)
      }
    }
  }

  @Test func oneColourStaysThatColourInEveryPolicy() throws {
    for policy in ResizePolicy.allCases where policy != .fit {
      for level in [UInt8(0), 1, 128, 254, 255] {
        let image = GreyImage(width: 37, height: 11, checked: [UInt8](repeating: level, count: 37 * 11))
        let found = try ImagePipeline(width: 20, height: 30, resize: policy).framed(image)
        #expect(found.pixels == [UInt8](repeating: level, count: 600))
      }
    }
  }

  @Test func anImageOfTheRightSizeIsNotTouched() throws {
    let image = noise(23, 17, seed: 1)
    for policy in ResizePolicy.allCases {
      #expect(try ImagePipeline(width: 23, height: 17, resize: policy).framed(image) == image)
    }
  }

  @Test func resultsLieBetweenTheSmallestAndTheLargestSource() throws {
    for seed in 0..<20 as Range<UInt64> {
      var dice = Dice(state: seed)
      let image = GreyImage(
        width: 13, height: 21, checked: (0..<273).map { _ in UInt8.random(in: 60...190, using: &dice) })
      let (width, height) = (Int.random(in: 1...90, using: &dice), Int.random(in: 1...90, using: &dice))
      let found = try image.resized(width: width, height: height)
      #expect(found.pixels.count == width * height)
      #expect(found.pixels.allSatisfy { (60...190).contains($0) })
    }
  }

  @Test func mirroringBeforeAndAfterIsTheSame() throws {
    // Weights are symmetric; sums of whole numbers do not depend on their order.
    let image = noise(60, 44, seed: 8)
    let one = try image.upright(.upMirrored).resized(width: 17, height: 13)
    let other = try image.resized(width: 17, height: 13).upright(.upMirrored)
    #expect(zip(one.pixels, other.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
  }

  @Test func fitKeepsTheWholePictureBetweenWhiteBars() throws {
    let black = GreyImage(width: 40, height: 20, checked: [UInt8](repeating: 0, count: 800))
    let found = try ImagePipeline(width: 20, height: 20, resize: .fit).framed(black)
    let rows = (0..<20).map { Set(found.pixels[($0 * 20)..<($0 * 20 + 20)]) }
    #expect(
      rows == [Set<UInt8>](repeating: [255], count: 5) + [Set<UInt8>](repeating: [0], count: 10)
        + [Set<UInt8>](repeating: [255], count: 5))
  }

  @Test func centreCropTakesTheMiddle() throws {
    let row =
      [UInt8](repeating: 0, count: 20) + [UInt8](repeating: 100, count: 20) + [UInt8](repeating: 0, count: 20)
    let picture = GreyImage(width: 60, height: 20, checked: (0..<20).flatMap { _ in row })
    let found = try ImagePipeline(width: 20, height: 20, resize: .centreCrop).framed(picture)
    #expect(Set(found.pixels) == [100])
  }

  static let sizesOfNoResult = [(0, 5), (5, 0), (-3, 5), (5, 16385), (Int.max, Int.max), (Int.min, 1)]

  @Test(arguments: sizesOfNoResult) func sizesThatNoResultHasAreRefused(_ width: Int, _ height: Int) {
    let refusal = KewError.badPicture(
      name: "", reason: "it cannot be brought to \(width) x \(height) pixels, only to 1 to 16384 a side")
    #expect(throws: refusal) { try noise(2, 3, seed: 5).resized(width: width, height: height) }
    for policy in ResizePolicy.allCases {
      #expect(throws: refusal) { try ImagePipeline(width: width, height: height, resize: policy) }
    }
  }

  @Test func theLargestAndTheSmallestSidesAreTaken() throws {
    let image = noise(2, 3, seed: 5)
    for (width, height) in [(16384, 1), (1, 16384)] {
      #expect(try image.resized(width: width, height: height).pixels.count == 16384)
      for policy in ResizePolicy.allCases {
        let found = try ImagePipeline(width: width, height: height, resize: policy).framed(image)
        #expect(found.width == width && found.height == height)
      }
    }
  }
}

@Suite struct PixelRowsTests {
  @Test func paddingIsLeftOut() {
    let bytes: [UInt8] = [1, 2, 0, 3, 4]
    let packed = bytes.withUnsafeBytes {
      PixelRows($0, bytesPerRow: 3, width: 2, height: 2, bytesPerPixel: 1)?.packed(bytesPerPixel: 1)
    }
    #expect(packed == [1, 2, 3, 4])
  }

  @Test func tooFewBytesAreNoRows() {
    let bytes: [UInt8] = [1, 2, 0, 3]
    bytes.withUnsafeBytes {
      #expect(PixelRows($0, bytesPerRow: 3, width: 2, height: 2, bytesPerPixel: 1) == nil)
      #expect(PixelRows($0, bytesPerRow: 1, width: 2, height: 1, bytesPerPixel: 1) == nil)
      #expect(PixelRows($0, bytesPerRow: 4, width: 0, height: 1, bytesPerPixel: 1) == nil)
    }
  }

  @Test func alphaIsTakenOutAgainToWithinWhatWasRounded() {
    for alpha in 1...255 {
      for colour in stride(from: 0, through: 255, by: 5) {
        let multiplied = UInt8((colour * alpha + 127) / 255)
        var bytes = [multiplied, multiplied, multiplied, UInt8(alpha)]
        PixelBytes.divideByAlpha(&bytes)
        #expect(abs(Int(bytes[0]) - colour) * alpha <= 255)
        #expect(bytes[3] == UInt8(alpha))
      }
    }
  }

  @Test func greyWithAlphaIsTheSameOfThreeColours() {
    #expect(PixelBytes.rgba(ofGreyAlpha: [7, 255, 200, 0]) == [7, 7, 7, 255, 200, 200, 200, 0])
    #expect(PixelBytes.rgba(ofGreyAlpha: []).isEmpty)
  }

  @Test func videoRangeIsStretched() {
    var luma: [UInt8] = [0, 16, 126, 235, 255]
    PixelBytes.stretchVideoRange(&luma)
    #expect(luma == [0, 0, 128, 255, 255])
    var pairs: [UInt8] = [1, 2, 3, 4]
    PixelBytes.swapPairs(&pairs)
    #expect(pairs == [2, 1, 4, 3])
    PixelBytes.makeOpaque(&pairs)
    #expect(pairs == [2, 1, 4, 255])
  }
}

@Suite struct PictureTests {
  @Test func sizesThatDoNotFitTheBytesAreRefused() {
    #expect(throws: KewError.badPicture(name: "", reason: "2 x 2 pixels of rgb8 have 12 bytes, got 11")) {
      try Picture(layout: .rgb8, width: 2, height: 2, bytes: [UInt8](repeating: 0, count: 11))
    }
    for (width, height) in [(0, 1), (1, -1), (Int.max, 2), (1 << 20, 1 << 20)] {
      #expect(throws: KewError.badPicture(name: "", reason: "its size is \(width) x \(height) pixels")) {
        try Picture(layout: .grey8, width: width, height: height, bytes: [])
      }
    }
    #expect(throws: KewError.badPicture(name: "", reason: "2 x 2 grey pixels expected, got 3")) {
      try GreyImage(width: 2, height: 2, pixels: [1, 2, 3])
    }
    for (width, height) in [(0, 0), (-1, -4), (Int.max, 2), (1 << 32, 1 << 32)] {
      #expect(
        throws: KewError.badPicture(name: "", reason: "\(width) x \(height) grey pixels expected, got 4")
      ) { try GreyImage(width: width, height: height, pixels: [1, 2, 3, 4]) }
    }
  }
}
