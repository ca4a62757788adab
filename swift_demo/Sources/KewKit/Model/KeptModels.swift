import Foundation

/// Compiled models that are kept from one start of an app to the next, one of each name.
///
/// Core ML fits a compiled model to the device's processors when it is first loaded, and keeps that for as long as the
/// model lies where it lay. What is compiled into another temporary folder at every start is fitted at every start.
/// Source: Core ML Tools, "Why Use a Compiled Model?".
struct KeptModels: Sendable {
  /// Holds `NAME/DIGEST/NAME.mlmodelc`.
  let folder: URL

  /// Where a model is kept.
  ///
  /// - Parameters:
  ///   - name: Of the model.
  ///   - digest: Of everything that its compiled form depends on.
  /// - Returns: A `.mlmodelc`, which need not be there.
  func place(name: String, digest: String) -> URL {
    folder.appendingPathComponent(name).appendingPathComponent(digest)
      .appendingPathComponent("\(name).mlmodelc")
  }

  /// Whether a model is kept at a place.
  func has(_ place: URL) -> Bool {
    FileManager.default.fileExists(atPath: place.path)
  }

  /// Copies a compiled model to its place, whole or not at all, and removes what was kept of that name before.
  ///
  /// Where another process was faster, what that kept stays: it is the same.
  func keep(_ compiled: URL, at place: URL) throws {
    let files = FileManager.default
    let entry = place.deletingLastPathComponent()
    let sameName = entry.deletingLastPathComponent()
    let earlier = (try? files.contentsOfDirectory(at: sameName, includingPropertiesForKeys: nil)) ?? []
    let staging = sameName.appendingPathComponent(UUID().uuidString)
    defer { try? files.removeItem(at: staging) }
    try files.createDirectory(at: staging, withIntermediateDirectories: true)
    try files.copyItem(at: compiled, to: staging.appendingPathComponent(place.lastPathComponent))
    do {
      try files.moveItem(at: staging, to: entry)
    } catch {
      guard has(place) else { throw error }
    }
    for other in earlier where other.lastPathComponent != entry.lastPathComponent {
      // What cannot be removed now is removed with the next one.
      try? files.removeItem(at: other)
    }
  }

  /// Removes the model at a place.
  func remove(_ place: URL) {
    // What cannot be removed cannot be written anew either; the model is used from elsewhere then.
    try? FileManager.default.removeItem(at: place.deletingLastPathComponent())
  }
}
