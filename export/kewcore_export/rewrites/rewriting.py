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
    applied = []
    for rewrite in REWRITES:
        places = [] if rewrite.name not in settings.names else _applied(rewrite, copied, settings)
        if places:
            applied.append(AppliedRewrite(rewrite.name, tuple(places)))
    return copied, tuple(applied)


def _applied(rewrite: Any, program: Any, settings: RewriteSettings) -> list[str]:
    block = program.functions["main"]
    with block:
        return list(rewrite.apply(block, settings.min_chip))
