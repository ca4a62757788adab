"""Compressed weights of iOS 18: blocks, grouped and vector palettes, and their joint forms with sparsity.

`constexpr_lut_to_sparse` and `constexpr_sparse_blockwise_shift_scale` give a mask and the elements under it, which
`constexpr_sparse_to_dense` takes.
"""

from collections.abc import Sequence

import numpy as np

from kewcore.runtime.ops.constexpr import fill_mask
from kewcore.runtime.opset import Opset
from kewcore.runtime.program import DataType
from kewcore.runtime.registry import FLOATS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes, axis_in, same_as

_SOURCE = "iOS18/compression.py"
_QUANTIZED = frozenset({DataType.INT4, DataType.UINT4, DataType.INT8, DataType.UINT8}) | FLOATS
_INDICES = frozenset(DataType(f"uint{bits}") for bits in (1, 2, 3, 4, 6, 8))
_MASK = frozenset({DataType.UINT1})


def spread(blocks: Array, shape: Sequence[int]) -> Array:
    """Repeats one value a block until it covers `shape`.

    Raises:
        ValueError: The ranks differ, or a size of `shape` is no multiple of the number of blocks.
    """
    check_blocks("scale", blocks.shape, tuple(shape))
    for axis, size in enumerate(shape):
        if blocks.shape[axis] not in {1, size}:
            blocks = np.repeat(blocks, size // blocks.shape[axis], axis)
    return blocks


def check_blocks(name: str, blocks: Shape, shape: Shape) -> None:
    """Makes sure that every axis divides into its number of blocks.

    Raises:
        ValueError: It does not.
    """
    if len(blocks) != len(shape) or any(not b or (s is not None and s % b) for b, s in zip(blocks, shape, strict=True)):
        raise ValueError(f"every size of {list(shape)} must be a multiple of {name}'s in {list(blocks)}")


def _shift_scale_shape(arguments: StaticArguments) -> Shapes:
    data, scale, offset = (arguments.shape(name) for name in ("data", "scale", "offset"))
    if data is None or scale is None:
        return None
    check_blocks("scale", scale, data)
    if offset is not None and offset != scale:
        raise ValueError(f"offset must have the shape of scale {list(scale)}, got {list(offset)}")
    return (data,)


@op(
    "constexpr_blockwise_shift_scale",
    since=Opset.IOS18,
    source=_SOURCE,
    accepts={"data": _QUANTIZED, "scale": FLOATS, "offset": _QUANTIZED},
    shape=_shift_scale_shape,
    result_like="scale",
)
def constexpr_blockwise_shift_scale(*, data: Array, scale: Array, offset: Array | None = None) -> Array:
    """scale · (data - offset), with one of each a block."""
    values = data.astype(np.float32)
    if offset is not None:
        values -= spread(offset.astype(np.float32), data.shape)
    return np.asarray(values * spread(scale.astype(np.float32), data.shape))


def _lut_shape(arguments: StaticArguments) -> Shapes:
    indices, lut = arguments.shape("indices"), arguments.shape("lut")
    if indices is None or lut is None:
        return None
    return (_vector_shape(indices, lut, arguments),)


def _vector_shape(indices: Shape, lut: Shape, arguments: StaticArguments) -> Shape:
    if len(lut) != len(indices) + 2:
        raise ValueError(f"lut must have rank {len(indices) + 2} for indices of rank {len(indices)}, got {len(lut)}")
    check_blocks("lut", lut[:-2], indices)
    length = lut[-1]
    if length == 1 or length is None:
        return indices
    chosen = arguments.constant("vector_axis")
    if chosen is None:
        raise ValueError(f"vector_axis must be given for vectors of {length} elements")
    axis = axis_in(chosen, len(indices), "vector_axis")
    return tuple(None if s is None else s * length if i == axis else s for i, s in enumerate(indices))


@op(
    "constexpr_lut_to_dense",
    since=Opset.IOS18,
    source=_SOURCE,
    accepts={"indices": _INDICES},
    shape=_lut_shape,
    result_like="lut",
    exact=True,
)
def constexpr_lut_to_dense(*, indices: Array, lut: Array, vector_axis: int | None = None) -> Array:
    """Every index becomes its palette's value, or its vector along `vector_axis`.

    `indices [*K]`, `lut [*groups, palettes, vector]`: one palette for every block of `K / groups` indices.

    Raises:
        ValueError: An index lies outside its palette.
    """
    groups, (entries, length) = lut.shape[:-2], lut.shape[-2:]
    if indices.size and int(indices.max()) >= entries:
        raise ValueError(f"index {int(indices.max())} lies outside a palette of {entries}")
    which = np.arange(int(np.prod(groups))).reshape(groups)
    table = lut.reshape(-1, entries, length)
    vectors = table[spread(which, indices.shape), indices]
    if length == 1:
        return np.asarray(vectors[..., 0])
    axis = int(vector_axis or 0) % indices.ndim
    shape = list(indices.shape)
    shape[axis] *= length
    return np.moveaxis(vectors, -1, axis + 1).reshape(shape)


@op(
    "constexpr_sparse_to_dense",
    since=Opset.IOS18,
    source=_SOURCE,
    accepts={"mask": _MASK},
    shape=same_as("mask"),
    result_like="nonzero_data",
    exact=True,
)
def constexpr_sparse_to_dense(*, nonzero_data: Array, mask: Array) -> Array:
    """Zeros but where the mask is set, which take the elements in order."""
    return fill_mask(mask, nonzero_data)


def _lut_sparse_shape(arguments: StaticArguments) -> Shapes:
    mask, data, lut = (arguments.shape(name) for name in ("indices_mask", "indices_nonzero_data", "lut"))
    if mask is None or data is None or lut is None:
        return None
    count = None if None in {data[0], lut[-1]} else (data[0] or 0) * (lut[-1] or 0)
    return (_vector_shape(mask, lut, arguments), (count,))


@op(
    "constexpr_lut_to_sparse",
    since=Opset.IOS18,
    source=_SOURCE,
    accepts={"indices_mask": _MASK, "indices_nonzero_data": _INDICES},
    shape=_lut_sparse_shape,
    result_like=None,
    exact=True,
)
def constexpr_lut_to_sparse(
    *, indices_mask: Array, indices_nonzero_data: Array, lut: Array, vector_axis: int | None = None
) -> tuple[Array, Array]:
    """The mask, spread over vectors, and the palettes' values under it."""
    dense = constexpr_lut_to_dense(
        indices=fill_mask(indices_mask, indices_nonzero_data), lut=lut, vector_axis=vector_axis
    )
    mask = indices_mask if vector_axis is None else np.repeat(indices_mask, lut.shape[-1], int(vector_axis))
    return mask, dense[mask != 0]


def _sparse_scale_shape(arguments: StaticArguments) -> Shapes:
    mask, data, scale = (arguments.shape(name) for name in ("data_mask", "nonzero_data", "scale"))
    if mask is None or scale is None:
        return None
    check_blocks("scale", scale, mask)
    return (mask, data)


@op(
    "constexpr_sparse_blockwise_shift_scale",
    since=Opset.IOS18,
    source=_SOURCE,
    accepts={"data_mask": _MASK, "nonzero_data": _QUANTIZED, "scale": FLOATS},
    shape=_sparse_scale_shape,
    result_like=None,
)
def constexpr_sparse_blockwise_shift_scale(
    *, data_mask: Array, nonzero_data: Array, scale: Array, offset: Array | None = None
) -> tuple[Array, Array]:
    """The mask, and scale · (element - offset) under it."""
    dense = constexpr_blockwise_shift_scale(data=fill_mask(data_mask, nonzero_data), scale=scale, offset=offset)
    return data_mask, dense[data_mask != 0]
