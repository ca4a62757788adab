"""Robustness parity: reference and packages on corrupted images, each engine in a process of its own, one by one."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from kewcore.console import progress
from kewcore.parity.robustness import CorruptionParity, compare_corrupted
from kewcore_bench.depth.corruptions import CORRUPTIONS, CORRUPTIONS_VERSION, STRENGTHS, amount_text, corrupt
from kewcore_bench.depth.pixel_sets import Write, answers
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.hosts import installed_version, usable_cores
from kewcore_bench.images import LabelledImages
from kewcore_bench.parity_run import cached, keep, reference_key

CASES: tuple[tuple[str, int], ...] = tuple(product(CORRUPTIONS, STRENGTHS))
"""Corruption and strength, in the order of tables."""
_IMAGES_A_STEP = 64


def measure_robustness(
    reference: EngineSpec,
    packages: Mapping[str, EngineSpec],
    images: LabelledImages,
    *,
    model_sha256: str,
    what: str,
    cache: Path | None,
    seed: int = 0,
) -> dict[str, tuple[CorruptionParity, ...]]:
    """Measures how packages and their reference answer on corrupted images.

    Every engine sees the same corrupted images, 25 versions of each. The reference's answers are kept in `cache`.

    Args:
        reference: TensorFlow with the run's model.
        packages: By name.
        images: The images, uncorrupted.
        model_sha256: Of the run's model, for the cache.
        what: Name for the progress line, such as the variant.
        cache: Folder in which the reference's answers are kept; None keeps none.
        seed: Of noise and turns, and of bootstraps.

    Returns:
        By package, one entry a corruption and strength, in the order of `CASES`.

    Raises:
        KewError: An engine cannot be loaded or run.
    """
    keys = _keys(model_sha256, images, seed)
    kept = [cached(cache, key, len(images.class_names)) for key in keys]
    known = [one for one in kept if one is not None]
    engines = len(packages) + (len(known) < len(CASES))
    with progress(f"{what} robustness", engines * len(CASES) * len(images.labels)) as advance:
        if len(known) < len(CASES):
            known = []
            for key, found in zip(keys, _answers(reference, images, seed, advance), strict=True):
                keep(cache, key, found)
                known.append(found)
        measured = {}
        for name, spec in packages.items():
            tables = zip(CASES, known, _answers(spec, images, seed, advance), strict=True)
            measured[name] = tuple(_compared(case, pair, images, seed) for case, *pair in tables)
    return measured


def _answers(
    spec: EngineSpec, images: LabelledImages, seed: int, advance: Callable[[int], None]
) -> Iterator[NDArray[np.float32]]:
    shape = images.pixels.shape
    versions = (_writer(images.pixels, kind, strength, seed) for kind, strength in CASES)
    return answers(spec, (shape[0], shape[1], shape[2]), images.class_names, versions, advance)


def _writer(pixels: NDArray[np.uint8], kind: str, strength: int, seed: int) -> Write:
    def corrupted(index: int) -> NDArray[np.uint8]:
        return corrupt(np.array(pixels[index]), kind, strength, seed=seed, index=index)

    def write(out: NDArray[np.uint8]) -> None:
        with ThreadPoolExecutor(usable_cores()) as pool:
            for start in range(0, len(pixels), _IMAGES_A_STEP):  # A step at a time, so that memory does not grow.
                step = range(start, min(start + _IMAGES_A_STEP, len(pixels)))
                for index, image in zip(step, pool.map(corrupted, step), strict=True):
                    out[index] = image

    return write


def _compared(
    case: tuple[str, int], tables: Sequence[NDArray[np.float32]], images: LabelledImages, seed: int
) -> CorruptionParity:
    kind, strength = case
    amount = amount_text(kind, strength, *images.pixels.shape[1:])
    return compare_corrupted(kind, strength, amount, tables[0], tables[1], images.labels, seed=seed)


def _keys(model_sha256: str, images: LabelledImages, seed: int) -> list[str]:
    """Names the reference's answers by all that they depend on, the libraries that corrupt included."""
    base = reference_key(model_sha256, images.pixels, installed_version("tensorflow") or "none")
    made_by = f"{CORRUPTIONS_VERSION} {PIL.__version__} {np.__version__} {seed}"
    return [hashlib.sha256(f"{base} {made_by} {kind} {level}".encode()).hexdigest()[:32] for kind, level in CASES]
