import Foundation

/// An image classifier that kewcore exported, with the very image pipeline that it was trained with.
///
/// ```swift
/// let classifier = try await KewClassifier(modelAt: url)
/// let best = try await classifier.classify(photograph, top: 1)
/// ```
///
/// A classifier may be used from any actor and by many tasks at a time. A task that is cancelled gets a
/// `CancellationError` between two steps; the step that is under way (one decoding, one prediction) is finished first.
public final class KewClassifier: Sendable {
  /// Labels, in the order of the model's probabilities.
  public var classNames: [String] { engine.facts.classNames }

  /// From pictures to the pixels that the model takes.
  public let pipeline: ImagePipeline

  /// What `kewcore export` wrote beside the model; `nil` for models that it did not export.
  public let sidecar: Sidecar?

  /// The model.
  public let model: URL

  let engine: any Engine

  /// Most images that go to the engine at a time: enough to keep it busy, few enough to be cheap to hold.
  private static let batch = 16

  /// Loads a model.
  ///
  /// - Parameters:
  ///   - model: A `.mlpackage`; on Apple's systems a compiled `.mlmodelc` too, as lies in an app's bundle. The sidecar
  ///     is looked for beside it. Models without one bring photographs to size as they say themselves, or crop them to
  ///     the centre.
  ///   - configuration: How it is set up.
  /// - Throws: ``KewError``.
  public convenience init(
    modelAt model: URL, configuration: KewConfiguration = KewConfiguration()
  ) async throws {
    guard FileManager.default.fileExists(atPath: model.path) else {
      throw KewError.noModel(path: model.path, reason: "there is nothing")
    }
    let sidecar = try Sidecar.beside(model)
    try Task.checkCancellation()
    let engine = try await loadEngine(modelAt: model, configuration: configuration)
    try self.init(model: model, engine: engine, sidecar: sidecar)
    if configuration.warmsUp { try await warmUp() }
  }

  init(model: URL, engine: any Engine, sidecar: Sidecar?) throws(KewError) {
    let facts = engine.facts
    if let sidecar {
      let path = Sidecar.url(beside: model).path
      guard sidecar.classNames == facts.classNames else {
        throw .sidecarMismatch(
          path: path, reason: "it has the classes \(sidecar.classNames), the model \(facts.classNames)")
      }
      guard sidecar.input.width == facts.width, sidecar.input.height == facts.height else {
        throw .sidecarMismatch(
          path: path,
          reason: "it says \(sidecar.input.width) x \(sidecar.input.height) pixels, "
            + "the model takes \(facts.width) x \(facts.height)")
      }
    }
    self.model = model
    self.engine = engine
    self.sidecar = sidecar
    pipeline = try ImagePipeline(
      width: facts.width, height: facts.height,
      resize: sidecar?.input.resize ?? facts.resize ?? .centreCrop)
  }

  /// Runs the model once on a white image, so that the next prediction does not wait for what is done only once.
  public func warmUp() async throws {
    let white = [UInt8](repeating: 255, count: pipeline.width * pipeline.height)
    _ = try await engine.probabilities(
      of: [GreyImage(width: pipeline.width, height: pipeline.height, checked: white)])
  }

  /// Classifies an image file.
  ///
  /// - Parameters:
  ///   - file: The file.
  ///   - top: How many labels to give at most.
  /// - Returns: Labels with their probabilities, most probable first.
  /// - Throws: ``KewError``, or `CancellationError`.
  public func classify(_ file: URL, top: Int = .max) async throws -> [Classification] {
    let image = try await prepared(file)
    return try await ranked([image], top: top)[0]
  }

  /// Classifies the content of an image file.
  ///
  /// - Parameters:
  ///   - content: JPEG, PNG, HEIC or what else the system decodes.
  ///   - top: How many labels to give at most.
  /// - Returns: Labels with their probabilities, most probable first.
  /// - Throws: ``KewError``, or `CancellationError`.
  public func classify(_ content: Data, top: Int = .max) async throws -> [Classification] {
    try Task.checkCancellation()
    return try await classify(engine.decode(content), top: top)
  }

  /// Classifies a picture that was decoded elsewhere.
  ///
  /// - Parameters:
  ///   - picture: The picture.
  ///   - top: How many labels to give at most.
  /// - Returns: Labels with their probabilities, most probable first.
  /// - Throws: ``KewError``, or `CancellationError`.
  public func classify(_ picture: Picture, top: Int = .max) async throws -> [Classification] {
    try Task.checkCancellation()
    return try await ranked([pipeline.prepare(picture)], top: top)[0]
  }

  /// Classifies many image files, several at a time.
  ///
  /// - Parameters:
  ///   - files: The files.
  ///   - top: How many labels to give at most.
  /// - Returns: For each file, in their order, labels with their probabilities, most probable first.
  /// - Throws: ``KewError`` of the first file that cannot be classified, or `CancellationError`.
  public func classify(_ files: [URL], top: Int = .max) async throws -> [[Classification]] {
    var found: [[Classification]] = []
    for start in stride(from: 0, to: files.count, by: Self.batch) {
      let images = try await prepared(Array(files[start..<min(start + Self.batch, files.count)]))
      found += try await ranked(images, top: top)
    }
    return found
  }

  /// Asks the model for images that are already of its size.
  ///
  /// - Returns: For each image one probability a class, in the order of ``classNames``.
  /// - Throws: ``KewError``, or `CancellationError`.
  public func probabilities(of images: [GreyImage]) async throws -> [[Float]] {
    for image in images where image.width != pipeline.width || image.height != pipeline.height {
      throw KewError.badPicture(
        name: "",
        reason: "the model takes \(pipeline.width) x \(pipeline.height) pixels, "
          + "got \(image.width) x \(image.height)")
    }
    try Task.checkCancellation()
    guard !images.isEmpty else { return [] }
    return try await engine.probabilities(of: images)
  }

  /// Returns the pixels of an image file that the model takes.
  ///
  /// - Throws: ``KewError``, or `CancellationError`.
  public func prepared(_ file: URL) async throws -> GreyImage {
    do {
      try Task.checkCancellation()
      return try await pipeline.prepare(engine.decode(content(of: file)))
    } catch let error as KewError {
      throw error.naming(file.path)
    }
  }

  /// Decodes files one after the other, and prepares each while the next one is decoded.
  ///
  /// Of several files that cannot be decoded, the first in their order is thrown.
  private func prepared(_ files: [URL]) async throws -> [GreyImage] {
    let images = await withTaskGroup(of: (Int, Result<GreyImage, any Error>).self) { group in
      for (index, file) in files.enumerated() {
        group.addTask { [self] in
          do {
            return (index, .success(try await prepared(file)))
          } catch {
            return (index, .failure(error))
          }
        }
      }
      var images = [Int: Result<GreyImage, any Error>]()
      for await (index, image) in group { images[index] = image }
      return images
    }
    return try images.sorted { $0.key < $1.key }.map { try $0.value.get() }
  }

  private func ranked(_ images: [GreyImage], top: Int) async throws -> [[Classification]] {
    try await probabilities(of: images).map {
      Classification.ranked($0, labels: classNames, top: top)
    }
  }

  private func content(of file: URL) throws(KewError) -> Data {
    do {
      return try Data(contentsOf: file)
    } catch {
      let there = FileManager.default.fileExists(atPath: file.path)
      throw .badPicture(name: file.path, reason: there ? "it cannot be read" : "there is no such file")
    }
  }
}

/// Loads a model into what runs models on this system.
private func loadEngine(
  modelAt model: URL, configuration: KewConfiguration
) async throws -> any Engine {
  #if canImport(CoreML)
    try await CoreMLEngine(modelAt: model, configuration: configuration)
  #else
    try await ServeEngine(modelAt: model, configuration: configuration)
  #endif
}
