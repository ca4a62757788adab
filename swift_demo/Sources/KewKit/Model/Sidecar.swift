import Foundation

/// What `kewcore export` writes beside a package: what the model takes, what it answers, and what it must answer.
///
/// Only what an app needs is read; the rest of the file is for Python.
public struct Sidecar: Sendable, Hashable {
  /// The version of the file's form that this KewKit reads.
  public static let schemaVersion = 1

  /// The image that the model takes.
  public struct Input: Sendable, Hashable, Codable {
    /// Name of the model's input.
    public let name: String
    /// Rows.
    public let height: Int
    /// Columns.
    public let width: Int
    /// Channels: 1 for greyscale.
    public let channels: Int
    /// How a photograph is brought to that size.
    public let resize: ResizePolicy
  }

  /// An image with the answers that it must get.
  public struct GoldenCase: Sendable, Hashable, Codable {
    /// File name in the golden folder.
    public let image: String
    /// Probabilities of the TensorFlow model, in the order of the class names.
    public let reference: [Double]
    /// Probabilities of the package, run by kewcore.
    public let package: [Double]
  }

  /// Name of the package.
  public let name: String
  /// How its weights are compressed.
  public let mode: String
  /// SHA-256 of everything that decided the package's content: what tells one export from another.
  public let inputsSHA256: String
  /// The image that it takes.
  public let input: Input
  /// Labels, in the order of its probabilities.
  public let classNames: [String]
  /// Images with known answers.
  public let golden: [GoldenCase]

  /// Reads the sidecar of a model.
  ///
  /// - Parameter model: The `.mlpackage` or `.mlmodelc`.
  /// - Returns: `nil` where none lies beside it.
  /// - Throws: ``KewError/badSidecar(path:reason:)`` where it is damaged.
  public static func beside(_ model: URL) throws(KewError) -> Sidecar? {
    let url = url(beside: model)
    guard FileManager.default.fileExists(atPath: url.path) else { return nil }
    do {
      return try Sidecar(Data(contentsOf: url), path: url.path)
    } catch let error as KewError {
      throw error
    } catch {
      throw .badSidecar(path: url.path, reason: "it cannot be read")
    }
  }

  /// Where the sidecar of a model lies.
  public static func url(beside model: URL) -> URL {
    sibling(of: model, ending: "json")
  }

  /// Where the golden images of a model lie.
  public static func goldenFolder(beside model: URL) -> URL {
    sibling(of: model, ending: "golden")
  }

  private static func sibling(of model: URL, ending: String) -> URL {
    let stem = model.deletingPathExtension().lastPathComponent
    return model.deletingLastPathComponent().appendingPathComponent("\(stem).\(ending)")
  }
}

extension Sidecar: Decodable {
  private enum CodingKeys: String, CodingKey {
    case schemaVersion = "schema_version"
    case name, mode, input, golden
    case classNames = "class_names"
    case inputsSHA256 = "inputs_sha256"
  }

  /// Reads a sidecar from the content of its file.
  ///
  /// - Parameters:
  ///   - content: JSON.
  ///   - path: Of the file, for messages.
  /// - Throws: ``KewError/badSidecar(path:reason:)`` with the place and what is wrong there.
  public init(_ content: Data, path: String) throws(KewError) {
    do {
      self = try JSONDecoder().decode(Sidecar.self, from: content)
      try check()
    } catch let error as KewError {
      throw error.at(path)
    } catch let error as DecodingError {
      throw .badSidecar(path: path, reason: error.reason)
    } catch {
      throw .badSidecar(path: path, reason: "it is not JSON")
    }
  }

  /// Reads a sidecar, without looking at whether its parts fit together.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let version = try values.decode(Int.self, forKey: .schemaVersion)
    guard version == Self.schemaVersion else {
      throw KewError.badSidecar(
        path: "",
        reason: "it has schema_version \(version), this KewKit reads \(Self.schemaVersion)")
    }
    name = try values.decode(String.self, forKey: .name)
    mode = try values.decode(String.self, forKey: .mode)
    inputsSHA256 = try values.decode(String.self, forKey: .inputsSHA256)
    input = try values.decode(Input.self, forKey: .input)
    classNames = try values.decode([String].self, forKey: .classNames)
    golden = try values.decode([GoldenCase].self, forKey: .golden)
  }

  private func check() throws(KewError) {
    func refuse(_ reason: String) -> KewError { .badSidecar(path: "", reason: reason) }
    guard input.channels == 1 else {
      throw refuse("input.channels must be 1, got \(input.channels)")
    }
    guard ImagePipeline.sides.contains(input.width), ImagePipeline.sides.contains(input.height) else {
      throw refuse("the model cannot take images of \(input.width) x \(input.height) pixels")
    }
    guard !classNames.isEmpty, Set(classNames).count == classNames.count else {
      throw refuse("class_names must be different names, got \(classNames)")
    }
    for one in golden {
      guard one.image == URL(fileURLWithPath: one.image).lastPathComponent, !one.image.isEmpty,
        one.image != ".."
      else {
        throw refuse("golden image '\(one.image)' must be a file name without folders")
      }
      for probabilities in [one.reference, one.package] where probabilities.count != classNames.count {
        throw refuse(
          "golden image '\(one.image)' has \(probabilities.count) probabilities for "
            + "\(classNames.count) classes")
      }
    }
  }
}

extension KewError {
  fileprivate func at(_ path: String) -> KewError {
    guard case .badSidecar("", let reason) = self else { return self }
    return .badSidecar(path: path, reason: reason)
  }
}

extension DecodingError {
  /// What is wrong and where, such as `input.height must be a number`.
  var reason: String {
    switch self {
    case .keyNotFound(let key, let context): "it lacks '\(place(context.codingPath + [key]))'"
    case .typeMismatch(let type, let context):
      "'\(place(context.codingPath))' must be of type \(type)"
    case .valueNotFound(let type, let context):
      "'\(place(context.codingPath))' must be of type \(type), got null"
    case .dataCorrupted(let context) where context.codingPath.isEmpty: "it is not JSON"
    case .dataCorrupted(let context):
      "'\(place(context.codingPath))' has a value that is not known"
    @unknown default: "it cannot be decoded"
    }
  }

  private func place(_ path: [any CodingKey]) -> String {
    path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
  }
}
