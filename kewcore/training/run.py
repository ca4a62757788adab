"""Run folders: what one training produced, and how to find them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kewcore.errors import RunError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        path: The folder: `model.keras`, `history.csv`, `metrics.json`, `tensorboard/`, `run.json`.
        recipe: Name of the recipe.
        title: The recipe's title, the prefix of package names.
        variant: `original` or `synthetic`.
        class_names: Labels in the order of the model's outputs.
        dataset: `path`, `fingerprint`, `stand_in`, and `counts` by split.
        input: `height`, `width` in pixels and the `resize` policy.
        settings: Everything that decides the weights.
        facts: All of run.json.
    """

    path: Path
    recipe: str
    title: str
    variant: str
    class_names: tuple[str, ...]
    dataset: Mapping[str, Any]
    input: Mapping[str, Any]
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]


def load_run(path: Path) -> Run:
    """Reads a run folder.

    Raises:
        RunError: It is no run, or run.json is damaged.
    """
    note = path / "run.json"
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        return Run(
            path=path,
            recipe=facts["recipe"],
            title=facts["title"],
            variant=facts["variant"],
            class_names=tuple(facts["class_names"]),
            dataset=facts["dataset"],
            input=facts["input"],
            settings=facts["settings"],
            facts=facts,
        )
    except FileNotFoundError as error:
        raise RunError(f"no run at '{path}': run.json is missing", hint="train one first: kewcore train") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"'{note}' is damaged: {error}", hint="train this variant again with --restart") from error


def newest_runs(runs: Path = Path("runs")) -> Sequence[Run]:
    """Finds the variants of the recipe that was trained last, in the order original, synthetic.

    Raises:
        RunError: There is none.
    """
    notes = sorted(runs.glob("*/*/run.json"), key=lambda note: note.stat().st_mtime)
    if not notes:
        raise RunError(f"no run in '{runs}'", hint="train one first: kewcore train")
    return [load_run(note.parent) for note in sorted(notes[-1].parent.parent.glob("*/run.json"))]
