"""Charts of latency: the median of every round, their quartiles, and the median of all predictions."""

from collections.abc import Sequence

import numpy as np

from kewcore_bench.labels import REFERENCE
from kewcore_bench.report.drawing import INK, Chart, colour, figure, svg
from kewcore_bench.report.series import shown_labels, slug
from kewcore_bench.result import VariantResult
from kewcore_bench.timing.latency import Latency

_SCATTER = 0.3
_ROW_INCHES = 0.36


def latency_chart(variant: VariantResult) -> Chart | None:
    """Draws the latency of the reference and every package; None where it was not measured."""
    packages = zip(shown_labels(variant), variant.packages, strict=True)
    rows = [(REFERENCE, variant.latency), *((label, one.latency) for label, one in packages)]
    return _chart(
        "Latency", f"latency-{slug(variant)}", [(name, found, i) for i, (name, found) in enumerate(rows) if found]
    )


def engines_chart(variant: VariantResult) -> Chart | None:
    """Draws the latency of every engine that ran, package by package; None where no other engines were asked for."""
    packages = zip(shown_labels(variant), variant.packages, strict=True)
    series = {one.path: (label, index) for index, (label, one) in enumerate(packages, start=1)}
    rows = [
        (f"{one.engine} {series.get(one.path, ('', 0))[0]}".strip(), one.latency, series.get(one.path, ("", 0))[1])
        for one in variant.engines
        if one.latency is not None
    ]
    rows.sort(key=lambda row: row[1].median_ms)
    return _chart("Engines, the fastest first", f"engines-{slug(variant)}", rows)


def _chart(title: str, name: str, rows: Sequence[tuple[str, Latency, int]]) -> Chart | None:
    if not rows:
        return None
    with figure(0.6 + _ROW_INCHES * len(rows)) as drawn:
        axes = drawn.subplots()
        for place, (_, latency, series) in enumerate(rows):
            medians = latency.round_medians_ms
            first, third = (float(value) for value in np.percentile(medians, [25, 75]))
            axes.barh(place, third - first, 0.62, left=first, color=colour(series), alpha=0.22)
            spread = [place + _SCATTER * ((index * 7 % 11) / 10 - 0.5) for index in range(len(medians))]
            axes.scatter(medians, spread, s=11, color=colour(series), alpha=0.9, linewidths=0)
            axes.vlines(latency.median_ms, place - 0.34, place + 0.34, color=colour(series), linewidth=2.4)
            axes.annotate(
                f"{latency.median_ms:.1f}",
                (max(*medians, latency.median_ms), place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=INK,
            )
        axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 1.14 * max(value for _, latency, _ in rows for value in latency.round_medians_ms))
        axes.set_xlabel("median of a round, ms")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        drawing = svg(drawn, name)
    told = "; ".join(
        f"{label}: median {latency.median_ms:.1f} ms, 95th percentile {latency.p95_ms:.1f} ms"
        for label, latency, _ in rows
    )
    note = "A dot is a round's median, the box their quartiles, the line and the figure the median of all predictions."
    return Chart(title, f"Latency of one image. {told}.", drawing, note)
