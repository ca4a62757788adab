"""Lowerings of operations that write elements at indices.

ONNX Runtime's ScatterElements writes in order, so that equal indices do as in the reference executor; its ScatterND
runs in parallel, and is taken for constant indices that differ. Both count negative indices from the end and refuse
those that lie outside.
"""

import numpy as np

from kewcore.runtime.indices import lies_outside, positions
from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.ops.gathering import index_tensor
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.transformation import index_slices
from kewcore.runtime.opset import Opset
from kewcore.runtime.program import DataType
from kewcore.runtime.registry import Array
from kewcore.runtime.shapes import axis_in

_REDUCTIONS = {"update": "none", "add": "add", "sub": "add", "mul": "mul", "max": "max", "min": "min"}
_LARGEST_INDEX_ELEMENTS = 1 << 20
"""Larger slices are updated by the reference executor: the graph would hold an index for every element."""


def _mode(lowering: Lowering) -> tuple[str, str]:
    """Returns ONNX's reduction and the updates: subtracting is adding what is negated, bit by bit."""
    mode = str(lowering.constant("mode", "add"))
    if mode not in _REDUCTIONS:
        raise NoLoweringError(f"mode '{mode}'")
    if lowering.type("data").dtype not in {DataType.FLOAT16, DataType.FLOAT32, DataType.INT32}:
        raise NoLoweringError(f"'data' is {lowering.type('data').dtype.value}")
    updates = lowering.value("updates")
    return _REDUCTIONS[mode], lowering.node("Neg", updates) if mode == "sub" else updates


def _require_inside(lowering: Lowering, sizes: tuple[int | None, ...]) -> None:
    """Makes sure that no index of iOS 17 or later lies outside, where ONNX means something else.

    Raises:
        NoLoweringError: One does, or they are computed at run time.
    """
    if lowering.spec.since < Opset.IOS17:
        return
    if not lowering.is_constant("indices"):
        raise NoLoweringError("indices outside write nothing since iOS 17, and are computed at run time")
    indices = np.asarray(lowering.constant("indices")).astype(np.int64)
    columns = [indices] if len(sizes) == 1 else [indices[..., i] for i in range(len(sizes))]
    if any(
        size is None or lies_outside(c, size, negatives=False).any() for c, size in zip(columns, sizes, strict=True)
    ):
        raise NoLoweringError("constant indices lie outside")


@lowers("scatter")
def _scatter(lowering: Lowering) -> None:
    data = lowering.shape("data")
    axis = axis_in(lowering.constant("axis", 0), len(data))
    _require_inside(lowering, (data[axis],))
    reduction, updates = _mode(lowering)
    others = [i for i in range(len(data)) if i != axis]
    rows = index_tensor(lowering)
    if len(lowering.shape("indices")) != 1:
        count = int(np.prod(lowering.static_shape("indices")))
        rows = lowering.node("Reshape", rows, lowering.integers([-1]))
        slices = [*lowering.static_shape("data")[:axis], count, *lowering.static_shape("data")[axis + 1 :]]
        updates = lowering.node("Reshape", updates, lowering.integers(slices))
    if others:
        column = lowering.node("Unsqueeze", rows, lowering.integers(others))
        rows = lowering.node("Expand", column, lowering.node("Shape", updates))
    lowering.finish(
        lowering.node("ScatterElements", lowering.value("data"), rows, updates, axis=axis, reduction=reduction)
    )


@lowers("scatter_along_axis")
def _scatter_along_axis(lowering: Lowering) -> None:
    data = lowering.shape("data")
    axis = axis_in(lowering.constant("axis", 0), len(data))
    _require_inside(lowering, (data[axis],))
    reduction, updates = _mode(lowering)
    inputs = [lowering.value("data"), index_tensor(lowering), updates]
    lowering.finish(lowering.node("ScatterElements", *inputs, axis=axis, reduction=reduction))


@lowers("scatter_nd")
def _scatter_nd(lowering: Lowering) -> None:
    data, shape = lowering.static_shape("data"), lowering.static_shape("indices")
    if not lowering.is_constant("indices"):
        raise NoLoweringError("ONNX Runtime writes in parallel, and indices computed at run time may be equal")
    _require_inside(lowering, data[: shape[-1]])
    indices = np.asarray(lowering.constant("indices"))
    columns = [positions(indices[..., i], data[i]) for i in range(shape[-1])]
    places = np.stack(columns, axis=-1).reshape(-1, shape[-1])
    if len(np.unique(places, axis=0)) != len(places):
        raise NoLoweringError("ONNX Runtime writes in parallel, and some indices are equal")
    reduction, updates = _mode(lowering)
    rows = _constant(lowering, places.reshape(shape))
    lowering.finish(lowering.node("ScatterND", lowering.value("data"), rows, updates, reduction=reduction))


def _constant(lowering: Lowering, indices: Array) -> str:
    return lowering.graph.initializer(indices.astype(np.int64), "indices")


@lowers("slice_update")
def _slice_update(lowering: Lowering) -> None:
    shape, update = lowering.static_shape("x"), lowering.static_shape("update")
    if int(np.prod(shape)) > _LARGEST_INDEX_ELEMENTS:
        raise NoLoweringError(f"'x' has more than {_LARGEST_INDEX_ELEMENTS} elements")
    names = ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    index = index_slices(len(shape), *(lowering.constant(name) for name in names))
    places = np.arange(int(np.prod(shape))).reshape(shape)[index]
    if places.shape != update:
        raise NoLoweringError(f"the update {list(update)} does not fit the slice {list(places.shape)}")
    flat = [lowering.node("Reshape", lowering.value(name), lowering.integers([-1])) for name in ("x", "update")]
    rows = _constant(lowering, places.reshape(-1))
    written = lowering.node("ScatterElements", flat[0], rows, flat[1], axis=0)
    lowering.finish(lowering.node("Reshape", written, lowering.integers(shape)))
