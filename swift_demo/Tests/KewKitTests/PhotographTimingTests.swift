#if os(Linux)
  import Foundation
  import Testing

  @testable import KewKit

  private let photograph = ProcessInfo.processInfo.environment["KEWKIT_PHOTOGRAPH"]

  /// Not part of a usual run, since it means something in release mode and on an idle machine only:
  ///
  ///     KEWKIT_PHOTOGRAPH=large.jpg swift test -c release --filter PhotographTiming
  @Suite(.enabled(if: photograph != nil && kewcore != nil, "KEWKIT_PHOTOGRAPH names no photograph"))
  struct PhotographTimingTests {
    @Test func decodingGreyingAndResizingTakeAtMostOneAndAHalfTimesWhatPillowTakes() async throws {
      let file = URL(fileURLWithPath: try #require(photograph))
      let engine = try await ServeEngine(modelAt: Golden.package, configuration: KewConfiguration())
      let pipeline = try ImagePipeline(width: 500, height: 500, resize: .centreCrop)
      var swift: [Double] = []
      var python: [Double] = []
      for _ in 0..<3 {  // in turns, since what else the machine does changes
        for _ in 0..<7 {
          let clock = ContinuousClock()
          swift.append(
            try await clock.measure {
              _ = try await pipeline.prepare(engine.decode(Data(contentsOf: file)))
            }.milliseconds)
        }
        python += try await pillow(file)
      }
      // The fastest of each: whatever else the machine does only adds to a time.
      let fastest = (swift: try #require(swift.min()), pillow: try #require(python.min()))
      let median = (swift: Latency.quantile(0.5, of: swift), pillow: Latency.quantile(0.5, of: python))
      print(
        "Swift \(fastest.swift) ms, Pillow \(fastest.pillow) ms; medians \(median.swift), \(median.pillow)")
      #expect(fastest.swift / fastest.pillow <= 1.5)
    }

    private func pillow(_ file: URL) async throws -> [Double] {
      let script = """
        import sys, time
        from pathlib import Path
        from kewcore.data.images import read_image
        for _ in range(7):
            start = time.perf_counter()
            read_image(Path(sys.argv[1]), height=500, width=500, policy="centre-crop")
            print((time.perf_counter() - start) * 1e3)
        """
      let python = URL(fileURLWithPath: try #require(kewcore)).deletingLastPathComponent()
      let output = try await ran(python.appendingPathComponent("python"), ["-c", script, file.path]).output
      return output.split(separator: "\n").compactMap { Double($0) }
    }
  }
#endif
