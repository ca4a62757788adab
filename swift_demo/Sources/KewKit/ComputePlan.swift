import Foundation

/// Where Core ML would run each operation of a model, in the form that `kewcore inspect --ane --import` reads.
public struct ComputePlan: Sendable, Hashable, Codable {
  /// One operation of the program.
  public struct Operation: Sendable, Hashable, Codable {
    /// Name of the operation's first result.
    public let name: String
    /// MIL's name of the operation.
    public let type: String
    /// `cpu`, `gpu` or `neural_engine`; `nil` where Core ML says nothing.
    public let preferred: String?
    /// Units that could run it.
    public let supported: [String]
    /// Core ML's estimate of its part in the whole, 0 to 1; `nil` where it gives none.
    public let costWeight: Double?

    private enum CodingKeys: String, CodingKey {
      case name, type, preferred, supported
      case costWeight = "cost_weight"
    }
  }

  /// Version of this form.
  public let schemaVersion: Int
  /// `compute_plan`.
  public let kind: String
  /// What it was made on, in words.
  public let device: String
  /// Its chip, such as `M2`; empty where that is not known.
  public let chip: String
  /// What is planned, in the order of the program.
  public let operations: [Operation]

  private enum CodingKeys: String, CodingKey {
    case kind, device, chip, operations
    case schemaVersion = "schema_version"
  }

  init(device: String, chip: String, operations: [Operation]) {
    schemaVersion = 1
    kind = "compute_plan"
    self.device = device
    self.chip = chip
    self.operations = operations
  }

  /// Asks Core ML for the plan of a model.
  ///
  /// - Parameters:
  ///   - model: A `.mlpackage` or `.mlmodelc`.
  ///   - computeUnits: Which processors may run it.
  /// - Throws: ``KewError``: off Apple's systems ``KewError/needsAppleSystem(task:)``.
  public init(modelAt model: URL, computeUnits: ComputeUnits = .all) async throws {
    guard FileManager.default.fileExists(atPath: model.path) else {
      throw KewError.noModel(path: model.path, reason: "there is nothing")
    }
    #if canImport(CoreML)
      self = try await coreMLPlan(of: model, computeUnits: computeUnits)
    #else
      throw KewError.needsAppleSystem(task: "a compute plan")
    #endif
  }
}
