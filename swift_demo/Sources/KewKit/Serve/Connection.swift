#if os(Linux)
  import Foundation
  import Synchronization

  /// Frames to and from a child process; to be used by one thread at a time.
  final class Connection: Sendable {
    private struct State {
      var requests = 0
      /// Why nothing more can be asked.
      var failure: KewError?
    }

    private let child: ChildProcess
    private let command: String
    private let state = Mutex(State())

    private let timeout: Duration?

    init(_ command: String, _ arguments: [String], timeout: Duration?) throws(KewError) {
      child = try ChildProcess(command, arguments, timeout: timeout)
      self.command = command
      self.timeout = timeout
    }

    deinit {
      if state.withLock({ $0.failure }) == nil { child.hangUp() }
    }

    /// Whether nothing more can be asked: the child ended, was ended, or said what is no answer. An error that it
    /// reports is an answer.
    var isGivenUp: Bool { state.withLock { $0.failure != nil } }

    /// The most memory that the child has had so far.
    var peakMemoryBytes: Int? { child.peakMemoryBytes }

    /// The number of the child's process.
    var processID: Int32 { child.id }

    /// Waits for what the child says of itself.
    func greeting<Header: Decodable>(about model: String) throws -> Header {
      try inTime { try answer("ready", id: nil, about: model).header }
    }

    /// Asks and waits for the answer.
    ///
    /// - Throws: ``KewError``: what the child answered, or that it is there no more.
    func ask<Header: Decodable>(
      _ kind: String, count: Int? = nil, payload: [UInt8], expecting: String, about model: String
    ) throws -> (header: Header, payload: [UInt8]) {
      let id = state.withLock {
        $0.requests += 1
        return $0.requests
      }
      if let failure = state.withLock({ $0.failure }) { throw failure }
      let header = try JSONEncoder().encode(Request(kind: kind, id: id, count: count))
      let prefix = Frame.prefix(headerBytes: header.count, payloadBytes: payload.count)
      return try inTime {
        // Where sending fails, what the child has said before it closed its end is still there to be read.
        _ = try (prefix + header).withUnsafeBytes(child.send) && payload.withUnsafeBytes(child.send)
        return try answer(expecting, id: id, about: model)
      }
    }

    /// Runs a block; a child that says nothing for too long is ended, since its next answer would be to this question.
    private func inTime<Result>(_ block: () throws -> Result) throws -> Result {
      do {
        return try block()
      } catch is ChildProcess.Silence {
        let waited = timeout.map { " for \($0)" } ?? ""
        let failure = KewError.engineFailed(
          reason: "kewcore has said nothing\(waited), and was ended", output: child.killed())
        state.withLock { $0.failure = failure }
        throw failure
      }
    }

    private func answer<Header: Decodable>(
      _ expected: String, id: Int?, about model: String
    ) throws -> (header: Header, payload: [UInt8]) {
      let prefix = try child.receive(Frame.prefixBytes)
      if prefix.isEmpty { throw died() }
      let frame = try checked {
        let sizes = try Frame.sizes(prefix)
        let frame = try Frame(
          header: Data(child.receive(sizes.header)), payload: child.receive(sizes.payload))
        guard frame.header.count == sizes.header, frame.payload.count == sizes.payload else {
          throw KewError.engineFailed(reason: "kewcore closed the connection in a frame", output: "")
        }
        return frame
      }
      let decoder = JSONDecoder()
      let kind = try checked { try decoder.decode(Answer.Kind.self, from: frame.header) }
      if kind.kind == "error" {
        let failure = try checked { try decoder.decode(Answer.Failure.self, from: frame.header) }
        throw error(failure, isLoading: id == nil, about: model)
      }
      return try checked {
        guard kind.kind == expected, kind.id == id else {
          throw KewError.engineFailed(
            reason: "kewcore answered with '\(kind.kind)', '\(expected)' was expected", output: "")
        }
        return (try decoder.decode(Header.self, from: frame.header), frame.payload)
      }
    }

    /// Runs a block; where it fails, what comes next cannot be understood either, and the child is given up.
    private func checked<Result>(_ block: () throws -> Result) throws -> Result {
      do {
        return try block()
      } catch let error as KewError {
        throw givenUp(error)
      } catch let error as DecodingError {
        throw givenUp(
          .engineFailed(reason: "kewcore's answer is not understood: \(error.reason)", output: ""))
      }
    }

    private func died() -> KewError {
      let end = child.buried()
      let failure = KewError.engineFailed(reason: "kewcore \(end.reason)", output: end.output)
      state.withLock { $0.failure = failure }
      return failure
    }

    private func givenUp(_ error: KewError) -> KewError {
      if state.withLock({ $0.failure }) == nil {
        state.withLock { $0.failure = error }
        child.hangUp()
      }
      return error
    }

    /// What an error of kewcore is in KewKit's words; see docs/errors.md.
    private func error(_ failure: Answer.Failure, isLoading: Bool, about model: String) -> KewError {
      let reason = ([failure.message] + failure.notes).joined(separator: "; ")
      switch failure.error {
      case "DataError": return .badPicture(name: "", reason: reason.withoutPictureSize)
      // While loading, the model is all that kewcore was given to complain of.
      case "PackageError" where isLoading, "UsageError" where isLoading:
        return .noModel(path: model, reason: reason)
      case "UnsupportedError": return .unsupportedModel(path: model, reason: reason)
      case "DependencyError": return .noEngine(command: command, reason: reason)
      default: return .engineFailed(reason: reason, output: "")
      }
    }
  }

  extension String {
    /// The text without `image of 123 bytes: `, by which kewcore names pictures that came without a name.
    fileprivate var withoutPictureSize: String {
      guard hasPrefix("image of "), let colon = range(of: " bytes: ") else { return self }
      return String(self[colon.upperBound...])
    }
  }
#endif
