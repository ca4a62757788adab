#if canImport(CoreML)
  import CoreML
  import CoreVideo
  import Foundation

  /// Runs a model with Core ML, one prediction at a time.
  actor CoreMLEngine: Engine {
    /// Key of the resize policy in a package's metadata; kewcore writes it.
    private static let resizeKey = "kewcore.resize"

    nonisolated let facts: ModelFacts
    /// Core ML may read its files at any time, so it stays for as long as the model.
    private let compiled: CompiledModel
    private let model: MLModel
    private let path: String
    private let inputName: String
    private let probabilitiesName: String
    private let labels: [AnyHashable]

    /// Loads a model; a `.mlpackage` is compiled first, unless that has been done.
    ///
    /// - Throws: ``KewError``.
    init(modelAt url: URL, configuration: KewConfiguration) async throws {
      let settings = MLModelConfiguration()
      settings.computeUnits = configuration.computeUnits.coreML
      var compiled = try await CompiledModel(url)
      let model: MLModel
      do {
        if let loaded = try? MLModel(contentsOf: compiled.url, configuration: settings) {
          model = loaded
        } else {
          compiled = try await compiled.renewed(from: url)
          model = try MLModel(contentsOf: compiled.url, configuration: settings)
        }
      } catch let error as KewError {
        throw error
      } catch {
        throw KewError.noModel(path: url.path, reason: error.localizedDescription)
      }
      let description = model.modelDescription
      let inputs = description.inputDescriptionsByName
      guard inputs.count == 1, let input = inputs.first, let image = input.value.imageConstraint,
        image.pixelFormatType == kCVPixelFormatType_OneComponent8
      else {
        throw KewError.unsupportedModel(
          path: url.path,
          reason: "it must take one greyscale image of 8 bits, it takes \(inputs.keys.sorted())")
      }
      guard let labels = description.classLabels, !labels.isEmpty,
        let probabilitiesName = description.predictedProbabilitiesName
      else {
        throw KewError.unsupportedModel(path: url.path, reason: "it is not a classifier")
      }
      let metadata = description.metadata[.creatorDefinedKey] as? [String: String]
      self.compiled = compiled
      self.model = model
      path = url.path
      inputName = input.key
      self.probabilitiesName = probabilitiesName
      self.labels = labels.compactMap { $0 as? AnyHashable }
      facts = try ModelFacts(
        path: url.path, height: image.pixelsHigh, width: image.pixelsWide, classNames: labels.map { "\($0)" },
        resize: metadata?[Self.resizeKey].flatMap { ResizePolicy(rawValue: $0) })
    }

    func probabilities(of images: [GreyImage]) async throws -> [[Float]] {
      try images.map { image in
        try Task.checkCancellation()
        let buffer = try pixelBuffer(of: image)
        let found: any MLFeatureProvider
        do {
          let features = try MLDictionaryFeatureProvider(dictionary: [
            inputName: MLFeatureValue(pixelBuffer: buffer)
          ])
          found = try model.prediction(from: features)
        } catch {
          throw KewError.engineFailed(
            reason: "Core ML cannot run '\(path)'", output: error.localizedDescription)
        }
        let answers = found.featureValue(for: probabilitiesName)?.dictionaryValue ?? [:]
        return try labels.map { label in
          guard let probability = answers[label] else {
            throw KewError.engineFailed(
              reason: "Core ML gave no probability of '\(label)'", output: "")
          }
          return probability.floatValue
        }
      }
    }

    func peakMemoryBytes() async -> Int? {
      var usage = rusage()
      return getrusage(RUSAGE_SELF, &usage) == 0 ? Int(usage.ru_maxrss) : nil
    }

    func decode(_ content: Data) async throws -> Picture {
      try Picture(decoding: content)
    }

    /// Copies an image into the kind of buffer that Core ML takes.
    private func pixelBuffer(of image: GreyImage) throws(KewError) -> CVPixelBuffer {
      var made: CVPixelBuffer?
      let status = CVPixelBufferCreate(
        kCFAllocatorDefault, image.width, image.height, kCVPixelFormatType_OneComponent8,
        [kCVPixelBufferIOSurfacePropertiesKey: [:] as CFDictionary] as CFDictionary, &made)
      guard status == kCVReturnSuccess, let buffer = made,
        CVPixelBufferLockBaseAddress(buffer, []) == kCVReturnSuccess
      else {
        throw .engineFailed(reason: "no pixel buffer can be made: Core Video says \(status)", output: "")
      }
      defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
      guard let base = CVPixelBufferGetBaseAddress(buffer) else {
        throw .engineFailed(reason: "a pixel buffer has no memory", output: "")
      }
      let bytesPerRow = CVPixelBufferGetBytesPerRow(buffer)
      image.pixels.withUnsafeBytes { pixels in
        for y in 0..<image.height {
          let row = UnsafeRawBufferPointer(rebasing: pixels[(y * image.width)..<((y + 1) * image.width)])
          UnsafeMutableRawBufferPointer(start: base + y * bytesPerRow, count: image.width).copyMemory(
            from: row)
        }
      }
      return buffer
    }
  }

  extension ComputeUnits {
    /// What Core ML calls them.
    var coreML: MLComputeUnits {
      switch self {
      case .all: .all
      case .cpu: .cpuOnly
      case .cpuAndGPU: .cpuAndGPU
      case .cpuAndNeuralEngine: .cpuAndNeuralEngine
      }
    }
  }
#endif
