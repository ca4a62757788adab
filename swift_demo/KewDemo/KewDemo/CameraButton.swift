#if os(iOS)
  import AVFoundation
  import SwiftUI
  import UIKit

  /// Opens the camera; not there where there is none, as in the Simulator.
  struct CameraButton: View {
    let demo: Demo
    @State private var isOpen = false

    var body: some View {
      if UIImagePickerController.isSourceTypeAvailable(.camera) {
        Button("Camera", systemImage: "camera", action: open)
          .fullScreenCover(isPresented: $isOpen) {
            Camera { content in
              isOpen = false
              if let content { demo.show(content) }
            }
            .ignoresSafeArea()
          }
      }
    }

    private func open() {
      switch AVCaptureDevice.authorizationStatus(for: .video) {
      case .denied, .restricted:
        demo.problem = "The camera is off for this app. Allow it in Settings › Privacy & Security › Camera."
      default: isOpen = true
      }
    }
  }

  /// The system's camera.
  private struct Camera: UIViewControllerRepresentable {
    /// Takes the photograph as JPEG, or `nil` where the user left without one.
    let finish: @MainActor (Data?) -> Void

    func makeUIViewController(context: Context) -> UIImagePickerController {
      let picker = UIImagePickerController()
      picker.sourceType = .camera
      picker.delegate = context.coordinator
      return picker
    }

    func updateUIViewController(_ picker: UIImagePickerController, context: Context) {}

    func makeCoordinator() -> Coordinator { Coordinator(finish: finish) }

    @MainActor
    final class Coordinator: NSObject, UIImagePickerControllerDelegate, UINavigationControllerDelegate {
      private let finish: @MainActor (Data?) -> Void

      init(finish: @escaping @MainActor (Data?) -> Void) {
        self.finish = finish
      }

      func imagePickerController(
        _ picker: UIImagePickerController,
        didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any]
      ) {
        // JPEG keeps the orientation, so a photo from the camera takes the same way as one from a file.
        finish((info[.originalImage] as? UIImage)?.jpegData(compressionQuality: 1))
      }

      func imagePickerControllerDidCancel(_ picker: UIImagePickerController) {
        finish(nil)
      }
    }
  }
#endif
