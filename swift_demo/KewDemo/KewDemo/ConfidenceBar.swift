import KewKit
import SwiftUI

/// A label and how sure a model is of it; VoiceOver reads `plant tag, 93 %`.
struct ConfidenceBar: View {
  let classification: Classification

  var body: some View {
    ProgressView(value: min(max(classification.confidence, 0), 1)) {
      HStack(alignment: .firstTextBaseline) {
        Text(name)
        Spacer()
        Text(percentage).monospacedDigit().foregroundStyle(.secondary)
      }
    }
    .accessibilityElement(children: .ignore)
    .accessibilityLabel(name)
    .accessibilityValue(percentage)
  }

  private var name: String { classification.label.replacing("_", with: " ") }

  private var percentage: String {
    classification.confidence.formatted(.percent.precision(.fractionLength(1)))
  }
}
