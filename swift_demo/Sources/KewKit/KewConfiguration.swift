import Foundation

/// Which processors of an Apple device may run a model.
///
/// On Linux there is only the CPU, and every choice means that.
public enum ComputeUnits: String, Sendable, CaseIterable, Codable {
  /// Whatever Core ML takes for the best.
  case all
  /// The CPU alone.
  case cpu
  /// CPU and GPU.
  case cpuAndGPU = "cpu+gpu"
  /// CPU and Neural Engine.
  case cpuAndNeuralEngine = "cpu+ne"
}

/// How a classifier is set up.
public struct KewConfiguration: Sendable, Hashable {
  /// Which processors may run the model.
  public var computeUnits: ComputeUnits

  /// Whether one image is run while loading, so that the first real one does not wait for what is done only once.
  public var warmsUp: Bool

  /// The `kewcore` command that runs packages on Linux. `nil` takes the one that the environment variable `KEWCORE`
  /// names, or else the first on the `PATH`. It has no meaning on Apple's systems.
  public var kewcoreCommand: URL?

  /// How long the `kewcore` command may say nothing, while it loads or answers, before it is ended and
  /// ``KewError/engineFailed(reason:output:)`` is thrown; `nil` for as long as it likes. It has no meaning on Apple's systems.
  public var answerTimeout: Duration?

  /// Makes a configuration.
  ///
  /// - Parameters:
  ///   - computeUnits: Which processors may run the model.
  ///   - warmsUp: Whether one image is run while loading.
  ///   - kewcoreCommand: The `kewcore` command that runs packages on Linux.
  ///   - answerTimeout: How long that command may say nothing.
  public init(
    computeUnits: ComputeUnits = .all, warmsUp: Bool = false, kewcoreCommand: URL? = nil,
    answerTimeout: Duration? = .seconds(120)
  ) {
    self.computeUnits = computeUnits
    self.warmsUp = warmsUp
    self.kewcoreCommand = kewcoreCommand
    self.answerTimeout = answerTimeout
  }
}
