"""Run folders: what one training produced, and how to find them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kewcore.errors import RunError, UsageError
from kewcore.recipes import DataRecipe, ExportRecipe, data_recipe_from

SCHEMA_VERSION = 1
RUNS_FOLDER = Path("runs")


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        path: The folder: `model.keras`, `history.csv`, `metrics.json`, `tensorboard/`, `run.json`.
        recipe: Name of the recipe.
        title: The recipe's title, the prefix of package names.
        variant: `original` or `synthetic`.
        data: Classes, size, resize policy and split of the images.
        export: Metadata for packages.
        dataset_path: Folder of the images at the time.
        dataset_fingerprint: SHA-256 of that folder; see `kewcore.data.dataset`.
        stand_in: Whether it is the built-in sample set.
        settings: Everything that decides the weights.
        facts: All of run.json.
    """

    path: Path
    recipe: str
    title: str
    variant: str
    data: DataRecipe
    export: ExportRecipe
    dataset_path: Path
    dataset_fingerprint: str
    stand_in: bool
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Labels in the order of the model's outputs."""
        return self.data.classes or ()

    @property
    def model_path(self) -> Path:
        """The trained Keras model."""
        return self.path / "model.keras"


def load_run(path: Path) -> Run:
    """Reads a run folder.

    Raises:
        RunError: There is no finished run in the folder, or it lacks something.
    """
    note = path / "run.json"
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        run = Run(
            path=path,
            recipe=str(facts["recipe"]),
            title=str(facts["title"]),
            variant=str(facts["variant"]),
            data=data_recipe_from(facts["data"]),
            export=ExportRecipe(**facts["export"]),
            dataset_path=Path(facts["dataset"]["path"]),
            dataset_fingerprint=str(facts["dataset"]["fingerprint"]),
            stand_in=bool(facts["dataset"]["stand_in"]),
            settings=facts["settings"],
            facts=facts,
        )
    except FileNotFoundError as error:
        raise RunError(
            f"'{path}' is not a finished run: it holds no run.json", hint="train one first: kewcore train"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise RunError(f"'{note}' is damaged: {error}", hint="train this variant again with --restart") from error
    if not run.model_path.is_file():
        raise RunError(f"run '{path}' holds no model.keras", hint="train this variant again with --restart")
    return run


def training_figures(run: Run) -> dict[str, float]:
    """Returns how a run's training went: epochs, the best one and its validation figures, time and memory.

    Returns:
        `best_epoch`, `epochs`, `val_accuracy` (0…1), `val_loss` (nats), `wall_time_s`, `peak_memory_bytes`, and
        `skipped`, the images that were left out.

    Raises:
        RunError: metrics.json or run.json is damaged.
    """
    path = run.path / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        figures = {key: metrics[key] for key in ("best_epoch", "epochs")}
        figures |= {f"val_{key}": metrics[key] for key in ("accuracy", "loss")}
        figures |= {key: run.facts[key] for key in ("wall_time_s", "peak_memory_bytes")}
        return {key: float(value) for key, value in figures.items()} | {"skipped": int(run.facts["dataset"]["skipped"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"'{path}' is damaged: {error}", hint="train this variant again with --restart") from error


def newest_runs(runs: Path = RUNS_FOLDER) -> list[Path]:
    """Finds the runs of the recipe that was trained last, one for each of its variants, sorted by variant.

    Raises:
        RunError: There is none.
    """
    notes = list(runs.glob("*/*/run.json"))
    if not notes:
        raise RunError(
            f"there is no finished run in '{runs}'", hint="train first: kewcore train; or give the path of a run"
        )
    newest = max(notes, key=lambda note: (note.stat().st_mtime_ns, note.as_posix())).parent.parent
    return sorted(note.parent for note in notes if note.parent.parent == newest)
