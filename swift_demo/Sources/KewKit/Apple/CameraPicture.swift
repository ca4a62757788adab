#if canImport(CoreML)
  import CoreGraphics
  import CoreVideo

  extension Picture {
    /// Takes the pixels of a camera's or a video's frame.
    ///
    /// Of YCbCr frames the luma is the grey, stretched to 0 to 255 where it is of video range. Frames have no transparency:
    /// a fourth byte is ignored.
    ///
    /// - Parameters:
    ///   - frame: BGRA, RGBA or YCbCr (`420f`, `420v`) of 8 bits, or one component of 8 bits.
    ///   - orientation: How it is to be turned.
    /// - Throws: ``KewError/badPicture(name:reason:)``.
    public init(_ frame: CVPixelBuffer, orientation: Orientation = .up) throws(KewError) {
      let format = CVPixelBufferGetPixelFormatType(frame)
      let layout: PixelLayout
      switch format {
      case kCVPixelFormatType_32BGRA: layout = .bgra8
      case kCVPixelFormatType_32RGBA: layout = .rgba8
      case kCVPixelFormatType_OneComponent8, kCVPixelFormatType_420YpCbCr8BiPlanarFullRange,
        kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange:
        layout = .grey8
      default:
        throw .badPicture(
          name: "", reason: "frames of the format \(String(format, radix: 16)) are not taken")
      }
      guard CVPixelBufferLockBaseAddress(frame, .readOnly) == kCVReturnSuccess else {
        throw .badPicture(name: "", reason: "the frame's memory cannot be read")
      }
      defer { CVPixelBufferUnlockBaseAddress(frame, .readOnly) }
      let isPlanar = CVPixelBufferIsPlanar(frame)
      let (width, height) = (CVPixelBufferGetWidth(frame), CVPixelBufferGetHeight(frame))
      let bytesPerRow =
        isPlanar ? CVPixelBufferGetBytesPerRowOfPlane(frame, 0) : CVPixelBufferGetBytesPerRow(frame)
      let base = isPlanar ? CVPixelBufferGetBaseAddressOfPlane(frame, 0) : CVPixelBufferGetBaseAddress(frame)
      let bytes = UnsafeRawBufferPointer(start: base, count: base == nil ? 0 : bytesPerRow * height)
      guard
        let rows = PixelRows(
          bytes, bytesPerRow: bytesPerRow, width: width, height: height,
          bytesPerPixel: layout.bytesPerPixel)
      else {
        throw .badPicture(name: "", reason: "the frame has no pixels")
      }
      var pixels = rows.packed(bytesPerPixel: layout.bytesPerPixel)
      if layout != .grey8 { PixelBytes.makeOpaque(&pixels) }
      if format == kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange {
        PixelBytes.stretchVideoRange(&pixels)
      }
      try self.init(
        layout: layout, width: width, height: height, orientation: orientation, bytes: pixels)
    }
  }

  extension KewClassifier {
    /// Classifies an image.
    ///
    /// Its pixels are copied on the caller's actor, which a type that must not leave that actor calls for; the rest runs
    /// elsewhere. For photographs in files the method that takes a `URL` copies nothing there.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - orientation: How it is to be turned.
    ///   - top: How many labels to give at most.
    ///   - isolation: The caller's actor; not to be given.
    /// - Returns: Labels with their probabilities, most probable first.
    /// - Throws: ``KewError``, or `CancellationError`.
    public func classify(
      _ image: CGImage, orientation: Orientation = .up, top: Int = .max,
      isolation: isolated (any Actor)? = #isolation
    ) async throws -> [Classification] {
      try await classify(Picture(image, orientation: orientation), top: top)
    }

    /// Classifies a frame of a camera or a video; see ``Picture`` for the formats.
    ///
    /// - Parameters:
    ///   - frame: The frame.
    ///   - orientation: How it is to be turned.
    ///   - top: How many labels to give at most.
    ///   - isolation: The caller's actor; not to be given.
    /// - Returns: Labels with their probabilities, most probable first.
    /// - Throws: ``KewError``, or `CancellationError`.
    public func classify(
      _ frame: CVPixelBuffer, orientation: Orientation = .up, top: Int = .max,
      isolation: isolated (any Actor)? = #isolation
    ) async throws -> [Classification] {
      try await classify(Picture(frame, orientation: orientation), top: top)
    }
  }
#endif
