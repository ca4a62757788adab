"""How charts are drawn: as inline SVG that takes its ink and its colours from the page, for light and dark alike.

All charts are as wide as a phone is, so that their letters can be read there; on wider screens two stand side by side.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_INCHES = 5.2
"""374 units of SVG: letters of 10 units measure 9 CSS pixels on a phone that is 360 wide."""

INK = "#010203"
"""A colour that no chart means: it becomes `currentColor` in the SVG."""

COLOURS = tuple(f"#0405{index:02x}" for index in range(7))
"""Stand for the page's `--series-0` (the reference) to `--series-6`."""

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")
"""A shape a series, so that nobody needs the colours; one more than these, or series 7 would look like series 1."""

_LEGEND_COLUMNS = 5
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names of classes and layers may hold dollar signs
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9.5,
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
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
}


@dataclass(frozen=True)
class Chart:
    """One chart of the report.

    Attributes:
        title: Line above it.
        description: What it shows, in words and figures, for those who do not see it.
        svg: The drawing.
        note: Line below it; empty for none.
    """

    title: str
    description: str
    svg: str
    note: str = ""


@contextmanager
def figure(height_inches: float) -> Iterator["Figure"]:
    """Gives an empty figure in the report's style, for the length of the block."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        yield Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")


def colour(index: int) -> str:
    """Gives the colour of a series; 0 is the reference."""
    return COLOURS[_place(index, len(COLOURS))]


def marker(index: int) -> str:
    """Gives the shape of a series; 0 is the reference."""
    return MARKERS[_place(index, len(MARKERS))]


def _place(index: int, places: int) -> int:
    """Keeps the first place for the reference, however many series there are."""
    return 0 if index == 0 else 1 + (index - 1) % (places - 1)


def legend_above(drawn: "Figure", entries: int) -> None:
    """Puts one legend of all axes above them, row by row in the order of drawing."""
    handles, labels = drawn.axes[0].get_legend_handles_labels()
    rows = -(-entries // _LEGEND_COLUMNS)
    columns = -(-entries // rows)
    # Matplotlib fills column by column.
    order = [index for column in range(columns) for index in range(column, len(labels), columns)]
    drawn.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc="outside upper left",
        ncols=columns,
        handlelength=1.4,
        columnspacing=1,
        handletextpad=0.4,
    )


def svg(drawn: "Figure", name: str) -> str:
    """Writes a figure as an SVG element whose identifiers are its own and whose bytes do not change between calls.

    Args:
        drawn: The figure.
        name: Unique on the page; identifiers start with it.
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # Letters are drawn by the page's font: matplotlib's own only measures them, and need not know them all.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    for index, stand_in in enumerate(COLOURS):
        drawing = drawing.replace(stand_in, f"var(--series-{index})")
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    # Groups are numbered alike in every figure; on one page each identifier must be the only one.
    drawing = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', drawing)
    drawing = re.sub(r'(xlink:href="#|url\(#)([^")]+)', rf"\1{name}-\2", drawing)
    # Without width and height the page decides the size, from the view box.
    head, rest = drawing.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    return head.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1) + ">" + rest
