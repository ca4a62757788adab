"""Charts as inline SVG that takes its ink from the page, so that one drawing serves light and dark."""

import io
import re
from typing import TYPE_CHECKING

from kewcore_bench.result import VariantResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"
"""A colour that no chart means: it becomes `currentColor` in the SVG."""

SERIES = ("#7a8794", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
"""Grey for the reference, then the colours of Okabe & Ito, which the colour-blind can tell apart."""

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.6,
}


def per_class_recall(variant: VariantResult) -> str:
    """Draws each class's recall, reference and packages side by side, as SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    names = variant.metrics.class_names
    series = [("TensorFlow", variant.metrics), *((one.mode, one.metrics) for one in variant.packages)]
    with rc_context(_STYLE):
        figure = Figure(figsize=(8, 3.1), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(series)
        for index, (label, metrics) in enumerate(series):
            left = [position - 0.4 + (index + 0.5) * width for position in range(len(names))]
            heights = [100 * one.recall for one in metrics.per_class]
            axes.bar(left, heights, width * 0.92, label=label, color=SERIES[index % len(SERIES)])
        axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(0, 100)
        axes.set_ylabel("recall, %")
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=min(len(series), 7), handlelength=1, columnspacing=1.2)
        return _svg(figure, f"recall-{variant.recipe}-{variant.variant}")


def training_curves(variant: VariantResult) -> str | None:
    """Draws loss and accuracy by epoch as SVG; None where the run has no history."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    history = variant.history
    panels = [("loss", "loss", 1.0), ("accuracy", "accuracy, %", 100.0)]
    shown = [panel for panel in panels if panel[0] in history]
    if not shown:
        return None
    with rc_context(_STYLE):
        figure = Figure(figsize=(8, 2.8), layout="constrained")
        for axes, (column, label, scale) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            for name, legend, colour in ((column, "training", SERIES[0]), (f"val_{column}", "validation", SERIES[1])):
                values = [scale * value for value in history.get(name, ())]
                if values:
                    marker = "o" if len(values) < 16 else None
                    epochs = range(1, len(values) + 1)
                    axes.plot(epochs, values, label=legend, color=colour, marker=marker, markersize=3.5, linewidth=1.6)
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid()
            axes.legend(loc="best")
        return _svg(figure, f"training-{variant.recipe}-{variant.variant}")


def latency_rounds(variant: VariantResult) -> str | None:
    """Draws every round's median latency of every engine as SVG; None where latency was not measured."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    if variant.latency is None:
        return None
    series = [("TensorFlow", variant.latency), *((one.mode, one.latency) for one in variant.packages if one.latency)]
    with rc_context(_STYLE):
        figure = Figure(figsize=(8, 0.9 + 0.42 * len(series)), layout="constrained")
        axes = figure.subplots()
        for index, (_, latency) in enumerate(series):
            rounds = latency.round_medians_ms
            height = [index + 0.22 * ((place * 7 % 11) / 10 - 0.5) for place in range(len(rounds))]
            colour = SERIES[index % len(SERIES)]
            axes.scatter(rounds, height, s=14, color=colour, alpha=0.55, linewidths=0)
            axes.vlines(latency.median_ms, index - 0.3, index + 0.3, color=colour, linewidth=2.4)
        axes.set_yticks(range(len(series)), [name for name, _ in series])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(series) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel("median of a round, ms")
        axes.grid(axis="x")
        return _svg(figure, f"latency-{variant.recipe}-{variant.variant}")


def _svg(figure: "Figure", name: str) -> str:
    """Writes a figure as an SVG element whose identifiers are its own and whose bytes do not change between calls."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    # Groups are numbered alike in every figure; on one page each identifier must be the only one.
    drawing = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', drawing)
    drawing = re.sub(r'(xlink:href="#|url\(#)([^")]+)', rf"\1{name}-\2", drawing)
    # Without width and height the page decides the size, from the view box.
    head, rest = drawing.split(">", 1)
    return re.sub(r'\s(?:width|height)="[^"]*"', "", head) + ">" + rest
