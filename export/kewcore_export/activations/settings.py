"""What a calibration is told: which images, how many, and how ranges follow from them."""

from dataclasses import dataclass
from pathlib import Path

from kewcore_export.activations.ranges import Method

DEFAULT_IMAGES = 128
"""As coremltools' figures for W8A8 after training have it."""


@dataclass(frozen=True)
class CalibrationSettings:
    """How activations are calibrated.

    Attributes:
        folder: Dataset of the images; None takes the one that the run was trained on. Only its training part is read.
        images: How many; None takes `DEFAULT_IMAGES`, or all where there are fewer.
        method: How ranges follow from what occurred.
        symmetric: Whether zero points are 0.
        keep_float: How many of the operations that cost most take floats in any case.
        seed: Of the choice of images.
    """

    folder: Path | None = None
    images: int | None = None
    method: Method = "mse"
    symmetric: bool = False
    keep_float: int = 0
    seed: int = 42
