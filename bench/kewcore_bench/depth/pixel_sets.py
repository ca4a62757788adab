"""One engine's answers on many versions of the same images: one process, one pixel file, one version at a time.

Only one version lies on disk, and none in memory; the engine is loaded once. The worker maps the file, so what is
written into it between two questions is what it reads.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.engines.process import running_engine
from kewcore_bench.parity_run import check_classes

Write = Callable[[NDArray[np.uint8]], None]
"""Fills uint8 `[N, H, W]`."""
Found = TypeVar("Found")


def answers(
    spec: EngineSpec,
    shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    versions: Iterable[Write],
    advance: Callable[[int], None],
) -> Iterator[NDArray[np.float32]]:
    """Classifies every version of the images.

    Args:
        spec: The engine.
        shape: `[N, H, W]` of every version.
        class_names: What the engine's classes must be.
        versions: Each fills the pixel file.
        advance: Called with the number of images after each step.

    Returns:
        Probabilities, float32 `[N, C]`, of each version, computed as they are asked for.

    Raises:
        KewError: As the engine raised it.
    """
    return (table for _, table in described_answers(spec, shape, class_names, versions, advance))


def described_answers(
    spec: EngineSpec,
    shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    versions: Iterable[Callable[[NDArray[np.uint8]], Found]],
    advance: Callable[[int], None],
) -> Iterator[tuple[Found, NDArray[np.float32]]]:
    """Classifies every version of the images as `answers` does, and hands on what its writer says of it.

    Args:
        spec: The engine.
        shape: `[N, H, W]` of every version.
        class_names: What the engine's classes must be.
        versions: Each fills the pixel file, and gives back what it saw.
        advance: Called with the number of images after each step.

    Yields:
        What the writer gave back, and probabilities, float32 `[N, C]`.

    Raises:
        KewError: As the engine raised it.
    """
    with tempfile.TemporaryDirectory(prefix="kewcore-bench-") as folder:
        path = Path(folder) / "pixels.npy"
        pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)  # type: ignore[no-untyped-call]
        with running_engine(spec, path) as engine:
            check_classes(engine, class_names)
            for write in versions:
                found = write(pixels)
                yield found, engine.probabilities(advance)
