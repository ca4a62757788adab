import Foundation

/// What a loaded model says of itself.
struct ModelFacts: Sendable, Hashable {
  /// Rows of the images that it takes.
  let height: Int
  /// Columns.
  let width: Int
  /// Labels, in the order of its probabilities.
  let classNames: [String]
  /// How photographs are brought to size; `nil` where the model does not say.
  let resize: ResizePolicy?

  /// Makes facts, which come from outside and are not trusted.
  ///
  /// - Throws: ``KewError/unsupportedModel(path:reason:)`` where no image has that size; `path` is that of the model.
  init(
    path: String, height: Int, width: Int, classNames: [String], resize: ResizePolicy?
  ) throws(KewError) {
    let sides = ImagePipeline.sides
    guard sides.contains(width), sides.contains(height) else {
      throw .unsupportedModel(
        path: path,
        reason: "it takes images of \(width) x \(height) pixels, "
          + "KewKit only those of \(sides.lowerBound) to \(sides.upperBound) a side")
    }
    self.height = height
    self.width = width
    self.classNames = classNames
    self.resize = resize
  }
}

/// What runs a model: Core ML on Apple's systems, kewcore elsewhere.
protocol Engine: Sendable {
  /// What was loaded.
  var facts: ModelFacts { get }

  /// Classifies images of the model's size.
  ///
  /// - Returns: For each image one probability a class, in the order of `facts.classNames`.
  func probabilities(of images: [GreyImage]) async throws -> [[Float]]

  /// The most memory that what runs the model has had so far; `nil` where the system does not say.
  func peakMemoryBytes() async -> Int?

  /// Decodes the content of an image file.
  func decode(_ content: Data) async throws -> Picture
}
