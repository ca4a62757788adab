"""One mutated input tried: opened, verified, inspected, and predicted once; in a process with little memory.

    python tests/fuzz/trial.py FOLDER MEMORY_BYTES own|third-party

Reads inputs as JSON, a line each, from standard input, and writes what came of each to standard output, a line each.
Whoever starts it sees a crash as the end of the process, and a hang as a line that does not come.
"""

import json
import resource
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from mutations import MANIFEST, MODEL, WEIGHTS, Input, mutated
from seeds import seed_packages

from kewcore.ane.chips import CHIPS
from kewcore.ane.cost import estimate
from kewcore.ane.cost_json import estimates_json
from kewcore.ane.residency import residency
from kewcore.ane.residency_json import residency_json
from kewcore.errors import KewError, PackageError, UnsupportedError, UsageError
from kewcore.runtime import Model, evaluation, load
from kewcore.runtime.inspection import op_counts, weight_reports
from kewcore.runtime.lowering.ops import control_flow
from kewcore.runtime.package import FeatureKind

ONNX_SHARE = 2
"""One input in so many runs in the fast executor too."""
INPUT_ELEMENTS = 1 << 20
"""Larger inputs are not made: it is the caller who would give them."""
LOOP_UNITS = 50_000
"""The loops' budget here: an endless loop uses all of it, half a minute with the usual one."""
EXPECTED = (PackageError, UnsupportedError, UsageError)
"""What a package may meet its reader with. Other kinds of `KewError` speak of other things than packages."""


@dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Attributes:
        stage: How far it came: `opening`, `inspection`, `prediction`.
        result: `done`, the class of the `KewError`, or `escaped` with another exception.
        detail: The message, or the traceback of what escaped.
    """

    stage: str
    result: str
    detail: str


class Bench:
    """The seed packages in a folder, where one after the other is damaged and mended again."""

    def __init__(self, folder: Path, *, third_party: bool) -> None:
        self.folder = folder
        self.sources = seed_packages(folder / "seeds", third_party=third_party)
        self.names = tuple(self.sources)

    @cache  # noqa: B019
    def sound(self, name: str) -> dict[str, bytes]:
        """Reads the files of a seed package."""
        source = self.sources[name]
        return {path: (source / path).read_bytes() for path in (MANIFEST, MODEL, WEIGHTS) if (source / path).is_file()}

    def damaged(self, source: Input) -> dict[str, bytes]:
        """Makes the files that a mutated input has in place of the seed's."""
        return mutated(source, self.sound(source.package), lambda name: self.sound(name)[MODEL], self.names)

    def package(self, source: Input) -> Path:
        """Writes a mutated input; `mend` puts the sound files back."""
        target = self.folder / "work" / f"{source.package}.mlpackage"
        if not target.is_dir():
            _write(target, self.sound(source.package))
        _write(target, self.damaged(source))
        return target

    def mend(self, source: Input) -> None:
        """Puts the sound files back."""
        _write(self.folder / "work" / f"{source.package}.mlpackage", self.sound(source.package))


def _write(target: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)


def tried(package: Path, number: int) -> tuple[Outcome, ...]:
    """Tries a package in the reference executor, and for a share of the inputs in the fast one."""
    outcomes = [_outcome(lambda stages: _use(package, "reference", stages))]
    if number % ONNX_SHARE == 0 and outcomes[0].stage != "opening":
        outcomes.append(_outcome(lambda stages: _use(package, "onnx", stages)))
    return tuple(outcomes)


def _outcome(use: Callable[[list[str]], None]) -> Outcome:
    stages = ["opening"]
    try:
        use(stages)
    except EXPECTED as error:
        kind = next(kind.__name__ for kind in EXPECTED if isinstance(error, kind))
        return Outcome(stages[-1], kind, str(error))
    except KewError as error:
        return Outcome(stages[-1], f"escaped {type(error).__name__}", traceback.format_exc())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any other exception is what is looked for
        return Outcome(stages[-1], f"escaped {type(error).__name__}", traceback.format_exc())
    return Outcome(stages[-1], "done", "")


def _use(package: Path, executor: Any, stages: list[str]) -> None:
    model = load(package, executor, threads=1)
    stages.append("inspection")
    op_counts(model), weight_reports(model.function)
    _ = model.class_labels, model.ops, [str(feature) for feature in (*model.inputs, *model.outputs)]
    report = residency(model, (CHIPS[0], CHIPS[-1]))
    residency_json(report), estimates_json([estimate(report, one) for one in report.chips])
    stages.append("prediction")
    inputs = _inputs(model)
    model.predict(inputs, model.make_state() if model.interface.states else None)


def _inputs(model: Model) -> dict[str, Any]:
    """Makes an input for every feature whose size is reasonable; the others are left out."""
    rng = np.random.default_rng(0)
    inputs: dict[str, Any] = {}
    for feature in model.inputs:
        shape = feature.shape
        if len(shape) > 32 or min(shape, default=0) < 0 or float(np.prod(np.array(shape, np.float64))) > INPUT_ELEMENTS:
            continue
        if feature.kind is FeatureKind.IMAGE:
            grey = (feature.colour_space or "").startswith("GRAYSCALE")
            inputs[feature.name] = rng.integers(0, 256, shape if grey else (*shape, 3)).astype(np.uint8)
        else:
            inputs[feature.name] = rng.standard_normal(shape).astype(np.float32)
    return inputs


def main() -> int:
    """Serves inputs until there are no more."""
    folder, memory_bytes, third_party = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "third-party"
    bench = Bench(folder, third_party=third_party)
    evaluation.LOOP_BUDGET = control_flow.LOOP_BUDGET = LOOP_UNITS
    for name in bench.names[:1]:  # imports and starts what takes memory once
        tried(bench.sources[name], 0)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps({"ready": list(bench.names)}), flush=True)
    for line in sys.stdin:
        source = Input(**{**json.loads(line), "steps": tuple(json.loads(line)["steps"])})
        outcomes = tried(bench.package(source), source.number)
        bench.mend(source)
        print(json.dumps([vars(outcome) for outcome in outcomes]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
