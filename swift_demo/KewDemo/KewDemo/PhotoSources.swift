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
    guard let chosen else { return }
    do {
      if let content = try await chosen.loadTransferable(type: Data.self) {
        demo.show(content)
      } else {
        demo.problem = "The photo library gave no image."
      }
    } catch is CancellationError {
      return  // Another photo was chosen.
    } catch {
      demo.problem = error.localizedDescription
    }
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
