import Foundation
import Testing

@testable import KewKit

@Suite(.enabled(if: canRunModels, whyNot), .timeLimit(.minutes(3))) struct ClassifierTests {
  @Test func goldenCasesGetTheAnswersThatPythonRecorded() async throws {
    let classifier = try await KewClassifier(
      modelAt: Golden.package, configuration: KewConfiguration(warmsUp: true))
    #expect(classifier.classNames == ["bars", "dots", "plain"])
    let report = try await classifier.checkGolden()
    #expect(report.passed)
    #expect(report.cases == 12 && report.agreeing == report.cases)
    #expect(report.agreeingWithReference == report.cases)
  }

  @Test func aFileItsContentItsPictureAndABatchGetTheSameAnswer() async throws {
    let classifier = try await KewClassifier(modelAt: Golden.package)
    let names = ["turned-6.jpg", "rgba.png", "grey.png"]
    let files = try names.map(Golden.picture)
    let batch = try await classifier.classify(files + files + files + files + files + files)
    #expect(batch.count == 18 && Array(batch[..<3]) == Array(batch[15...]))
    for (file, expected) in zip(files, batch) {
      let content = try Data(contentsOf: file)
      #expect(try await classifier.classify(file) == expected)
      #expect(try await classifier.classify(content) == expected)
      #expect(try await classifier.classify(classifier.engine.decode(content)) == expected)
      #expect(try await classifier.classify(file, top: 1) == Array(expected[..<1]))
      #expect(abs(expected.reduce(0) { $0 + $1.confidence } - 1) < 1e-2)
    }
    #expect(try await classifier.classify([URL]()).isEmpty)
  }

  @Test func manyTasksShareOneClassifier() async throws {
    let classifier = try await KewClassifier(modelAt: Golden.package)
    let file = try Golden.picture("rgb.png")
    let expected = try await classifier.classify(file)
    try await withThrowingTaskGroup(of: [Classification].self) { group in
      for _ in 0..<20 { group.addTask { try await classifier.classify(file) } }
      for try await found in group { #expect(found == expected) }
    }
  }

  @Test func aCancelledTaskStops() async throws {
    let classifier = try await KewClassifier(modelAt: Golden.package)
    let file = try Golden.picture("rgb.png")
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await classifier.classify([file, file])
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await classifier.classify(file).count == 3)
  }

  @Test func picturesThatCannotBeUsedAreNamed() async throws {
    let classifier = try await KewClassifier(modelAt: Golden.package)
    let scratch = try Scratch()
    let broken = scratch.folder.appendingPathComponent("broken.png")
    try Data("no picture".utf8).write(to: broken)
    let missing = scratch.folder.appendingPathComponent("missing.png")
    for file in [broken, missing] {
      let error = await #expect(throws: KewError.self) { try await classifier.classify(file) }
      guard case .badPicture(file.path, let reason) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(reason.hasPrefix(file == missing ? "there is no such file" : "not an image"))
    }
    let several = [try Golden.picture("rgb.png"), missing, broken]
    await #expect(throws: KewError.badPicture(name: missing.path, reason: "there is no such file")) {
      try await classifier.classify(several)
    }
    let small = GreyImage(width: 2, height: 1, checked: [0, 0])
    await #expect(
      throws: KewError.badPicture(name: "", reason: "the model takes 40 x 32 pixels, got 2 x 1")
    ) { try await classifier.probabilities(of: [small]) }
    #expect(try await classifier.classify(Golden.picture("rgb.png")).count == 3)
  }

  @Test func aModelThatIsNotThereOrDamagedIsRefused() async throws {
    let nowhere = URL(fileURLWithPath: "/nowhere/X.mlpackage")
    await #expect(throws: KewError.noModel(path: nowhere.path, reason: "there is nothing")) {
      try await KewClassifier(modelAt: nowhere)
    }
    let scratch = try Scratch()
    let package = try scratch.package()
    try FileManager.default.removeItem(at: package.appendingPathComponent("Manifest.json"))
    let error = await #expect(throws: KewError.self) { try await KewClassifier(modelAt: package) }
    guard case .noModel(package.path, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aSidecarOfAnotherModelIsRefused() async throws {
    let scratch = try Scratch()
    let package = try scratch.package()
    let sidecar = Sidecar.url(beside: package)
    let text = try String(contentsOf: sidecar, encoding: .utf8)
    try text.replacingOccurrences(of: "\"dots\"", with: "\"spots\"").write(
      to: sidecar, atomically: true, encoding: .utf8)
    await #expect(
      throws: KewError.sidecarMismatch(
        path: sidecar.path,
        reason: "it has the classes [\"bars\", \"spots\", \"plain\"], "
          + "the model [\"bars\", \"dots\", \"plain\"]")
    ) { try await KewClassifier(modelAt: package) }
    try FileManager.default.removeItem(at: sidecar)
    let bare = try await KewClassifier(modelAt: package)
    #expect(bare.sidecar == nil && bare.pipeline.resize == .centreCrop)
    await #expect(throws: KewError.self) { try await bare.checkGolden() }
  }

  @Test func anotherAnswerThanTheRecordedOneIsAMiss() async throws {
    let scratch = try Scratch()
    let package = try scratch.package()
    let golden = Sidecar.goldenFolder(beside: package)
    let images = try FileManager.default.contentsOfDirectory(atPath: golden.path).sorted()
    try FileManager.default.removeItem(at: golden.appendingPathComponent(images[0]))
    try FileManager.default.copyItem(
      at: golden.appendingPathComponent(images[3]), to: golden.appendingPathComponent(images[0]))
    let report = try await KewClassifier(modelAt: package).checkGolden()
    #expect(!report.passed && report.largestDifference > report.tolerance)
  }
}
