"""Runs with data of their own, small enough to be trained further in seconds."""

from pathlib import Path
from typing import Any

import numpy as np
from made_runs import write_run
from PIL import Image
from small_networks import CLASS_NAMES, small_network

from kewcore.data.dataset import open_dataset
from kewcore.data.pixels import Pixels, load_pixels
from kewcore.training.run import load_run

IMAGES_A_CLASS = 40


def write_trainable_run(folder: Path, images_a_class: int = IMAGES_A_CLASS, *, head_bias: bool = True) -> Path:
    """Writes a run and the images that it says it was trained on: stripes, spots and a gradient, with noise.

    Its last layer is solved for by least squares, so that it tells them apart; without a bias, this is all zeros.
    """
    generator = np.random.default_rng(11)
    rows, columns = np.mgrid[:40, :36]
    patterns = (rows // 5 % 2 * 120, (rows % 8 < 4) * (columns % 8 < 4) * 160, columns * 5)
    for name, pattern in zip(CLASS_NAMES, patterns, strict=True):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(images_a_class):
            pixels = np.clip(pattern + generator.integers(0, 90, (40, 36)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "data" / name / f"{number}.png")
    network = small_network()
    probe = load_run(write_run(folder / "probe", network, CLASS_NAMES, dataset=folder / "data"))
    dataset = open_dataset(folder / "data", probe.data)
    _solve_last_layer(network, load_pixels(dataset.splits["train"], probe.data), head_bias)
    return write_run(
        folder / "run",
        network,
        CLASS_NAMES,
        title="KewCNN",
        dataset=folder / "data",
        fingerprint=dataset.fingerprint,
        stand_in=True,
    )


def _solve_last_layer(network: Any, train: Pixels, bias: bool) -> None:
    import keras

    features = keras.Model(network.inputs[0], network.layers[-2].output)
    found = np.asarray(features(train.images[..., None].astype(np.float32), training=False))
    wanted = 4 * np.eye(len(CLASS_NAMES))[train.labels]
    design = np.column_stack([found, np.full(len(found), float(bias))])
    gram = design.T @ design
    solution = np.linalg.solve(gram + 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram)), design.T @ wanted)
    network.layers[-1].set_weights([solution[:-1].astype(np.float32), solution[-1].astype(np.float32)])
