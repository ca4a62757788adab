#if canImport(CoreML)
  import CoreGraphics
  import CoreVideo
  import Foundation
  import ImageIO
  import Testing

  @testable import KewKit

  /// What only Apple's systems do: their decoders, images, frames and compute plans. The macOS job of the workflow runs it.
  @Suite struct AppleTests {
    /// Their bytes are the same whoever decodes them.
    static let exact = ["grey.png", "rgb.png", "size-151x113.png", "size-3x7.png"]

    @Test func imageIODecodesWhatPillowDecodes() throws {
      let raw = try Golden.bytes("raw.bin")
      // CMYK is converted by the system's own profile.
      for entry in try Golden.load().pictures where entry.name != "cmyk.jpg" {
        let file = try Golden.fixtures.appendingPathComponent("pictures/\(entry.name)")
        let found = try Picture(decoding: Data(contentsOf: file))
        let expected = try entry.picture(raw)
        #expect(found.width == expected.width && found.height == expected.height, "\(entry.name)")
        #expect(found.orientation == expected.orientation, "\(entry.name)")
        let differences = zip(found.grey().pixels, expected.grey().pixels).map { abs(Int($0) - Int($1)) }
        let mean = Double(differences.reduce(0, +)) / Double(differences.count)
        #expect(mean <= 2, "\(entry.name): \(mean) levels on average")
        if Self.exact.contains(entry.name) { #expect(mean == 0, "\(entry.name)") }
      }
    }

    @Test func anImageAndAFrameGetTheAnswerOfTheirFile() async throws {
      let classifier = try await KewClassifier(modelAt: Golden.package)
      let file = try Golden.picture("grey.png")
      let expected = try await classifier.classify(file)
      let source = try #require(CGImageSourceCreateWithURL(file as CFURL, nil))
      let image = try #require(CGImageSourceCreateImageAtIndex(source, 0, nil))
      #expect(try await classifier.classify(image) == expected)
      let picture = try await classifier.engine.decode(Data(contentsOf: file))
      for format in [kCVPixelFormatType_OneComponent8, kCVPixelFormatType_32BGRA] {
        let frame = try Self.frame(of: picture.grey(), format: format)
        #expect(try Picture(frame).grey() == picture.grey())
        #expect(try await classifier.classify(frame) == expected)
      }
    }

    @Test func framesOfOtherFormatsAreNamed() throws {
      let grey = GreyImage(width: 2, height: 1, checked: [0, 255])
      let frame = try Self.frame(of: grey, format: kCVPixelFormatType_OneComponent16Half)
      #expect(throws: KewError.badPicture(name: "", reason: "frames of the format 4c303068 are not taken")) {
        try Picture(frame)
      }
    }

    @Test func aModelIsCompiledOnce() async throws {
      let scratch = try Scratch()
      // A name of its own: other tests load models of other names meanwhile.
      let package = scratch.folder.appendingPathComponent("\(UUID().uuidString).mlpackage")
      try FileManager.default.copyItem(at: Golden.package, to: package)
      let first = try await CompiledModel(package).url
      let kept = first.deletingLastPathComponent().deletingLastPathComponent()
      defer { try? FileManager.default.removeItem(at: kept) }
      #expect(FileManager.default.fileExists(atPath: first.path))
      #expect(try await CompiledModel(package).url == first)
      #expect(try await CompiledModel(first).url == first)
      let renewed = try await CompiledModel(package).renewed(from: package)
      #expect(renewed.url == first && FileManager.default.fileExists(atPath: first.path))
    }

    @available(macOS 14.4, iOS 17.4, *)
    @Test func aPlanNamesEveryOperationThatRuns() async throws {
      let plan = try await ComputePlan(modelAt: Golden.package, computeUnits: .cpu)
      #expect(plan.operations.contains { $0.type == "conv" || $0.type == "linear" })
      let units: Set = ["cpu", "gpu", "neural_engine"]
      #expect(plan.operations.allSatisfy { units.isSuperset(of: $0.supported) && !$0.name.isEmpty })
    }

    /// A frame with the given grey as each of its colours, and nothing as alpha.
    private static func frame(of image: GreyImage, format: OSType) throws -> CVPixelBuffer {
      var made: CVPixelBuffer?
      let status = CVPixelBufferCreate(nil, image.width, image.height, format, nil, &made)
      #expect(status == kCVReturnSuccess)
      let frame = try #require(made)
      CVPixelBufferLockBaseAddress(frame, [])
      defer { CVPixelBufferUnlockBaseAddress(frame, []) }
      let base = try #require(CVPixelBufferGetBaseAddress(frame))
      let bytesPerRow = CVPixelBufferGetBytesPerRow(frame)
      let bytesPerPixel = format == kCVPixelFormatType_32BGRA ? 4 : 1
      for y in 0..<image.height {
        for x in 0..<image.width {
          for channel in 0..<bytesPerPixel {
            let level = channel == 3 ? 0 : image.pixels[y * image.width + x]
            base.storeBytes(
              of: level, toByteOffset: y * bytesPerRow + x * bytesPerPixel + channel, as: UInt8.self)
          }
        }
      }
      return frame
    }
  }
#endif
