"""Rewrites applied to a MIL program."""

import copy
from typing import Any

from kewcore_export.rewrites.catalogue import REWRITES
from kewcore_export.rewrites.rewrite import AppliedRewrite
from kewcore_export.rewrites.settings import RewriteSettings


def rewritten(program: Any, settings: RewriteSettings) -> tuple[Any, tuple[AppliedRewrite, ...]]:
    """Applies rewrites to a copy of a program.

    Args:
        program: MIL program of a classifier, with fixed shapes, before rounding to fp16.
        settings: Which rewrites, and for which chip.

    Returns:
        The new program, and what was changed; rewrites that found nothing to do are not listed.
    """
    copied = copy.deepcopy(program)
    chosen = [rewrite for rewrite in REWRITES if rewrite.name in settings.names]
    block = copied.functions["main"]
    places: dict[str, list[str]] = {rewrite.name: [] for rewrite in chosen}
    with block:
        found = True
        while found:  # One makes room for another: a Dense layer on a map leaves a transpose that goes behind the next.
            found = False
            for rewrite in chosen:
                new = rewrite.apply(block, settings.min_chip)
                places[rewrite.name] += new
                found = found or bool(new)
    return copied, tuple(AppliedRewrite(name, tuple(lines)) for name, lines in places.items() if lines)
