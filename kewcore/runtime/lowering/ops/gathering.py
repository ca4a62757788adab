"""Lowerings of operations that read elements at indices. ONNX Runtime refuses indices that lie outside, as we do."""

import numpy as np

from kewcore.runtime.indices import lies_outside
from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.program import DataType
from kewcore.runtime.shapes import axis_in

_INT64 = 7


def index_tensor(lowering: Lowering, parameter: str = "indices") -> str:
    """Returns indices as ONNX takes them: int32 or int64."""
    value = lowering.value(parameter)
    if lowering.type(parameter).dtype in {DataType.INT32, DataType.INT64}:
        return value
    return lowering.node("Cast", value, to=_INT64)


def _require_checked(lowering: Lowering, sizes: tuple[int | None, ...]) -> None:
    """Makes sure that indices which must not be negative are not.

    Args:
        lowering: The operation.
        sizes: Sizes of the axes: one, or one for each column of the indices.

    Raises:
        NoLoweringError: They are computed at run time, or lie outside, which the reference executor says.
    """
    if not bool(lowering.constant("validate_indices", False)):
        return
    if not lowering.is_constant("indices"):
        raise NoLoweringError("validate_indices refuses negative indices, which ONNX takes")
    indices = np.asarray(lowering.constant("indices")).astype(np.int64)
    columns = [indices] if len(sizes) == 1 else [indices[..., i] for i in range(len(sizes))]
    if any(
        size is None or lies_outside(c, size, negatives=False).any() for c, size in zip(columns, sizes, strict=True)
    ):
        raise NoLoweringError("constant indices lie outside")


@lowers("gather")
def _gather(lowering: Lowering) -> None:
    x, indices = lowering.shape("x"), lowering.shape("indices")
    axis, batch_dims = axis_in(lowering.constant("axis", 0), len(x)), int(lowering.constant("batch_dims", 0))
    _require_checked(lowering, (x[axis],))
    rows = index_tensor(lowering)
    if not batch_dims:
        lowering.finish(lowering.node("Gather", lowering.value("x"), rows, axis=axis))
    elif axis == batch_dims:
        places = lowering.node("Unsqueeze", rows, lowering.integers([len(indices)]))
        lowering.finish(lowering.node("GatherND", lowering.value("x"), _wide(lowering, places), batch_dims=batch_dims))
    else:
        raise NoLoweringError("batch_dims with axes before the one that is gathered from")


@lowers("gather_along_axis")
def _gather_along_axis(lowering: Lowering) -> None:
    x = lowering.shape("x")
    axis = axis_in(lowering.constant("axis", 0), len(x))
    _require_checked(lowering, (x[axis],))
    lowering.finish(lowering.node("GatherElements", lowering.value("x"), index_tensor(lowering), axis=axis))


@lowers("gather_nd")
def _gather_nd(lowering: Lowering) -> None:
    batch_dims, depth = int(lowering.constant("batch_dims", 0)), lowering.shape("indices")[-1]
    if depth is None:
        raise NoLoweringError("the number of axes that indices name is known at run time only")
    _require_checked(lowering, lowering.shape("x")[batch_dims : batch_dims + depth])
    places = _wide(lowering, index_tensor(lowering))
    lowering.finish(lowering.node("GatherND", lowering.value("x"), places, batch_dims=batch_dims))


def _wide(lowering: Lowering, indices: str) -> str:
    """GatherND takes int64 only."""
    return lowering.node("Cast", indices, to=_INT64)
