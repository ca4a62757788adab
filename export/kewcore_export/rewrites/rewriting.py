"""Rewrites applied to a MIL program."""

import copy
from typing import Any

from kewcore.errors import ExportError
from kewcore_export.rewrites.catalogue import REWRITES
from kewcore_export.rewrites.rewrite import AppliedRewrite
from kewcore_export.rewrites.settings import RewriteSettings

_SPARE_ROUNDS = 10
"""Rounds beyond one for each operation: a place that moves by one operation a round has by then crossed the program."""


def rewritten(program: Any, settings: RewriteSettings) -> tuple[Any, tuple[AppliedRewrite, ...]]:
    """Applies rewrites to a copy of a program.

    Args:
        program: MIL program of a classifier, with fixed shapes, before rounding to fp16.
        settings: Which rewrites, and for which chip.

    Returns:
        The new program, and what was changed; rewrites that found nothing to do are not listed.

    Raises:
        ExportError: The rewrites find new places again and again.
    """
    copied = copy.deepcopy(program)
    chosen = [rewrite for rewrite in REWRITES if rewrite.name in settings.names]
    block = copied.functions["main"]
    places: dict[str, list[str]] = {rewrite.name: [] for rewrite in chosen}
    rounds = len(block.operations) + _SPARE_ROUNDS
    with block:
        # One makes room for another: a Dense layer on a map leaves a transpose that goes behind the next.
        for _ in range(rounds):
            new = {rewrite.name: rewrite.apply(block, settings.min_chip) for rewrite in chosen}
            for name, lines in new.items():
                places[name] += lines
            if not any(new.values()):
                break
        else:
            endless = [name for name, lines in new.items() if lines]
            raise ExportError(
                f"after {rounds} rounds of rewrites over the graph, {', '.join(endless)} still found places to change",
                hint=f"this is a fault of kewcore; export with --disable-rewrite {','.join(endless)}",
            )
    return copied, tuple(AppliedRewrite(name, tuple(lines)) for name, lines in places.items() if lines)
