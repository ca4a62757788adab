import CoreTransferable
import PhotosUI
import SwiftUI
import UniformTypeIdentifiers

/// Where photographs come from: the library, files, and on iPhone and iPad the camera.
struct PhotoSources: View {
  let demo: Demo
  @State private var chosen: PhotosPickerItem?
  @State private var isChoosingFile = false

  var body: some View {
    ViewThatFits {
      HStack { buttons }
      VStack { buttons }
    }
    .buttonStyle(.bordered)
    .task(id: chosen) { await showChosen() }
    .fileImporter(isPresented: $isChoosingFile, allowedContentTypes: [.image]) { result in
      do {
        demo.show(try Self.content(of: result.get()))
      } catch {
        demo.problem = error.localizedDescription
      }
    }
  }

  @ViewBuilder private var buttons: some View {
    PhotosPicker(selection: $chosen, matching: .images, preferredItemEncoding: .current) {
      Label("Photos", systemImage: "photo.on.rectangle")
    }
    #if os(iOS)
      CameraButton(demo: demo)
    #endif
    Button("Files", systemImage: "folder") { isChoosingFile = true }
  }

  private func showChosen() async {
    guard let item = chosen else { return }
    do {
      let content = try await item.loadTransferable(type: Data.self)
      try Task.checkCancellation()
      if let content {
        demo.show(content)
      } else {
        demo.problem = "The photo library gave no image."
      }
    } catch {
      guard !Task.isCancelled else { return }  // Another photo was chosen.
      demo.problem = error.localizedDescription
    }
    // So that the same photo can be chosen again after another one was shown.
    chosen = nil
  }

  /// Reads a file outside the app's own folders, to which the user gave access by choosing it.
  private static func content(of file: URL) throws -> Data {
    let isScoped = file.startAccessingSecurityScopedResource()
    defer { if isScoped { file.stopAccessingSecurityScopedResource() } }
    return try Data(contentsOf: file)
  }
}

/// An image that was dragged into the window.
struct DroppedPhoto: Transferable {
  let content: Data

  static var transferRepresentation: some TransferRepresentation {
    DataRepresentation(importedContentType: .image) { DroppedPhoto(content: $0) }
  }
}
