"""What occlusion sensitivity found of one image: how much each hidden place costs the true class, by classifier."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class OcclusionMap:
    """One classifier's map of one image.

    Attributes:
        name: `TensorFlow`, or the package's mode.
        probability: Of the true class with nothing hidden, 0…1.
        drops: By row and column of the window, from the top left: that probability minus the one with the window's
            place hidden, to four decimals. Above 0 the classifier leans on what is there.
    """

    name: str
    probability: float
    drops: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class OcclusionSample:
    """One image with everyone's map.

    Attributes:
        file: Its file.
        label: Its true class.
        window: Side of the hidden square, pixels.
        stride: Steps from one place to the next, pixels.
        maps: The reference's first, then the packages'.
        thumbnail: uint8 `[h, w]`, for the report; not part of the JSON. None where the file is gone.
    """

    file: Path
    label: str
    window: int
    stride: int
    maps: tuple[OcclusionMap, ...]
    thumbnail: NDArray[np.uint8] | None = field(repr=False, compare=False, default=None, metadata={"picture": True})
