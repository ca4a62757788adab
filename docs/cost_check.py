"""Writes the table of published latencies into docs/ane.md, beside what kewcore estimates; `--check` only compares."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kewcore.ane.published import Check, accuracy, checks

PAGE = Path(__file__).with_name("ane.md")
BEGIN, END = "<!-- written by docs/cost_check.py -->\n", "<!-- end -->\n"


def table() -> str:
    """Makes the tables: how far off estimates are by chip, and every figure."""
    rows = checks()
    networks = [row for row in rows if row.figure.subject == "networks"]
    layers = [row for row in rows if row.figure.subject == "layers"]
    chips = dict.fromkeys(row.figure.chip for row in rows)
    groups = [
        ("all networks", networks),
        *((chip, [row for row in networks if row.figure.chip == chip]) for chip in chips),
        ("all single layers", layers),
        *((chip, [row for row in layers if row.figure.chip == chip]) for chip in chips),
    ]
    lines = [
        "| measured on | networks or layers | figures | typically off by | worst | estimate over latency |",
        "|---|---|---|---|---|---|",
        *(_group(name, row) for name, row in groups if row),
        "",
        "| chip | what | weights | published, ms | estimated, ms | off by | source |",
        "|---|---|---|---|---|---|---|",
        *map(_figure, rows),
    ]
    return "\n".join(lines) + "\n"


def page() -> str:
    """Returns the page with its table renewed."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def _group(name: str, rows: Sequence[Check]) -> str:
    found = accuracy(rows)
    return (
        f"| {name} | {found.networks} | {found.figures} | {found.typical_factor:.2f} | {found.worst_factor:.2f} "
        f"| {found.bias:.2f} |"
    )


def _figure(row: Check) -> str:
    figure = row.figure
    source = f"[{figure.source.title}]({figure.source.url})"
    return (
        f"| {figure.chip} | {figure.network} | {figure.form} | {figure.latency_ms:.2f} | {row.unseen_ms:.2f} "
        f"| {row.factor:.2f} | {source} |"
    )


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else f"{PAGE} is stale: run make docs")
    PAGE.write_text(page(), encoding="utf-8")
