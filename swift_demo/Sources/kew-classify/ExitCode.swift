import KewKit

/// With what the tool ends; the numbers are those of `kewcore`, see docs/errors.md.
enum ExitCode: Int32 {
  case done = 0
  case checkFailed = 1
  case usage = 2
  case data = 3
  case package = 6
  case unsupported = 7
  case dependency = 8
  case storage = 10
}

extension KewError {
  /// With what the tool ends because of this error.
  var exitCode: ExitCode {
    switch self {
    case .badPicture: .data
    case .noModel, .badSidecar, .sidecarMismatch, .engineFailed: .package
    case .unsupportedModel, .needsAppleSystem: .unsupported
    case .noEngine: .dependency
    case .badFile: .storage
    }
  }
}
