"""Input-pipeline parity: the same files through other pipelines, and what that changes in the reference's answers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kewcore.console import progress, warn
from kewcore.data.images import quiet_decoders
from kewcore.errors import DataError
from kewcore.models.tensorflow import import_tensorflow
from kewcore.parity.agreement import compare
from kewcore.parity.paired import compare_accuracy
from kewcore.parity.pipeline import PipelineParity
from kewcore.recipes import DataRecipe
from kewcore_bench.depth.pipelines import PIPELINES, Pipeline
from kewcore_bench.depth.pixel_sets import described_answers
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.hosts import usable_cores
from kewcore_bench.images import LabelledImages

_IMAGES_A_STEP = 64
Measured: TypeAlias = "Callable[[NDArray[np.uint8]], _Differences]"
"""Fills the pixels of all files, and says how they differ from kewcore's."""


@dataclass(frozen=True)
class _Differences:
    """What one pipeline made of the files, beside kewcore's pixels.

    Attributes:
        decoded: Whether each file could be decoded.
        sum_abs: Sum of the differences of pixels.
        max_abs: Largest difference.
        equal: Pixels without one.
        pixels: Pixels compared.
    """

    decoded: tuple[bool, ...] = ()
    sum_abs: int = 0
    max_abs: int = 0
    equal: int = 0
    pixels: int = 0


def measure_pipelines(
    reference: EngineSpec, recipe: DataRecipe, images: LabelledImages, *, what: str, seed: int = 0
) -> tuple[PipelineParity, ...]:
    """Measures what other input pipelines change in the reference's answers.

    Args:
        reference: TensorFlow with the run's model.
        recipe: Size and resize policy of the model.
        images: Files, labels, and kewcore's pixels.
        what: Name for the progress line, such as the variant.
        seed: Of bootstraps.

    Raises:
        KewError: The reference cannot be loaded or run.
    """
    import_tensorflow()  # Here, and not by two decoding threads at once.
    versions = [_own(images), *(_writer(pipeline, recipe, images) for pipeline in PIPELINES.values())]
    count, height, width = images.pixels.shape
    with progress(f"{what} pipelines", len(versions) * count) as advance:
        tables = described_answers(reference, (count, height, width), images.class_names, versions, advance)
        _, own = next(tables)
        measured = dict(zip(PIPELINES, tables, strict=True))
    for name in [name for name, (seen, _) in measured.items() if not any(seen.decoded)]:
        warn(f"pipeline '{name}' is left out: it cannot decode any of the {count} files")
        del measured[name]
    return tuple(_parity(name, seen, own, table, images.labels, seed) for name, (seen, table) in measured.items())


def _own(images: LabelledImages) -> Measured:
    def write(out: NDArray[np.uint8]) -> _Differences:
        out[:] = images.pixels
        return _Differences()

    return write


def _writer(pipeline: Pipeline, recipe: DataRecipe, images: LabelledImages) -> Measured:
    def decoded(file: Path) -> NDArray[np.uint8] | None:
        try:
            return pipeline.decode(file, recipe)
        except DataError:
            return None

    def write(out: NDArray[np.uint8]) -> _Differences:
        seen = _Differences()
        with quiet_decoders(), ThreadPoolExecutor(usable_cores()) as pool:
            for start in range(0, len(images.files), _IMAGES_A_STEP):  # A step at a time, so that memory does not grow.
                files = images.files[start : start + _IMAGES_A_STEP]
                for index, pixels in enumerate(pool.map(decoded, files), start):
                    own = np.asarray(images.pixels[index])
                    out[index] = own if pixels is None else pixels
                    seen = _with(seen, pixels, own)
        return seen

    return write


def _with(seen: _Differences, pixels: NDArray[np.uint8] | None, own: NDArray[np.uint8]) -> _Differences:
    if pixels is None:
        return replace(seen, decoded=(*seen.decoded, False))
    difference = np.abs(pixels.astype(np.int16) - own)
    return _Differences(
        decoded=(*seen.decoded, True),
        sum_abs=seen.sum_abs + int(difference.sum()),
        max_abs=max(seen.max_abs, int(difference.max())),
        equal=seen.equal + int((difference == 0).sum()),
        pixels=seen.pixels + difference.size,
    )


def _parity(
    name: str,
    seen: _Differences,
    own: NDArray[np.float32],
    other: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
) -> PipelineParity:
    kept = np.array(seen.decoded)
    own, other, labels = own[kept], other[kept], labels[kept]
    parity = compare(own, other, labels, seed=seed)
    return PipelineParity(
        pipeline=name,
        description=PIPELINES[name].description,
        n=parity.n,
        skipped=len(kept) - parity.n,
        mean_abs_pixel=seen.sum_abs / seen.pixels,
        max_abs_pixel=seen.max_abs,
        pixels_equal=seen.equal / seen.pixels,
        top1_agreement=parity.top1_agreement,
        top1_agreement_interval=parity.top1_agreement_interval,
        max_abs_dp=parity.max_abs_dp,
        mean_abs_dp=parity.mean_abs_dp,
        accuracy=compare_accuracy(own.argmax(axis=1) == labels, other.argmax(axis=1) == labels, seed),
    )
