#if canImport(CoreML)
  import CoreGraphics
  import Foundation
  import ImageIO

  extension Picture {
    /// Decodes the content of an image file with ImageIO.
    ///
    /// Colour profiles are ignored, as in Python. ImageIO's JPEG decoder may differ from Python's by a level or two.
    ///
    /// - Throws: ``KewError/badPicture(name:reason:)``.
    init(decoding content: Data) throws(KewError) {
      guard let source = CGImageSourceCreateWithData(content as CFData, nil),
        let type = CGImageSourceGetType(source) as String?
      else {
        throw .badPicture(name: "", reason: "not an image, or of a format that ImageIO does not read")
      }
      let frames = CGImageSourceGetCount(source)
      // Of these the first picture is the photograph; the others are thumbnails or gain maps.
      let photographs = ["public.jpeg", "public.heic", "public.heif", "public.mpo-image"]
      guard frames == 1 || photographs.contains(type) else {
        throw .badPicture(
          name: "", reason: "holds \(frames) frames or pages (\(type)); expected a single picture")
      }
      let options = [kCGImageSourceShouldCache: false] as CFDictionary
      guard let image = CGImageSourceCreateImageAtIndex(source, 0, options) else {
        throw .badPicture(name: "", reason: "cannot be decoded")
      }
      let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
      let tag = properties?[kCGImagePropertyOrientation] as? Int
      try self.init(image, orientation: tag.flatMap(Orientation.init(rawValue:)) ?? .up)
    }

    /// Takes the pixels of an image.
    ///
    /// Grey, RGB and RGBA of 8 bits, grey of 8 bits with alpha, and grey of 16 are read as they lie there. Anything else is
    /// drawn as RGBA first, by which transparent colours lose up to a level, and CMYK is converted by the system's profile,
    /// not by Pillow's rule.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - orientation: How it is to be turned.
    /// - Throws: ``KewError/badPicture(name:reason:)``.
    public init(_ image: CGImage, orientation: Orientation = .up) throws(KewError) {
      guard image.width > 0, image.height > 0,
        image.width <= Self.largestPixelCount / image.height
      else {
        throw .badPicture(name: "", reason: "too large: more than \(Self.largestPixelCount) pixels")
      }
      let (layout, bytes): (PixelLayout, [UInt8])
      if let stored = image.storedPixels {
        (layout, bytes) = stored
      } else {
        (layout, bytes) = (.rgba8, try image.drawnPixels())
      }
      try self.init(
        layout: layout, width: image.width, height: image.height, orientation: orientation, bytes: bytes)
    }
  }

  extension CGImage {
    /// The pixels as they are stored; `nil` where the form is none that a picture has.
    fileprivate var storedPixels: (PixelLayout, [UInt8])? {
      if let pixels = storedGreyAlpha { return (.rgba8, pixels) }
      guard let form = storedForm, var pixels = packed(bytesPerPixel: form.layout.bytesPerPixel) else {
        return nil
      }
      if form.isOpaque { PixelBytes.makeOpaque(&pixels) }
      if form.isBigEndian { PixelBytes.swapPairs(&pixels) }
      return (form.layout, pixels)
    }

    /// Grey with alpha as RGBA. Drawing it would convert the grey from its own colour space into one of RGB.
    private var storedGreyAlpha: [UInt8]? {
      guard decode == nil, colorSpace?.model == .monochrome, bitsPerComponent == 8, bitsPerPixel == 16,
        alphaInfo == .last || alphaInfo == .premultipliedLast, let pairs = packed(bytesPerPixel: 2)
      else { return nil }
      var pixels = PixelBytes.rgba(ofGreyAlpha: pairs)
      if alphaInfo == .premultipliedLast { PixelBytes.divideByAlpha(&pixels) }
      return pixels
    }

    /// The bytes without padding; `nil` where the system does not hand them out.
    private func packed(bytesPerPixel: Int) -> [UInt8]? {
      guard let data = dataProvider?.data as Data? else { return nil }
      return data.withUnsafeBytes { bytes in
        PixelRows(
          bytes, bytesPerRow: bytesPerRow, width: width, height: height, bytesPerPixel: bytesPerPixel)?
          .packed(bytesPerPixel: bytesPerPixel)
      }
    }

    private var storedForm: (layout: PixelLayout, isOpaque: Bool, isBigEndian: Bool)? {
      guard decode == nil, let model = colorSpace?.model, !bitmapInfo.contains(.floatComponents) else {
        return nil
      }
      let order = bitmapInfo.intersection(.byteOrderMask)
      let isPlain = order.isEmpty || order == .byteOrder32Big
      switch (model, bitsPerComponent, bitsPerPixel, alphaInfo) {
      case (.monochrome, 8, 8, .none): return (.grey8, false, false)
      case (.monochrome, 16, 16, .none): return (.grey16, false, order != .byteOrder16Little)
      case (.rgb, 8, 24, .none): return (.rgb8, false, false)
      case (.rgb, 8, 32, .last) where isPlain: return (.rgba8, false, false)
      case (.rgb, 8, 32, .noneSkipLast) where isPlain: return (.rgba8, true, false)
      case (.rgb, 8, 32, .first) where order == .byteOrder32Little: return (.bgra8, false, false)
      case (.rgb, 8, 32, .noneSkipFirst) where order == .byteOrder32Little: return (.bgra8, true, false)
      default: return nil
      }
    }

    /// The pixels as the system draws them, in the image's own colours where they, or those of its palette, are RGB.
    fileprivate func drawnPixels() throws(KewError) -> [UInt8] {
      let colours = colorSpace?.model == .indexed ? colorSpace?.baseColorSpace : colorSpace
      let own = colours.flatMap { $0.model == .rgb && $0.supportsOutput ? $0 : nil }
      var pixels = [UInt8](repeating: 0, count: width * height * 4)
      let isDrawn = pixels.withUnsafeMutableBytes { bytes in
        guard
          let context = CGContext(
            data: bytes.baseAddress, width: width, height: height, bitsPerComponent: 8,
            bytesPerRow: width * 4, space: own ?? CGColorSpaceCreateDeviceRGB(),
            bitmapInfo: CGImageAlphaInfo.premultipliedLast.rawValue)
        else { return false }
        context.setBlendMode(.copy)
        context.draw(self, in: CGRect(x: 0, y: 0, width: width, height: height))
        return true
      }
      guard isDrawn else { throw .badPicture(name: "", reason: "the system cannot draw it") }
      PixelBytes.divideByAlpha(&pixels)
      return pixels
    }
  }
#endif
