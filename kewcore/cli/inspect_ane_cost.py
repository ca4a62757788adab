"""How `kewcore inspect --ane` prints the cost estimate; every table says that its figures are estimated."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kewcore.cli.inspect_ane_tables import note, percent, result_text, room_for
from kewcore.cli.output import human_size, print_table

if TYPE_CHECKING:
    from kewcore.ane.cost import Estimate, OperationCost
    from kewcore.ane.residency import Judgement, Residency


_MOVED = ("activations moved", "weights read")
_SHORT = {
    "dispatch": "dispatch",
    "compute": "compute",
    "activation bandwidth": "activations",
    "weight bandwidth": "weights",
}
"""What a bound is called where it is the head of a column."""


def print_totals(estimates: "Sequence[Estimate]") -> None:
    """Prints the estimated latency on each chip, what it waits for, and how far off such estimates were."""
    from kewcore.ane.roofline import Bound

    rows = [
        (
            one.chip,
            _total(one),
            *(_ms(one.by_bound[bound]) for bound in Bound),
        )
        for one in estimates
    ]
    columns = ("chip", "estimated ms", *(_SHORT[bound.value] for bound in Bound))
    print_table("Estimated latency, and what it is spent on in ms", columns, rows)
    if not all(one.is_complete for one in estimates):
        note("?: segments that run elsewhere, or may, have no estimate; what is estimated is the part on the engine.")
    _print_accuracy(estimates)


def print_costs(report: "Residency", estimate: "Estimate") -> None:
    """Prints what each operation is estimated to cost on one of the report's chips."""
    columns: tuple[str, ...] = ("#", "operation", "result", "estimated ms", "share", "bound")
    verdicts = next(one.judgements for one in report.chips if one.chip.name == estimate.chip)
    rows: list[tuple[str, ...]] = [
        (str(call.number), call.type, result_text(call), *_cells(cost, judgement, estimate))
        for call, cost, judgement in zip(report.calls, estimate.operations, verdicts, strict=True)
    ]
    moved = [_moved(cost) for cost in estimate.operations]
    if room_for(columns, rows) >= sum(map(len, _MOVED)) + 3:
        columns = (*columns, *_MOVED)
        rows = [(*row, *cells) for row, cells in zip(rows, moved, strict=True)]
    print_table(f"Estimated cost on {estimate.chip}", columns, rows, left=(1, 2, 5))
    note(
        "An operation takes as long as the slowest of computing, moving activations that do not stay on the chip, and "
        "reading weights. bound says which, or dispatch where none of them takes time; with n: it is computed together "
        "with operation n."
    )


def _cells(cost: "OperationCost", judgement: "Judgement", estimate: "Estimate") -> tuple[str, ...]:
    from kewcore.ane.residency import Verdict

    if cost.part_of is not None:
        return ("", "", f"with {cost.part_of}")
    if cost.time is None:
        return ("", "", "-" if judgement.verdict is Verdict.OUTSIDE else "elsewhere")
    share = percent(cost.time.estimated_ms / estimate.estimated_ms)
    own = cost.time.estimated_ms
    return (f"{own:.3f}" if own >= 5e-4 else "<0.001", share, _SHORT[cost.time.bound.value])


def _moved(cost: "OperationCost") -> tuple[str, str]:
    sizes = (cost.work.activation_bytes, cost.work.weight_bytes) if cost.work is not None else (0, 0)
    activations, weights = (human_size(size) if size else "" for size in sizes)
    return activations, weights


def _print_accuracy(estimates: "Sequence[Estimate]") -> None:
    """Prints one sentence for all chips that share it."""
    by_text: dict[str, list[str]] = {}
    for one in estimates:
        by_text.setdefault(one.accuracy.text, []).append(one.chip)
    for text, chips in by_text.items():
        note(f"{', '.join(chips)}: {text}." if len(by_text) > 1 else f"{text[0].upper()}{text[1:]}.")


def _total(estimate: "Estimate") -> str:
    if not estimate.segments:
        return "" if estimate.is_complete else "?"
    return f"{_ms(estimate.estimated_ms)}{'' if estimate.is_complete else ' + ?'}"


def _ms(milliseconds: float) -> str:
    """Writes two digits behind the point: no estimate is as good as a third."""
    return f"{milliseconds:.2f}"
