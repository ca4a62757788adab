"""The part of `kewcore bench` that holds a bench against an earlier one."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kewcore_bench.result import BenchResult
    from kewcore_bench.timing.baseline import Baseline, Comparison

BaselineFile = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="bench.json of an earlier bench: exit 1 when a package or engine is surely slower beside TensorFlow now.",
    ),
]
MaxSlowdown = Annotated[
    str, typer.Option("--max-slowdown", metavar="PERCENT", help="Slowdown since the baseline that is allowed.")
]
Detectable = Annotated[
    bool, typer.Option("--detectable", help="Say the smallest slowdown that a bench as noisy as this one can see.")
]
_LARGEST_PERCENT = 1000


def parse_percent(text: str) -> float:
    """Reads a percentage, such as `5%` or `7.5 %`, as a part of one.

    Raises:
        UsageError: It is no percentage from 0 to 1000.
    """
    from kewcore.errors import UsageError

    found = re.fullmatch(r"\s*(\d{1,4}(?:\.\d{1,6})?)\s*%\s*", text, re.ASCII)
    if found is None or float(found[1]) > _LARGEST_PERCENT:
        raise UsageError(f"--max-slowdown: expected a percentage such as 5%, from 0% to 1000%, got '{text}'")
    return float(found[1]) / 100


def print_against_baseline(baseline: "Baseline", result: "BenchResult", comparisons: "Sequence[Comparison]") -> None:
    """Prints every ratio now and then on stdout; warns on stderr where the hosts differ."""
    from kewcore.cli.output import print_table
    from kewcore.console import warn
    from kewcore_bench.timing.baseline import other_host
    from kewcore_bench.timing.baseline_tables import BASELINE_COLUMNS, BASELINE_WORDS, baseline_rows

    allowed = ", ".join(sorted({f"{1 + one.max_slowdown:.3f}" for one in comparisons}))
    title = f"ratios to TensorFlow against {baseline.path} of {baseline.result.created}; allowed are {allowed}"
    print_table(title, BASELINE_COLUMNS, baseline_rows(comparisons), left=BASELINE_WORDS)
    if (difference := other_host(baseline.result.host, result.host)) is not None:
        warn(difference)


def print_detectable(result: "BenchResult", max_slowdown: float, seed: int) -> None:
    """Prints on stdout what slowdown of each ratio a later bench would see against this one."""
    from kewcore.cli.output import print_table
    from kewcore_bench.timing.baseline import detectable_slowdowns
    from kewcore_bench.timing.baseline_tables import DETECTABLE_COLUMNS, DETECTABLE_WORDS, detectable_rows

    slowdowns = detectable_slowdowns(result, max_slowdown, seed)
    title = "smallest slowdown that a later bench, as noisy as this one, would call 95 times in 100"
    print_table(title, DETECTABLE_COLUMNS, detectable_rows(slowdowns), left=DETECTABLE_WORDS)
