"""Writing the sample set: how many images of what, drawn in parallel, always the same for a seed."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from kewcore.artefacts import replacing_folder, storage_errors
from kewcore.console import detail, progress
from kewcore.data.marker import check_replaceable, read_marker, write_marker
from kewcore.data.sample.photographs import draw_photograph
from kewcore.data.sample.renderings import draw_rendering
from kewcore.errors import UsageError

GENERATOR_VERSION = 1
"""Counts up when the same seed would give other images."""
KEW_MNIST_TRAINING_COUNTS: Mapping[str, int] = {
    "flower": 544, "fruit": 252, "leaf": 813, "plant_tag": 904, "stem": 437, "whole_plant": 366,
}  # fmt: skip
"""Images a class in Kew-MNIST's training part; the sample set keeps their proportions.

Source: the README of github.com/yusufmo1/kew-mnist-synthetic.
"""
NOTICE = (
    "Drawings made by kewcore's generator, a stand-in for Kew-MNIST: figures measured on them say that the tools work, "
    "and nothing about real photographs."
)
_PARTS = ("train", "val", "test", "synthetic")
_JPEG_QUALITY = 90
_FEW = 48


@dataclass(frozen=True)
class SampleSummary:
    """What the sample set holds.

    Attributes:
        root: Its folder.
        seed: Seed of every image.
        counts: Images by part (`train`, `val`, `test`, `synthetic`) and class.
        reused: True when the folder held this very set already and nothing was drawn.
    """

    root: Path
    seed: int
    counts: Mapping[str, Mapping[str, int]]
    reused: bool


def sample_counts(images: int) -> dict[str, dict[str, int]]:
    """Says how many images of each part and class there will be.

    The training part has `images`, shared out in Kew-MNIST's proportions; the validation part is 15/85 of that, as
    recipes take it; the test part is three quarters of it, so that small accuracies can be told apart; and synthetic
    images even every class of the training part out to the largest.

    Raises:
        UsageError: Fewer than 12 images.
    """
    if images < 12:
        raise UsageError(f"the sample set needs at least 12 training images, two a class; got {images}")
    train = _shared_out(images)
    largest = max(train.values())
    return {
        "train": train,
        "val": _shared_out(max(6, round(images * 15 / 85))),
        "test": _shared_out(max(12, round(images * 0.75))),
        "synthetic": {name: largest - count for name, count in train.items()},
    }


def make_sample_set(out: Path, *, seed: int = 7, images: int = 160) -> SampleSummary:
    """Draws the sample set into a folder, unless that folder holds the same set already.

    Args:
        out: Folder to write; one that kewcore did not write is refused.
        seed: Seed; each image depends on the seed, its part, class and number alone.
        images: Images in the training part; see `sample_counts`.

    Raises:
        UsageError: Too few images.
        StorageError: The folder cannot be written or is not ours to replace.
    """
    counts = sample_counts(images)
    provenance = {"notice": NOTICE, "generator_version": GENERATOR_VERSION, "seed": seed, "counts": counts}
    check_replaceable(out)
    if out.is_dir() and any(out.iterdir()):
        marker = read_marker(out) or {}
        if all(marker.get(key) == value for key, value in provenance.items()) and _complete(out, counts):
            return SampleSummary(out, seed, counts, reused=True)
    jobs = [(part, name, i) for part in _PARTS for name, count in counts[part].items() for i in range(count)]
    with replacing_folder(out) as staging:
        for part in _PARTS:
            for name, count in counts[part].items():
                if count:
                    (staging / part / name).mkdir(parents=True)
        with progress("drawing the sample set", len(jobs)) as advance, storage_errors(out):
            for _ in drawn(staging, seed, jobs):
                advance()
        write_marker(staging, "sample", stand_in=True, content=provenance)
    return SampleSummary(out, seed, counts, reused=False)


def draw_sample(seed: int, part: str, class_name: str, number: int) -> bytes:
    """Draws one image of the sample set and returns it as a JPEG file."""
    class_index = list(KEW_MNIST_TRAINING_COUNTS).index(class_name)
    rng = np.random.default_rng([seed, GENERATOR_VERSION, _PARTS.index(part), class_index, number])
    pixels = (draw_rendering if part == "synthetic" else draw_photograph)(rng, class_name)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


def drawn(folder: Path, seed: int, jobs: list[tuple[str, str, int]]) -> Iterator[None]:
    """Draws images into `folder/<part>/<class>/`, in parallel, and yields after each; a job is part, class, number."""
    write = partial(_write_sample, folder, seed)
    workers = min(os.cpu_count() or 1, 8)
    if workers == 1 or len(jobs) < _FEW:
        yield from map(write, jobs)
        return
    # Spawned, not forked: the caller may have TensorFlow's threads running, which a fork would leave locked.
    done = 0
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            with _held_back(signal.SIGINT):  # Ctrl-C is for this process alone to answer; workers inherit the mask
                drawings = pool.map(write, jobs, chunksize=4)
            for _ in drawings:
                done += 1
                yield
    except BrokenProcessPool:
        # A worker was killed, or cannot start, as under `python -` and in a script without a main guard.
        detail("worker processes stopped; drawing goes on in this one")
        yield from map(write, jobs[done:])


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """Delivers a signal to this thread after the block, and never to processes that are started in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _write_sample(folder: Path, seed: int, job: tuple[str, str, int]) -> None:
    part, name, number = job
    (folder / part / name / f"{name}_{number:04d}.jpg").write_bytes(draw_sample(seed, part, name, number))


def _complete(out: Path, counts: Mapping[str, Mapping[str, int]]) -> bool:
    return all(
        (out / part / name / f"{name}_{i:04d}.jpg").is_file()
        for part, of_class in counts.items()
        for name, count in of_class.items()
        for i in range(count)
    )


def _shared_out(images: int) -> dict[str, int]:
    """Shares images out by largest remainder, at least one a class."""
    total = sum(KEW_MNIST_TRAINING_COUNTS.values())
    exact = {name: images * count / total for name, count in KEW_MNIST_TRAINING_COUNTS.items()}
    shares = {name: max(1, int(part)) for name, part in exact.items()}
    by_need = sorted(exact, key=lambda name: shares[name] - exact[name])
    for k in range(images - sum(shares.values())):
        shares[by_need[k % len(by_need)]] += 1
    return shares
