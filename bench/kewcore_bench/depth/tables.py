"""Parity in depth, robustness, input pipelines and drift as tables of text, which fit a terminal of 100 columns."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from kewcore.parity.drift import LayerDrift
from kewcore.parity.drift import worst_first as sort_worst_first
from kewcore.parity.intervals import Interval
from kewcore.parity.paired import PairedAccuracy
from kewcore.parity.robustness import CorruptionParity
from kewcore.parity.snr import LEAST_SNR_DB
from kewcore_bench.labels import package_labels
from kewcore_bench.result import BenchResult, PackageResult, VariantResult

_STRENGTHS = ("1", "2", "3", "4", "5")
_NAME_WIDTH = 32
_PACKAGES_ACROSS = 3


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


def depth_tables(result: BenchResult, *, worst_first: bool = True) -> Iterator[TextTable]:
    """Gives the tables of all that the first table has no room for, variant by variant.

    Args:
        result: The bench.
        worst_first: Sort layers by their own SNR; otherwise they come in order of computation.
    """
    for variant in result.variants:
        labels = package_labels(variant.packages)
        yield from _accuracy_and_calibration(variant, labels)
        yield from _recall(variant, labels)
        corrupted = [package for package in variant.packages if package.robustness]
        if corrupted:
            yield _reference_robustness(variant, corrupted[0].robustness)
        for package in corrupted:
            yield _robustness(package)
        if variant.pipelines:
            yield _pipelines(variant)
        for package in variant.packages:
            if package.drift:
                yield _drift(package, worst_first=worst_first)


def _accuracy_and_calibration(variant: VariantResult, labels: Sequence[str]) -> Iterator[TextTable]:
    rows, reference = [], ""
    for label, package in zip(labels, variant.packages, strict=True):
        accuracy, calibration = package.parity.accuracy, package.parity.calibration
        if accuracy is None or calibration is None:
            continue
        change, bounds = calibration.change, calibration.change_interval
        rows.append(
            (
                label,
                f"{_percentage(accuracy.second_accuracy)} {_bounds(accuracy.second_interval)}",
                _drop(accuracy),
                f"{accuracy.mcnemar_p:.2g}",
                f"{package.parity.mean_kl_nats:.1e}",
                f"{100 * calibration.package_error:.2f}",
                f"{100 * change:+.2f} [{100 * bounds.low:+.2f}, {100 * bounds.high:+.2f}]",
            )
        )
        reference = (
            f"TensorFlow {_percentage(accuracy.first_accuracy)} {_bounds(accuracy.first_interval)}, "
            f"{100 * calibration.reference_error:.2f} %"
        )
    if rows:
        yield TextTable(
            f"{variant.recipe} {variant.variant}: accuracy, expected calibration error (ECE); {reference}",
            ("package", "accuracy, % [95 %]", "drop, pp [95 %]", "p", "KL, nats", "ECE, %", "change, pp [95 %]"),
            tuple(rows),
            (0,),
        )


def _recall(variant: VariantResult, labels: Sequence[str]) -> Iterator[TextTable]:
    told = [(label, one.parity.per_class) for label, one in zip(labels, variant.packages, strict=True)]
    told = [pair for pair in told if pair[1]]
    for start in range(0, len(told), _PACKAGES_ACROSS):
        some = told[start : start + _PACKAGES_ACROSS]
        part = f" ({', '.join(label for label, _ in some)})" if len(told) > len(some) else ""
        rows = tuple(
            (
                each[0].name,
                str(each[0].support),
                _percentage(each[0].reference_recall),
                *(_points(one.change_pp, one.change_interval_pp) for one in each),
            )
            for each in zip(*(changes for _, changes in some), strict=True)
        )
        yield TextTable(
            f"{variant.recipe} {variant.variant}: recall by class, %, and what packages change of it, pp [95 %]{part}",
            ("class", "images", "TensorFlow", *(label for label, _ in some)),
            rows,
            (0,),
        )


def _reference_robustness(variant: VariantResult, found: Sequence[CorruptionParity]) -> TextTable:
    rows = tuple(
        (kind, *(_percentage(one.accuracy.first_accuracy) for one in group), group[0].amount, group[-1].amount)
        for kind, group in _by_kind(found)
    )
    return TextTable(
        f"{variant.recipe} {variant.variant}: TensorFlow's accuracy on corrupted images, %, by strength "
        f"(uncorrupted {_percentage(variant.metrics.accuracy)})",
        ("corruption", *_STRENGTHS, "strength 1", "strength 5"),
        rows,
        (0, 6, 7),
    )


def _robustness(package: PackageResult) -> TextTable:
    rows = []
    for kind, group in _by_kind(package.robustness):
        lowest = min(group, key=lambda one: one.top1_agreement)
        worst = max(group, key=lambda one: one.accuracy.drop_pp)
        agreements = (_percentage(one.top1_agreement) for one in group)
        bounds = _bounds(lowest.top1_agreement_interval)
        rows.append((kind, *agreements, f"{_percentage(lowest.top1_agreement)} {bounds}", _drop(worst.accuracy)))
    return TextTable(
        f"{package.name}: agreement with TensorFlow on corrupted images, %, by strength",
        ("corruption", *_STRENGTHS, "lowest [95 %]", "worst drop, pp [95 %]"),
        tuple(rows),
        (0,),
    )


def _pipelines(variant: VariantResult) -> TextTable:
    rows = tuple(
        (
            one.pipeline,
            f"{one.n}" if not one.skipped else f"{one.n} (-{one.skipped})",
            f"{one.mean_abs_pixel:.2f} ({one.max_abs_pixel})",
            f"{_percentage(one.top1_agreement)} {_bounds(one.top1_agreement_interval)}",
            f"{one.max_abs_dp:.1e}",
            _drop(one.accuracy),
        )
        for one in variant.pipelines
    )
    return TextTable(
        f"{variant.recipe} {variant.variant}: TensorFlow's answers on pixels of other input pipelines "
        f"(accuracy on kewcore's {_percentage(variant.pipelines[0].accuracy.first_accuracy)} %)",
        ("pipeline", "files", "Δ pixel", "agreement, % [95 %]", "max |Δp|", "drop, pp [95 %]"),
        rows,
        (0,),
    )


def _drift(package: PackageResult, *, worst_first: bool) -> TextTable:
    numbered = list(enumerate(package.drift, start=1))
    if worst_first:
        numbered.sort(key=lambda pair: math.inf if pair[1].own_snr_db is None else pair[1].own_snr_db)
        numbered.sort(key=lambda pair: pair[1].value is None)
    worst = next(iter(sort_worst_first(package.drift)), None)
    rows = tuple(
        (
            str(number),
            one.layer,
            "x".join(map(str, one.shape)),
            _decibels(one, one.own_snr_db),
            _decibels(one, one.snr_db),
            "WORST" if one is worst else "",
            _shortened(one.value) if one.value is not None else f"merged with {one.merged_with or 'nothing'}",
        )
        for number, one in numbered
    )
    named = f"; worst: {' + '.join(worst.covers)}" if worst is not None else ""
    return TextTable(
        f"{package.name}: SNR of layers, dB, alone and with all before{named}",
        ("#", "layer", "output", "alone", "with all", "", "value in the package"),
        rows,
        (1, 2, 5, 6),
    )


def _by_kind(found: Sequence[CorruptionParity]) -> list[tuple[str, list[CorruptionParity]]]:
    return [(kind, list(group)) for kind, group in groupby(found, key=lambda one: one.corruption)]


def _percentage(share: float) -> str:
    return f"{100 * share:.1f}"


def _bounds(interval: Interval) -> str:
    return f"[{_percentage(interval.low)}, {_percentage(interval.high)}]"


def _decibels(layer: LayerDrift, snr_db: float | None) -> str:
    if layer.value is None:
        return "–"
    if snr_db is None or snr_db == math.inf:  # JSON, from which results are read too, knows no infinity.
        return "equal"
    return f"{snr_db:.1f}" if snr_db > LEAST_SNR_DB else "no signal"


def _shortened(name: str) -> str:
    """Takes the middle out of a long name: its beginning and its end tell values apart."""
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH // 2]}…{name[1 - _NAME_WIDTH // 2 :]}"


def _drop(accuracy: PairedAccuracy) -> str:
    return _points(accuracy.drop_pp, accuracy.drop_interval_pp)


def _points(value_pp: float, interval: Interval) -> str:
    return f"{value_pp:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"
