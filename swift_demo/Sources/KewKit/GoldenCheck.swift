import Foundation

/// What a model answered to its golden cases, beside what it must answer.
public struct GoldenReport: Sendable, Hashable {
  /// The largest difference of a probability that passes, unless another is given: a few units in the last place of
  /// fp16 logits. It is that of `kewcore verify`.
  public static let defaultTolerance = 2e-3

  /// How many images were run.
  public let cases: Int
  /// How many of them got the same most probable label as kewcore recorded for the package.
  public let agreeing: Int
  /// How many of them got the same most probable label as the TensorFlow model gives.
  public let agreeingWithReference: Int
  /// The largest difference of a probability from what kewcore recorded for the package.
  public let largestDifference: Double
  /// The largest difference of a probability from the TensorFlow model's.
  public let largestDifferenceFromReference: Double
  /// What ``largestDifference`` may be.
  public let tolerance: Double

  /// Whether the model does what it was exported to do. What is no number does not.
  public var passed: Bool { agreeing == cases && largestDifference <= tolerance }
}

extension KewClassifier {
  /// Runs the golden cases that lie beside the model: the same files that Python checks.
  ///
  /// - Parameter tolerance: The largest difference of a probability that passes.
  /// - Returns: What was found; a miss is no error.
  /// - Throws: ``KewError``, also where there are no golden cases, or `CancellationError`.
  public func checkGolden(
    tolerance: Double = GoldenReport.defaultTolerance
  ) async throws -> GoldenReport {
    let path = Sidecar.url(beside: model).path
    guard let sidecar else {
      throw KewError.badSidecar(path: path, reason: "there is none, so there are no golden cases")
    }
    guard !sidecar.golden.isEmpty else {
      throw KewError.badSidecar(path: path, reason: "it has no golden cases")
    }
    let folder = Sidecar.goldenFolder(beside: model)
    var agreeing = 0
    var agreeingWithReference = 0
    var differences: [Double] = []
    var differencesFromReference: [Double] = []
    for one in sidecar.golden {
      let image = try await prepared(folder.appendingPathComponent(one.image))
      let found = try await probabilities(of: [image])[0].map(Double.init)
      agreeing += found.firstLargest == one.package.firstLargest ? 1 : 0
      agreeingWithReference += found.firstLargest == one.reference.firstLargest ? 1 : 0
      differences += zip(found, one.package).map { abs($0 - $1) }
      differencesFromReference += zip(found, one.reference).map { abs($0 - $1) }
    }
    return GoldenReport(
      cases: sidecar.golden.count, agreeing: agreeing,
      agreeingWithReference: agreeingWithReference,
      largestDifference: differences.largest,
      largestDifferenceFromReference: differencesFromReference.largest,
      tolerance: tolerance)
  }
}

extension [Double] {
  /// The largest value; no number where one of them is none.
  fileprivate var largest: Double {
    contains(where: \.isNaN) ? .nan : reduce(0, Swift.max)
  }

  /// Where the largest value lies, of equal ones the first.
  fileprivate var firstLargest: Int? {
    indices.max { self[$0] == self[$1] ? $0 > $1 : self[$0] < self[$1] }
  }
}
