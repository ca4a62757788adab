import ImageIO
import SwiftUI

/// The photograph, upright, at the size of a screen.
struct PhotoView: View {
  let photo: Photo?
  @State private var preview: CGImage?

  var body: some View {
    Group {
      if let preview {
        Image(preview, scale: 1, label: Text("The photo that is classified"))
          .resizable()
          .scaledToFit()
          .clipShape(.rect(cornerRadius: 12))
      } else {
        ContentUnavailableView(
          photo == nil ? "No photo" : "No preview", systemImage: "leaf",
          description: Text("Choose a photo of a plant; it does not leave this device."))
      }
    }
    .frame(maxWidth: .infinity, minHeight: 220, maxHeight: 360)
    .task(id: photo) { preview = await Self.preview(of: photo) }
  }

  private nonisolated static func preview(of photo: Photo?) async -> CGImage? {
    guard let photo, let source = CGImageSourceCreateWithData(photo.content as CFData, nil) else {
      return nil
    }
    let options: [CFString: Any] = [
      kCGImageSourceCreateThumbnailFromImageAlways: true,
      kCGImageSourceCreateThumbnailWithTransform: true,
      kCGImageSourceThumbnailMaxPixelSize: 1200,
    ]
    return CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary)
  }
}
