"""The images that a run was trained on, and some of each class of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kewcore.data.dataset import Dataset, open_dataset
from kewcore.errors import DataError, KewError
from kewcore.training.run import Run

CALIBRATION_HINT = "give a folder of images with --calibration DIR"


def dataset_of_run(run: Run, folder: Path | None = None) -> Dataset:
    """Opens the dataset that a run was trained on, or another in its place.

    Args:
        run: The run.
        folder: Another dataset of the same classes, taken as it is.

    Raises:
        DataError: The dataset is no longer where it was, or has changed since; or the folder is none.
    """
    if folder is not None:
        return open_dataset(folder, run.data)
    path = run.dataset_path
    if not path.is_dir():
        raise DataError(
            f"the run '{run.path}' was trained on '{path}', which is no longer there", hint=CALIBRATION_HINT
        )
    try:
        dataset = open_dataset(path, run.data, skip_bad=bool(run.facts["dataset"].get("skipped")))
    except KewError as error:
        error.add_note("while looking for calibration images")
        raise
    if dataset.fingerprint != run.dataset_fingerprint:
        raise DataError(
            f"the dataset in '{path}' has changed since the run '{run.path}' was trained on it: its fingerprint is "
            f"{dataset.fingerprint[:12]}…, that of the run {run.dataset_fingerprint[:12]}…",
            hint=f"{CALIBRATION_HINT}; to take this one as it is: --calibration '{path}'",
        )
    return dataset


def stratified(labels: Sequence[int], classes: int, count: int, seed: int) -> list[int]:
    """Draws images of each class in proportion, by largest remainders; ordered by chance.

    Args:
        labels: Classes of the images.
        classes: How many classes there are. Each that has images gets at least one, if `count` allows it.
        count: How many to draw, at most as many as there are.
        seed: Makes two calls equal.

    Returns:
        Their indices.
    """
    members = [np.flatnonzero(np.asarray(labels) == index) for index in range(classes)]
    sizes = np.array([len(one) for one in members])
    shares = sizes * count / max(sizes.sum(), 1)
    counts = np.minimum(sizes, np.maximum(1, np.floor(shares).astype(int)))
    while counts.sum() < count:
        counts[np.argmax(np.where(counts < sizes, shares - counts, -np.inf))] += 1
    while counts.sum() > count:
        spared = 1 if counts.max() > 1 else 0  # with fewer images than classes, some classes go without
        counts[np.argmax(np.where(counts > spared, counts - shares, -np.inf))] -= 1
    drawn = [
        np.random.default_rng([seed, index]).permutation(one)[: counts[index]] for index, one in enumerate(members)
    ]
    order = np.random.default_rng(seed).permutation(count)
    return [int(index) for index in np.concatenate(drawn)[order]]
