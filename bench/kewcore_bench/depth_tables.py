"""Robustness, input pipelines and drift as tables of text, none wider than 100 columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from kewcore.parity.intervals import Interval
from kewcore.parity.paired import PairedAccuracy
from kewcore.parity.robustness import CorruptionParity
from kewcore_bench.result import BenchResult, PackageResult, VariantResult


@dataclass(frozen=True)
class TextTable:
    """One table.

    Attributes:
        title: Line above it.
        columns: Headings.
        rows: Cells.
        words: Which columns hold words, aligned to the left; the others hold figures.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...]


def depth_tables(result: BenchResult) -> Iterator[TextTable]:
    """Gives the tables of what was looked into beyond the images as they are, variant by variant."""
    for variant in result.variants:
        corrupted = [package for package in variant.packages if package.robustness]
        if corrupted:
            yield _reference_robustness(variant, corrupted[0].robustness)
        for package in corrupted:
            yield _robustness(package)


def _reference_robustness(variant: VariantResult, found: Sequence[CorruptionParity]) -> TextTable:
    rows = [
        (kind, *(_percent(one.accuracy.first_accuracy) for one in group), cells[0].amount, cells[-1].amount)
        for kind, group in _by_kind(found)
        for cells in [group]
    ]
    return TextTable(
        f"{variant.recipe} {variant.variant}: TensorFlow's accuracy on corrupted images, by strength "
        f"(uncorrupted {_percent(variant.metrics.accuracy)})",
        ("corruption", "1", "2", "3", "4", "5", "strength 1", "strength 5"),
        tuple(rows),
        (0, 6, 7),
    )


def _robustness(package: PackageResult) -> TextTable:
    rows = []
    for kind, group in _by_kind(package.robustness):
        worst = max(group, key=lambda one: one.accuracy.drop_pp)
        rows.append(
            (
                kind,
                *(_percent(one.top1_agreement) for one in group),
                _drop(worst.accuracy),
                str(worst.strength),
                f"{max(one.max_abs_dp for one in group):.1e}",
            )
        )
    return TextTable(
        f"{package.name}: agreement with TensorFlow on corrupted images, by strength",
        ("corruption", "1", "2", "3", "4", "5", "largest drop, pp [95 %]", "at", "max |Δp|"),
        tuple(rows),
        (0,),
    )


def _by_kind(found: Sequence[CorruptionParity]) -> list[tuple[str, list[CorruptionParity]]]:
    return [(kind, list(group)) for kind, group in groupby(found, key=lambda one: one.corruption)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _drop(accuracy: PairedAccuracy) -> str:
    interval: Interval = accuracy.drop_interval_pp
    return f"{accuracy.drop_pp:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"
