"""Damaged packages: whatever the damage, only a `KewError` comes out."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Blob, Op, classifier_package, model_message, weights_file, write_package

from kewcore.errors import KewError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
FILES = ("Manifest.json", "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin")
DAMAGED_PACKAGES = 120


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def sound_package(path: Path) -> Path:
    """A bit of everything: blobs, a palette, a convolution, a pool, a reshape, a slice."""
    half = np.arange(18, dtype=np.float16)
    weights = weights_file([("fp16", half.tobytes()), ("uint4", bytes(range(8)))])
    palette = {"indices": Blob(192, "uint4", (4, 4)), "lut": half[:16].reshape(1, 1, 16, 1)}
    window = {"kernel_sizes": ints(3, 3), "strides": ints(3, 3), "pad_type": "'valid'"}
    ops = [
        Op("const", {}, {"w": ("fp16", (2, 1, 3, 3))}, {"val": Blob(64, "fp16", (2, 1, 3, 3))}),
        Op("constexpr_lut_to_dense", palette, {"p": ("fp16", (4, 4))}),
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"h": ("fp16", (1, 1, 6, 6))}),
        Op("conv", {"x": "h", "weight": "w", "pad_type": "'same'"}, {"c": ("fp16", (1, 2, 6, 6))}),
        Op("leaky_relu", {"x": "c", "alpha": np.float16(0.1)}, {"l": ("fp16", (1, 2, 6, 6))}),
        Op("max_pool", {"x": "l", **window}, {"m": ("fp16", (1, 2, 2, 2))}),
        Op("reshape", {"x": "m", "shape": ints(2, 4)}, {"r": ("fp16", (2, 4))}),
        Op("matmul", {"x": "r", "y": "p"}, {"q": ("fp16", (2, 4))}),
        Op("slice_by_index", {"x": "q", "begin": ints(0, 1), "end": ints(2, 4)}, {"s": ("fp16", (2, 3))}),
        Op("softmax", {"x": "s", "axis": -1}, {"t": ("fp16", (2, 3))}),
        Op("cast", {"x": "t", "dtype": "'fp32'"}, {"y": ("fp32", (2, 3))}),
    ]
    return write_package(path, model_message(ops, {"x": ("fp32", (1, 1, 6, 6))}, ["y"]), weights)


def damage(content: bytes, rng: random.Random) -> bytes:
    """Overwrites, flips, inserts, removes, copies or cuts off a few bytes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, length = rng.randrange(len(data)), rng.randrange(1, 20)
        kind = rng.randrange(6)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at:at] = rng.randbytes(length)
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            source = rng.randrange(len(data))
            data[at : at + length] = data[source : source + length]
        else:
            del data[max(at, 1) :]
        if not data:
            break
    return bytes(data)


@pytest.mark.parametrize("executor", ["reference", "onnx"])
@pytest.mark.parametrize(
    ("make", "x"),
    [(sound_package, np.ones((1, 1, 6, 6), np.float32)), (classifier_package, np.ones((2, 2), np.uint8))],
)
def test_only_kewcore_errors_come_out(tmp_path: Path, make: Callable[[Path], Path], x: Any, executor: Any) -> None:
    package = make(tmp_path / "p.mlpackage")
    load(package, executor).predict({"x": x})
    rng, refused = random.Random(11), 0
    for _ in range(DAMAGED_PACKAGES):
        file = package / rng.choices(FILES, (1, 8, 2))[0]
        sound = file.read_bytes()
        file.write_bytes(damage(sound, rng))
        try:
            model = load(package, executor, threads=1)
            model.predict({"x": x})
            assert model.class_labels is None or len(model.class_labels) == 2
        except KewError:
            refused += 1
        finally:
            file.write_bytes(sound)
    assert refused > DAMAGED_PACKAGES / 2
