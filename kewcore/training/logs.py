"""The history of a training as CSV and for TensorBoard."""

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kewcore.artefacts import Artefact, write_text
from kewcore.models.tensorflow import import_tensorflow

COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> Artefact:
    """Writes one row an epoch, with the columns of `COLUMNS`."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows({**row, "epoch": int(row["epoch"])} for row in history)
    return write_text(path, text.getvalue())


class TensorBoardLog:
    """Scalars of every epoch under `tensorboard/{train,validation}`; opened anew, it tells the history once more."""

    def __init__(self, folder: Path, history: Sequence[Mapping[str, float]]) -> None:
        """Removes an older log in `folder`, since a crash may have cut it, and writes `history` into a new one."""
        tf = import_tensorflow()
        shutil.rmtree(folder, ignore_errors=True)
        self._writers: dict[str, Any] = {
            part: tf.summary.create_file_writer(str(folder / part)) for part in ("train", "validation")
        }
        for row in history:
            self.add(row)

    def add(self, row: Mapping[str, float]) -> None:
        """Writes one epoch and flushes it to disk."""
        tf = import_tensorflow()
        for part, prefix in (("train", ""), ("validation", "val_")):
            with self._writers[part].as_default(step=int(row["epoch"])):
                tf.summary.scalar("epoch_loss", row[f"{prefix}loss"])
                tf.summary.scalar("epoch_accuracy", row[f"{prefix}accuracy"])
                if part == "train":
                    tf.summary.scalar("epoch_learning_rate", row["learning_rate"])
            self._writers[part].flush()

    def close(self) -> None:
        """Ends the log's files."""
        for writer in self._writers.values():
            writer.close()
