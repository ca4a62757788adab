#if os(Linux)
  import Foundation

  /// Runs a model through `kewcore serve`: the very package, in a child process, one for many images.
  ///
  /// It blocks while it waits for the child, on a thread of its own, so that no other task has to wait with it.
  actor ServeEngine: Engine {
    static let protocolVersion = 1

    /// How many bytes of images, or of their scores, go over for one request, unless a single image has more: enough
    /// to keep the child busy, few enough to be answered long before a silence is taken for its end.
    static let requestBytes = 1 << 26

    nonisolated let facts: ModelFacts
    private let path: String
    private let connection: Connection
    private let thread: QueueExecutor
    private let requestBytes: Int

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Starts kewcore and waits until it has loaded the model.
    ///
    /// - Throws: ``KewError``.
    init(
      modelAt model: URL, configuration: KewConfiguration, requestBytes: Int = ServeEngine.requestBytes
    ) async throws {
      let thread = QueueExecutor(label: "KewKit.ServeEngine")
      let command = Self.command(configuration)
      let (connection, facts) = try await withCheckedThrowingContinuation {
        (loaded: CheckedContinuation<(Connection, ModelFacts), any Error>) in
        thread.queue.async {
          loaded.resume(
            with: Result { try Self.load(model.path, command, timeout: configuration.answerTimeout) })
        }
      }
      self.thread = thread
      self.connection = connection
      self.facts = facts
      self.requestBytes = requestBytes
      path = model.path
    }

    /// Splits images into requests, of at least one image each.
    static func requests(_ count: Int, bytesEach: Int, limit: Int) -> [Range<Int>] {
      let most = max(1, limit / bytesEach)
      return stride(from: 0, to: count, by: most).map { $0..<min($0 + most, count) }
    }

    func probabilities(of images: [GreyImage]) async throws -> [[Float]] {
      let bytesEach = max(facts.width * facts.height, facts.classNames.count * MemoryLayout<Float>.size)
      var rows: [[Float]] = []
      for range in Self.requests(images.count, bytesEach: bytesEach, limit: requestBytes) {
        try Task.checkCancellation()
        rows += try ask(images[range])
      }
      return rows
    }

    private func ask(_ images: ArraySlice<GreyImage>) throws -> [[Float]] {
      let pixels = images.count == 1 ? images[images.startIndex].pixels : images.flatMap(\.pixels)
      let (header, scores): (Answer.Scores, [UInt8]) = try connection.ask(
        "classify", count: images.count, payload: pixels, expecting: "scores", about: path)
      let classes = facts.classNames.count
      guard header.count == images.count, header.classes == classes,
        scores.count == images.count * classes * 4
      else {
        throw KewError.engineFailed(
          reason: "kewcore answered with \(header.count) x \(header.classes) scores to "
            + "\(images.count) images of \(classes) classes", output: "")
      }
      return (0..<images.count).map { row in
        (0..<classes).map { column in
          let start = (row * classes + column) * 4
          let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(scores[start + $1]) << UInt32(8 * $1) }
          return Float(bitPattern: bits)
        }
      }
    }

    /// The number of the child's process.
    nonisolated var processID: Int32 { connection.processID }

    func peakMemoryBytes() async -> Int? {
      connection.peakMemoryBytes
    }

    func decode(_ content: Data) async throws -> Picture {
      // The child would take it for no frame, and end.
      guard content.count <= Frame.largestPayloadBytes else {
        throw KewError.badPicture(
          name: "",
          reason: "it has \(content.count) bytes, kewcore decodes at most \(Frame.largestPayloadBytes)")
      }
      let (header, bytes): (Answer.Pixels, [UInt8]) = try connection.ask(
        "decode", payload: [UInt8](content), expecting: "pixels", about: path)
      return try Picture(
        layout: header.layout, width: header.width, height: header.height,
        orientation: Orientation(rawValue: header.orientation) ?? .up,
        transparentLevel: header.transparentLevel.flatMap { UInt16(exactly: $0) }, bytes: bytes)
    }

    private static func load(
      _ path: String, _ command: String, timeout: Duration?
    ) throws -> (Connection, ModelFacts) {
      let connection = try Connection(command, ["serve", "--stdio", path], timeout: timeout)
      let ready: Answer.Ready
      do {
        ready = try connection.greeting(about: path)
      } catch KewError.engineFailed(let reason, let output) where connection.isGivenUp {
        // What does not even say hello is not kewcore, or one that is too old to serve.
        throw KewError.noEngine(command: command, reason: output.isEmpty ? reason : "\(reason): \(output)")
      }
      guard ready.protocol == protocolVersion else {
        throw KewError.noEngine(
          command: command,
          reason: "it speaks version \(ready.protocol) of the protocol, KewKit \(protocolVersion)")
      }
      guard ready.input.channels == 1, !ready.classNames.isEmpty else {
        throw KewError.unsupportedModel(path: path, reason: "it does not classify greyscale images")
      }
      let facts = try ModelFacts(
        path: path, height: ready.input.height, width: ready.input.width, classNames: ready.classNames,
        resize: ResizePolicy(rawValue: ready.input.resize))
      return (connection, facts)
    }

    /// The command that was configured, or is named by the environment, or is found on the `PATH`.
    private static func command(_ configuration: KewConfiguration) -> String {
      configuration.kewcoreCommand?.path
        ?? ProcessInfo.processInfo.environment["KEWCORE"].flatMap { $0.isEmpty ? nil : $0 }
        ?? "kewcore"
    }
  }
#endif
