import Foundation

/// What a program did.
struct Ending {
  let code: Int32
  let output: String
  let errors: String
}

#if os(Linux) || os(macOS)
  /// Runs a program to its end.
  func ran(
    _ program: URL, _ words: [String], environment: [String: String] = [:]
  ) throws -> Ending {
    let process = Process()
    process.executableURL = program
    process.arguments = words
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // What is said on stderr is little and fits into the pipe.
    let said = output.fileHandleForReading.readDataToEndOfFile()
    let complained = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Ending(
      code: process.terminationStatus, output: String(decoding: said, as: UTF8.self),
      errors: String(decoding: complained, as: UTF8.self))
  }
#endif
