"""Load and predict, by mode and executor. Compare two checkouts: `make bench`, then `pytest-benchmark compare`."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from kewcore.runtime import PackageClassifier, load
from kewcore.runtime.loading import ExecutorChoice

MODES = ("fp16", "int8")


def pixels(count: int, package: PackageClassifier) -> NDArray[np.uint8]:
    """Random images, uint8 `[count, H, W]`."""
    return np.random.default_rng(0).integers(0, 256, (count, *package.image_size), np.uint8)


@pytest.mark.parametrize("mode", MODES)
def test_load(benchmark: BenchmarkFixture, packages: dict[str, Path], mode: str) -> None:
    model = benchmark(load, packages[mode], "onnx", 1)
    assert model.class_labels


@pytest.mark.parametrize("executor", ["onnx", "reference"])
@pytest.mark.parametrize("mode", MODES)
def test_predict_one(
    benchmark: BenchmarkFixture, packages: dict[str, Path], mode: str, executor: ExecutorChoice
) -> None:
    model = load(packages[mode], executor, threads=1)
    image = pixels(1, PackageClassifier(packages[mode]))[0]
    answer = benchmark(model.predict, {model.inputs[0].name: image})
    assert len(answer) == 2


@pytest.mark.parametrize("mode", MODES)
def test_classify_sixteen(benchmark: BenchmarkFixture, packages: dict[str, Path], mode: str) -> None:
    classifier = PackageClassifier(packages[mode], "onnx")
    images = pixels(16, classifier)
    found = benchmark(classifier.probabilities, images)
    assert found.shape == (16, 6)
