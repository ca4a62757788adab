import Foundation
import KewKit

/// The tool: finds the command, runs it, and turns what it throws into a message and an exit code.
@main
enum KewClassify {
  static func main() async {
    let code = await run(Array(CommandLine.arguments.dropFirst()))
    exit(code.rawValue)
  }

  private static func run(_ words: [String]) async -> ExitCode {
    do {
      return try await command(words)
    } catch let error as UsageError {
      Output.complain("error: \(error.message)")
      Output.complain("hint: kew-classify --help")
      return .usage
    } catch let error as KewError {
      Output.complain("error: \(error)")
      if let hint = error.hint { Output.complain("hint: \(hint)") }
      return error.exitCode
    } catch {
      Output.complain("error: \(error)")
      return .package
    }
  }

  private static func command(_ words: [String]) async throws -> ExitCode {
    // What stands behind `--` is no option.
    if words.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
      print(usage)
      return .done
    }
    let rest = Array(words.dropFirst())
    switch words.first {
    case "verify": return try await verify(rest)
    case "bench": return try await bench(rest)
    case "plan": return try await plan(rest)
    case nil: throw UsageError(message: "no model was given")
    default: return try await classify(words)
    }
  }
}

/// Reads `--compute-units`.
func computeUnits(_ arguments: Arguments) throws(UsageError) -> ComputeUnits {
  guard let text = arguments.value("--compute-units") else { return .all }
  guard let units = ComputeUnits(rawValue: text) else {
    let known = ComputeUnits.allCases.map(\.rawValue).joined(separator: ", ")
    throw UsageError(message: "--compute-units must be one of \(known), got '\(text)'")
  }
  return units
}
