import SwiftUI

/// Shows what the embedded models say of a photograph, side by side.
@main
struct KewDemoApp: App {
  @State private var demo = Demo(models: EmbeddedModel.all(in: .main))

  var body: some Scene {
    WindowGroup {
      ContentView(demo: demo)
    }
    #if os(macOS)
      .defaultSize(width: 900, height: 760)
    #endif
  }
}
