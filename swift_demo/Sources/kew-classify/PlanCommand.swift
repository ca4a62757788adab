import Foundation
import KewKit

/// Prints Core ML's compute plan, for `kewcore inspect --ane --import`.
func plan(_ words: [String]) async throws -> ExitCode {
  let arguments = try Arguments(words, options: ["--compute-units"], flags: ["--json"])
  let units = try computeUnits(arguments)
  let model = try arguments.model()
  let plan = try await ComputePlan(
    modelAt: URL(fileURLWithPath: model), computeUnits: units)
  try Output.json(plan)
  return .done
}
