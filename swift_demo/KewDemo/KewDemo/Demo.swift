import Foundation
import KewKit
import Observation

/// What the app shows: its models, a photograph, and what each model says of it.
@MainActor
@Observable
final class Demo {
  /// What the answers depend on.
  struct Question: Hashable {
    var photo: Photo?
    var computeUnits = ComputeUnits.all
  }

  /// What a model said of a photograph.
  struct Answer: Sendable {
    /// All labels, most probable first.
    let classifications: [Classification]
    /// From the content of the file to the answer: decoding, resizing and the model.
    let fromFile: Duration
    /// The model alone, on an image of its size.
    let modelAlone: Duration
  }

  /// How far a model is.
  enum Phase: Sendable {
    case loading
    case ready
    case classifying
    case answered(Answer)
    case failed(String)
  }

  /// A model and how far it is.
  struct Card: Identifiable {
    let model: EmbeddedModel
    var phase = Phase.loading

    var id: String { model.id }
  }

  var question = Question()
  /// What went wrong while a photograph was fetched; `nil` once that was read.
  var problem: String?
  private(set) var cards: [Card]

  private var classifiers: [EmbeddedModel.ID: KewClassifier] = [:]
  private var loadedUnits: ComputeUnits?

  init(models: [EmbeddedModel]) {
    cards = models.map { Card(model: $0) }
  }

  /// Asks about another photograph.
  func show(_ content: Data) {
    problem = nil
    question.photo = Photo(content: content)
  }

  /// Answers the question: loads the models where that is to be done, then asks one after the other.
  ///
  /// One after the other, because two at a time would slow each other down and show wrong latencies. The task that
  /// runs this is cancelled when the question changes.
  func answer() async {
    let question = question
    do {
      if question.computeUnits != loadedUnits { try await load(question.computeUnits) }
      guard let photo = question.photo else { return }
      for card in cards.indices {
        guard let classifier = classifiers[cards[card].id] else { continue }
        try await advance(card, from: .classifying) {
          .answered(try await Self.answer(of: classifier, to: photo))
        }
      }
    } catch {
      return  // Cancelled: the next question is being answered.
    }
  }

  private func load(_ units: ComputeUnits) async throws {
    (classifiers, loadedUnits) = ([:], nil)
    let configuration = KewConfiguration(computeUnits: units, warmsUp: true)
    for card in cards.indices {
      let model = cards[card].model
      try await advance(card, from: .loading) {
        let classifier = try await KewClassifier(modelAt: model.url, configuration: configuration)
        try Task.checkCancellation()
        classifiers[model.id] = classifier
        return .ready
      }
    }
    loadedUnits = units
  }

  /// Shows one phase until the next is reached, or what went wrong on the way.
  private func advance(_ card: Int, from phase: Phase, to next: () async throws -> Phase) async throws {
    cards[card].phase = phase
    let reached: Phase
    do {
      reached = try await next()
    } catch let error as KewError {
      reached = .failed([error.description, error.hint].compactMap(\.self).joined(separator: "\n"))
    }
    try Task.checkCancellation()
    cards[card].phase = reached
  }

  private nonisolated static func answer(
    of classifier: KewClassifier, to photo: Photo
  ) async throws -> Answer {
    let clock = ContinuousClock()
    var found: [Classification] = []
    let fromFile = try await clock.measure { found = try await classifier.classify(photo.content) }
    let modelAlone = try await clock.measure { try await classifier.warmUp() }
    return Answer(classifications: found, fromFile: fromFile, modelAlone: modelAlone)
  }
}
