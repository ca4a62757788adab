"""Engines side by side as rows of text: the same on the terminal and in Markdown."""

from kewcore_bench.engines.choice import DEFAULT_ENGINES
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
_NONE = "–"


def engine_rows(variant: VariantResult) -> list[list[str]]:
    """Writes one row an engine and model, failures included; columns are `ENGINE_COLUMNS`."""
    return [_row(one) for one in variant.engines]


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


def _times(latency: Latency) -> list[str]:
    return [f"{value:.1f}" for value in (latency.median_ms, latency.p95_ms, latency.p99_ms, latency.iqr_ms)]


def _start(latency: Latency | None) -> str:
    if latency is None:
        return _NONE
    return f"{latency.import_ms:.0f} + {latency.load_ms:.0f} + {latency.first_predict_ms:.0f}"


def _ratio(ratio: LatencyRatio | None) -> str:
    return f"{ratio.median:.2f} [{ratio.interval.low:.2f}, {ratio.interval.high:.2f}]" if ratio else _NONE


def _throughput(throughput: tuple[Throughput, ...]) -> str:
    return ", ".join(f"{one.batch_size}: {one.images_per_s:.0f}" for one in throughput) or _NONE
