import Foundation

/// How long a model takes for one image, from grey pixels to probabilities.
public struct Latency: Sendable, Hashable {
  /// Loading the model.
  public let loadMilliseconds: Double
  /// The first prediction after loading.
  public let firstPredictMilliseconds: Double
  /// Every timed prediction, round after round, in the order in which they were taken.
  public let rounds: [[Double]]

  /// The most memory that what runs the model has had; `nil` where the system does not say.
  public let peakMemoryBytes: Int?

  /// The value below which a part of the timed predictions lies, interpolated between neighbours.
  ///
  /// - Parameter part: From 0 to 1; one half gives the median.
  /// - Returns: Milliseconds.
  public func quantile(_ part: Double) -> Double {
    Latency.quantile(part, of: rounds.flatMap { $0 })
  }

  /// The median of each round.
  public var roundMedians: [Double] { rounds.map { Latency.quantile(0.5, of: $0) } }

  /// As NumPy's `quantile` does by default: linear between the two values around `part * (count - 1)`.
  static func quantile(_ part: Double, of values: [Double]) -> Double {
    let sorted = values.sorted()
    guard let last = sorted.last else { return .nan }
    let place = min(max(part, 0), 1) * Double(sorted.count - 1)
    let lower = Int(place)
    guard lower + 1 < sorted.count else { return last }
    return sorted[lower] + (place - Double(lower)) * (sorted[lower + 1] - sorted[lower])
  }
}

extension KewClassifier {
  /// Loads a model and times predictions of one image.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - configuration: How it is set up; it is never warmed up while loading, so that the first prediction is seen.
  ///   - rounds: How many rounds.
  ///   - predicts: Timed predictions in a round.
  /// - Returns: The loaded classifier and what was timed.
  /// - Throws: ``KewError``, or `CancellationError`.
  public static func timed(
    modelAt model: URL, configuration: KewConfiguration = KewConfiguration(), rounds: Int, predicts: Int
  ) async throws -> (classifier: KewClassifier, latency: Latency) {
    var cold = configuration
    cold.warmsUp = false
    let clock = ContinuousClock()
    let start = clock.now
    let classifier = try await KewClassifier(modelAt: model, configuration: cold)
    let loaded = clock.now - start
    // Grey that changes from pixel to pixel: nothing in it can be skipped.
    let (width, height) = (classifier.pipeline.width, classifier.pipeline.height)
    let pixels = (0..<(width * height)).map { UInt8(truncatingIfNeeded: $0 &* 197 &+ $0 / width &* 31) }
    let image = GreyImage(width: width, height: height, checked: pixels)
    let first = try await clock.measure { _ = try await classifier.probabilities(of: [image]) }
    var timed: [[Double]] = []
    for _ in 0..<rounds {
      var round: [Double] = []
      for _ in 0..<predicts {
        round.append(
          try await clock.measure { _ = try await classifier.probabilities(of: [image]) }.milliseconds)
      }
      timed.append(round)
    }
    let latency = Latency(
      loadMilliseconds: loaded.milliseconds, firstPredictMilliseconds: first.milliseconds, rounds: timed,
      peakMemoryBytes: await classifier.engine.peakMemoryBytes())
    return (classifier, latency)
  }
}

extension Duration {
  /// The duration as a number of milliseconds.
  var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
  }
}
