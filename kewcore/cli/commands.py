"""How a command ends when it is interrupted, or when nobody reads what it prints.

typer would end an interrupted command without a word, and one whose reader has gone with 1, which here means a check
that failed.
"""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from kewcore.cli import INTERRUPTED


class Commands(TyperGroup):
    """The group of all commands; it ends them with 128 + 2 (SIGINT) and 128 + 13 (SIGPIPE), as shells do."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was asked for, and all of its output."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt as error:
            print(INTERRUPTED, file=sys.stderr)
            raise typer.Exit(130) from error
        except BrokenPipeError as error:
            # What is still buffered must go somewhere when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from error
        return result
