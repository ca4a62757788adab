import KewKit
import SwiftUI

/// Says which processors Core ML may take. Which of these it takes for an operation, it decides itself.
struct ComputeUnitsPicker: View {
  @Binding var selection: ComputeUnits

  var body: some View {
    Picker("Compute units", selection: $selection) {
      ForEach(ComputeUnits.allCases, id: \.self) { Text($0.title) }
    }
  }
}

extension ComputeUnits {
  /// What a person calls them.
  var title: String {
    switch self {
    case .all: "All"
    case .cpu: "CPU"
    case .cpuAndGPU: "CPU and GPU"
    case .cpuAndNeuralEngine: "CPU and Neural Engine"
    }
  }
}
