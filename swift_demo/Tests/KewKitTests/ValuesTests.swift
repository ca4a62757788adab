import Foundation
import Testing

@testable import KewKit

@Suite struct ClassificationTests {
  @Test func theMostProbableLeadsAndOfEqualOnesTheFirst() {
    let ranked = Classification.ranked([0.1, 0.4, 0.1, 0.4], labels: ["a", "b", "c", "d"])
    #expect(ranked.map(\.label) == ["b", "d", "a", "c"])
    #expect(ranked[0].confidence == Double(Float(0.4)))
  }

  @Test(arguments: [(-1, 0), (0, 0), (2, 2), (9, 3)]) func atMostSoManyAreGiven(_ top: Int, _ count: Int) {
    #expect(Classification.ranked([0.2, 0.3, 0.5], labels: ["a", "b", "c"], top: top).count == count)
  }
}

@Suite struct LatencyTests {
  @Test func quantilesAreThoseOfNumPy() {
    let values = [4.0, 1, 3, 2, 10]
    #expect(Latency.quantile(0, of: values) == 1)
    #expect(Latency.quantile(0.5, of: values) == 3)
    #expect(abs(Latency.quantile(0.95, of: values) - 8.8) < 1e-12)  // numpy.quantile([4, 1, 3, 2, 10], 0.95)
    #expect(Latency.quantile(1, of: values) == 10)
    #expect(Latency.quantile(0.5, of: []).isNaN)
  }

  @Test func roundsAreSummedUp() {
    let latency = Latency(
      loadMilliseconds: 1, firstPredictMilliseconds: 2, rounds: [[1, 3], [5, 7]], peakMemoryBytes: nil)
    #expect(latency.roundMedians == [2, 6])
    #expect(latency.quantile(0.5) == 4)
  }
}

@Suite struct ModelFactsTests {
  @Test(arguments: [(1, 1), (16384, 16384), (40, 32)]) func sizesOfImagesAreTaken(_ width: Int, _ height: Int)
    throws
  {
    let facts = try ModelFacts(path: "/m", height: height, width: width, classNames: ["a"], resize: .fit)
    #expect(facts.width == width && facts.height == height)
  }

  @Test(arguments: [(0, 1), (1, 0), (-1, -1), (16385, 1), (1, 16385), (Int.max, Int.max)])
  func otherSizesAreRefused(_ width: Int, _ height: Int) {
    #expect(
      throws: KewError.unsupportedModel(
        path: "/m",
        reason: "it takes images of \(width) x \(height) pixels, KewKit only those of 1 to 16384 a side")
    ) { try ModelFacts(path: "/m", height: height, width: width, classNames: ["a"], resize: nil) }
  }
}

@Suite struct FrameTests {
  @Test func sizesComeBackAsTheyWent() throws {
    for (header, payload) in [(0, 0), (1, 250_000), (1 << 20, 1 << 30)] {
      let sizes = try Frame.sizes(Frame.prefix(headerBytes: header, payloadBytes: payload))
      #expect(sizes.header == header && sizes.payload == payload)
    }
    // Written out by hand from docs/serve.md.
    #expect(
      Frame.prefix(headerBytes: 258, payloadBytes: 3) == Array("KEW1".utf8) + [
        2, 1, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
      ])
  }

  @Test func whatIsNoFrameIsShown() {
    #expect(
      throws: KewError.engineFailed(
        reason: "kewcore answered with something else than a frame", output: "Traceback (most ")
    ) { try Frame.sizes(Array("Traceback (most ".utf8)) }
    #expect(
      throws: KewError.engineFailed(
        reason: "kewcore announced a frame of 1048577 and 0 bytes", output: "")
    ) { try Frame.sizes(Frame.prefix(headerBytes: (1 << 20) + 1, payloadBytes: 0)) }
  }
}

@Suite struct ErrorMessageTests {
  static let messages: [(KewError, String, String?)] = [
    (
      .noModel(path: "/m", reason: "there is nothing"), "no model at '/m': there is nothing",
      "give the path of a .mlpackage or .mlmodelc folder"
    ),
    (
      .badSidecar(path: "/s", reason: "it is not JSON"), "sidecar '/s' cannot be used: it is not JSON",
      "export the model again: kewcore export --force"
    ),
    (
      .sidecarMismatch(path: "/s", reason: "r"), "sidecar '/s' is of another model: r",
      "export the model again: kewcore export --force"
    ),
    (
      .unsupportedModel(path: "/m", reason: "it is not a classifier"),
      "model '/m' cannot be used: it is not a classifier", nil
    ),
    (.badPicture(name: "/p", reason: "r"), "picture '/p': r", nil),
    (.badPicture(name: "", reason: "r"), "picture: r", nil),
    (
      .noEngine(command: "kewcore", reason: "No such file or directory"),
      "'kewcore' cannot be started: No such file or directory",
      "install kewcore (pip install kewcore), or name its command in the variable KEWCORE"
    ),
    (
      .engineFailed(reason: "kewcore was ended by signal 9", output: ""), "kewcore was ended by signal 9", nil
    ),
    (
      .engineFailed(reason: "kewcore ended with exit code 1", output: "boom"),
      "kewcore ended with exit code 1; it said: boom", nil
    ),
    (
      .needsAppleSystem(task: "a compute plan"), "a compute plan needs a Mac or an iPhone: it asks Core ML",
      nil
    ),
    (.badFile(path: "/f", reason: "r"), "'/f': r", nil),
  ]

  @Test func everyErrorSaysWhatHappenedAndWhatToDo() {
    for (error, message, hint) in Self.messages {
      #expect(error.description == message)
      #expect(error.hint == hint)
    }
  }

  @Test func aPictureIsNamedOnce() {
    let error = KewError.badPicture(name: "", reason: "r").naming("a").naming("b")
    #expect(error == .badPicture(name: "a", reason: "r"))
  }
}

@Suite struct ComputePlanTests {
  /// The form is that of docs/ane.md, which `kewcore inspect --ane --import` reads.
  @Test func itIsWrittenAsKewcoreReadsIt() throws {
    let plan = ComputePlan(
      device: "Apple M2, macOS 15.1.0", chip: "M2",
      operations: [
        .init(name: "x", type: "conv", preferred: "cpu", supported: ["cpu", "gpu"], costWeight: 0.5),
        .init(name: "y", type: "relu", preferred: nil, supported: [], costWeight: nil),
      ])
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text = String(decoding: try encoder.encode(plan), as: UTF8.self)
    #expect(
      text == """
        {"chip":"M2","device":"Apple M2, macOS 15.1.0","kind":"compute_plan","operations":[\
        {"cost_weight":0.5,"name":"x","preferred":"cpu","supported":["cpu","gpu"],"type":"conv"},\
        {"name":"y","supported":[],"type":"relu"}],"schema_version":1}
        """)
    #expect(try JSONDecoder().decode(ComputePlan.self, from: Data(text.utf8)) == plan)
  }
}
