"""How often `kewcore bench --baseline` errs: the real measurement, again and again, with and without a slowdown.

    python bench/gate_error_rates.py packages/Suite-original-fp16.mlpackage --runs 100 --keep rates.jsonl

Every run starts its processes afresh: TensorFlow, the package, and the package once more with a planted slowdown, which
wastes 15 % of its own time after each prediction, inside the timing. Each run is then held against an earlier one as
`--baseline` holds one `bench.json` against another: a verdict on the unchanged package is a false alarm, and none on
the slowed package is a miss. Ratios are kept in a file, a line a run, so that what was cut short goes on.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kewcore.artefacts import sha256_tree
from kewcore.console import set_verbosity
from kewcore.parity.intervals import Interval, wilson
from kewcore_bench.candidates import candidate
from kewcore_bench.engines.choice import DEFAULT_ENGINES, contenders
from kewcore_bench.hosts import cores_for
from kewcore_bench.run import GATE_ROUNDS, GATE_STARTS, GATE_THREADS
from kewcore_bench.timing.baseline import DEFAULT_MAX_SLOWDOWN, RatioKey, compare_ratios
from kewcore_bench.timing.latency import LatencyOptions, LatencyRatio
from kewcore_bench.timing.round_bootstrap import ratio_estimate
from kewcore_bench.timing.side_by_side import set_side_by_side

KEY = RatioKey("", "", "package", "", "")
NO_INTERVAL = Interval(0, 0)  # comparisons draw their own


def main() -> None:
    """Measures what is still missing, and prints the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="a package that kewcore exported, with its run")
    parser.add_argument("--runs", type=int, default=100, help="comparisons of each kind")
    parser.add_argument("--rounds", type=int, default=GATE_ROUNDS, help="interleaved rounds")
    parser.add_argument("--starts", type=int, default=GATE_STARTS, help="starts of every process")
    parser.add_argument("--threads", type=int, default=GATE_THREADS, help="of every engine")
    parser.add_argument("--slowdown", type=float, default=0.15, help="planted, as a part of one")
    parser.add_argument("--max-slowdown", type=float, default=DEFAULT_MAX_SLOWDOWN, help="allowed, as a part of one")
    parser.add_argument(
        "--keep", type=Path, default=Path("gate_error_rates.jsonl"), help="file of ratios, a line a run"
    )
    asked = parser.parse_args()
    set_verbosity("quiet")
    kept = read_runs(asked.keep)
    for one in kept:
        if one["settings"] != settings(asked):
            raise SystemExit(f"{asked.keep} holds runs of {one['settings']}, asked are {settings(asked)}: name another")
    while len(kept) < asked.runs + 1:
        kept.append(measured(asked, seed=len(kept)))
        with asked.keep.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(kept[-1]) + "\n")
        print(f"run {len(kept)} of {asked.runs + 1}: {figures(kept[-1])}", file=sys.stderr, flush=True)
    for distance in (1, len(kept) // 2):
        report(kept, distance, asked.max_slowdown)


def measured(asked: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Runs the three engines once and returns the rounds' ratios to TensorFlow, with the load of the host before."""
    one = candidate(asked.package)
    cores = cores_for(asked.threads)
    load = os.getloadavg()[0]
    reference, package = contenders(
        one.run, [one], DEFAULT_ENGINES, executor="auto", threads=asked.threads, cores=cores
    )
    slowed = replace(package, name="slowed", spec=replace(package.spec, slowdown=asked.slowdown))
    options = LatencyOptions(asked.threads, asked.rounds, seed=seed, starts=asked.starts, cores=cores)
    data = one.run.source.data
    with tempfile.TemporaryDirectory() as folder:
        pixels = Path(folder) / "pixels.npy"
        np.save(pixels, np.random.default_rng(0).integers(0, 256, (16, data.height, data.width), np.uint8))
        rows = set_side_by_side([reference, package, slowed], pixels, options)
    for row in rows:
        if row.ratio is None:
            raise SystemExit(f"{row.label} gave no ratio: {row.failure}")
    unchanged, planted = (list(row.ratio.round_ratios) for row in rows[1:] if row.ratio is not None)
    return {
        "settings": settings(asked),
        "load": load,
        "starts": asked.starts,
        "unchanged": unchanged,
        "planted": planted,
    }


def settings(asked: argparse.Namespace) -> dict[str, Any]:
    """Says what runs must have in common to be counted together."""
    named = {name: getattr(asked, name) for name in ("rounds", "starts", "threads", "slowdown")}
    return {"package": sha256_tree(asked.package), "host": platform.node(), **named}


def read_runs(path: Path) -> list[dict[str, Any]]:
    """Reads what earlier runs kept."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ratio_of(run: dict[str, Any], kind: str) -> LatencyRatio:
    """Makes a ratio as `bench.json` holds it from the rounds of a run."""
    return LatencyRatio(ratio_estimate(run[kind], run["starts"]), NO_INTERVAL, tuple(run[kind]), run["starts"])


def figures(run: dict[str, Any]) -> str:
    """Says what a run found."""
    unchanged, planted = ratio_of(run, "unchanged").value, ratio_of(run, "planted").value
    return f"unchanged {unchanged:.3f}, planted {planted:.3f} ({planted / unchanged:.3f}), load {run['load']:.1f}"


def report(kept: list[dict[str, Any]], distance: int, max_slowdown: float) -> None:
    """Holds every run against the one `distance` runs before it, and prints how often the verdict was wrong."""
    pairs = list(zip(kept, kept[distance:], strict=False))
    called = {
        kind: [
            compare_ratios(KEY, ratio_of(now, kind), ratio_of(then, "unchanged"), max_slowdown) for then, now in pairs
        ]
        for kind in ("unchanged", "planted")
    }
    alarms = sum(one.regressed for one in called["unchanged"])
    caught = sum(one.regressed for one in called["planted"])
    spread = np.std([np.log(one.change) for one in called["unchanged"]])
    detectable = np.median([one.detectable for one in called["planted"]])
    print(
        f"against the run {distance} before: {len(pairs)} comparisons, {alarms} false alarms "
        f"{interval(alarms, len(pairs))}, {caught} caught {interval(caught, len(pairs))}; an unchanged package changes "
        f"by {100 * spread:.1f} % (standard deviation), detectable is +{100 * detectable:.1f} % (median), "
        f"load {np.median([run['load'] for run in kept]):.1f} (median)"
    )


def interval(count: int, of: int) -> str:
    """Writes Wilson's 95 % interval of a rate."""
    found = wilson(count, of)
    return f"[{100 * found.low:.1f}, {100 * found.high:.1f} %]"


if __name__ == "__main__":
    main()
