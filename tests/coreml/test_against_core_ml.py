"""Core ML's own answers beside those of kewcore's runtime, for the same packages. Runs on a Mac only."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(sys.platform != "darwin", reason="Core ML exists on Apple's systems only"),
]


def test_core_ml_and_the_runtime_agree(packages: list[Path]) -> None:
    import coremltools
    from PIL import Image

    from kewcore.runtime import load

    images = np.random.default_rng(0).integers(0, 256, (8, 500, 500), np.uint8)
    for package in packages:
        apple = coremltools.models.MLModel(str(package), compute_units=coremltools.ComputeUnit.CPU_ONLY)
        ours = load(package, executor="onnx")
        for pixels in images:
            picture = {"image": Image.fromarray(pixels)}
            theirs = apple.predict(picture)["classLabel_probs"]
            answer = ours.predict(picture)["classLabel_probs"]
            assert max(abs(theirs[label] - answer[label]) for label in theirs) < 0.01, package.name
