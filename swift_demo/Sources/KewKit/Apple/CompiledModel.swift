#if canImport(CoreML)
  import CoreML
  import CryptoKit
  import Foundation

  /// A model in the form that Core ML loads.
  ///
  /// What is compiled is kept in the user's folder of caches. Where that cannot be written to, it lies in a temporary
  /// folder, and is removed with this object.
  final class CompiledModel: Sendable {
    private enum Origin: Sendable {
      case given, kept, temporary
    }

    private static let kept = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first.map {
      KeptModels(folder: $0.appendingPathComponent("KewKit"))
    }

    /// The `.mlmodelc`.
    let url: URL
    private let origin: Origin

    /// Compiles a `.mlpackage`, unless that has been done; takes a `.mlmodelc` as it is.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - keptIsDamaged: Whether what is kept of it cannot be used, and is compiled anew.
    /// - Throws: ``KewError/noModel(path:reason:)``.
    init(_ model: URL, keptIsDamaged: Bool = false) async throws {
      guard model.pathExtension != "mlmodelc" else {
        url = model
        origin = .given
        return
      }
      // A package that cannot be read has no digest; what is wrong with it Core ML says below.
      let name = model.deletingPathExtension().lastPathComponent
      let digest = try? Self.digest(of: model)
      let place = digest.flatMap { Self.kept?.place(name: name, digest: $0) }
      if !keptIsDamaged, let place, let kept = Self.kept, kept.has(place) {
        kept.markUsed(place)
        url = place
        origin = .kept
        return
      }
      let compiled: URL
      do {
        compiled = try await MLModel.compileModel(at: model)
      } catch {
        throw KewError.noModel(path: model.path, reason: error.localizedDescription)
      }
      if let place, let kept = Self.kept,
        (try? kept.keep(compiled, at: place, replacingDamaged: keptIsDamaged)) != nil
      {
        // A folder that cannot be removed lies where the system cleans up.
        try? FileManager.default.removeItem(at: compiled)
        url = place
        origin = .kept
      } else {
        url = compiled
        origin = .temporary
      }
    }

    deinit {
      if origin == .temporary { try? FileManager.default.removeItem(at: url) }
    }

    /// Returns the model compiled anew where it was a kept one, since that may be damaged; else itself.
    func renewed(from model: URL) async throws -> CompiledModel {
      guard origin == .kept else { return self }
      return try await CompiledModel(model, keptIsDamaged: true)
    }

    /// SHA-256 of a package's files, by name and content, and of the system, which compiles in its own way.
    private static func digest(of package: URL) throws -> String {
      var hash = SHA256()
      hash.update(data: Data(ProcessInfo.processInfo.operatingSystemVersionString.utf8))
      for path in try FileManager.default.subpathsOfDirectory(atPath: package.path).sorted() {
        let file = package.appendingPathComponent(path)
        guard try file.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else { continue }
        let content = try Data(contentsOf: file, options: .mappedIfSafe)
        hash.update(data: Data("\n\(path) \(content.count)\n".utf8))
        hash.update(data: content)
      }
      return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }
  }
#endif
