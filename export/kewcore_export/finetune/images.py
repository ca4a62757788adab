"""Images of a fine-tuning: those that the run was trained on, and its validation part; never the test part."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from kewcore.data.items import Item
from kewcore.data.pixels import Pixels, load_pixels
from kewcore.training.run import Run
from kewcore_export.run_images import dataset_of_run


@dataclass(frozen=True)
class TuningItems:
    """Files of a fine-tuning.

    Attributes:
        train: Those that the run was trained on, drawings of the variant `synthetic` included.
        val: Those of the validation part.
        run: The run, for the size and resize policy of images.
    """

    train: tuple[Item, ...]
    val: tuple[Item, ...]
    run: Run

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the lines `part, SHA-256 of the file`."""
        lines = [f"{part}\t{item.sha256}\n" for part, items in (("t", self.train), ("v", self.val)) for item in items]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def pixels(self, cache: Path) -> tuple[Pixels, Pixels]:
        """Decodes both parts, or maps them from the cache.

        Args:
            cache: Folder for decoded pixels.

        Raises:
            DataError: An image cannot be decoded.
            StorageError: The cache cannot be written.
        """
        train, val = (load_pixels(items, self.run.data, cache=cache) for items in (self.train, self.val))
        return train, val


def tuning_items(run: Run, folder: Path | None = None) -> TuningItems:
    """Finds the images of a fine-tuning.

    Args:
        run: The run.
        folder: Another dataset of the same classes in place of the one that the run was trained on.

    Raises:
        DataError: The data is no longer where it was, or has changed since.
    """
    splits = dataset_of_run(run, folder).splits
    train = (*splits["train"], *splits["synthetic"]) if run.variant == "synthetic" else splits["train"]
    return TuningItems(train, splits["val"], run)
