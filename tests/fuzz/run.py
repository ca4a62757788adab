"""Opens damaged packages by the thousand: what comes out is a result or a `KewError`, and nothing else.

    python tests/fuzz/run.py [--inputs N] [--seed S] [--only NUMBER] [--workers W] [--own]

Inputs are tried in processes of their own, with a limit on memory and one on time, so that a crash, a hang or a leak
is seen and costs one process. Everything is drawn from the seed: `--seed S --only NUMBER` tries one input again.
Exit code 1 when anything else than a result or a `KewError` came out; the smallest input that shows it is kept.
"""

import argparse
import json
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from mutations import Input, draw  # noqa: E402
from trial import Bench  # noqa: E402

MEMORY_BYTES = 4 << 30
TIME_LIMIT_S = 30.0
START_LIMIT_S = 120.0
INPUTS = 12_000
_SHOWN_EVERY = 500


@dataclass(frozen=True)
class Trial:
    """An input and what came of it."""

    source: Input
    outcomes: tuple[Mapping[str, str], ...]
    seconds: float

    @property
    def failures(self) -> tuple[Mapping[str, str], ...]:
        """Outcomes that must not be: other exceptions, crashes, hangs."""
        return tuple(o for o in self.outcomes if o["result"].startswith(("escaped", "crashed", "hung")))


class Worker:
    """A process that tries inputs, started again whenever it has ended."""

    def __init__(self, folder: Path, *, third_party: bool) -> None:
        self.folder = folder
        self.third_party = third_party
        self.process: subprocess.Popen[str] | None = None

    def run(self, source: Input) -> Trial:
        """Tries one input."""
        process = self._started()
        start = time.monotonic()
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(source)) + "\n")
        process.stdin.flush()
        line = _line(process, TIME_LIMIT_S)
        seconds = time.monotonic() - start
        if line:
            return Trial(source, tuple(json.loads(line)), seconds)
        hung = process.poll() is None and seconds >= TIME_LIMIT_S
        result = f"hung for {TIME_LIMIT_S:.0f} s" if hung else _ending(process)
        detail = self._last_words()
        self.stop()
        shutil.rmtree(self.folder / "work", ignore_errors=True)
        return Trial(source, ({"stage": "?", "result": result, "detail": detail},), seconds)

    def stop(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()
            self.process = None

    def _started(self) -> "subprocess.Popen[str]":
        if self.process is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self.folder / "seeds", ignore_errors=True)
            command = [
                sys.executable,
                "-X",
                "faulthandler",
                str(HERE / "trial.py"),
                str(self.folder),
                str(MEMORY_BYTES),
            ]
            command.append("third-party" if self.third_party else "own")
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            with (self.folder / "errors.txt").open("w", encoding="utf-8") as errors:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env={**os.environ, **threads},
                )
            if not _line(self.process, START_LIMIT_S):
                sys.exit(f"a worker does not start:\n{self._last_words()}")
        return self.process

    def _last_words(self) -> str:
        return (self.folder / "errors.txt").read_text(encoding="utf-8", errors="replace")[-3000:]


def _line(process: "subprocess.Popen[str]", limit_s: float) -> str:
    """Reads one line; empty if the process ended or the time is up."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], limit_s)
    return process.stdout.readline() if ready else ""


def _ending(process: "subprocess.Popen[str]") -> str:
    code = process.wait()
    return f"crashed by {signal.Signals(-code).name}" if code < 0 else f"crashed with exit code {code}"


def tried(
    sources: Sequence[Input], folder: Path, workers: int, *, third_party: bool, shows_progress: bool = False
) -> list[Trial]:
    """Tries inputs on several processes; returns what came of each, in order."""
    waiting: queue.SimpleQueue[Input] = queue.SimpleQueue()
    for source in sources:
        waiting.put(source)
    trials: list[Trial] = []
    failures: list[BaseException] = []

    def serve(number: int) -> None:
        worker = Worker(folder / f"worker-{number}", third_party=third_party)
        try:
            while True:
                trials.append(worker.run(waiting.get_nowait()))
                if shows_progress and len(trials) % _SHOWN_EVERY == 0:
                    bad = sum(bool(trial.failures) for trial in trials)
                    print(f"{len(trials):6d} of {len(sources)} inputs, {bad} failures", file=sys.stderr, flush=True)
        except queue.Empty:
            return
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            worker.stop()

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sorted(trials, key=lambda trial: trial.source.number)


def smallest(trial: Trial, folder: Path, *, third_party: bool) -> Trial:
    """Leaves out steps of a failing input as long as it fails with the same result."""
    wanted = trial.failures[0]["result"]
    shrinking = True
    while shrinking:
        shrinking = False
        for step in trial.source.steps:
            fewer = replace(trial.source, steps=tuple(s for s in trial.source.steps if s != step))
            (again,) = tried([fewer], folder, 1, third_party=third_party)
            if any(failure["result"] == wanted for failure in again.failures):
                trial, shrinking = again, True
                break
    return trial


def table(trials: Sequence[Trial]) -> str:
    """Makes a Markdown table: what the inputs met, by what was damaged."""
    kinds = sorted({trial.source.kind for trial in trials})
    counts: Counter[tuple[str, str]] = Counter()
    for trial in trials:
        for outcome in trial.outcomes:
            result = outcome["result"]
            text = "a result" if result == "done" else f"`{result}`"
            counts[(f"{outcome['stage']}: {text}", trial.source.kind)] += 1
    rows = sorted({row for row, _ in counts})
    lines = ["| met | " + " | ".join(kinds) + " | all |", "|---" * (len(kinds) + 2) + "|"]
    for row in rows:
        cells = [counts[(row, kind)] for kind in kinds]
        lines.append(f"| {row} | " + " | ".join(map(str, cells)) + f" | {sum(cells)} |")
    inputs = [sum(trial.source.kind == kind for trial in trials) for kind in kinds]
    lines.append("| inputs | " + " | ".join(map(str, inputs)) + f" | {len(trials)} |")
    return "\n".join(lines)


def main() -> int:
    """Runs the fuzzer; returns the exit code."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        folder = Path(made)
        names = Bench(folder / "list", third_party=not options.own).names
        numbers = [options.only] if options.only is not None else range(options.inputs)
        sources = [draw(options.seed, number, names) for number in numbers]
        start = time.monotonic()
        trials = tried(sources, folder, options.workers, third_party=not options.own, shows_progress=True)
        slowest = max(trials, key=lambda trial: trial.seconds)
        print(table(trials))
        duration_s = time.monotonic() - start
        print(f"\n{len(trials)} inputs from {len(names)} packages, {duration_s:.0f} s; ", end="")
        print(f"the slowest took {slowest.seconds:.1f} s (number {slowest.source.number})")
        failing = [trial for trial in trials if trial.failures]
        for result, group in _grouped(failing).items():
            kept = smallest(group[0], folder / "shrinking", third_party=not options.own)
            _report(result, kept, len(group), folder, options)
    return 1 if failing else 0


def _grouped(failing: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Groups failures by result and by where in our code they arose."""
    groups: dict[str, list[Trial]] = {}
    for trial in failing:
        failure = trial.failures[0]
        places = [line.strip() for line in failure["detail"].splitlines() if "kewcore" in line and 'File "' in line]
        groups.setdefault(f"{failure['result']} {places[-1] if places else ''}", []).append(trial)
    return groups


def _report(result: str, kept: Trial, count: int, folder: Path, options: argparse.Namespace) -> None:
    target = options.keep / f"seed-{kept.source.seed}-input-{kept.source.number}.mlpackage"
    shutil.rmtree(folder / "report", ignore_errors=True)
    bench = Bench(folder / "report", third_party=not options.own)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(bench.package(kept.source), target)
    print(f"\n{count} times: {result}\n{kept.failures[0]['detail'].rstrip()}")
    print(f"package '{kept.source.package}', {kept.source.kind}, steps {list(kept.source.steps)}; kept as {target}")
    own = " --own" if options.own else ""
    print(f"repeat: python tests/fuzz/run.py{own} --seed {kept.source.seed} --only {kept.source.number}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Opens damaged packages by the thousand.")
    parser.add_argument("--inputs", type=int, default=INPUTS, help=f"how many to try (default {INPUTS})")
    parser.add_argument("--seed", type=int, default=0, help="what everything is drawn from (default 0)")
    parser.add_argument("--only", type=int, help="try this input alone")
    parser.add_argument("--own", action="store_true", help="leave out other people's packages")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where failing packages are kept")
    parser.add_argument("--folder", help="where packages are damaged (default: the system's temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
