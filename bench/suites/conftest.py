"""The package that suites run: KewCNN's first two stages at 128×128, untrained, exported as fp16 and int8."""

import gc
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASS_NAMES = ("flower", "fruit", "leaf", "plant_tag", "stem", "whole_plant")
SIDE = 128


def pytest_itemcollected(item: pytest.Item) -> None:
    """Measurements take as long as they take; the time limit is for tests."""
    item.add_marker(pytest.mark.timeout(0))


def write_run(folder: Path) -> None:
    """Writes an untrained network as a run; what it answers does not matter to a clock."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 1))
    value = layers.Rescaling(1 / 255)(image)
    for filters, size in ((48, 5), (96, 3)):
        value = layers.Conv2D(filters, size, padding="same", kernel_initializer="he_uniform")(value)
        value = layers.LeakyReLU(negative_slope=0.1)(value)
        value = layers.MaxPooling2D(4)(value)
    value = layers.Flatten()(value)
    model = keras.Model(image, layers.Dense(len(CLASS_NAMES), activation="softmax")(value))
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    write_facts(folder, SIDE)


def write_facts(folder: Path, side: int) -> None:
    """Writes run.json for a network that takes images of `side` pixels."""
    data = {"classes": list(CLASS_NAMES), "height": side, "width": side, "resize": "centre-crop"}
    facts = {
        "recipe": "suite",
        "title": "Suite",
        "variant": "original",
        "data": {**data, "test_fraction": 0.3, "val_fraction": 0.15, "split_seed": 42},
        "export": {"author": "nobody", "license": "MIT", "version": "1.0", "description": "Untrained."},
        "dataset": {"path": "", "fingerprint": "", "stand_in": True},
        "settings": {},
    }
    (folder / "run.json").write_text(json.dumps(facts))


@pytest.fixture(scope="session")
def kewcnn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """KewCNN itself at 500×500, untrained: its run, and packages by mode."""
    import keras

    from kewcore.models.networks import find_network

    root = tmp_path_factory.mktemp("kewcnn")
    keras.utils.set_random_seed(0)
    model = find_network("kewcnn").build(500, 500, len(CLASS_NAMES))
    (root / "run").mkdir()
    model.save(root / "run" / "model.keras")
    write_facts(root / "run", 500)
    return root / "run", _exported(root, "fp16,int8,palette-4,w8a8", _noise(root / "noise"))


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Packages by mode."""
    root = tmp_path_factory.mktemp("suite")
    write_run(root / "run")
    return _exported(root, "fp16,int8")


def _noise(folder: Path) -> Path:
    """Images to calibrate with; what ranges they give does not matter to a clock."""
    rng = np.random.default_rng(0)
    for name in CLASS_NAMES:
        (folder / name).mkdir(parents=True)
        for index in range(4):
            Image.fromarray(rng.integers(0, 256, (500, 500), np.uint8)).save(folder / name / f"{index}.png")
    return folder


def _exported(root: Path, modes: str, images: Path | None = None) -> dict[str, Path]:
    from kewcore_export.activations.settings import CalibrationSettings
    from kewcore_export.export import export_run
    from kewcore_export.modes import parse_modes

    calibration = CalibrationSettings(folder=images, images=12)
    with warnings.catch_warnings():
        # coremltools leaves the removal of its temporary folders to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        exported = export_run(root / "run", parse_modes([modes]), root / "packages", calibration=calibration)
        gc.collect()
    return {one.sidecar.mode: one.path for one in exported}
