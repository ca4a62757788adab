"""Charts of what was looked into more closely: drift along the layers, and answers on corrupted images."""

from collections.abc import Sequence

from kewcore.parity.drift import LayerDrift, worst_first
from kewcore.parity.robustness import CorruptionParity
from kewcore_bench.labels import REFERENCE
from kewcore_bench.report.drawing import Chart, colour, figure, legend_above, marker, svg
from kewcore_bench.report.series import shown_labels, slug
from kewcore_bench.result import PackageResult, VariantResult

_EQUAL_DB, _LEAST_DB = 160.0, -20.0
"""Where values that are equal are drawn: above all that fp32 can tell apart."""


def drift_chart(variant: VariantResult) -> Chart | None:
    """Draws the SNR of every layer of every package that was traced; None where none was."""
    traced = [(index, label, one) for index, label, one in _numbered(variant) if one.drift]
    if not traced:
        return None
    names = list(dict.fromkeys(row.layer for _, _, one in traced for row in one.drift if row.value is not None))
    with figure(0.9 + 0.23 * len(names)) as drawn:
        axes = drawn.subplots()
        for index, label, one in traced:
            rows = [row for row in one.drift if row.value is not None]
            places = [names.index(row.layer) for row in rows]
            axes.plot([_shown(row.snr_db) for row in rows], places, color=colour(index), linewidth=0.9, alpha=0.8)
            axes.plot(
                [_shown(row.own_snr_db) for row in rows],
                places,
                color=colour(index),
                marker=marker(index),
                linestyle="none",
                label=label,
            )
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("SNR, dB (lower is noisier)")
        axes.grid()
        axes.set_axisbelow(True)
        legend_above(drawn, len(traced))
        drawing = svg(drawn, f"drift-{slug(variant)}")
    told = "; ".join(f"{label}: {_worst(one.drift)}" for _, label, one in traced)
    note = (
        "From the input at the top to the output. A dot is the noise of the layer alone, fed with what the package "
        "really had before it; the line is with the noise of all before. Values that are equal stand at "
        f"{_EQUAL_DB:.0f} dB."
    )
    return Chart("Drift along the layers", f"Signal-to-noise ratio by layer. Worst layers: {told}.", drawing, note)


def robustness_chart(variant: VariantResult) -> Chart | None:
    """Draws the accuracy of everyone under each corruption, by strength; None where it was not measured."""
    corrupted = [(index, label, one) for index, label, one in _numbered(variant) if one.robustness]
    if not corrupted:
        return None
    kinds = list(dict.fromkeys(row.corruption for row in corrupted[0][2].robustness))
    columns = 2
    lines = -(-len(kinds) // columns)
    with figure(0.8 + 1.7 * lines) as drawn:
        grid = drawn.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for place, (axes, kind) in enumerate(zip(grid.flat, kinds, strict=False)):
            reference = _of(corrupted[0][2].robustness, kind)
            axes.plot(
                [0, *(row.strength for row in reference)],
                [100 * variant.metrics.accuracy, *(100 * row.accuracy.first_accuracy for row in reference)],
                color=colour(0),
                linewidth=4,
                label=REFERENCE,
            )
            for index, label, one in corrupted:
                rows = _of(one.robustness, kind)
                axes.plot(
                    [0, *(row.strength for row in rows)],
                    [100 * one.metrics.accuracy, *(100 * row.accuracy.second_accuracy for row in rows)],
                    color=colour(index),
                    marker=marker(index),
                    markersize=3.6,
                    linewidth=1.1,
                    label=label,
                )
            axes.set_title(kind, fontsize=10, loc="left")
            axes.set_ylim(0, 103)
            axes.grid()
            if place >= len(kinds) - columns:
                axes.tick_params(labelbottom=True)
        for axes in grid.flat[len(kinds) :]:
            axes.set_visible(False)
        grid[0, 0].set_xticks(range(6))
        drawn.supxlabel("strength (0: as they are)", fontsize=10)
        drawn.supylabel("accuracy, %", fontsize=10)
        legend_above(drawn, len(corrupted) + 1)
        drawing = svg(drawn, f"robustness-{slug(variant)}")
    told = "; ".join(f"{label}: {_lowest(one.robustness)}" for _, label, one in corrupted)
    note = "Strengths 1 to 5 of each corruption; agreement is in the tables."
    return Chart("Accuracy on corrupted images", f"Accuracy by strength. Lowest agreement: {told}.", drawing, note)


def _numbered(variant: VariantResult) -> list[tuple[int, str, PackageResult]]:
    packages = zip(shown_labels(variant), variant.packages, strict=True)
    return [(index, label, one) for index, (label, one) in enumerate(packages, start=1)]


def _of(rows: Sequence[CorruptionParity], kind: str) -> list[CorruptionParity]:
    return sorted((row for row in rows if row.corruption == kind), key=lambda row: row.strength)


def _lowest(rows: Sequence[CorruptionParity]) -> str:
    lowest = min(rows, key=lambda row: row.top1_agreement)
    return f"{100 * lowest.top1_agreement:.1f} % under {lowest.corruption} {lowest.strength}"


def _shown(snr_db: float | None) -> float:
    """Places a ratio on the axis; a stored one that was infinite has come back as None."""
    return _EQUAL_DB if snr_db is None else min(max(snr_db, _LEAST_DB), _EQUAL_DB)


def _worst(rows: Sequence[LayerDrift]) -> str:
    return ", ".join(f"{row.layer} {_shown(row.own_snr_db):.1f} dB" for row in worst_first(rows)[:3]) or "none"
