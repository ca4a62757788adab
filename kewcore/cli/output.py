"""What commands print on stdout: a table or JSON, and the artefacts that were written."""

import json
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kewcore.artefacts import Artefact
from kewcore.console import printable, say

_ACTING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that act on a terminal and that JSON leaves as they are."""


def print_json(kind: str, value: Mapping[str, Any], schema_version: int = 1) -> None:
    """Prints one JSON object on stdout, led by `schema_version` and `kind`."""
    found = {"schema_version": schema_version, "kind": kind, **value}
    in_utf_8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    text = json.dumps(found, indent=2, ensure_ascii=not in_utf_8)
    print(_ACTING.sub(lambda character: f"\\u{ord(character[0]):04x}", text))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int | Collection[int] = 1
) -> None:
    """Prints a table on stdout: as drawn by rich on a terminal, at full width in plain text elsewhere.

    A table whose words are too wide for the terminal is printed row by row, a figure a line.

    Args:
        title: Line above the table; empty for none.
        columns: Headings, of several lines where they are wider than what stands below them.
        rows: Cells as text, one sequence a row.
        left: How many of the first columns, or which columns, are words, aligned to the left; the others, figures, are
            aligned to the right.
    """
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    words = range(left) if isinstance(left, int) else left
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index in words else "right", overflow="fold")
    rows = [tuple(map(printable, row)) for row in rows]
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 400
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    unbounded = console.options.update(max_width=10_000)
    if len(columns) > 3 and Measurement.get(console, unbounded, table).minimum > console.width:
        print(_stacked(title, columns, rows))
        return
    with console.capture() as drawn:
        if title:  # not the table's own, which is folded where the table is narrower than it
            console.print(title, style="bold", soft_wrap=True)
        console.print(table)
    print(drawn.get(), end="")  # not by rich, which ends the process with 1 when the reader has gone


def _stacked(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    columns = [column.replace("\n", " ") for column in columns]
    width = max(map(len, columns[1:]))
    blocks = [
        [row[0], *(f"  {name:<{width}}  {cell}" for name, cell in zip(columns[1:], row[1:], strict=True) if cell)]
        for row in rows
    ]
    return "\n\n".join([*([title] if title else []), *("\n".join(lines) for lines in blocks)]) + "\n"


def report_written(artefacts: Iterable[Artefact]) -> None:
    """Names every artefact that was written, with size and SHA-256, on stderr."""
    for artefact in artefacts:
        say(f"wrote {artefact.path}  {human_size(artefact.size_bytes)}  sha256 {artefact.sha256}")


def human_size(size_bytes: int) -> str:
    """Writes a size in decimal units, as file managers do: `28.1 MB`."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
