import Foundation

/// A model that lies in the app.
struct EmbeddedModel: Sendable, Hashable, Identifiable {
  /// Name of the package.
  let name: String
  /// Where it lies.
  let url: URL

  var id: String { name }

  /// Finds the models that `kewcore embed` put into a bundle: as packages, or as Xcode compiled them.
  static func all(in bundle: Bundle) -> [EmbeddedModel] {
    guard let resources = bundle.resourceURL else { return [] }
    let files = [resources, resources.appendingPathComponent("KewModels")].flatMap { folder in
      // Without models there is no such folder, or nothing in it.
      (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    }
    return
      files
      .filter { ["mlpackage", "mlmodelc"].contains($0.pathExtension) }
      .map { EmbeddedModel(name: $0.deletingPathExtension().lastPathComponent, url: $0) }
      .sorted { $0.name < $1.name }
  }
}
