/// One label and how sure the model is of it.
public struct Classification: Sendable, Hashable, Codable {
  /// The name of the class, as the package has it.
  public let label: String

  /// The probability of the class, from 0 to 1.
  public let confidence: Double

  /// Makes a classification of a label and its probability.
  public init(label: String, confidence: Double) {
    self.label = label
    self.confidence = confidence
  }
}

extension Classification {
  /// Ranks the classes of one image.
  ///
  /// - Parameters:
  ///   - probabilities: One number for each label, in the order of `labels`.
  ///   - labels: The names of the classes.
  ///   - count: How many to give at most.
  /// - Returns: The most probable classes, most probable first. Of equal ones the first in `labels` leads, as in
  ///   `kewcore predict`.
  public static func ranked(
    _ probabilities: [Float], labels: [String], top count: Int = .max
  ) -> [Classification] {
    let order = zip(labels, probabilities).enumerated().sorted { one, other in
      one.element.1 == other.element.1
        ? one.offset < other.offset : one.element.1 > other.element.1
    }
    return order.prefix(max(0, count)).map {
      Classification(label: $0.element.0, confidence: Double($0.element.1))
    }
  }
}
