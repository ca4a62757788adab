import Foundation
import KewKit

/// Runs a model's golden cases.
func verify(_ words: [String]) async throws -> ExitCode {
  let arguments = try Arguments(
    words, options: ["--tolerance", "--compute-units"], flags: ["--json"])
  let tolerance = try arguments.number("--tolerance", default: GoldenReport.defaultTolerance)
  let units = try computeUnits(arguments)
  let model = try arguments.model()
  let classifier = try await KewClassifier(
    modelAt: URL(fileURLWithPath: model), configuration: KewConfiguration(computeUnits: units))
  let report = try await classifier.checkGolden(tolerance: tolerance)
  if arguments.has("--json") {
    try Output.json(GoldenRow(model: model, report: report))
  } else {
    Output.table([
      ["golden cases", "\(report.cases)"],
      ["same label as the package", "\(report.agreeing) of \(report.cases)"],
      ["same label as TensorFlow", "\(report.agreeingWithReference) of \(report.cases)"],
      ["max |Δp| to the package", String(format: "%.1e", report.largestDifference)],
      ["max |Δp| to TensorFlow", String(format: "%.1e", report.largestDifferenceFromReference)],
      ["verdict", report.passed ? "sound" : "missed"],
    ])
  }
  guard report.passed else {
    Output.complain(
      "error: '\(model)' does not answer as it was exported to: \(report.agreeing) of \(report.cases) "
        + "labels agree, max |Δp| \(String(format: "%.2g", report.largestDifference)) with "
        + "\(String(format: "%g", report.tolerance)) allowed")
    return .checkFailed
  }
  return .done
}

private struct GoldenRow: Encodable {
  let schema_version = 1
  let kind = "golden"
  let model: String
  let cases: Int
  let agreeing: Int
  let agreeing_with_reference: Int
  let largest_difference: Double?
  let largest_difference_from_reference: Double?
  let tolerance: Double
  let passed: Bool

  init(model: String, report: GoldenReport) {
    self.model = model
    cases = report.cases
    agreeing = report.agreeing
    agreeing_with_reference = report.agreeingWithReference
    largest_difference = report.largestDifference.isFinite ? report.largestDifference : nil
    largest_difference_from_reference =
      report.largestDifferenceFromReference.isFinite ? report.largestDifferenceFromReference : nil
    tolerance = report.tolerance
    passed = report.passed
  }
}
