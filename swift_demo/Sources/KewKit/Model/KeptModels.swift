import Foundation

/// Compiled models that are kept from one start of an app to the next.
///
/// Core ML fits a compiled model to the device's processors when it is first loaded, and keeps that for as long as the
/// model lies where it lay. What is compiled into another temporary folder at every start is fitted at every start.
/// Source: Core ML Tools, "Why Use a Compiled Model?".
///
/// Those of one name are kept side by side: packages in two folders may have one name, and classifiers of both may live.
/// What no classifier was made of for long is removed when another of its name is added.
struct KeptModels: Sendable {
  /// How long a model is kept after it was last used, in seconds: 30 days.
  static let keptSeconds: TimeInterval = 30 * 24 * 3600

  /// Holds `NAME/DIGEST/NAME.mlmodelc`. When a model was last used is the date of modification of `NAME/DIGEST`.
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

  /// Notes that a model is used now.
  func markUsed(_ place: URL) {
    // Where nothing can be noted, nothing can be removed either.
    try? FileManager.default.setAttributes(
      [.modificationDate: Date()], ofItemAtPath: place.deletingLastPathComponent().path)
  }

  /// Copies a compiled model to its place, whole or not at all, and removes what of that name was not used for long.
  ///
  /// - Parameters:
  ///   - compiled: A `.mlmodelc`.
  ///   - place: Where it is to be kept.
  ///   - replacingDamaged: Whether what is kept there is damaged, and goes. Else it stays where another process was
  ///     faster: it is the same.
  /// - Throws: An error of the file system.
  func keep(_ compiled: URL, at place: URL, replacingDamaged: Bool = false) throws {
    let files = FileManager.default
    let entry = place.deletingLastPathComponent()
    let sameName = entry.deletingLastPathComponent()
    let staging = sameName.appendingPathComponent(UUID().uuidString)
    let damaged = sameName.appendingPathComponent(UUID().uuidString)
    defer {
      for folder in [staging, damaged] { try? files.removeItem(at: folder) }
    }
    try files.createDirectory(at: staging, withIntermediateDirectories: true)
    try files.copyItem(at: compiled, to: staging.appendingPathComponent(place.lastPathComponent))
    // Only now: a classifier that still uses it misses it no longer than it takes to rename two folders.
    if replacingDamaged { try? files.moveItem(at: entry, to: damaged) }
    do {
      try files.moveItem(at: staging, to: entry)
    } catch {
      guard has(place) else { throw error }
    }
    removeUnused(in: sameName, but: entry)
  }

  private func removeUnused(in sameName: URL, but entry: URL) {
    let files = FileManager.default
    let entries = (try? files.contentsOfDirectory(at: sameName, includingPropertiesForKeys: nil)) ?? []
    for other in entries where other.lastPathComponent != entry.lastPathComponent {
      let used = (try? files.attributesOfItem(atPath: other.path))?[.modificationDate] as? Date
      guard let used, used.timeIntervalSinceNow < -Self.keptSeconds else { continue }
      // What cannot be removed now is removed with the next one.
      try? files.removeItem(at: other)
    }
  }
}
