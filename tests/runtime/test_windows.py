"""Convolutions and pools in both executors against plain loops over every tap."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, build

from kewcore.errors import PackageError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
EXECUTORS = ("reference", "onnx")


def run(folder: Path, kind: str, arguments: dict[str, Any], x: np.ndarray, shape: Any, executor: Any) -> np.ndarray:
    op = Op(kind, {"x": "x", **arguments}, {"y": ("fp32", shape)})
    package = build(folder / f"{executor}.mlpackage", [op], {"x": ("fp32", x.shape)}, ["y"])
    result: np.ndarray = load(package, executor).predict({"x": x})["y"]
    return result


def window(size: int, k: int, stride: int, dilation: int, before: int, behind: int, ceil: bool = False) -> list[Any]:
    """For each output position along one axis: pairs of (tap, input index), indices outside the input included."""
    extent = (k - 1) * dilation + 1
    count = (size + before + behind - extent) / stride
    positions = (math.ceil(count) if ceil else math.floor(count)) + 1
    if ceil and (positions - 1) * stride >= size + before:
        positions -= 1
    return [[(t, p * stride - before + t * dilation) for t in range(k)] for p in range(positions)]


def plain_conv(x: Any, w: Any, b: Any, strides: Any, dilations: Any, pads: Any, groups: int) -> np.ndarray:
    rows = window(x.shape[2], w.shape[2], strides[0], dilations[0], *pads[0])
    columns = window(x.shape[3], w.shape[3], strides[1], dilations[1], *pads[1])
    y = np.zeros((x.shape[0], w.shape[0], len(rows), len(columns)))
    per_group = w.shape[0] // groups
    for n, o, (i, row), (j, column) in itertools.product(
        range(x.shape[0]), range(w.shape[0]), enumerate(rows), enumerate(columns)
    ):
        total = float(b[o])
        for (r, xi), (c, xj), d in itertools.product(row, column, range(w.shape[1])):
            if 0 <= xi < x.shape[2] and 0 <= xj < x.shape[3]:
                total += float(x[n, o // per_group * w.shape[1] + d, xi, xj]) * float(w[o, d, r, c])
        y[n, o, i, j] = total
    return y


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("pad_type", "pad", "strides", "dilations", "groups", "pads"),
    [
        ("valid", None, (1, 1), (1, 1), 1, ((0, 0), (0, 0))),
        ("valid", None, (2, 3), (1, 1), 2, ((0, 0), (0, 0))),
        ("same", None, (1, 1), (1, 1), 1, ((1, 1), (0, 1))),
        # 7 rows, kernel 3, stride 2: four outputs take 9 rows; 8 columns, kernel 2, stride 2 take none.
        ("same", None, (2, 2), (1, 1), 4, ((1, 1), (0, 0))),
        ("same", None, (3, 3), (1, 1), 1, ((1, 1), (0, 0))),
        ("same_lower", None, (1, 1), (1, 1), 1, ((1, 1), (1, 0))),
        ("same", None, (1, 1), (2, 3), 1, ((2, 2), (1, 2))),
        ("custom", (2, 0, 1, 3), (2, 1), (1, 2), 2, ((2, 0), (1, 3))),
    ],
)
def test_convolution(
    tmp_path: Path, pad_type: str, pad: Any, strides: Any, dilations: Any, groups: int, pads: Any, executor: str
) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 4, 7, 8)).astype(np.float32)
    w = rng.standard_normal((8, 4 // groups, 3, 2)).astype(np.float32)
    b = rng.standard_normal(8).astype(np.float32)
    arguments = {
        "weight": w,
        "bias": b,
        "pad_type": f"'{pad_type}'",
        "strides": np.array(strides, np.int32),
        "dilations": np.array(dilations, np.int32),
        "groups": groups,
    }
    if pad:
        arguments["pad"] = np.array(pad, np.int32)
    expected = plain_conv(x, w, b, strides, dilations, pads, groups)
    result = run(tmp_path, "conv", arguments, x, expected.shape, executor)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


POOLS: list[tuple[str, Any, Any, Any, bool, Any]] = [
    ("valid", None, (2, 2), (2, 2), False, ((0, 0), (0, 0))),
    ("valid", None, (3, 2), (2, 3), True, ((0, 0), (0, 0))),
    ("same", None, (3, 2), (2, 1), False, ((1, 1), (0, 1))),
    ("same_lower", None, (3, 2), (2, 1), False, ((1, 1), (1, 0))),
    ("custom", (1, 1, 1, 1), (3, 3), (2, 2), False, ((1, 1), (1, 1))),
    ("custom", (1, 1, 1, 1), (3, 3), (3, 2), True, ((1, 1), (1, 1))),
]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("kind", ["max", "avg", "avg_excluding"])
@pytest.mark.parametrize(("pad_type", "pad", "kernel", "strides", "ceil", "pads"), POOLS)
def test_pools(
    tmp_path: Path, kind: str, pad_type: str, pad: Any, kernel: Any, strides: Any, ceil: bool, pads: Any, executor: str
) -> None:
    x = np.random.default_rng(6).standard_normal((1, 2, 7, 8)).astype(np.float32)
    rows, columns = (
        window(size, k, s, 1, *pair, ceil) for size, k, s, pair in zip((7, 8), kernel, strides, pads, strict=True)
    )
    expected = np.zeros((1, 2, len(rows), len(columns)))
    for c, (i, row), (j, column) in itertools.product(range(2), enumerate(rows), enumerate(columns)):
        cells = [(xi, xj) for (_, xi), (_, xj) in itertools.product(row, column)]
        inside = [float(x[0, c, xi, xj]) for xi, xj in cells if 0 <= xi < 7 and 0 <= xj < 8]
        counted = [
            cell
            for cell in cells
            if cell[0] < 7 + pads[0][1] and cell[1] < 8 + pads[1][1]  # what hangs over by ceil_mode never counts
        ]
        divisor = len(inside) if kind == "avg_excluding" else len(counted)
        expected[0, c, i, j] = max(inside) if kind == "max" else sum(inside) / divisor
    arguments = {
        "kernel_sizes": np.array(kernel, np.int32),
        "strides": np.array(strides, np.int32),
        "pad_type": f"'{pad_type}'",
        "ceil_mode": ceil,
    }
    if pad:
        arguments["pad"] = np.array(pad, np.int32)
    if kind == "avg_excluding":
        arguments["exclude_padding_from_average"] = True
    result = run(tmp_path, "max_pool" if kind == "max" else "avg_pool", arguments, x, expected.shape, executor)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (
            "max_pool",
            {"kernel_sizes": np.array([1 << 17, 1 << 17], np.int32), "pad_type": "'same'", "ceil_mode": False},
        ),
        ("conv", {"weight": np.ones((1, 1, 3, 3), np.float32), "pad_type": "'same'", "dilations": [1 << 20, 1 << 20]}),
    ],
)
def test_a_window_that_needs_more_padding_than_memory(tmp_path: Path, kind: str, arguments: dict[str, Any]) -> None:
    given = {key: np.array(value, np.int32) if isinstance(value, list) else value for key, value in arguments.items()}
    op = Op(kind, {"x": "x", "strides": np.array([1, 1], np.int32), **given}, {"y": ("fp32", (1, 1, 4, 4))})
    model = load(build(tmp_path / "p.mlpackage", [op], {"x": ("fp32", (1, 1, 4, 4))}, ["y"]), "reference")
    with pytest.raises(
        PackageError, match=rf"op '{kind}_y' \({kind}\) failed: its padded input would take \d+ bytes, more"
    ):
        model.predict({"x": np.ones((1, 1, 4, 4), np.float32)})
