"""The Pareto front of a search as a picture: size against agreement and accuracy, what was run, what was chosen."""

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from kewcore.parity.intervals import Interval
from kewcore_export.search.figures import Figures
from kewcore_export.search.record import SearchRecord, TriedRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Judged = Callable[[Figures], tuple[float, Interval]]

# The colours of Okabe & Ito, which the colour-blind can tell apart.
_KEPT, _MISSED, _CHOSEN, _FRONT = "#0072b2", "#a0a8b0", "#d55e00", "#56b4e9"
_LABELS_APART = 0.09
"""Least distance of two latencies that are written, as a part of the size axis, on which one is about so wide."""


def plot_path(package: Path) -> Path:
    """Names the picture of a package's search."""
    return package.with_suffix(".search.png")


def front_of(tried: Sequence[TriedRecord], value: Callable[[Figures], float]) -> tuple[TriedRecord, ...]:
    """Returns the mixes than which none is as small and better, the smallest first.

    Args:
        tried: Mixes that were run.
        value: What is better the higher it is.
    """
    front: list[TriedRecord] = []
    for one in sorted(tried, key=lambda one: (one.ran.size_bytes, -value(one.ran.figures))):
        if not front or value(one.ran.figures) > value(front[-1].ran.figures):
            front.append(one)
    return tuple(front)


def draw_front(record: SearchRecord, size_bytes: int, path: Path) -> None:
    """Draws all mixes that a search ran, in two panels that share the axis of sizes.

    Args:
        record: The search.
        size_bytes: Of the package that was chosen.
        path: PNG file to write.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 7.5), dpi=150, layout="constrained")
        agreement, accuracy = figure.subplots(2, 1, sharex=True)
        _draw_panel(agreement, record, size_bytes, _agreement)
        _draw_panel(accuracy, record, size_bytes, _accuracy)
        _write_latencies(agreement, record)
        reference = 100 * record.found.reference_accuracy
        accuracy.axhline(reference, color="black", linewidth=0.8, linestyle=":", zorder=1)
        accuracy.set_title(
            f"dotted: TensorFlow, {reference:.1f} %; on the images of the chosen "
            f"{100 * record.unseen.reference_accuracy:.1f} %",
            loc="left",
            fontsize=9,
        )
        accuracy.set_xscale("log")
        accuracy.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        accuracy.xaxis.set_minor_formatter(lambda value, _: f"{value:g}")
        accuracy.set_xlabel("size of the package, MB")
        agreement.set_ylabel("top-1 agreement with TensorFlow, %")
        accuracy.set_ylabel("accuracy, %")
        agreement.set_title(
            f"Searched for: {record.budget}\n{record.images:,} validation images; bars: 95 % intervals\n"
            + fill(f"ms on {record.chip}, {record.estimate_accuracy}", 95),
            loc="left",
            fontsize=10,
            pad=18,  # below it the latencies
        )
        handles, labels = agreement.get_legend_handles_labels()
        figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2)
        figure.savefig(path, format="png", metadata={"Software": None})


def _draw_panel(axes: "Axes", record: SearchRecord, size_bytes: int, judged: _Judged) -> None:
    front = front_of(record.tried, lambda figures: judged(figures)[0])
    line = [(one.ran.size_bytes / 1e6, 100 * judged(one.ran.figures)[0]) for one in front]
    axes.plot(*zip(*line, strict=True), color=_FRONT, linewidth=1.5, label="Pareto front", zorder=1)
    for misses, colour, label in ((True, _MISSED, "misses the budget"), (False, _KEPT, "keeps the budget")):
        shown = [one for one in record.tried if bool(one.misses) == misses]
        if shown:
            sizes = [one.ran.size_bytes / 1e6 for one in shown]
            _draw_points(axes, sizes, [judged(one.ran.figures) for one in shown], "o", colour, label)
    label = f"chosen, on {record.unseen.images:,} images that the search has not seen"
    _draw_points(axes, [size_bytes / 1e6], [judged(record.unseen)], "D", _CHOSEN, label)
    axes.grid(alpha=0.2)


def _draw_points(
    axes: "Axes", sizes: list[float], rows: list[tuple[float, Interval]], marker: str, colour: str, label: str
) -> None:
    spread = [
        [100 * (value - interval.low) for value, interval in rows],
        [100 * (interval.high - value) for value, interval in rows],
    ]
    values = [100 * value for value, _ in rows]
    axes.errorbar(sizes, values, yerr=spread, fmt=marker, color=colour, elinewidth=0.8, capsize=2, label=label)


def _write_latencies(axes: "Axes", record: SearchRecord) -> None:
    """Writes the estimated latencies of the mixes of the front along the upper edge, those that have room there."""
    from math import log

    sizes = [one.ran.size_bytes for one in record.tried]
    width = log(max(sizes) / min(sizes)) or 1.0
    chosen = [one for one in record.tried if one.forms == record.forms and one.ran.figures == record.found]
    written: list[float] = []
    for one in (*chosen[-1:], *front_of(record.tried, lambda figures: figures.agreement)):
        place = log(one.ran.size_bytes) / width
        if one.ran.estimated_ms is None or any(abs(place - other) < _LABELS_APART for other in written):
            continue
        written.append(place)
        axes.annotate(
            f"{one.ran.estimated_ms:.2f} ms",
            (one.ran.size_bytes / 1e6, 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=8,
            color=_CHOSEN if one in chosen else "black",
        )


def _agreement(figures: Figures) -> tuple[float, Interval]:
    return figures.agreement, figures.agreement_interval


def _accuracy(figures: Figures) -> tuple[float, Interval]:
    return figures.accuracy, figures.accuracy_interval
