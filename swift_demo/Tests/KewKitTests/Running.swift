#if os(Linux) || os(macOS)
  import Foundation

  #if canImport(Glibc)
    import Glibc
  #endif

  /// What a program did.
  struct Ending {
    let code: Int32
    let output: String
    let errors: String
  }

  /// A program that was started, with its output in files.
  ///
  /// No pipes: a program that another test starts in the same moment may inherit an end of one, and whoever reads the
  /// other end then waits for that program too.
  struct Running {
    struct NotStarted: Error {
      let program: String
      let reason: String
    }

    let id: pid_t
    private let scratch: Scratch

    /// Starts a program, which reads nothing from stdin.
    init(_ program: URL, _ words: [String], environment: [String: String] = [:]) throws {
      scratch = try Scratch()
      #if os(Linux)
        var actions = posix_spawn_file_actions_t()
      #else
        var actions: posix_spawn_file_actions_t?
      #endif
      posix_spawn_file_actions_init(&actions)
      defer { posix_spawn_file_actions_destroy(&actions) }
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
      for (descriptor, name) in [(Int32(1), "output"), (2, "errors")] {
        let file = scratch.folder.appendingPathComponent(name).path
        posix_spawn_file_actions_addopen(&actions, descriptor, file, O_WRONLY | O_CREAT, 0o600)
      }
      let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
      let arguments = ([program.path] + words).map { strdup($0) } + [nil]
      let settings = variables.map { strdup("\($0)=\($1)") } + [nil]
      defer { (arguments + settings).forEach { free($0) } }
      var pid: pid_t = 0
      let code = posix_spawn(&pid, program.path, &actions, nil, arguments, settings)
      guard code == 0 else {
        throw NotStarted(program: program.path, reason: String(cString: strerror(code)))
      }
      id = pid
    }

    /// Waits until the program has ended; after two minutes it is ended.
    func ending() async -> Ending {
      var status: Int32 = 0
      var waits = 0
      while waitpid(id, &status, WNOHANG) == 0 {
        waits += 1
        if waits == 24_000 { kill(id, SIGKILL) }
        try? await Task.sleep(for: .milliseconds(5))
      }
      let signal = status & 0x7f  // wait(2): WTERMSIG; else WEXITSTATUS
      return Ending(
        code: signal == 0 ? (status >> 8) & 0xff : signal, output: said("output"), errors: said("errors"))
    }

    private func said(_ name: String) -> String {
      let file = scratch.folder.appendingPathComponent(name)
      return String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self)
    }
  }

  /// Runs a program to its end.
  func ran(
    _ program: URL, _ words: [String], environment: [String: String] = [:]
  ) async throws -> Ending {
    try await Running(program, words, environment: environment).ending()
  }
#endif
