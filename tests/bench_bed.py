"""A small bed for benches: a dataset of noisy patterns, a run that was trained on it, and packages of the run."""

import gc
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import made_runs
import numpy as np
import pytest
from PIL import Image

from kewcore.data.dataset import open_dataset
from kewcore.recipes import load_recipe

CLASS_NAMES = ("circle", "stripes", "grey")
SIDE = 32


@dataclass(frozen=True)
class Bed:
    """Folders of one bench.

    Attributes:
        data: Dataset, 30 test images.
        run: The run.
        packages: fp16 and palette-1 of the run.
    """

    data: Path
    run: Path
    packages: tuple[Path, Path]


def draw(label: int, seed: int) -> np.ndarray:
    """Draws one noisy pattern, uint8 `[SIDE, SIDE]`."""
    rng = np.random.default_rng([label, seed])
    rows, columns = np.mgrid[:SIDE, :SIDE]
    patterns = (
        220.0 * ((rows - 16) ** 2 + (columns - 16) ** 2 < 60 + 40 * rng.random()),
        220.0 * (columns // 4 % 2 == 0),
        np.full((SIDE, SIDE), 110.0),
    )
    return np.clip(patterns[label] + rng.normal(0, 55, (SIDE, SIDE)), 0, 255).astype(np.uint8)


def write_dataset(root: Path) -> None:
    """Writes train, val and test parts of patterns."""
    for part, count, offset in (("train", 16, 0), ("val", 3, 100), ("test", 10, 200)):
        for label, name in enumerate(CLASS_NAMES):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                Image.fromarray(draw(label, offset + index)).save(folder / f"{index}.png")


def write_run(folder: Path, data: Path) -> None:
    """Trains a small network for a moment and writes it as a run."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE, SIDE, 1))
    value = layers.Rescaling(1 / 255)(image)
    value = layers.Conv2D(8, 3, padding="same")(value)
    value = layers.LeakyReLU(negative_slope=0.1)(value)
    value = layers.MaxPooling2D(4)(value)
    value = layers.Flatten()(value)
    model = keras.Model(image, layers.Dense(len(CLASS_NAMES), activation="softmax")(value))
    pixels = np.stack([draw(label, seed) for label in range(3) for seed in range(16)])[..., None]
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(pixels.astype(np.float32), np.repeat(np.arange(3), 16), epochs=3, batch_size=8, verbose=0)
    recipe = replace(load_recipe("kewcnn").data, classes=CLASS_NAMES, height=SIDE, width=SIDE)
    made_runs.write_run(
        folder, model, CLASS_NAMES, size=(SIDE, SIDE), dataset=data, fingerprint=open_dataset(data, recipe).fingerprint
    )
    (folder / "history.csv").write_text(
        "epoch,loss,val_loss,accuracy,val_accuracy\n1,1.1,1.0,0.4,0.5\n2,0.9,0.8,0.6,0.7\n"
    )


def make_packages(run: Path, out: Path) -> tuple[Path, Path]:
    """Exports a run as fp16 and palette-1."""
    from kewcore_export.export import export_run
    from kewcore_export.modes import parse_modes

    with warnings.catch_warnings():
        # coremltools leaves the removal of its temporary folders to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        exported = export_run(run, parse_modes(["fp16,palette-1"]), out)
        gc.collect()
    return exported[0].path, exported[1].path
