/// A command line that makes no sense.
struct UsageError: Error {
  let message: String
}

/// The words of a command line, sorted: options with values, flags, and the rest.
struct Arguments {
  private(set) var operands: [String] = []
  private var values: [String: String] = [:]
  private var flags: Set<String> = []

  /// Sorts words.
  ///
  /// - Parameters:
  ///   - words: Without the name of the program and of the command.
  ///   - options: Names of options that take a value, as in `--top 3` or `--top=3`.
  ///   - known: Names of options that take none.
  /// - Throws: ``UsageError`` where a word is an option that is not known, or lacks its value.
  init(_ words: [String], options: [String], flags known: [String]) throws(UsageError) {
    var rest = words[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("-"), word != "-" else {
        operands.append(word)
        continue
      }
      if word == "--" {
        operands += rest
        return
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      if known.contains(name), parts.count == 1 {
        flags.insert(name)
      } else if options.contains(name) {
        guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
          throw UsageError(message: "option \(name) needs a value")
        }
        values[name] = value
      } else if known.contains(name) {
        throw UsageError(message: "option \(name) takes no value")
      } else {
        let all = (options + known).sorted().joined(separator: ", ")
        throw UsageError(message: "unknown option '\(name)'; known: \(all)")
      }
    }
  }

  /// Whether a flag was given.
  func has(_ flag: String) -> Bool { flags.contains(flag) }

  /// Returns the value of an option, if it was given.
  func value(_ option: String) -> String? { values[option] }

  /// Returns the value of an option that must be a whole number.
  func wholeNumber(
    _ option: String, default usual: Int, in range: ClosedRange<Int>
  ) throws(UsageError) -> Int {
    guard let text = values[option] else { return usual }
    guard let number = Int(text), range.contains(number) else {
      throw UsageError(
        message: "\(option) must be a whole number from \(range.lowerBound)"
          + (range.upperBound == .max ? "" : " to \(range.upperBound)") + ", got '\(text)'")
    }
    return number
  }

  /// Returns the value of an option that must be a number from 0.
  func number(_ option: String, default usual: Double) throws(UsageError) -> Double {
    guard let text = values[option] else { return usual }
    guard let number = Double(text), number >= 0, number.isFinite else {
      throw UsageError(message: "\(option) must be a number from 0, got '\(text)'")
    }
    return number
  }

  /// Returns the one operand of a command.
  func model() throws(UsageError) -> String {
    guard operands.count == 1 else {
      throw UsageError(
        message: operands.isEmpty
          ? "no model was given" : "one model was expected, got \(operands.count): \(operands)")
    }
    return operands[0]
  }
}
