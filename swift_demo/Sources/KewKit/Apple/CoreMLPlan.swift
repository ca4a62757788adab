#if canImport(CoreML)
  import CoreML
  import Foundation

  /// Asks Core ML where it would run the operations of a model's main function.
  func coreMLPlan(of model: URL, computeUnits: ComputeUnits) async throws -> ComputePlan {
    guard #available(macOS 14.4, iOS 17.4, *) else {
      throw KewError.needsAppleSystem(task: "a compute plan, from macOS 14.4 or iOS 17.4 on,")
    }
    let compiled = try await CompiledModel(model)
    // It may be a temporary folder, which goes with the object: not before the plan has been read.
    defer { withExtendedLifetime(compiled) {} }
    let settings = MLModelConfiguration()
    settings.computeUnits = computeUnits.coreML
    let plan: MLComputePlan
    do {
      plan = try await MLComputePlan.load(contentsOf: compiled.url, configuration: settings)
    } catch {
      throw KewError.noModel(path: model.path, reason: error.localizedDescription)
    }
    guard case .program(let program) = plan.modelStructure, let main = program.functions["main"] else {
      throw KewError.unsupportedModel(path: model.path, reason: "it is no ML Program with a main function")
    }
    let system = DeviceFacts.current
    return ComputePlan(
      device: system.device, chip: system.chip, operations: planned(main.block, plan))
  }

  @available(macOS 14.4, iOS 17.4, *)
  private func planned(
    _ block: MLModelStructure.Program.Block, _ plan: MLComputePlan
  ) -> [ComputePlan.Operation] {
    block.operations.flatMap { operation -> [ComputePlan.Operation] in
      let inner = operation.blocks.flatMap { planned($0, plan) }
      let type = operation.operatorName.split(separator: ".").last.map(String.init) ?? ""
      // Constants are not run.
      guard type != "const", !type.hasPrefix("constexpr_"), let name = operation.outputs.first?.name else {
        return inner
      }
      let usage = plan.deviceUsage(for: operation)
      let found = ComputePlan.Operation(
        name: name, type: type, preferred: usage.flatMap { unit($0.preferred) },
        supported: usage?.supported.compactMap(unit) ?? [],
        costWeight: plan.estimatedCost(of: operation)?.weight)
      return [found] + inner
    }
  }

  private func unit(_ device: MLComputeDevice) -> String? {
    switch device {
    case .cpu: "cpu"
    case .gpu: "gpu"
    case .neuralEngine: "neural_engine"
    @unknown default: nil
    }
  }
#endif
