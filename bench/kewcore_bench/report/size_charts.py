"""Charts of size against what it costs: accuracy, and agreement with the reference, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from kewcore.parity.intervals import Interval
from kewcore_bench.labels import REFERENCE
from kewcore_bench.report.drawing import INK, Chart, colour, figure, legend_above, marker, svg
from kewcore_bench.report.series import shown_labels, slug
from kewcore_bench.result import VariantResult


@dataclass(frozen=True)
class _Point:
    label: str
    size_mb: float
    share: float
    interval: Interval
    series: int


def accuracy_by_size(variant: VariantResult) -> Chart:
    """Draws accuracy over size, with the Pareto front of what is not beaten in both."""
    metrics = variant.metrics
    reference = _Point(REFERENCE, variant.float32_bytes / 1e6, metrics.accuracy, metrics.accuracy_interval, 0)
    packages = [
        _Point(label, one.size_bytes / 1e6, one.metrics.accuracy, one.metrics.accuracy_interval, index)
        for index, (label, one) in enumerate(zip(shown_labels(variant), variant.packages, strict=True), start=1)
    ]
    return _chart(variant, "Size against accuracy", "accuracy", [reference, *packages])


def agreement_by_size(variant: VariantResult) -> Chart:
    """Draws agreement with the reference over size."""
    points = [
        _Point(label, one.size_bytes / 1e6, one.parity.top1_agreement, one.parity.top1_agreement_interval, index)
        for index, (label, one) in enumerate(zip(shown_labels(variant), variant.packages, strict=True), start=1)
    ]
    return _chart(variant, "Size against agreement", "agreement", points)


def pareto_front(sizes: Sequence[float], shares: Sequence[float]) -> list[int]:
    """Finds what nothing beats: no other is as small with a higher share, or smaller with as high a one.

    Returns:
        Indices, the smallest first.
    """
    order = sorted(range(len(sizes)), key=lambda index: (sizes[index], -shares[index]))
    front: list[int] = []
    for index in order:
        if not front or shares[index] > shares[front[-1]]:
            front.append(index)
    return front


def _chart(variant: VariantResult, title: str, figure_name: str, points: Sequence[_Point]) -> Chart:
    front = [points[index] for index in pareto_front([one.size_mb for one in points], [one.share for one in points])]
    with figure(3.1) as drawn:
        axes = drawn.subplots()
        axes.step(
            [one.size_mb for one in front],
            [100 * one.share for one in front],
            where="post",
            color=INK,
            alpha=0.75,
            linewidth=1,
            linestyle=(0, (4, 3)),
        )
        for one in points:
            below, above = one.share - one.interval.low, one.interval.high - one.share
            axes.errorbar(
                one.size_mb,
                100 * one.share,
                yerr=[[max(0.0, 100 * below)], [max(0.0, 100 * above)]],
                color=colour(one.series),
                marker=marker(one.series),
                markersize=7,
                linestyle="none",
                elinewidth=1.4,
                capsize=3,
                label=one.label,
            )
        axes.set_xlim(0, 1.08 * max((one.size_mb for one in points), default=1))
        axes.set_xlabel("size, MB")
        axes.set_ylabel(f"{figure_name}, %")
        axes.grid()
        axes.set_axisbelow(True)
        legend_above(drawn, len(points))
        drawing = svg(drawn, f"{figure_name}-{slug(variant)}")
    told = "; ".join(
        f"{one.label}: {one.size_mb:.1f} MB, {100 * one.share:.1f} % "
        f"({100 * one.interval.low:.1f} to {100 * one.interval.high:.1f})"
        for one in points
    )
    note = "Bars are 95 % Wilson intervals; the dashed line joins what nothing else beats in both."
    return Chart(title, f"Points of {figure_name} over size, with 95 % intervals. {told}.", drawing, note)
