import Foundation

#if canImport(Darwin)
  import Darwin
#endif

/// The machine that something was measured on.
public struct DeviceFacts: Sendable, Hashable {
  /// The system, such as `macOS` or `Linux`.
  public let system: String
  /// Its version.
  public let systemRelease: String
  /// The instruction set, such as `arm64`.
  public let machine: String
  /// The processor, as the system names it, such as `Apple M2`; on an iPhone its model, such as `iPhone16,1`.
  public let cpu: String
  /// The chip without its maker, such as `M2`; empty where the system does not name it.
  public let chip: String
  /// Logical cores.
  public let cores: Int
  /// Physical memory.
  public let memoryBytes: UInt64

  /// The machine in a few words, such as `Apple M2, macOS 15.1`.
  public var device: String { "\(cpu), \(system) \(systemRelease)" }

  /// This machine.
  public static var current: DeviceFacts {
    let process = ProcessInfo.processInfo
    let version = process.operatingSystemVersion
    let brand = brand
    return DeviceFacts(
      system: systemName,
      systemRelease: "\(version.majorVersion).\(version.minorVersion).\(version.patchVersion)",
      machine: instructionSet,
      cpu: brand,
      chip: brand.hasPrefix("Apple ") ? String(brand.dropFirst("Apple ".count)) : "",
      cores: process.activeProcessorCount,
      memoryBytes: process.physicalMemory)
  }

  private static var systemName: String {
    #if os(macOS)
      "macOS"
    #elseif os(iOS)
      "iOS"
    #elseif os(Linux)
      "Linux"
    #else
      "unknown"
    #endif
  }

  private static var instructionSet: String {
    #if arch(arm64)
      "arm64"
    #elseif arch(x86_64)
      "x86_64"
    #else
      "unknown"
    #endif
  }

  private static var brand: String {
    #if canImport(Darwin)
      systemText("machdep.cpu.brand_string") ?? systemText("hw.machine") ?? "unknown processor"
    #else
      processorOfLinux ?? "unknown processor"
    #endif
  }

  #if canImport(Darwin)
    private static func systemText(_ name: String) -> String? {
      var size = 0
      guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 1 else { return nil }
      var text = [UInt8](repeating: 0, count: size)
      guard sysctlbyname(name, &text, &size, nil, 0) == 0 else { return nil }
      return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    }
  #else
    private static var processorOfLinux: String? {
      guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return nil }
      let line = text.split(separator: "\n").first { $0.hasPrefix("model name") || $0.hasPrefix("Model") }
      return line?.split(separator: ":", maxSplits: 1).last.map {
        $0.trimmingCharacters(in: .whitespaces)
      }
    }
  #endif
}
