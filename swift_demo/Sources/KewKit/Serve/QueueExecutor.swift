#if os(Linux)
  import Dispatch

  /// Runs an actor on a queue of its own, where it may block without keeping a thread from other tasks.
  ///
  /// Dispatch has this built in on Apple's systems only.
  final class QueueExecutor: SerialExecutor {
    let queue: DispatchQueue

    init(label: String) {
      queue = DispatchQueue(label: label)
    }

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
      UnownedSerialExecutor(ordinary: self)
    }
  }
#endif
