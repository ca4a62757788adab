"""The result as rows of text: one table a variant, the same in Markdown and in the report, shorter on terminals."""

import math
from collections.abc import Iterable, Sequence

from kewcore.console import printable
from kewcore.parity.agreement import ParityMetrics
from kewcore_bench.depth.tables import depth_tables
from kewcore_bench.gates.judging import Verdict, figure
from kewcore_bench.labels import REFERENCE, REFERENCE_SUBJECT, package_labels
from kewcore_bench.result import BenchResult, PackageResult, VariantResult
from kewcore_bench.timing.engine_table import ENGINE_COLUMNS, engine_rows
from kewcore_bench.timing.latency import TURN_MS, LatencyRatio
from kewcore_bench.variants.comparison import VariantComparison
from kewcore_bench.variants.tables import (
    BALANCE_COLUMNS,
    GAIN_COLUMNS,
    balance_rows,
    class_columns,
    class_rows,
    comparison_notes,
    comparison_title,
    gain_rows,
)

COLUMNS = (
    "package",
    "size",
    "of float32",
    "accuracy",
    "agreement [95 %]",
    "max (mean) |Δp|",
    "logit SNR",
    "latency, ms (p95)",
    "latency ratio [95 %]",
)
TERMINAL_COLUMNS = ("package", "MB", "accuracy", "agreement [95 %]", "max |Δp|", "ms", "ratio [95 %]")
"""What fits a terminal of 100 columns; the rest stands in `bench.md`, `bench.html` and `bench.json`."""
GATE_COLUMNS = ("package", "gate", "threshold", "value", "95 % interval", "verdict")
GATE_WORDS = (0, 1, 5)
_NONE = "–"


def title(result: BenchResult, variant: VariantResult) -> str:
    """Names a variant's table: what was measured, on how many images, and that a stand-in is one."""
    stand_in = " of the built-in sample set, a stand-in for real photographs" if result.dataset.stand_in else ""
    return f"{variant.recipe} {variant.variant}: {result.dataset.images} {result.dataset.split} images{stand_in}"


def rows(variant: VariantResult) -> list[list[str]]:
    """Writes the reference as the first row and each package as one of the others; columns are `COLUMNS`."""
    latency = variant.latency
    reference = [
        REFERENCE_SUBJECT,
        megabytes(variant.float32_bytes),
        "1.000",
        percent(variant.metrics.accuracy),
        _NONE,
        _NONE,
        _NONE,
        f"{latency.median_ms:.1f} ({latency.p95_ms:.1f})" if latency else _NONE,
        "1.00" if latency else _NONE,
    ]
    return [reference, *(_package_row(package) for package in variant.packages)]


def terminal_rows(variant: VariantResult) -> list[list[str]]:
    """Writes the reference and each package in short, as `labels` call them; columns are `TERMINAL_COLUMNS`."""
    latency = variant.latency
    reference = [
        REFERENCE,
        f"{variant.float32_bytes / 1e6:.3g}",
        percent(variant.metrics.accuracy),
        _NONE,
        _NONE,
        f"{latency.median_ms:.1f}" if latency else _NONE,
        "1.00" if latency else _NONE,
    ]
    labels = package_labels(variant.packages)
    return [reference, *(_terminal_row(*pair) for pair in zip(labels, variant.packages, strict=True))]


def _terminal_row(label: str, package: PackageResult) -> list[str]:
    parity, latency = package.parity, package.latency
    return [
        label,
        f"{package.size_bytes / 1e6:.3g}",
        percent(package.metrics.accuracy),
        _agreement(parity),
        f"{parity.max_abs_dp:.1e}",
        f"{latency.median_ms:.1f}" if latency else _NONE,
        _ratio(package.latency_ratio),
    ]


def gate_rows(verdicts: Iterable[Verdict]) -> list[list[str]]:
    """Writes verdicts as rows; columns are `GATE_COLUMNS`."""
    return [
        [
            one.package,
            one.gate,
            f"{one.threshold:.12g}",
            figure(one.value) if one.value is not None else _NONE,
            f"{figure(one.interval.low)} … {figure(one.interval.high)}" if one.interval else _NONE,
            _verdict(one),
        ]
        for one in verdicts
    ]


def _verdict(one: Verdict) -> str:
    if one.reason is not None:
        return f"MISSED: {one.reason}"
    return ("held" if one.held else "MISSED") + ("" if one.certain else ", uncertain")


def notes(result: BenchResult) -> list[str]:
    """Sentences that belong under every table."""
    said = []
    if result.latency_options is not None:
        options = result.latency_options
        threads = f"{options.threads} thread{'' if options.threads == 1 else 's'}"
        said.append(
            f"Latency is the median, p95 where brackets follow: {result.host.note}; one image at a time, {threads}, "
            f"{options.rounds_a_start * options.starts} interleaved rounds of {_turn(options.predicts)}, each engine "
            f"in a process of its own, started {_times(options.starts)}; ratio to TensorFlow within a round."
        )
        if result.host.busy_note is not None:
            said.append(result.host.busy_note)
    said.append(
        "Intervals are 95 %: Wilson for agreement, bootstrap over starts and rounds for the ratio. Logit SNR is taken "
        "on log-probabilities centred by row, since outputs are softmaxed."
    )
    if result.dataset.stand_in:
        said.append("The sample set is a stand-in: its accuracies say nothing about real photographs.")
    if result.dataset.images < result.dataset.available:
        said.append(f"{result.dataset.images} of {result.dataset.available} images were used.")
    return said


def markdown(result: BenchResult, verdicts: Sequence[Verdict] = ()) -> str:
    """Writes the whole result as Markdown."""
    parts = [f"# kewcore bench, {result.created}"]
    for variant in result.variants:
        parts += [f"## {title(result, variant)}", markdown_table(COLUMNS, rows(variant))]
        if variant.engines:
            parts += ["### Engines", markdown_table(ENGINE_COLUMNS, engine_rows(variant), left=2)]
    for table in depth_tables(result):
        parts += [f"### {table.title}", markdown_table(table.columns, table.rows)]
    parts += notes(result)
    if result.comparison is not None:
        parts += _comparison(result.comparison)
    if verdicts:
        parts += ["## Gates", markdown_table(GATE_COLUMNS, gate_rows(verdicts), left=2)]
    return "\n\n".join(parts) + "\n"


def _comparison(comparison: VariantComparison) -> list[str]:
    parts = [
        f"## {comparison_title(comparison)}",
        markdown_table(GAIN_COLUMNS, gain_rows(comparison)),
        markdown_table(class_columns(comparison), class_rows(comparison)),
    ]
    if balance := balance_rows(comparison):
        parts.append(markdown_table(BALANCE_COLUMNS, balance))
    return [*parts, *comparison_notes(comparison)]


def _turn(predicts: int | None) -> str:
    return f"{TURN_MS:.0f} ms" if predicts is None else f"{predicts} predictions"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def megabytes(size_bytes: int) -> str:
    """Writes a size in megabytes of 10⁶ bytes, or in kilobytes below one."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.1f} kB"


def percent(share: float) -> str:
    """Writes a share of 1 as a percentage with one decimal; 100.0 % only when it is all."""
    text = f"{100 * share:.1f}"
    return f"{'>99.9' if text == '100.0' and share < 1 else text} %"


def decibels(value: float) -> str:
    """Writes a ratio in decibels; equal outputs have an infinite one."""
    return "equal" if value == math.inf else f"{value:.1f} dB"


def _package_row(package: PackageResult) -> list[str]:
    parity, latency = package.parity, package.latency
    return [
        package.name,
        megabytes(package.size_bytes),
        f"{package.float32_ratio:.3f}",
        percent(package.metrics.accuracy),
        _agreement(parity),
        f"{parity.max_abs_dp:.1e} ({parity.mean_abs_dp:.1e})",
        decibels(parity.logit_snr_db),
        f"{latency.median_ms:.1f} ({latency.p95_ms:.1f})" if latency else _NONE,
        _ratio(package.latency_ratio),
    ]


def _agreement(parity: ParityMetrics) -> str:
    interval = parity.top1_agreement_interval
    return f"{percent(parity.top1_agreement)} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _ratio(ratio: LatencyRatio | None) -> str:
    return f"{ratio.value:.2f} [{ratio.interval.low:.2f}, {ratio.interval.high:.2f}]" if ratio else _NONE


def markdown_table(columns: Sequence[str], body: Iterable[Sequence[str]], left: int = 1) -> str:
    """Writes a Markdown table; what a cell says is shown, never taken for Markdown's own table or for HTML.

    Args:
        columns: Headings.
        body: Rows.
        left: How many of the first columns are words; the others, figures, are aligned to the right.
    """

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(map(_markdown_cell, cells)) + " |"

    rule = "|" + "|".join("---" if index < left else "---:" for index in range(len(columns))) + "|"
    return "\n".join([line(columns), rule, *map(line, body)])


def _markdown_cell(text: str) -> str:
    return printable(text).replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
