"""One engine in a process of its own: `python -m kewcore_bench.engines.worker REQUEST`; started by `process` alone.

Thread pools of two engines in one process spin against each other, and the memory of one would count for the other.
REQUEST is a JSON object: `spec`, the fields of an `EngineSpec`, and `pixels`, a `.npy` file of uint8 `[N, H, W]`. The
parent writes one command a line to stdin and reads JSON objects, one a line, from stdout:

    (at the start)            {"event": "loaded", "label", "class_names", "import_ms", "load_ms", "first_predict_ms"}
    time WARM_UP COUNT BATCH  {"event": "timed", "latencies_ms": [COUNT numbers]}
    memory                    {"event": "memory", "peak_memory_bytes"}
    probabilities OUT.npy     {"event": "progress", "images"} … and {"event": "done"}
    (any failure)             {"event": "error", "type", "message", "hint", "notes"}, and the process ends

The process ends with its stdin.
"""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from kewcore.console import set_verbosity
from kewcore.errors import KewError, UnsupportedError
from kewcore.memory import peak_memory_bytes
from kewcore_bench.engines.engine import Ask, Engine
from kewcore_bench.engines.load import EngineSpec, import_libraries, load_engine
from kewcore_bench.hosts import hold_to_cores

_IMAGES_A_STEP = 32


def main() -> None:
    """Serves one engine until stdin ends."""
    _end_with_parent()
    replies = _claim_stdout()
    set_verbosity("quiet")  # The parent shows the progress of all workers.
    try:
        _serve(json.loads(sys.argv[1]), replies)
    except KewError as error:
        notes = list(getattr(error, "__notes__", ()))
        _reply(replies, event="error", type=type(error).__name__, message=error.message, hint=error.hint, notes=notes)
        sys.exit(1)


def _serve(request: Mapping[str, Any], replies: TextIO) -> None:
    fields = request["spec"]
    spec = EngineSpec(**{**fields, "path": Path(fields["path"]), "cores": tuple(fields["cores"])})
    hold_to_cores(spec.cores)  # before any library counts the cores or starts a thread
    images = np.load(request["pixels"], mmap_mode="r", allow_pickle=False)
    first = np.array(images[:1])
    started = time.perf_counter()
    import_libraries(spec)
    imported = time.perf_counter()
    engine = load_engine(spec)
    loaded = time.perf_counter()
    engine.predict_one(first)
    predicted = time.perf_counter()
    _reply(
        replies,
        event="loaded",
        label=engine.label,
        class_names=engine.class_names,
        import_ms=1000 * (imported - started),
        load_ms=1000 * (loaded - imported),
        first_predict_ms=1000 * (predicted - loaded),
    )
    for line in sys.stdin:
        command, *arguments = line.rstrip("\n").split("\t")
        if command == "time":
            warm_up, count, batch_size = map(int, arguments)
            inputs = _batches(images, count, batch_size)
            ask = engine.predict_one if batch_size == 1 else engine.predict_batch
            _reply(replies, event="timed", latencies_ms=_time(ask, inputs, warm_up, count, spec.slowdown))
        elif command == "memory":
            _reply(replies, event="memory", peak_memory_bytes=peak_memory_bytes())
        else:
            _write_probabilities(engine, images, Path(arguments[0]), replies)
            _reply(replies, event="done")


def _batches(images: NDArray[np.uint8], count: int, batch_size: int) -> list[NDArray[np.uint8]]:
    """Takes `count` batches, each of other images as far as these go, so that no input is warmer than the next."""
    starts = range(0, count * batch_size, batch_size)
    return [np.array(images[np.arange(start, start + batch_size) % len(images)]) for start in starts]


def _time(ask: Ask, inputs: list[NDArray[np.uint8]], warm_up: int, count: int, slowdown: float) -> list[float]:
    """Times predictions, in milliseconds."""
    for index in range(warm_up):
        ask(inputs[index % len(inputs)])
    latencies_ms = []
    for pixels in inputs[:count]:
        start = time.perf_counter_ns()
        ask(pixels)
        taken_ns = time.perf_counter_ns() - start
        while (now := time.perf_counter_ns()) < start + (1 + slowdown) * taken_ns:
            pass  # A planted regression; without one the first look at the clock ends it.
        latencies_ms.append((now - start) / 1e6)
    return latencies_ms


def _write_probabilities(engine: Engine, images: NDArray[np.uint8], out: Path, replies: TextIO) -> None:
    if engine.predict is None:
        raise UnsupportedError(f"{engine.label} is timed alone; it does not classify for comparison")
    found = []
    for start in range(0, len(images), _IMAGES_A_STEP):
        step = np.array(images[start : start + _IMAGES_A_STEP])
        found.append(engine.predict(step))
        _reply(replies, event="progress", images=len(step))
    np.save(out, np.concatenate(found), allow_pickle=False)


def _claim_stdout() -> TextIO:
    """Keeps the pipe to the parent for replies, and sends whatever libraries print to stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _end_with_parent() -> None:
    """Asks Linux to kill this process when its parent ends: one that is halted at that moment would wait for ever.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGKILL))


def _reply(replies: TextIO, **fields: Any) -> None:
    replies.write(json.dumps(fields) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
