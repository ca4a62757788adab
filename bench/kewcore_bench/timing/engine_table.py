"""Engines side by side as rows of text: in full for Markdown and the report, in short for terminals."""

from kewcore_bench.engines.choice import DEFAULT_ENGINES
from kewcore_bench.labels import package_labels
from kewcore_bench.result import VariantResult
from kewcore_bench.timing.engine_result import EngineResult, Throughput
from kewcore_bench.timing.latency import Latency, LatencyRatio

ENGINE_COLUMNS = (
    "engine",
    "model",
    "median, ms",
    "p95",
    "p99",
    "IQR",
    "ratio [95 %]",
    "images/s by batch",
    "import + load + first, ms",
    "memory",
    "size",
    "why not",
)
ENGINE_WORDS = (0, 1, 11)
"""Columns of words; the others hold figures."""
TERMINAL_COLUMNS = ("engine", "package", "ms", "p95", "p99", "ratio [95 %]", "images/s by batch")
"""What fits a terminal of 100 columns."""
FAILURE_COLUMNS = ("engine", "package", "why there are no figures")
SHORT_WORDS = (0, 1)
"""Columns of words of `TERMINAL_COLUMNS`; those of `FAILURE_COLUMNS` all are."""
_NONE = "–"


def engine_rows(variant: VariantResult) -> list[list[str]]:
    """Writes one row an engine and model, failures included; columns are `ENGINE_COLUMNS`."""
    return [_row(one) for one in variant.engines]


def terminal_rows(variant: VariantResult) -> list[list[str]]:
    """Writes one row for each engine and model that has figures; columns are `TERMINAL_COLUMNS`."""
    return [
        [*_names(variant, one), *_times(one.latency)[:3], _ratio(one.ratio), _throughput(one.throughput)]
        for one in variant.engines
        if one.latency is not None
    ]


def failure_rows(variant: VariantResult) -> list[list[str]]:
    """Writes one row for each engine and model that failed; columns are `FAILURE_COLUMNS`."""
    return [[*_names(variant, one), one.failure] for one in variant.engines if one.failure]


def worth_showing(variant: VariantResult) -> bool:
    """Tells whether the table says more than that of the packages: other engines, a failure, or throughput."""
    return any(one.engine not in DEFAULT_ENGINES or one.failure or one.throughput for one in variant.engines)


def _row(one: EngineResult) -> list[str]:
    timed = _times(one.latency) if one.latency is not None else [_NONE] * 4
    return [
        one.label,
        one.subject,
        *timed,
        _ratio(one.ratio),
        _throughput(one.throughput),
        _start(one.latency),
        f"{one.latency.peak_memory_bytes / 1e6:.0f} MB" if one.latency else _NONE,
        f"{one.model_size_bytes / 1e6:.1f} MB" if one.model_size_bytes is not None else _NONE,
        one.failure or "",
    ]


def _names(variant: VariantResult, one: EngineResult) -> tuple[str, str]:
    """Names engine and package in short; what was timed elsewhere, without a ratio, keeps the label with its device."""
    elsewhere = one.latency is not None and one.ratio is None
    labels = zip(package_labels(variant.packages), variant.packages, strict=True)
    package = next((label for label, each in labels if each.name == one.subject), _NONE)
    return one.label if elsewhere else one.engine, package


def _times(latency: Latency) -> list[str]:
    return [f"{value:.1f}" for value in (latency.median_ms, latency.p95_ms, latency.p99_ms, latency.iqr_ms)]


def _start(latency: Latency | None) -> str:
    if latency is None:
        return _NONE
    return f"{latency.import_ms:.0f} + {latency.load_ms:.0f} + {latency.first_predict_ms:.0f}"


def _ratio(ratio: LatencyRatio | None) -> str:
    return f"{ratio.value:.2f} [{ratio.interval.low:.2f}, {ratio.interval.high:.2f}]" if ratio else _NONE


def _throughput(throughput: tuple[Throughput, ...]) -> str:
    return ", ".join(f"{one.batch_size}: {one.images_per_s:.0f}" for one in throughput) or _NONE
