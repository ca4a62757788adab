"""Plots of an evaluation as PNG: confusion matrix, ROC curves, reliability diagram."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kewcore.artefacts import Artefact, write_bytes
from kewcore.parity.classification import ClassificationMetrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 144

SERIES = ("#7a8794", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
"""Grey for the reference, then the colours of Okabe & Ito, which the colour-blind can tell apart."""


def write_plots(
    folder: Path,
    name: str,
    metrics: ClassificationMetrics,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
) -> list[Artefact]:
    """Writes `<name>-confusion.png`, `<name>-roc.png` and `<name>-reliability.png`.

    Args:
        folder: Where to.
        name: Of what was evaluated.
        metrics: Its figures.
        labels: int64 `[N]`.
        probabilities: float32 `[N, C]`.

    Raises:
        StorageError: A file cannot be written.
    """
    figures = {
        "confusion": _confusion(name, metrics),
        "roc": _roc(name, metrics, labels, probabilities),
        "reliability": _reliability(name, metrics),
    }
    return [write_bytes(folder / f"{name}-{kind}.png", _png(figure)) for kind, figure in figures.items()]


def _confusion(name: str, metrics: ClassificationMetrics) -> "Figure":
    from matplotlib.figure import Figure

    counts = np.array(metrics.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    names = [one.replace("_", " ") for one in metrics.class_names]
    size = 2.6 + 0.55 * len(names)
    figure = Figure(figsize=(size, size - 0.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{name}: accuracy {100 * metrics.accuracy:.1f} % of {metrics.n}", fontsize=11, loc="left")
    return figure


def _roc(
    name: str, metrics: ClassificationMetrics, labels: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> "Figure":
    from matplotlib.figure import Figure
    from sklearn.metrics import roc_curve

    figure = Figure(figsize=(5.4, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    for index, one in enumerate(metrics.per_class):
        if one.roc_auc is not None:
            false_positives, true_positives, _ = roc_curve(labels == index, probabilities[:, index])
            label = f"{one.name.replace('_', ' ')}  {one.roc_auc:.3f}"
            axes.plot(false_positives, true_positives, color=SERIES[(index + 1) % len(SERIES)], label=label)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(title="one against the rest, area", frameon=False, loc="lower right", fontsize=9)
    axes.set_title(f"{name}: ROC", fontsize=11, loc="left")
    return figure


def _reliability(name: str, metrics: ClassificationMetrics) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    filled = [one for one in metrics.reliability if one.count]
    axes.bar(
        [one.low for one in filled],
        [one.accuracy for one in filled],
        width=[one.high - one.low for one in filled],
        align="edge",
        color=SERIES[1],
        alpha=0.35,
        edgecolor="white",
    )
    sizes = [20 + 180 * one.count / metrics.n for one in filled]
    axes.scatter(
        [one.confidence for one in filled], [one.accuracy for one in filled], s=sizes, color=SERIES[1], zorder=3
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("confidence (a dot's area: images)")
    axes.set_ylabel("accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    error = metrics.expected_calibration_error
    axes.set_title(f"{name}: expected calibration error {error:.3f}", fontsize=11, loc="left")
    return figure


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()
