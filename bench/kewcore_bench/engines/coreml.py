"""Core ML itself, on a Mac: a package on the compute units that it may use."""

import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kewcore.errors import PackageError, UnsupportedError
from kewcore_bench.engines.engine import Engine

COMPUTE_UNITS = {
    "coreml-cpu": "CPU_ONLY",
    "coreml-cpu-gpu": "CPU_AND_GPU",
    "coreml-cpu-ne": "CPU_AND_NE",
    "coreml-all": "ALL",
}
"""Engines by coremltools' `ComputeUnit`, the units that Core ML may use; it alone decides which it does use."""


def check_mac() -> None:
    """Refuses to go on where there is no Core ML.

    Raises:
        UnsupportedError: This is not a Mac.
    """
    if sys.platform != "darwin":
        raise UnsupportedError(
            f"Core ML runs on macOS alone, and this is {platform.system()}", hint="run this bench on a Mac"
        )


def load_coreml(path: Path, compute_units: str) -> Engine:
    """Loads a package in Core ML.

    Args:
        path: An image classifier.
        compute_units: Name of a `coremltools.ComputeUnit`.

    Raises:
        UnsupportedError: This is not a Mac.
        PackageError: Core ML cannot load it, or it does not take one greyscale image.
    """
    check_mac()
    import coremltools as ct

    try:
        model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit[compute_units])
    except (RuntimeError, ValueError, OSError) as error:
        raise PackageError(f"Core ML cannot load '{path}': {str(error).splitlines()[0]}") from error
    inputs = model.get_spec().description.input
    if len(inputs) != 1 or inputs[0].type.WhichOneof("Type") != "imageType":
        raise PackageError(f"Core ML: '{path}' must take one image, got {', '.join(one.name for one in inputs)}")
    (name,) = (one.name for one in inputs)

    def predict_batch(pixels: NDArray[np.uint8]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = model.predict([{name: Image.fromarray(image)} for image in pixels])
        return answers

    return Engine(
        label=f"Core ML of macOS {platform.mac_ver()[0]} ({compute_units})",
        class_names=(),
        predict=None,
        predict_one=lambda pixels: model.predict({name: Image.fromarray(pixels[0])}),
        predict_batch=predict_batch,
    )
