"""What a package is exported for: which target, from which chip on, and which rewrites that asks for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kewcore.ane.chips import Chip, parse_chip
from kewcore.errors import UsageError
from kewcore_export.rewrites.catalogue import REWRITES

Engine = Literal["ane", "any"]
OLDEST_CHIP = "A14"


@dataclass(frozen=True)
class RewriteSettings:
    """Which rewrites an export applies.

    Attributes:
        engine: `ane`: rewritten for the Neural Engine; `any`: the graph as converted.
        min_chip: The oldest chip whose limits must hold.
        names: Rewrites to apply, in the order of the catalogue.
    """

    engine: Engine
    min_chip: Chip
    names: tuple[str, ...]


AS_CONVERTED = RewriteSettings("any", parse_chip(OLDEST_CHIP), ())
"""No rewrite at all."""


def rewrite_settings(
    engine: str = "ane",
    min_chip: str = OLDEST_CHIP,
    *,
    enable: Iterable[str] = (),
    disable: Iterable[str] = (),
) -> RewriteSettings:
    """Chooses rewrites: those of the target, with some switched on and some off.

    Args:
        engine: `ane` or `any`.
        min_chip: Name of the oldest chip.
        enable: Names of rewrites to switch on, each one or several separated by commas.
        disable: The same to switch off.

    Raises:
        UsageError: A name is unknown, or a rewrite is switched both ways.
    """
    if engine not in ("ane", "any"):
        raise UsageError(
            f"there is no target '{engine}'", hint="targets: ane, the Neural Engine; any, the graph as it is"
        )
    on, off = _names(enable), _names(disable)
    if both := sorted(on & off):
        raise UsageError(f"rewrite {', '.join(both)} is switched both on and off", hint="leave one of the two out")
    chosen = {rewrite.name for rewrite in REWRITES if engine == "ane" and rewrite.by_default}
    names = tuple(rewrite.name for rewrite in REWRITES if rewrite.name in (chosen | on) - off)
    return RewriteSettings("ane" if engine == "ane" else "any", parse_chip(min_chip), names)


def _names(words: Iterable[str]) -> set[str]:
    names = {name.strip() for word in words for name in word.split(",")}
    if unknown := sorted(names - {rewrite.name for rewrite in REWRITES}):
        raise UsageError(
            f"there is no rewrite '{unknown[0]}'", hint=f"rewrites: {', '.join(rewrite.name for rewrite in REWRITES)}"
        )
    return names
