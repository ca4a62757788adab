#if os(Linux) || os(macOS)
  import Foundation
  import Testing

  @testable import KewKit

  /// The built tool, which lies beside this bundle.
  private let tool = Bundle.module.bundleURL.deletingLastPathComponent().appendingPathComponent(
    "kew-classify")

  private func kewClassify(_ words: String..., environment: [String: String] = [:]) async throws -> Ending {
    try await ran(tool, words, environment: environment)
  }

  @Suite(.timeLimit(.minutes(3))) struct ToolUsageTests {
    static let mistakes: [([String], String)] = [
      ([], "no model was given"),
      (["m"], "no images were given"),
      (["verify"], "no model was given"),
      (["bench", "a", "b"], "one model was expected, got 2: [\"a\", \"b\"]"),
      (["m", "i", "--top", "0"], "--top must be a whole number from 1, got '0'"),
      (["m", "i", "--top=x"], "--top must be a whole number from 1, got 'x'"),
      (["m", "i", "--top"], "option --top needs a value"),
      (["m", "i", "--json=1"], "option --json takes no value"),
      (["m", "i", "--tpo", "3"], "unknown option '--tpo'; known: --compute-units, --json, --top"),
      (["verify", "m", "--tolerance", "-1"], "--tolerance must be a number from 0, got '-1'"),
      (["bench", "m", "--rounds", "99999"], "--rounds must be a whole number from 1 to 10000, got '99999'"),
      (
        ["plan", "m", "--compute-units", "npu"],
        "--compute-units must be one of all, cpu, cpu+gpu, cpu+ne, got 'npu'"
      ),
    ]

    @Test(arguments: mistakes) func mistakesAreNamedBeforeAnythingRuns(_ words: [String], _ message: String)
      async throws
    {
      let ending = try await ran(tool, words)
      #expect(ending.code == 2)
      #expect(ending.errors == "error: \(message)\nhint: kew-classify --help\n")
      #expect(ending.output.isEmpty)
    }

    @Test func helpGoesToStdout() async throws {
      for words in [["--help"], ["verify", "-h"], ["m", "i", "--help"]] {
        let ending = try await ran(tool, words)
        #expect(ending.code == 0 && ending.errors.isEmpty)
        #expect(ending.output.hasPrefix("Classifies images with a Core ML model that kewcore exported."))
      }
    }

    @Test func aModelThatIsNotThere() async throws {
      for words in [
        ["/nowhere.mlpackage", "i"], ["verify", "/nowhere.mlpackage"], ["plan", "/nowhere.mlpackage"],
      ] {
        let ending = try await ran(tool, words)
        #expect(ending.code == 6)
        #expect(
          ending.errors == """
            error: no model at '/nowhere.mlpackage': there is nothing
            hint: give the path of a .mlpackage or .mlmodelc folder

            """)
      }
    }

    #if os(Linux)
      @Test func withoutKewcoreItSaysWhatToInstall() async throws {
        let ending = try await kewClassify(
          try Golden.package.path, "i", environment: ["KEWCORE": "/nowhere/kewcore"])
        #expect(ending.code == 8)
        #expect(
          ending.errors == """
            error: '/nowhere/kewcore' cannot be started: No such file or directory
            hint: install kewcore (pip install kewcore), or name its command in the variable KEWCORE

            """)
      }

      @Test func aPlanNeedsAMac() async throws {
        let ending = try await kewClassify("plan", try Golden.package.path)
        #expect(ending.code == 7)
        #expect(ending.errors == "error: a compute plan needs a Mac or an iPhone: it asks Core ML\n")
      }
    #endif
  }

  @Suite(.enabled(if: canRunModels, whyNot), .timeLimit(.minutes(3))) struct ToolTests {
    struct Predictions: Decodable, Equatable {
      struct Prediction: Decodable, Equatable {
        struct Answer: Decodable, Equatable {
          let label: String
          let probability: Double
        }

        let image: String
        let answers: [Answer]
      }

      let schema_version: Int
      let kind: String
      let model: String
      let predictions: [Prediction]
      let skipped: [String]
    }

    @Test func answersAreThoseOfKewcorePredict() async throws {
      let package = try Golden.package.path
      let folder = try Golden.fixtures.appendingPathComponent("pictures")
      let images = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
        folder.appendingPathComponent($0).path
      }
      let ending = try await ran(tool, [package] + images + ["--top", "3", "--json"])
      #expect(ending.code == 0, "\(ending.errors)")
      let found = try JSONDecoder().decode(Predictions.self, from: Data(ending.output.utf8))
      #expect(found.predictions.map(\.image) == images)
      #expect(found.predictions.allSatisfy { $0.answers.count == 3 })
      guard let kewcore else { return }
      let python = try await ran(
        URL(fileURLWithPath: kewcore),
        ["predict", "--quiet", "--json", "--top", "3", "--model", package] + images)
      let expected = try JSONDecoder().decode(Predictions.self, from: Data(python.output.utf8))
      #expect(found.model == expected.model && found.kind == expected.kind)
      for (one, other) in zip(found.predictions, expected.predictions) {
        #expect(one.image == other.image)
        for (answer, wanted) in zip(one.answers, other.answers) {
          #expect(answer.label == wanted.label)
          #expect(abs(answer.probability - wanted.probability) <= 1e-4)
        }
      }
    }

    @Test func aTableForPeople() async throws {
      let image = try Golden.picture("grey.png").path
      let ending = try await kewClassify(try Golden.package.path, image, "--top=2")
      #expect(ending.code == 0 && ending.errors.isEmpty)
      let words = ending.output.split(separator: " ", omittingEmptySubsequences: true)
      #expect(words.count == 5 && words[0] == image[...])
    }

    @Test func oneBadImageIsNamed() async throws {
      let ending = try await kewClassify(try Golden.package.path, "/nowhere/a.png")
      #expect(ending.code == 3)
      #expect(ending.errors == "error: picture '/nowhere/a.png': there is no such file\n")
      #expect(ending.output.isEmpty)
    }

    @Test func verifyPassesAndMisses() async throws {
      let sound = try await kewClassify("verify", try Golden.package.path)
      #expect(sound.code == 0 && sound.errors.isEmpty)
      #expect(sound.output.hasSuffix("verdict                    sound\n"))
      let scratch = try Scratch()
      let package = try scratch.package()
      let sidecar = Sidecar.url(beside: package)
      let golden = try #require(try Sidecar.beside(package)).golden
      let text = try String(contentsOf: sidecar, encoding: .utf8)
      let parts = text.components(separatedBy: "\(golden[0].package[0])")
      try parts.joined(separator: "0.9").write(to: sidecar, atomically: true, encoding: .utf8)
      let missed = try await kewClassify("verify", package.path, "--json")
      #expect(missed.code == 1)
      #expect(missed.errors.hasPrefix("error: '\(package.path)' does not answer as it was exported to: "))
      #expect(missed.output.contains("\"passed\" : false"))
    }

    @Test func benchWritesWhatKewcoreBenchWrites() async throws {
      let ending = try await kewClassify("bench", try Golden.package.path, "--json", "--rounds", "3")
      #expect(ending.code == 0, "\(ending.errors)")
      let found = try #require(
        try JSONSerialization.jsonObject(with: Data(ending.output.utf8)) as? [String: Any])
      #expect(found["kind"] as? String == "device-bench")
      let engines = try #require(found["engines"] as? [[String: Any]])
      let latency = try #require(engines.first?["latency"] as? [String: Any])
      #expect((latency["round_medians_ms"] as? [Double])?.count == 3)
      #expect(latency["predicts"] as? Int == 30)
      let order = ["median_ms", "p95_ms", "p99_ms"].compactMap { latency[$0] as? Double }
      #expect(order.count == 3 && order == order.sorted())
    }
  }

  #if os(Linux)
    import Glibc

    @Suite(.enabled(if: kewcore != nil, whyNot), .timeLimit(.minutes(3))) struct ToolDeathTests {
      @Test func aKilledToolLeavesNoServerBehind() async throws {
        let scratch = try Scratch()
        let noted = scratch.folder.appendingPathComponent("id")
        let environment = [
          "KEWCORE": try Golden.command("notes-its-id").path, "KEWKIT_NOTED": noted.path,
          "KEWKIT_KEWCORE": try #require(kewcore),
        ]
        let running = try Running(
          tool, ["bench", try Golden.package.path, "--rounds", "10000"], environment: environment)
        defer { kill(running.id, SIGKILL) }
        var id: Int32?
        for _ in 0..<200 where id == nil {
          try await Task.sleep(for: .milliseconds(50))
          let text = try? String(contentsOf: noted, encoding: .utf8)
          id = text.flatMap { Int32($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }
        let server = try #require(id)
        #expect(kill(server, 0) == 0)
        kill(running.id, SIGKILL)
        #expect(await running.ending().code == SIGKILL)
        #expect(await hasEnded(server))
      }
    }
  #endif
#endif
