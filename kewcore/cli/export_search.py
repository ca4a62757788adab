"""`kewcore export --quantize auto`: what the search ran, what it chose, and whether that held on unseen images."""

from collections.abc import Mapping
from typing import Any


def print_search(title: str, size_bytes: int, record: Mapping[str, Any]) -> None:
    """Prints a package's search.

    Args:
        title: Name of the package.
        size_bytes: Of the package.
        record: `search` of its sidecar.
    """
    from kewcore.cli.output import print_table

    rows = [_row("trained" if one.get("trained") else "", one["ran"], one["misses"]) for one in record["tried"]]
    chosen = next(i for i, one in enumerate(record["tried"]) if one["ran"]["figures"] == record["found"])
    rows[chosen][0] = f"{rows[chosen][0]} chosen".strip()
    latency = f"estimated ms, {record['chip']}"
    columns = ["", "size", latency, "accuracy", "drop, pp [95 %]", "agreement [95 %]", "estimated drop, pp", "misses"]
    print_table(
        f"{title}: mixes that were run on {record['images']:,} validation images, each in four views; "
        f"wanted: {record['budget']}",
        columns,
        rows,
        left=1,
    )
    forms = [[name, form] for name, form in record["forms"].items()]
    print_table(f"{title}: the form of each weight", ["weight of", "form"], forms, left=2)
    checked = {"size_bytes": size_bytes, "estimated_ms": None, "figures": record["unseen"]}
    unseen = _row("", checked, record["misses"] or [{"text": "nothing"}])
    print_table(
        f"{title}: checked on {record['unseen']['images']:,} images that the search has not seen "
        f"({record['unseen_part']})",
        ["size", *columns[3:]],
        [[unseen[1], *unseen[3:]]],
        left=0,
    )


def missed_budgets(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lists the packages that do not keep their budget on images that the search has not seen, in words."""
    return [
        f"{name}: {', '.join(miss['text'] for miss in record['misses'])}, on images that the search has not seen"
        for name, record in records.items()
        if record["misses"]
    ]


def _row(first: str, ran: Mapping[str, Any], misses: list[Mapping[str, Any]]) -> list[str]:
    from kewcore.cli.output import human_size

    figures, latency_ms = ran["figures"], ran["estimated_ms"]
    drop, agreement = figures["drop_interval_pp"], figures["agreement_interval"]
    return [
        first,
        human_size(ran["size_bytes"]),
        "?" if latency_ms is None else f"{latency_ms:.2f}",
        f"{figures['accuracy']:.1%}",
        f"{figures['drop_pp']:+.2f} [{drop['low']:+.2f}, {drop['high']:+.2f}]",
        f"{figures['agreement']:.1%} [{100 * agreement['low']:.1f}, {100 * agreement['high']:.1f}]",
        f"{figures['estimated_drop_pp']:.2f}, up to {figures['estimated_drop_upper_pp']:.2f}",
        "; ".join(miss["text"] for miss in misses),
    ]
