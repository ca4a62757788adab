import Foundation

/// A photograph as its file holds it. Two are equal if they came from the same choice of the user.
struct Photo: Sendable, Hashable, Identifiable {
  let id = UUID()
  /// Content of the file: JPEG, HEIC, PNG or what else the system decodes.
  let content: Data

  static func == (one: Photo, other: Photo) -> Bool { one.id == other.id }

  func hash(into hasher: inout Hasher) { hasher.combine(id) }
}
