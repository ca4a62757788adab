import SwiftUI

/// The window: a photograph above, what each model says of it below.
struct ContentView: View {
  @Bindable var demo: Demo
  @ScaledMetric(relativeTo: .body) private var narrowestCard = 260.0

  var body: some View {
    NavigationStack {
      ScrollView {
        VStack(spacing: 20) {
          PhotoView(photo: demo.question.photo)
          if let problem = demo.problem {
            Label(problem, systemImage: "exclamationmark.triangle")
          }
          answers
        }
        .padding()
      }
      .navigationTitle("Kew")
      .safeAreaInset(edge: .bottom) {
        PhotoSources(demo: demo)
          .padding()
          .frame(maxWidth: .infinity)
          .background(.bar)
      }
      .toolbar { ComputeUnitsPicker(selection: $demo.question.computeUnits) }
    }
    .task(id: demo.question) { await demo.answer() }
    .dropDestination(for: DroppedPhoto.self) { dropped, _ in
      guard let photo = dropped.first else { return false }
      demo.show(photo.content)
      return true
    }
  }

  @ViewBuilder private var answers: some View {
    if demo.cards.isEmpty {
      ContentUnavailableView {
        Label("No models", systemImage: "shippingbox")
      } description: {
        Text("Put some into the app, then build it again:\nkewcore embed --into swift_demo")
      }
    } else {
      LazyVGrid(
        columns: [GridItem(.adaptive(minimum: narrowestCard), alignment: .top)], spacing: 16
      ) {
        ForEach(demo.cards) { card in
          ModelCard(card: card, computeUnits: demo.question.computeUnits)
        }
      }
    }
  }
}
