"""`kewcore export --quantize auto`: what the search ran, what it chose, and whether that held on unseen images."""

from collections.abc import Mapping
from typing import Any

_JUDGED = ("accuracy, %\n[95 %]", "drop, pp\n[95 %]", "likely\nup to", "agreement,\n% (down to)")


def print_search(title: str, size_bytes: int, record: Mapping[str, Any]) -> None:
    """Prints a package's search.

    Args:
        title: Name of the package.
        size_bytes: Of the package.
        record: `search` of its sidecar.
    """
    from kewcore.cli.inspect_ane_tables import note
    from kewcore.cli.output import human_size, print_table

    about = (
        f"on {record['images']:,} validation images, each in four views; wanted: {record['budget']}; "
        f"latency estimated for {record['chip']}"
    )
    columns = ["size", "ms,\nestimated", *_JUDGED, "misses"]
    chosen = _chosen(record)
    for trained, words in ((False, "mixes that were run"), (True, "mixes that learned")):
        rows = [
            [
                human_size(one["ran"]["size_bytes"]),
                "?" if one["ran"]["estimated_ms"] is None else f"{one['ran']['estimated_ms']:.2f}",
                *_judged(one["ran"]["figures"]),
                _missed(one["misses"], chosen=one is chosen),
            ]
            for one in record["tried"]
            if one["trained"] == trained
        ]
        if rows:
            print_table(f"{title}: {words}, {about}", columns, rows, left=(6,))
    if accuracy := record.get("estimate_accuracy"):  # packages from before it was written have none
        note(f"ms, {accuracy}.")
    forms = [[name, form] for name, form in record["forms"].items()]
    print_table(f"{title}: the form of each weight", ["weight of", "form"], forms, left=2)
    unseen = record["unseen"]
    print_table(
        f"{title}: checked on {unseen['images']:,} images of the test part, which the search has not seen",
        ["size", *_JUDGED, "misses"],
        [[human_size(size_bytes), *_judged(unseen), _missed(record["misses"], chosen=False)]],
        left=(5,),
    )


def missed_budgets(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lists the packages that do not keep their budget on images that the search has not seen, in words."""
    return [
        f"{name}: {', '.join(miss['text'] for miss in record['misses'])}, on images that the search has not seen"
        for name, record in records.items()
        if record["misses"]
    ]


def _chosen(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Finds the row of the package; of equal ones the last, since what learned comes behind what did not."""
    rows = [
        one
        for one in record["tried"]
        if one["forms"] == record["forms"] and one["ran"]["figures"] == record["found"] and not one["misses"]
    ]
    return rows[-1] if rows else None


def _missed(misses: list[Mapping[str, Any]], *, chosen: bool) -> str:
    if misses:
        return ", ".join(miss["bound"] for miss in misses)
    return "none, chosen" if chosen else "none"


def _accuracy(figures: Mapping[str, Any]) -> str:
    share, interval = f"{100 * figures['accuracy']:.1f}", figures.get("accuracy_interval")
    if interval is None:  # of packages from before it was written
        return share
    return f"{share} [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def _judged(figures: Mapping[str, Any]) -> list[str]:
    drop = figures["drop_interval_pp"]
    return [
        _accuracy(figures),
        f"{figures['drop_pp']:+.1f} [{drop['low']:.1f}, {drop['high']:.1f}]",
        f"{figures['estimated_drop_upper_pp']:.2f}",
        f"{100 * figures['agreement']:.1f} ({100 * figures['agreement_lower']:.1f})",
    ]
