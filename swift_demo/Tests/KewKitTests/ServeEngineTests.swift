#if os(Linux)
  import Foundation
  import Glibc
  import Testing

  @testable import KewKit

  @Suite(.enabled(if: kewcore != nil, whyNot), .timeLimit(.minutes(3))) struct ServeEngineTests {
    @Test func picturesAreDecodedAsPythonDecodesThem() async throws {
      let engine = try await ServeEngine(modelAt: Golden.package, configuration: KewConfiguration())
      let golden = try Golden.load()
      let raw = try Golden.bytes("raw.bin")
      for entry in golden.pictures {
        let file = try Golden.fixtures.appendingPathComponent("pictures/\(entry.name)")
        let found = try await engine.decode(Data(contentsOf: file))
        let expected = try entry.picture(raw)
        // Builds of the JPEG decoder may differ by a level.
        #expect(found == expected || entry.name.hasSuffix("jpg"), "\(entry.name)")
        #expect(found.orientation == expected.orientation)
      }
    }

    @Test func aKilledChildIsAnErrorAndSigpipeDoesNotEndThisProcess() async throws {
      let engine = try await ServeEngine(modelAt: Golden.package, configuration: KewConfiguration())
      let image = GreyImage(width: 40, height: 32, checked: [UInt8](repeating: 7, count: 1280))
      #expect(try await engine.probabilities(of: [image]).count == 1)
      kill(engine.processID, SIGKILL)
      let many = [GreyImage](repeating: image, count: 3000)  // more than a socket holds
      for images in [many, [image]] {
        await #expect(throws: KewError.engineFailed(reason: "kewcore was ended by signal 9", output: "")) {
          try await engine.probabilities(of: images)
        }
      }
      #expect(kill(engine.processID, 0) == -1)  // not even a zombie is left
    }

    @Test func manyImagesAreAskedForInPartsAndAnsweredInTheirOrder() async throws {
      #expect(ServeEngine.requests(7, bytesEach: 10, limit: 35) == [0..<3, 3..<6, 6..<7])
      #expect(ServeEngine.requests(6, bytesEach: 10, limit: 30) == [0..<3, 3..<6])
      #expect(ServeEngine.requests(2, bytesEach: 10, limit: 9) == [0..<1, 1..<2])
      #expect(ServeEngine.requests(0, bytesEach: 10, limit: 9).isEmpty)
      // The largest images and the longest header that a frame holds.
      let (pixels, names) = (16384 * 16384, Frame.largestHeaderBytes)
      #expect(max(pixels, names * 4, ServeEngine.requestBytes) <= Frame.largestPayloadBytes)

      let images = (1...20).map { step in
        GreyImage(width: 40, height: 32, checked: (0..<1280).map { UInt8($0 * step * 7 % 256) })
      }
      var answers: [[[Float]]] = []
      for limit in [1, 7 * 1280, ServeEngine.requestBytes] {
        let engine = try await ServeEngine(
          modelAt: Golden.package, configuration: KewConfiguration(), requestBytes: limit)
        answers.append(try await engine.probabilities(of: images))
      }
      #expect(Set(answers[0]).count > 10)
      #expect(answers[0] == answers[2] && answers[1] == answers[2])
    }

    @Test func aFileThatNoFrameHoldsIsRefusedAndTheNextOneIsDecoded() async throws {
      let engine = try await ServeEngine(modelAt: Golden.package, configuration: KewConfiguration())
      await #expect(
        throws: KewError.badPicture(
          name: "", reason: "it has 1073741825 bytes, kewcore decodes at most 1073741824")
      ) { try await engine.decode(Data(count: (1 << 30) + 1)) }
      let sound = try Data(contentsOf: Golden.picture("grey.png"))
      #expect(try await engine.decode(sound).layout == .grey8)
    }

    @Test func theChildEndsWithItsEngine() async throws {
      var engine: ServeEngine? = try await ServeEngine(
        modelAt: Golden.package, configuration: KewConfiguration())
      let id = try #require(engine?.processID)
      #expect(kill(id, 0) == 0)
      engine = nil
      #expect(await hasEnded(id))
    }

    @Test func whatIsNotKewcoreIsNamed() async throws {
      let cases = [
        ("/nowhere/kewcore", "No such file or directory"),
        ("/bin/false", "kewcore ended with exit code 1"),
        ("/bin/echo", "kewcore answered with something else than a frame: serve --stdio /"),
      ]
      for (command, reason) in cases {
        let configuration = KewConfiguration(kewcoreCommand: URL(fileURLWithPath: command))
        let error = await #expect(throws: KewError.self) {
          try await KewClassifier(modelAt: Golden.package, configuration: configuration)
        }
        guard case .noEngine(command, let found) = error else {
          Issue.record("\(String(describing: error))")
          continue
        }
        #expect(found.hasPrefix(reason))
      }
    }

    @Test func whatAServerSaysOnStderrIsPartOfTheError() async throws {
      let command = try Golden.command("complains")
      await #expect(
        throws: KewError.noEngine(
          command: command.path, reason: "kewcore ended with exit code 3: ModuleNotFoundError: numpy")
      ) {
        try await KewClassifier(
          modelAt: Golden.package, configuration: KewConfiguration(kewcoreCommand: command))
      }
    }

    @Test func whatKewcoreReportsWhileItLoadsIsNoMissingCommand() async throws {
      let command = try Golden.command("cannot-read")
      await #expect(
        throws: KewError.engineFailed(reason: "weights cannot be read; Input/output error", output: "")
      ) {
        try await KewClassifier(
          modelAt: Golden.package, configuration: KewConfiguration(kewcoreCommand: command))
      }
    }

    @Test func aChildThatSaysNothingIsEnded() async throws {
      let command = try Golden.command("sleeps")
      let configuration = KewConfiguration(kewcoreCommand: command, answerTimeout: .milliseconds(200))
      await #expect(
        throws: KewError.noEngine(
          command: command.path,
          reason: "kewcore has said nothing for 0.2 seconds, and was ended: asleep")
      ) { try await KewClassifier(modelAt: Golden.package, configuration: configuration) }
    }

    @Test(arguments: [1, 3000]) func aChildThatStopsAnsweringIsEnded(_ count: Int) async throws {
      let engine = try await ServeEngine(
        modelAt: Golden.package,
        configuration: KewConfiguration(
          kewcoreCommand: Golden.command("greets-and-sleeps"), answerTimeout: .milliseconds(300)))
      let image = GreyImage(width: 40, height: 32, checked: [UInt8](repeating: 7, count: 1280))
      let silent = KewError.engineFailed(
        reason: "kewcore has said nothing for 0.3 seconds, and was ended", output: "")
      // One image is taken and not answered; of 3000, more than a socket holds, not even all are taken.
      await #expect(throws: silent) {
        try await engine.probabilities(of: [GreyImage](repeating: image, count: count))
      }
      #expect(kill(engine.processID, 0) == -1)
      await #expect(throws: silent) { try await engine.probabilities(of: [image]) }
    }

    @Test func aChildThatDoesNotEndWithItsEngineIsEnded() async throws {
      var engine: ServeEngine? = try await ServeEngine(
        modelAt: Golden.package,
        configuration: KewConfiguration(kewcoreCommand: Golden.command("greets-and-sleeps")))
      let id = try #require(engine?.processID)
      engine = nil
      #expect(await hasEnded(id))
    }

    @Test func aModelOfImagesThatNoMemoryHoldsIsRefused() async throws {
      let command = try Golden.command("greets-with-huge-input")
      let refusal = KewError.unsupportedModel(
        path: try Golden.package.path,
        reason: "it takes images of 4294967296 x 4294967296 pixels, KewKit only those of 1 to 16384 a side")
      await #expect(throws: refusal) {
        try await KewClassifier(
          modelAt: Golden.package, configuration: KewConfiguration(warmsUp: true, kewcoreCommand: command))
      }
    }

    @Test func anotherVersionOfTheProtocolIsRefused() async throws {
      let command = try Golden.command("newer")
      await #expect(
        throws: KewError.noEngine(
          command: command.path, reason: "it speaks version 2 of the protocol, KewKit 1")
      ) {
        try await KewClassifier(
          modelAt: Golden.package, configuration: KewConfiguration(kewcoreCommand: command))
      }
    }
  }

  /// Waits until a process has ended; a zombie has.
  func hasEnded(_ id: Int32) async -> Bool {
    for _ in 0..<200 {
      let stat = (try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)) ?? ""
      let state = stat.split(separator: ")").last?.split(separator: " ").first
      if state == nil || state == "Z" { return true }
      try? await Task.sleep(for: .milliseconds(50))
    }
    return false
  }
#endif
