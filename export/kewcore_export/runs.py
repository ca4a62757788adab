"""The training runs that packages are made from."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kewcore.artefacts import sha256_file
from kewcore.errors import RunError, UsageError
from kewcore.recipes import ExportRecipe, load_recipe
from kewcore_export.sidecar import RunRecord

RUNS_FOLDER = Path("runs")


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes:
        folder: Where it lies.
        title: Prefix of its packages' names, such as `KewCNN`.
        record: What a sidecar says of it.
        class_names: In the order of the model's outputs.
        resize: Policy by which images were brought to size.
        export: Metadata for its packages.
    """

    folder: Path
    title: str
    record: RunRecord
    class_names: tuple[str, ...]
    resize: str
    export: ExportRecipe

    @property
    def model_path(self) -> Path:
        """The trained Keras model."""
        return self.folder / "model.keras"


def load_run(folder: Path, out: Path) -> Run:
    """Reads what a run's `run.json` says.

    Args:
        folder: The run's folder.
        out: Where packages will lie; the record's path is relative to it.

    Raises:
        RunError: There is no finished run in the folder, or its `run.json` lacks something.
    """
    path = folder / "run.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            f"'{folder}' is not a finished run: it holds no run.json", hint="train one first: kewcore train"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"'{path}' cannot be read: {error}") from error
    model = folder / "model.keras"
    if not model.is_file():
        raise RunError(f"run '{folder}' holds no model.keras", hint="train it again: kewcore train")
    try:
        recipe, dataset = str(value["recipe"]), value["dataset"]
        record = RunRecord(
            path=Path(os.path.relpath(folder.resolve(), out.resolve())).as_posix(),
            recipe=recipe,
            variant=str(value["variant"]),
            model_sha256=sha256_file(model),
            dataset_fingerprint=str(dataset["fingerprint"]),
            stand_in=bool(dataset["stand_in"]),
        )
        class_names = tuple(str(name) for name in value["class_names"])
        resize = str(value["input"]["resize"])
    except (KeyError, TypeError) as error:
        raise RunError(f"'{path}' lacks {error}: it was not written by this version of kewcore train") from error
    title, export = _metadata(recipe)
    return Run(folder, str(value.get("title", title)), record, class_names, resize, export)


def newest_runs(runs: Path = RUNS_FOLDER) -> list[Path]:
    """Finds the runs of the recipe that was trained last, one for each of its variants.

    Raises:
        RunError: There is no run.
    """
    finished = list(runs.glob("*/*/run.json"))
    if not finished:
        raise RunError(
            f"there is no finished run in '{runs}'", hint="train first: kewcore train; or give the path of a run"
        )
    recipe = max(finished, key=lambda path: (path.stat().st_mtime_ns, path.as_posix())).parent.parent
    return sorted(path.parent for path in finished if path.parent.parent == recipe)


def _metadata(recipe: str) -> tuple[str, ExportRecipe]:
    try:
        loaded = load_recipe(recipe)
    except UsageError:
        # A recipe of the user's own, which the run names but does not hold.
        description = f"Image classifier trained by kewcore from the recipe '{recipe}'."
        return recipe, ExportRecipe("unknown", "unknown", "1.0", description)
    return loaded.title, loaded.export


def as_json(value: Any) -> bytes:
    """Serialises a value the same way every time, for hashing."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()
