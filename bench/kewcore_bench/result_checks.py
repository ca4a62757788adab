"""What must hold between the figures of a result that was read from a file, or tables and charts could not be made."""

import math
from collections.abc import Iterator, Sequence

from kewcore.errors import DataError
from kewcore.parity.classification import ClassificationMetrics
from kewcore.parity.roc import RocCurve
from kewcore_bench.depth.occlusion_result import OcclusionSample
from kewcore_bench.result import BenchResult, VariantResult
from kewcore_bench.timing.latency import Latency, LatencyRatio

_LARGEST_SIDE = 8192  # of an image that a model takes: photographs are brought to this size again


def check_consistent(result: BenchResult) -> None:
    """Refuses figures that do not fit one another.

    Raises:
        DataError: Names the figures.
    """
    dataset = result.dataset
    if not (0 <= dataset.height <= _LARGEST_SIDE and 0 <= dataset.width <= _LARGEST_SIDE):
        raise DataError(f"'dataset.height' and 'dataset.width' must be 0 to {_LARGEST_SIDE}")
    if (timing := result.latency_options) is not None and min(timing.starts, timing.rounds, timing.threads) < 1:
        raise DataError("'latency_options' must have starts, rounds and threads from 1 on")
    if not result.variants:
        raise DataError("'variants' is empty")
    for index, variant in enumerate(result.variants):
        where = f"variants[{index}]"
        for place, metrics in _metrics(variant, where):
            _check_metrics(place, metrics, variant.metrics.class_names)
        for place, latency in _latencies(variant, where):
            check_latency(f"{place}.latency", latency)
        for place, ratio in _ratios(variant, where):
            _check_rounds(f"{place}.round_ratios", ratio.round_ratios, ratio.starts)
            _check_positive(f"{place}.value", (ratio.value, ratio.interval.low, ratio.interval.high))
        for place, curve in _curves(variant, where):
            if len(curve.false_positive_rate) != len(curve.true_positive_rate):
                raise DataError(f"'{place}' has rates of two lengths")
        for number, sample in enumerate(variant.occlusion):
            _check_maps(f"{where}.occlusion[{number}].maps", sample)


def check_latency(where: str, latency: Latency) -> None:
    """Refuses a latency whose rounds are none, are not shared out evenly among the starts, or are no times.

    Raises:
        DataError: Names the figures.
    """
    if not latency.round_medians_ms:
        raise DataError(f"'{where}.round_medians_ms' is empty")
    _check_rounds(f"{where}.round_medians_ms", latency.round_medians_ms, latency.starts)
    _check_positive(f"{where}.median_ms", (latency.median_ms, latency.p95_ms, latency.p99_ms))


def _check_rounds(where: str, rounds: Sequence[float], starts: int) -> None:
    if starts < 1 or len(rounds) % starts:
        raise DataError(f"'{where}' has {len(rounds)} rounds, which cannot come from {starts} starts of as many each")
    _check_positive(where, rounds)


def _check_positive(where: str, numbers: Sequence[float]) -> None:
    if not all(0 < one < math.inf for one in numbers):
        raise DataError(f"'{where}' must be finite and above 0")


def _metrics(variant: VariantResult, where: str) -> Iterator[tuple[str, ClassificationMetrics]]:
    yield f"{where}.metrics", variant.metrics
    for index, package in enumerate(variant.packages):
        yield f"{where}.packages[{index}].metrics", package.metrics


def _latencies(variant: VariantResult, where: str) -> Iterator[tuple[str, Latency]]:
    if variant.latency is not None:
        yield where, variant.latency
    packages = ((f"{where}.packages[{index}]", one.latency) for index, one in enumerate(variant.packages))
    engines = ((f"{where}.engines[{index}]", one.latency) for index, one in enumerate(variant.engines))
    for place, latency in (*packages, *engines):
        if latency is not None:
            yield place, latency


def _ratios(variant: VariantResult, where: str) -> Iterator[tuple[str, LatencyRatio]]:
    owners = enumerate(variant.packages)
    packages = ((f"{where}.packages[{index}].latency_ratio", one.latency_ratio) for index, one in owners)
    engines = ((f"{where}.engines[{index}].ratio", one.ratio) for index, one in enumerate(variant.engines))
    for place, ratio in (*packages, *engines):
        if ratio is not None:
            yield place, ratio


def _curves(variant: VariantResult, where: str) -> Iterator[tuple[str, RocCurve]]:
    owners = [(where, variant.roc)]
    owners += [(f"{where}.packages[{index}]", package.roc) for index, package in enumerate(variant.packages)]
    for owner, curves in owners:
        for index, curve in enumerate(curves):
            yield f"{owner}.roc[{index}]", curve


def _check_maps(where: str, sample: OcclusionSample) -> None:
    shapes = {(len(one.drops), len(row)) for one in sample.maps for row in one.drops}
    if len(shapes) != 1 or 0 in next(iter(shapes)) or not all(one.drops for one in sample.maps):
        raise DataError(f"'{where}' must all have the same rows and columns, at least one")


def _check_metrics(where: str, metrics: ClassificationMetrics, class_names: Sequence[str]) -> None:
    classes = len(class_names)
    if metrics.class_names != tuple(class_names):
        raise DataError(f"'{where}.class_names' are not those of the reference")
    if len(metrics.confusion) != classes or any(len(row) != classes for row in metrics.confusion):
        raise DataError(f"'{where}.confusion' must have {classes} rows and columns, one a class")
    if len(metrics.per_class) != classes:
        raise DataError(f"'{where}.per_class' must have {classes} entries, has {len(metrics.per_class)}")
