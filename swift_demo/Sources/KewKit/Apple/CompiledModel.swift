#if canImport(CoreML)
  import CoreML
  import Foundation

  /// A model in the form that Core ML loads; what was compiled for it is removed with it.
  final class CompiledModel: Sendable {
    /// The `.mlmodelc`.
    let url: URL
    private let isTemporary: Bool

    /// Compiles a `.mlpackage`; takes a `.mlmodelc` as it is.
    ///
    /// - Throws: ``KewError/noModel(path:reason:)``.
    init(_ model: URL) async throws {
      guard model.pathExtension != "mlmodelc" else {
        url = model
        isTemporary = false
        return
      }
      do {
        url = try await MLModel.compileModel(at: model)
      } catch {
        throw KewError.noModel(path: model.path, reason: error.localizedDescription)
      }
      isTemporary = true
    }

    deinit {
      // A folder that cannot be removed lies where the system cleans up.
      if isTemporary { try? FileManager.default.removeItem(at: url) }
    }
  }
#endif
