#if os(Linux)
  import Foundation
  import Glibc

  /// A program that is spoken to over its stdin and stdout, which are one socket; its stderr is kept in a file.
  ///
  /// A socket, since writing to one whose other end has gone can be told not to raise SIGPIPE, which would end the app.
  /// When this process dies, however it dies, the system closes its end, and the child reads the end of its stdin.
  struct ChildProcess: Sendable {
    /// Nothing came, or nothing was taken, for as long as may be waited.
    struct Silence: Error {}

    let id: pid_t
    private let socket: Int32
    private let errors: Int32

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - command: The program, looked for on the `PATH` where it is no path.
    ///   - arguments: What it is told.
    ///   - timeout: How long a silence may be; `nil` where it may last for ever.
    /// - Throws: ``KewError/noEngine(command:reason:)`` where it cannot be started.
    init(_ command: String, _ arguments: [String], timeout: Duration?) throws(KewError) {
      func refuse(_ code: Int32) -> KewError {
        .noEngine(command: command, reason: String(cString: strerror(code)))
      }
      var ends: [Int32] = [-1, -1]
      let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
      guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw refuse(errno) }
      let (own, childs) = (ends[0], ends[1])
      defer { close(childs) }
      if let timeout { Self.limitSilence(of: own, to: timeout) }
      let errors = Self.unnamedFile()
      guard errors >= 0 else {
        close(own)
        throw refuse(errno)
      }

      var actions = posix_spawn_file_actions_t()
      posix_spawn_file_actions_init(&actions)
      defer { posix_spawn_file_actions_destroy(&actions) }
      posix_spawn_file_actions_adddup2(&actions, childs, 0)
      posix_spawn_file_actions_adddup2(&actions, childs, 1)
      posix_spawn_file_actions_adddup2(&actions, errors, 2)

      var attributes = posix_spawnattr_t()
      posix_spawnattr_init(&attributes)
      defer { posix_spawnattr_destroy(&attributes) }
      // A group of its own: Ctrl-C in a terminal is for this process, whose end the child will see. And no signals
      // held back: threads of Dispatch hold back most, and a child inherits that.
      var none = sigset_t()
      sigemptyset(&none)
      posix_spawnattr_setsigmask(&attributes, &none)
      posix_spawnattr_setpgroup(&attributes, 0)
      posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETPGROUP))

      var pid: pid_t = 0
      let words = ([command] + arguments).map { strdup($0) } + [nil]
      defer { words.forEach { free($0) } }
      let code = posix_spawnp(&pid, command, &actions, &attributes, words, environ)
      guard code == 0 else {
        close(own)
        close(errors)
        throw refuse(code)
      }
      id = pid
      socket = own
      self.errors = errors
    }

    /// The most memory that the child has had so far: `VmHWM` of proc(5).
    var peakMemoryBytes: Int? {
      guard let status = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8) else {
        return nil
      }
      let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
      return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map {
        $0 * 1024
      }
    }

    /// Sends bytes.
    ///
    /// - Returns: `false` where nobody is left to take them.
    /// - Throws: ``Silence``.
    func send(_ bytes: UnsafeRawBufferPointer) throws(Silence) -> Bool {
      var sent = 0
      while sent < bytes.count {
        guard let start = bytes.baseAddress else { return true }
        let count = Glibc.send(socket, start + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
        if count > 0 {
          sent += count
        } else if errno == EAGAIN {
          throw Silence()
        } else if errno != EINTR {
          return false
        }
      }
      return true
    }

    /// Waits until a number of bytes came.
    ///
    /// - Returns: Fewer where the child has closed its end.
    /// - Throws: ``Silence``.
    func receive(_ count: Int) throws -> [UInt8] {
      try [UInt8](unsafeUninitializedCapacity: count) { buffer, received in
        while received < count, let start = buffer.baseAddress {
          let came = recv(socket, start + received, count - received, 0)
          if came > 0 {
            received += came
          } else if came < 0, errno == EAGAIN {
            throw Silence()
          } else if came == 0 || errno != EINTR {
            return
          }
        }
      }
    }

    /// Closes the connection, at which the child ends by itself, and sees to it that it does and leaves no zombie.
    func hangUp() {
      close(socket)
      close(errors)
      DispatchQueue.global(qos: .utility).async { _ = ended() }
    }

    /// Ends the child.
    ///
    /// - Returns: The last of what it wrote to stderr.
    func killed() -> String {
      kill(id, SIGKILL)
      return buried().output
    }

    /// Waits a moment for the child to end, then ends it.
    ///
    /// - Returns: How it ended, and the last of what it wrote to stderr.
    func buried() -> (reason: String, output: String) {
      let status = ended()
      let output = lastErrors()
      close(socket)
      close(errors)
      let signal = status & 0x7f  // wait(2): WTERMSIG; else WEXITSTATUS
      let reason =
        signal == 0 ? "ended with exit code \((status >> 8) & 0xff)" : "was ended by signal \(signal)"
      return (reason, output)
    }

    /// Waits two seconds for the child to end, then ends it.
    ///
    /// - Returns: The status that wait(2) gives.
    private func ended() -> Int32 {
      var status: Int32 = 0
      var waits = 0
      while waitpid(id, &status, WNOHANG) == 0 {
        waits += 1
        if waits == 200 { kill(id, SIGKILL) }
        usleep(10_000)
      }
      return status
    }

    /// Makes calls on a socket come back with `EAGAIN` after a time in which nothing happened.
    private static func limitSilence(of socket: Int32, to timeout: Duration) {
      let (seconds, attoseconds) = max(timeout, .microseconds(1)).components
      var limit = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
      let size = socklen_t(MemoryLayout<timeval>.size)
      for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
        setsockopt(socket, SOL_SOCKET, option, &limit, size)
      }
    }

    private func lastErrors() -> String {
      let size = lseek(errors, 0, SEEK_END)
      let kept = min(Int(size), 2000)
      guard kept > 0 else { return "" }
      let bytes = [UInt8](unsafeUninitializedCapacity: kept) { buffer, count in
        count = max(0, pread(errors, buffer.baseAddress, kept, size - off_t(kept)))
      }
      return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Opens a file that no name leads to, so that nothing is left of it.
    private static func unnamedFile() -> Int32 {
      let folder = FileManager.default.temporaryDirectory.path
      var template = Array("\(folder)/kewkit-XXXXXX".utf8CString)
      let file = mkstemp(&template)
      if file >= 0 {
        unlink(template)
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
      }
      return file
    }
  }
#endif
