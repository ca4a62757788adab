"""The state of an unfinished training on disk: complete after every epoch, replaced atomically."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.artefacts import replacing_folder
from kewcore.errors import RunError
from kewcore.training.step import TrainingState

_GROUPS = ("weights", "first_moments", "second_moments", "best_weights")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next epoch needs.

    Attributes:
        settings: What was asked for; a training resumes only under equal settings.
        state: Weights and moments after the last finished epoch.
        best_weights: The weights with the lowest validation loss so far.
        history: One row an epoch.
        elapsed_s: Seconds of training so far, over all its processes.
        peak_memory_bytes: The largest of all its processes.
    """

    settings: Mapping[str, Any]
    state: TrainingState
    best_weights: Sequence[NDArray[np.float32]]
    history: Sequence[Mapping[str, float]]
    elapsed_s: float
    peak_memory_bytes: int


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replaces the checkpoint in `folder` by this one, whole or not at all."""
    arrays = {
        "weights": checkpoint.state.weights,
        "first_moments": checkpoint.state.first_moments,
        "second_moments": checkpoint.state.second_moments,
        "best_weights": checkpoint.best_weights,
    }
    with replacing_folder(folder) as staging:
        for group in _GROUPS:
            for index, array in enumerate(arrays[group]):
                _write_array(staging / f"{group}_{index}.npy", array)
        note = {
            "settings": checkpoint.settings,
            "steps": checkpoint.state.steps,
            "arrays": len(checkpoint.state.weights),
            "history": list(checkpoint.history),
            "elapsed_s": checkpoint.elapsed_s,
            "peak_memory_bytes": checkpoint.peak_memory_bytes,
        }
        (staging / "checkpoint.json").write_text(json.dumps(note, indent=2), encoding="utf-8")


def _write_array(path: Path, array: NDArray[np.float32]) -> None:
    """Writes a .npy file as `np.save` does, which loses the reason, such as a full disk, when it fails."""
    header = np.lib.format.header_data_from_array_1_0(array)  # type: ignore[no-untyped-call]
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
        stream.write(np.ascontiguousarray(array).data)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        RunError: It is damaged.
    """
    try:
        note = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
        groups = {
            group: [
                np.load(folder / f"{group}_{index}.npy", allow_pickle=False) for index in range(int(note["arrays"]))
            ]
            for group in _GROUPS
        }
        return Checkpoint(
            settings=note["settings"],
            state=TrainingState(
                groups["weights"], groups["first_moments"], groups["second_moments"], int(note["steps"])
            ),
            best_weights=groups["best_weights"],
            history=note["history"],
            elapsed_s=float(note["elapsed_s"]),
            peak_memory_bytes=int(note["peak_memory_bytes"]),
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"checkpoint '{folder}' is damaged: {error}", hint="start this training anew with --restart"
        ) from error
