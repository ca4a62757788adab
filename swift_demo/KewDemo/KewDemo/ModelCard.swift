import KewKit
import SwiftUI

/// One model: its labels with their confidence, how long it took, and on what.
struct ModelCard: View {
  let card: Demo.Card
  let computeUnits: ComputeUnits

  var body: some View {
    VStack(alignment: .leading, spacing: 12) {
      Text(card.model.name)
        .font(.headline)
        .accessibilityAddTraits(.isHeader)
      switch card.phase {
      case .loading: ProgressView("Loading…")
      case .ready: Text("Choose a photo.").foregroundStyle(.secondary)
      case .classifying: ProgressView("Looking…")
      case .failed(let reason): Label(reason, systemImage: "exclamationmark.triangle")
      case .answered(let answer): answered(answer)
      }
    }
    .frame(maxWidth: .infinity, alignment: .leading)
    .padding()
    .background(.quaternary, in: .rect(cornerRadius: 12))
    .accessibilityElement(children: .contain)
  }

  @ViewBuilder private func answered(_ answer: Demo.Answer) -> some View {
    ForEach(answer.classifications, id: \.label) { ConfidenceBar(classification: $0) }
    VStack(alignment: .leading, spacing: 2) {
      Text("Photo to answer: \(answer.fromFile.inMilliseconds)")
      Text("Model alone: \(answer.modelAlone.inMilliseconds)")
      Text("Compute units: \(computeUnits.title)")
    }
    .font(.footnote)
    .monospacedDigit()
    .foregroundStyle(.secondary)
    .accessibilityElement(children: .combine)
  }
}

extension Duration {
  /// Such as `12.3 ms`.
  fileprivate var inMilliseconds: String {
    formatted(.units(allowed: [.milliseconds], width: .abbreviated, fractionalPart: .show(length: 1)))
  }
}
