import Foundation
import KewKit

/// Prints labels for images, in the form of `kewcore predict`.
func classify(_ words: [String]) async throws -> ExitCode {
  let arguments = try Arguments(words, options: ["--top", "--compute-units"], flags: ["--json"])
  let top = try arguments.wholeNumber("--top", default: 3, in: 1...Int.max)
  let units = try computeUnits(arguments)
  guard let model = arguments.operands.first else { throw UsageError(message: "no model was given") }
  let images = Array(arguments.operands.dropFirst())
  guard !images.isEmpty else { throw UsageError(message: "no images were given") }

  let classifier = try await KewClassifier(
    modelAt: URL(fileURLWithPath: model), configuration: KewConfiguration(computeUnits: units))
  let found = try await classifier.classify(images.map { URL(fileURLWithPath: $0) }, top: top)
  if arguments.has("--json") {
    let predictions = zip(images, found).map { image, classifications in
      Predictions.Prediction(
        image: image,
        answers: classifications.map { .init(label: $0.label, probability: $0.confidence) })
    }
    try Output.json(Predictions(model: model, predictions: predictions))
  } else {
    Output.table(
      zip(images, found).map { image, classifications in
        [image] + classifications.flatMap { [$0.label, String(format: "%.3f", $0.confidence)] }
      })
  }
  return .done
}

/// What `kewcore predict --json` prints too.
private struct Predictions: Encodable {
  struct Prediction: Encodable {
    struct Answer: Encodable {
      let label: String
      let probability: Double
    }

    let image: String
    let answers: [Answer]
  }

  let schema_version = 1
  let kind = "predict"
  let model: String
  let predictions: [Prediction]
  let skipped: [String] = []
}
