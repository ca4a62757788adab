/// Everything that KewKit refuses or that goes wrong in it, with the values that say what.
public enum KewError: Error, Sendable, Hashable {
  /// There is no model at a path, or what lies there is none.
  case noModel(path: String, reason: String)
  /// The sidecar beside a model cannot be used.
  case badSidecar(path: String, reason: String)
  /// The sidecar describes another model than the one that was loaded.
  case sidecarMismatch(path: String, reason: String)
  /// The model is sound, but does not classify greyscale images, or holds what the engine does not take.
  case unsupportedModel(path: String, reason: String)
  /// A picture cannot be read or decoded. The name is empty where the picture has none.
  case badPicture(name: String, reason: String)
  /// The `kewcore` command, which runs models on Linux, is not there.
  case noEngine(command: String, reason: String)
  /// What runs the model ended, is silent, or does not answer as agreed. On Linux a classifier whose child ended throws this
  /// from then on; make a new one to go on.
  case engineFailed(reason: String, output: String)
  /// Only Apple's systems can do this.
  case needsAppleSystem(task: String)
  /// A file cannot be read or written.
  case badFile(path: String, reason: String)
}

extension KewError: CustomStringConvertible {
  /// What went wrong, in a sentence.
  public var description: String {
    switch self {
    case .noModel(let path, let reason): "no model at '\(path)': \(reason)"
    case .badSidecar(let path, let reason): "sidecar '\(path)' cannot be used: \(reason)"
    case .sidecarMismatch(let path, let reason): "sidecar '\(path)' is of another model: \(reason)"
    case .unsupportedModel(let path, let reason): "model '\(path)' cannot be used: \(reason)"
    case .badPicture(let name, let reason):
      name.isEmpty ? "picture: \(reason)" : "picture '\(name)': \(reason)"
    case .noEngine(let command, let reason): "'\(command)' cannot be started: \(reason)"
    case .engineFailed(let reason, let output):
      output.isEmpty ? reason : "\(reason); it said: \(output)"
    case .needsAppleSystem(let task): "\(task) needs a Mac or an iPhone: it asks Core ML"
    case .badFile(let path, let reason): "'\(path)': \(reason)"
    }
  }

  /// What can be done about it; `nil` where the description says it all.
  public var hint: String? {
    switch self {
    case .noModel: "give the path of a .mlpackage or .mlmodelc folder"
    case .badSidecar, .sidecarMismatch: "export the model again: kewcore export --force"
    case .noEngine: "install kewcore (pip install kewcore), or name its command in the variable KEWCORE"
    case .unsupportedModel, .badPicture, .engineFailed, .needsAppleSystem, .badFile: nil
    }
  }

  /// Returns the same error with the name of the picture that it is about.
  func naming(_ name: String) -> KewError {
    guard case .badPicture("", let reason) = self else { return self }
    return .badPicture(name: name, reason: reason)
  }
}
