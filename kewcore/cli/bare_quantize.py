"""`kewcore export --quantize` without a mode."""

from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from kewcore.cli.bare_option import with_bare_option

BARE_MODE = "int8"


class BareQuantize(TyperCommand):
    """A command whose `--quantize` may stand without a mode, meaning int8."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the mode behind every bare `--quantize`, then parses as usual."""
        return super().parse_args(ctx, with_bare_quantize(args))


def with_bare_quantize(args: list[str]) -> list[str]:
    """Puts `int8` behind each `--quantize` that no mode follows.

    It is bare at the end, before another option, and before a word that is an existing path but no mode. Any other
    word is taken for a mode, so that a misspelt one is answered with the list of modes.
    """
    return with_bare_option(args, "--quantize", BARE_MODE, _is_run)


def _is_run(word: str) -> bool:
    from kewcore.errors import UsageError
    from kewcore_export.modes import parse_modes

    try:
        parse_modes([word])
    except UsageError:
        return bool(word) and Path(word).exists()  # the empty path would be the working folder
    return False
