// Declarations of CoreML, as far as KewKit calls it, after Apple's documentation of it. Nothing here does
// anything: see tests/swift/test_apple_sources.py.

@_exported import CoreVideo
import Foundation

/// Darwin's, which is a number; Glibc's is an enum.
public let RUSAGE_SELF: Int32 = 0
public enum MLComputeUnits: Int { case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine }
public class MLModelConfiguration {
  public init() {}
  public var computeUnits: MLComputeUnits = .all
}
public class MLImageConstraint {
  public var pixelsHigh: Int { 0 }
  public var pixelsWide: Int { 0 }
  public var pixelFormatType: OSType { 0 }
}
public class MLFeatureDescription { public var imageConstraint: MLImageConstraint? { nil } }
public struct MLModelMetadataKey: RawRepresentable, Hashable, Sendable {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
  public static let creatorDefinedKey = MLModelMetadataKey(rawValue: "")
}
public class MLModelDescription {
  public var inputDescriptionsByName: [String: MLFeatureDescription] { [:] }
  public var classLabels: [Any]? { nil }
  public var predictedProbabilitiesName: String? { nil }
  public var metadata: [MLModelMetadataKey: Any] { [:] }
}
public class MLFeatureValue {
  public init(pixelBuffer: CVPixelBuffer) {}
  public var dictionaryValue: [AnyHashable: NSNumber] { [:] }
}
public protocol MLFeatureProvider { func featureValue(for n: String) -> MLFeatureValue? }
public class MLDictionaryFeatureProvider: MLFeatureProvider {
  public init(dictionary: [String: Any]) throws {}
  public func featureValue(for n: String) -> MLFeatureValue? { nil }
}
public class MLModel {
  public init(contentsOf: URL, configuration: MLModelConfiguration) throws {}
  public class func compileModel(at u: URL) throws -> URL { u }
  public class func compileModel(at u: URL) async throws -> URL { u }
  public var modelDescription: MLModelDescription { MLModelDescription() }
  public func prediction(from f: any MLFeatureProvider) throws -> any MLFeatureProvider { f }
  public func prediction(from f: any MLFeatureProvider) async throws -> any MLFeatureProvider { f }
}
public class MLCPUComputeDevice {}
public class MLGPUComputeDevice {}
public class MLNeuralEngineComputeDevice {}
public enum MLComputeDevice {
  case cpu(MLCPUComputeDevice), gpu(MLGPUComputeDevice), neuralEngine(MLNeuralEngineComputeDevice)
}
public enum MLModelStructure {
  case neuralNetwork(Int), program(Program), pipeline(Int), unsupported
  public class Program {
    public class Block { public var operations: [Operation] { [] } }
    public class NamedValueType { public var name: String { "" } }
    public class Operation {
      public var operatorName: String { "" }
      public var outputs: [NamedValueType] { [] }
      public var blocks: [Block] { [] }
    }
    public class Function { public var block: Block { Block() } }
    public var functions: [String: Function] { [:] }
  }
}
public final class MLComputePlan {
  public struct DeviceUsage {
    public var supported: [MLComputeDevice]
    public var preferred: MLComputeDevice
  }
  public struct Cost { public var weight: Double }
  public var modelStructure: MLModelStructure { .unsupported }
  public func deviceUsage(for o: MLModelStructure.Program.Operation) -> DeviceUsage? { nil }
  public func estimatedCost(of o: MLModelStructure.Program.Operation) -> Cost? { nil }
  public static func load(contentsOf: URL, configuration: MLModelConfiguration) async throws -> MLComputePlan
  { MLComputePlan() }
}
