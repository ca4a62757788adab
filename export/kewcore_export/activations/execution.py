"""Values of a program over many images, a few images at a time, so that memory does not grow with their number."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import ExportError
from kewcore.runtime.features import tensors_from
from kewcore.runtime.loading import available_threads, start_executor
from kewcore.runtime.package import Interface
from kewcore.runtime.program import Function
from kewcore_export.activations.pairs import watching

Image = NDArray[np.uint8]


class Watched:
    """A function of which some values are read.

    Args:
        function: A verified function.
        interface: Its inputs; the one image among them is what is fed.
        names: The values to read; no other value leaves the executor.
    """

    def __init__(self, function: Function, interface: Interface, names: tuple[str, ...]) -> None:
        self._function = watching(function, names)
        self._interface = interface
        self._executor = start_executor(self._function, threads=1)
        (self._input,) = (feature.name for feature in interface.inputs)

    def values(self, image: Image) -> dict[str, NDArray[Any]]:
        """Runs one image.

        Args:
            image: uint8 `[H, W]`.

        Returns:
            The values by name, in their declared types.
        """
        tensors = tensors_from({self._input: image}, self._interface, self._function)
        return self._executor.run(tensors, {})


def over_images(watched: Watched, images: Iterable[Image]) -> Iterator[Mapping[str, NDArray[Any]]]:
    """Yields the values of each image in order; as many images as there are processors are in work at a time.

    Raises:
        ExportError: A value holds NaN or infinity.
    """
    workers, number = available_threads(), 0
    stream = iter(images)
    with ThreadPoolExecutor(workers) as pool:
        while batch := list(islice(stream, workers)):
            for values in pool.map(watched.values, batch):
                number += 1
                _check_finite(values, number)
                yield values


def _check_finite(values: Mapping[str, NDArray[Any]], number: int) -> None:
    for name, array in values.items():
        if not np.isfinite(array).all():
            raise ExportError(
                f"activation '{name}' holds NaN or infinity for calibration image {number}",
                hint="the network leaves the range of fp16, or its training diverged; export it as fp32",
            )
