import Foundation
import KewKit

private let predictsPerRound = 10

/// Times a model on this machine, for `kewcore bench --import`.
func bench(_ words: [String]) async throws -> ExitCode {
  let arguments = try Arguments(words, options: ["--compute-units", "--rounds"], flags: ["--json"])
  let units = try computeUnits(arguments)
  let rounds = try arguments.wholeNumber("--rounds", default: 10, in: 1...10_000)
  let model = URL(fileURLWithPath: try arguments.model())
  let timed = try await KewClassifier.timed(
    modelAt: model, configuration: KewConfiguration(computeUnits: units), rounds: rounds,
    predicts: predictsPerRound)
  let device = DeviceFacts.current
  let latency = timed.latency
  if arguments.has("--json") {
    let engine = EngineRow(
      model: model, sidecar: timed.classifier.sidecar, units: units, latency: latency, device: device)
    try Output.json(
      DeviceBench(
        inputs_sha256: timed.classifier.sidecar?.inputsSHA256, host: HostRow(device), engines: [engine]))
  } else {
    Output.table(
      [
        ("device", device.device), ("engine", engineLabel(units)),
        ("load", shown(latency.loadMilliseconds)),
        ("first prediction", shown(latency.firstPredictMilliseconds)),
        ("median", shown(latency.quantile(0.5))), ("p95", shown(latency.quantile(0.95))),
        ("p99", shown(latency.quantile(0.99))), ("predictions", "\(rounds * predictsPerRound)"),
      ].map { [$0.0, $0.1] })
  }
  return .done
}

private func shown(_ milliseconds: Double) -> String { String(format: "%.2f ms", milliseconds) }

/// What ran the model, in words.
private func engineLabel(_ units: ComputeUnits) -> String {
  #if canImport(CoreML)
    "Core ML (\(units.rawValue))"
  #else
    "kewcore serve, asked by KewKit"
  #endif
}

// The names below are those of `kewcore bench --json`: HostFacts, EngineResult and Latency in kewcore_bench.

private struct DeviceBench: Encodable {
  let schema_version = 1
  let kind = "device-bench"
  let created = ISO8601DateFormatter().string(from: Date())
  let inputs_sha256: String?
  let host: HostRow
  let engines: [EngineRow]
}

private struct HostRow: Encodable {
  let system: String
  let system_release: String
  let machine: String
  let cpu: String
  let cores: Int
  let memory_bytes: UInt64
  let python = ""
  let libraries: [String: String] = [:]
  let load_average: Double? = nil

  init(_ device: DeviceFacts) {
    system = device.system
    system_release = device.systemRelease
    machine = device.machine
    cpu = device.cpu
    cores = device.cores
    memory_bytes = device.memoryBytes
  }

  private enum CodingKeys: CodingKey {
    case system, system_release, machine, cpu, cores, memory_bytes, load_average, python, libraries
  }

  /// Writes what is not known as null, not as nothing: its key is expected.
  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(system, forKey: .system)
    try values.encode(system_release, forKey: .system_release)
    try values.encode(machine, forKey: .machine)
    try values.encode(cpu, forKey: .cpu)
    try values.encode(cores, forKey: .cores)
    try values.encode(memory_bytes, forKey: .memory_bytes)
    try values.encode(load_average, forKey: .load_average)
    try values.encode(python, forKey: .python)
    try values.encode(libraries, forKey: .libraries)
  }
}

private struct EngineRow: Encodable {
  struct LatencyRow: Encodable {
    let engine: String
    let threads: Int
    let import_ms = 0.0
    let load_ms: Double
    let first_predict_ms: Double
    let median_ms: Double
    let p95_ms: Double
    let p99_ms: Double
    let iqr_ms: Double
    let round_medians_ms: [Double]
    let predicts: Int
    let peak_memory_bytes: Int
    let starts = 1
  }

  let engine: String
  let subject: String
  let path: String
  let mode: String
  let label: String
  let latency: LatencyRow
  let throughput: [Double] = []

  private enum CodingKeys: CodingKey {
    case engine, subject, path, mode, label, failure, latency, ratio, throughput
  }

  init(model: URL, sidecar: Sidecar?, units: ComputeUnits, latency: Latency, device: DeviceFacts) {
    label = "\(engineLabel(units)) on \(device.device)"
    engine = "kewkit-\(units.rawValue.replacingOccurrences(of: "+", with: "-"))"
    subject = sidecar?.name ?? model.deletingPathExtension().lastPathComponent
    path = model.path
    mode = sidecar?.mode ?? ""
    self.latency = LatencyRow(
      engine: label, threads: device.cores, load_ms: latency.loadMilliseconds,
      first_predict_ms: latency.firstPredictMilliseconds, median_ms: latency.quantile(0.5),
      p95_ms: latency.quantile(0.95), p99_ms: latency.quantile(0.99),
      iqr_ms: latency.quantile(0.75) - latency.quantile(0.25), round_medians_ms: latency.roundMedians,
      predicts: latency.rounds.reduce(0) { $0 + $1.count },
      peak_memory_bytes: latency.peakMemoryBytes ?? 0)
  }

  /// Writes what was not measured here as null, not as nothing: its key is expected.
  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(engine, forKey: .engine)
    try values.encode(subject, forKey: .subject)
    try values.encode(path, forKey: .path)
    try values.encode(mode, forKey: .mode)
    try values.encode(label, forKey: .label)
    try values.encodeNil(forKey: .failure)
    try values.encode(latency, forKey: .latency)
    try values.encodeNil(forKey: .ratio)
    try values.encode(throughput, forKey: .throughput)
  }
}
