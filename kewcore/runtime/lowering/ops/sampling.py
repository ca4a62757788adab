"""Lowerings of sampling at given coordinates, and of cutting parts out of images."""

from math import prod

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.cropping import cropped_slices
from kewcore.runtime.ops.sampling import output_coordinates
from kewcore.runtime.program import TENSOR_LIMIT_BYTES


@lowers("crop")
def _crop(lowering: Lowering) -> None:
    cuts = cropped_slices(lowering.shape("x"), lowering.constant("crop_height"), lowering.constant("crop_width"))
    ends = [-behind if behind else np.iinfo(np.int64).max for _, behind in cuts]
    bounds = ([before for before, _ in cuts], ends, [-2, -1])
    lowering.finish(lowering.node("Slice", lowering.value("x"), *(lowering.integers(row) for row in bounds)))


@lowers("resample")
def _resample(lowering: Lowering) -> None:
    lowering.require_floats("coordinates")
    mode = str(lowering.constant("coordinates_mode")).lower()
    if mode != "normalized_minus_one_to_one":
        raise NoLoweringError(f"coordinates that are {mode}, which ONNX Runtime would have rescaled with rounding")
    _sample(lowering, lowering.value("coordinates"))


def _sample(lowering: Lowering, grid: str) -> None:
    """Samples `x` at `grid [B, H', W', 2]` of coordinates from -1 to 1."""
    sampling, padding = (str(lowering.constant(name)).lower() for name in ("sampling_mode", "padding_mode"))
    if padding not in {"constant", "border"}:
        raise NoLoweringError(f"{padding}, whose integers in ONNX Runtime large coordinates overflow")
    if padding == "constant" and float(lowering.constant("padding_value")) != 0:
        raise NoLoweringError("padding with another value than 0")
    if sampling == "nearest":
        raise NoLoweringError("the nearest pixel, which rounding of coordinates may change")
    # A coordinate that is no number must not become an index.
    finite = lowering.node("Where", lowering.node("IsNaN", grid), lowering.floats(0), grid)
    grid = lowering.node("Clip", finite, lowering.floats(-1e6), lowering.floats(1e6))
    lowering.finish(
        lowering.node(
            "GridSample",
            lowering.value("x"),
            grid,
            mode="linear",
            padding_mode="zeros" if padding == "constant" else "border",
            align_corners=int(bool(lowering.constant("align_corners"))),
        )
    )


@lowers("affine")
def _affine(lowering: Lowering) -> None:
    mode, aligned = str(lowering.constant("coordinates_mode")).lower(), bool(lowering.constant("align_corners"))
    if mode != "normalized_minus_one_to_one":
        raise NoLoweringError(f"coordinates that are {mode}")
    height, width = (int(lowering.constant(f"output_{side}")) for side in ("height", "width"))
    batch, channels = lowering.shape("x")[:2]
    matrices = lowering.shape("transform_matrix")[0]
    if batch is None or matrices is None:
        raise NoLoweringError("a batch whose size is known at run time only")
    size_bytes = 4 * prod([batch, max(channels or 1, 8), height, width])
    if size_bytes > TENSOR_LIMIT_BYTES:
        raise NoLoweringError(f"the result would take {size_bytes} bytes")
    down, across = (output_coordinates(size, mode, aligned) for size in (height, width))
    rows, columns = np.meshgrid(down, across, indexing="ij")
    points = np.stack([columns, rows, np.ones_like(rows)], axis=-1).reshape(1, -1, 3).astype(np.float32)
    shape = lowering.integers([matrices, 2, 3])
    matrix = lowering.node("Reshape", lowering.value("transform_matrix"), shape)
    turned = lowering.node("Transpose", matrix, perm=[0, 2, 1])
    flat = lowering.node("MatMul", lowering.graph.initializer(points, "points"), turned)
    grid = lowering.node("Reshape", flat, lowering.integers([matrices, height, width, 2]))
    if matrices != batch:
        grid = lowering.node("Expand", grid, lowering.integers([batch, height, width, 2]))
    _sample(lowering, grid)
