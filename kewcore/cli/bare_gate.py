"""`kewcore bench --gate`: an option whose file may be left out."""

from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from kewcore.cli.bare_option import with_bare_option

BARE_FILE = "pyproject.toml"
_PACKAGE_SUFFIX = ".mlpackage"


class BareGate(TyperCommand):
    """A command whose `--gate` may stand without a file, meaning ./pyproject.toml."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the file behind every bare `--gate`, then parses as usual."""
        return super().parse_args(ctx, with_bare_gate(args))


def with_bare_gate(args: list[str]) -> list[str]:
    """Puts `pyproject.toml` behind each `--gate` that no file follows.

    It is bare at the end, before another option, and before a package or any other folder. Any other word is taken for
    a file, so that a misspelt one is named.
    """
    return with_bare_option(args, "--gate", BARE_FILE, _is_package)


def _is_package(word: str) -> bool:
    path = Path(word)
    return path.suffix == _PACKAGE_SUFFIX or path.is_dir()
