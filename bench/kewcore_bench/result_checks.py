"""What must hold between the figures of a result that was read from a file, or tables and charts could not be made."""

from collections.abc import Iterator, Sequence

from kewcore.errors import DataError
from kewcore.parity.classification import ClassificationMetrics
from kewcore_bench.result import BenchResult, VariantResult

_LARGEST_SIDE = 8192  # of an image that a model takes: photographs are brought to this size again


def check_consistent(result: BenchResult) -> None:
    """Refuses figures that do not fit one another.

    Raises:
        DataError: Names the figures.
    """
    dataset = result.dataset
    if not (0 <= dataset.height <= _LARGEST_SIDE and 0 <= dataset.width <= _LARGEST_SIDE):
        raise DataError(f"'dataset.height' and 'dataset.width' must be 0 to {_LARGEST_SIDE}")
    if not result.variants:
        raise DataError("'variants' is empty")
    for index, variant in enumerate(result.variants):
        where = f"variants[{index}]"
        for place, metrics in _metrics(variant, where):
            _check_metrics(place, metrics, variant.metrics.class_names)
        for place, latency in _latencies(variant, where):
            if not latency:
                raise DataError(f"'{place}.latency.round_medians_ms' is empty")


def _metrics(variant: VariantResult, where: str) -> Iterator[tuple[str, ClassificationMetrics]]:
    yield f"{where}.metrics", variant.metrics
    for index, package in enumerate(variant.packages):
        yield f"{where}.packages[{index}].metrics", package.metrics


def _latencies(variant: VariantResult, where: str) -> Iterator[tuple[str, Sequence[float]]]:
    if variant.latency is not None:
        yield where, variant.latency.round_medians_ms
    packages = ((f"{where}.packages[{index}]", one.latency) for index, one in enumerate(variant.packages))
    engines = ((f"{where}.engines[{index}]", one.latency) for index, one in enumerate(variant.engines))
    for place, latency in (*packages, *engines):
        if latency is not None:
            yield place, latency.round_medians_ms


def _check_metrics(where: str, metrics: ClassificationMetrics, class_names: Sequence[str]) -> None:
    classes = len(class_names)
    if metrics.class_names != tuple(class_names):
        raise DataError(f"'{where}.class_names' are not those of the reference")
    if len(metrics.confusion) != classes or any(len(row) != classes for row in metrics.confusion):
        raise DataError(f"'{where}.confusion' must have {classes} rows and columns, one a class")
    if len(metrics.per_class) != classes:
        raise DataError(f"'{where}.per_class' must have {classes} entries, has {len(metrics.per_class)}")
