"""The parent's side of a worker: starts it, asks, and turns its death or its error into a `KewError`."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kewcore import errors
from kewcore.errors import KewError, PackageError
from kewcore_bench.engines.load import EngineSpec

ANSWER_WITHIN_S = 600.0
"""Longest wait for one reply; 32 images of 500×500 in the reference executor take well under a minute."""
_NOISE_LINES = 8
_CAN_HALT = hasattr(signal, "SIGSTOP")
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR", "ABSL_MIN_LOG_LEVEL": "3"}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class LoadFigures:
    """What loading an engine cost and what it turned out to be.

    Attributes:
        label: Name of the engine with its version.
        class_names: Labels in the order of its probability columns.
        import_ms: Importing the libraries that it stands on.
        load_ms: Loading the model.
        first_predict_ms: The first prediction, which may compile or allocate.
    """

    label: str
    class_names: tuple[str, ...]
    import_ms: float
    load_ms: float
    first_predict_ms: float


@dataclass(frozen=True)
class EngineProcess:
    """A running worker; see `running_engine`.

    Attributes:
        spec: The engine.
        load: What loading it cost.
        channel: The pipes to its process.
    """

    spec: EngineSpec
    load: LoadFigures
    channel: "_Channel"

    def time(self, warm_up: int, count: int, batch_size: int = 1) -> list[float]:
        """Times `count` predictions of `batch_size` images each, after `warm_up` others; milliseconds.

        Then the process is halted until it is asked again: its idle threads would spin on cores that others compute on.

        Raises:
            PackageError: The worker died or does not answer.
        """
        self.channel.ask(f"time\t{warm_up}\t{count}\t{batch_size}")
        latencies_ms = [float(value) for value in self.channel.answer()["latencies_ms"]]
        self.channel.halt()
        return latencies_ms

    def peak_memory_bytes(self) -> int:
        """Asks how much memory the worker held at most, libraries included.

        Raises:
            PackageError: The worker died or does not answer.
        """
        self.channel.ask("memory")
        return int(self.channel.answer()["peak_memory_bytes"])

    def probabilities(self, advance: Callable[[int], None]) -> NDArray[np.float32]:
        """Classifies all images of the worker's pixel file.

        Args:
            advance: Called with the number of images after each step.

        Returns:
            float32 `[N, C]`.

        Raises:
            KewError: As the engine raised it; PackageError when the worker died or does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="kewcore-bench-") as folder:
            out = Path(folder) / "probabilities.npy"
            self.channel.ask(f"probabilities\t{out}")
            while (answer := self.channel.answer())["event"] == "progress":
                advance(int(answer["images"]))
            found: NDArray[np.float32] = np.load(out, allow_pickle=False)
        return found


@contextmanager
def running_engine(spec: EngineSpec, pixels: Path) -> Iterator[EngineProcess]:
    """Runs an engine in a process of its own for the length of the block.

    Args:
        spec: The engine.
        pixels: A `.npy` file of uint8 `[N, H, W]` that the worker maps.

    Raises:
        KewError: As the engine raised it while loading; PackageError when the worker died or does not answer.
    """
    threads = {name: str(spec.threads) for name in _THREAD_VARIABLES}
    request = {"spec": {**asdict(spec), "path": str(spec.path)}, "pixels": str(pixels)}
    with (
        tempfile.TemporaryFile() as noise,
        subprocess.Popen(
            [sys.executable, "-m", "kewcore_bench.engines.worker", json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            env={**_QUIET, **os.environ, **threads},
            encoding="utf-8",
        ) as process,
    ):
        channel = _Channel(spec, process, noise)
        try:
            loaded = channel.answer()
            figures = LoadFigures(
                label=loaded["label"],
                class_names=tuple(loaded["class_names"]),
                import_ms=loaded["import_ms"],
                load_ms=loaded["load_ms"],
                first_predict_ms=loaded["first_predict_ms"],
            )
            yield EngineProcess(spec, figures, channel)
        finally:
            process.kill()  # It holds nothing worth a farewell: what it wrote is read by now.


def failure_text(error: KewError) -> str:
    """Says in one line why an engine has no figures; of one that died, with the last words of its process."""
    words = [error.message, *getattr(error, "__notes__", ())[-1:], *([error.hint] if error.hint else [])]
    return "; ".join(words)


class _Channel:
    """Lines to a worker's stdin, and its replies; a thread reads, so that waiting can end."""

    def __init__(self, spec: EngineSpec, process: "subprocess.Popen[str]", noise: IO[bytes]) -> None:
        self._spec, self.process, self._noise = spec, process, noise
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def halt(self) -> None:
        """Stops the worker where it stands until it is asked again; does nothing on systems without such signals."""
        if _CAN_HALT:
            self.process.send_signal(signal.SIGSTOP)

    def ask(self, command: str) -> None:
        """Sends one command; a dead worker shows when the answer is read."""
        if _CAN_HALT:
            self.process.send_signal(signal.SIGCONT)
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.write(command + "\n")
                self.process.stdin.flush()

    def answer(self) -> Mapping[str, Any]:
        """Waits for the next reply, and raises what the worker reports as an error."""
        try:
            line = self._lines.get(timeout=ANSWER_WITHIN_S)
        except queue.Empty:
            raise PackageError(
                f"the engine of '{self._spec.path}' has not answered for {ANSWER_WITHIN_S:.0f} s",
                hint="if the machine is busy or short of memory, try again with --limit or fewer --threads",
            ) from None
        if not line:
            raise self._died()
        reply: Mapping[str, Any] = json.loads(line)
        if reply["event"] == "error":
            kind: type[KewError] = getattr(errors, reply["type"])
            error = kind(reply["message"], hint=reply["hint"])
            for note in reply["notes"]:
                error.add_note(note)
            raise error
        return reply

    def _read(self) -> None:
        if self.process.stdout is not None:
            with suppress(ValueError):  # The pipe is closed under the thread when the block ends.
                for line in self.process.stdout:
                    self._lines.put(line)
        self._lines.put("")

    def _died(self) -> PackageError:
        code = self.process.wait()
        self._noise.seek(0)
        lines = self._noise.read().decode(errors="replace").strip().splitlines()
        error = PackageError(
            f"the engine of '{self._spec.path}' ended before it answered ({_ending(code)})",
            hint="it may have run out of memory" if code == -signal.SIGKILL else None,
        )
        for line in lines[-_NOISE_LINES:]:
            error.add_note(line)
        return error


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
