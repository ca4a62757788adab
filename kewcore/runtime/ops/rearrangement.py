"""Operations that move elements between channels, batch and space, all `[N, C, H, W]`; and `reshape_like`."""

from typing import Any

import numpy as np

from kewcore.runtime.indices import bounded
from kewcore.runtime.opset import Opset
from kewcore.runtime.program import element_count
from kewcore.runtime.registry import FLOATS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_SOURCE = "iOS15/tensor_transformation.py"
_FLOATS = {"x": FLOATS}


def _image(arguments: StaticArguments) -> tuple[int | None, int | None, int | None, int | None] | None:
    x = arguments.shape("x")
    if x is None:
        return None
    if len(x) != 4:
        raise ValueError(f"x must have rank 4, got {len(x)}")
    return x[0], x[1], x[2], x[3]


def _divided(size: int | None, divisor: int, what: str) -> int | None:
    if divisor < 1:
        raise ValueError(f"blocks must have 1 element at least, got {divisor}")
    if size is not None and size % divisor:
        raise ValueError(f"{what} must be a multiple of {divisor}, got {size}")
    return None if size is None else size // divisor


def _times(size: int | None, factor: int) -> int | None:
    return None if size is None else size * factor


def _to_space(arguments: StaticArguments, parameter: str) -> Shapes:
    x = _image(arguments)
    if x is None:
        return None
    b = int(arguments.constant(parameter))
    return ((x[0], _divided(x[1], b * b, "channels"), _times(x[2], b), _times(x[3], b)),)


def _to_depth(arguments: StaticArguments, parameter: str) -> Shapes:
    x = _image(arguments)
    if x is None:
        return None
    b = int(arguments.constant(parameter))
    return ((x[0], _times(x[1], b * b), _divided(x[2], b, "height"), _divided(x[3], b, "width")),)


def _blocks(x: Array, block: int, *, to_space: bool) -> tuple[int, int, int, int]:
    n, c, h, w = x.shape
    if to_space:
        return n, _divided(c, block * block, "channels") or 0, h, w
    return n, c, _divided(h, block, "height") or 0, _divided(w, block, "width") or 0


@op("depth_to_space", source=_SOURCE, accepts=_FLOATS, shape=lambda a: _to_space(a, "block_size"), exact=True)
def depth_to_space(*, x: Array, block_size: int) -> Array:
    """`[N, b · b · C, H, W]` to `[N, C, H · b, W · b]`: a channel's index is (row in block, column in block, C)."""
    b = int(block_size)
    n, c, h, w = _blocks(x, b, to_space=True)
    return x.reshape(n, b, b, c, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c, h * b, w * b)


@op("space_to_depth", source=_SOURCE, accepts=_FLOATS, shape=lambda a: _to_depth(a, "block_size"), exact=True)
def space_to_depth(*, x: Array, block_size: int) -> Array:
    """`[N, C, H · b, W · b]` to `[N, b · b · C, H, W]`: what `depth_to_space` undoes."""
    b = int(block_size)
    n, c, h, w = _blocks(x, b, to_space=False)
    return x.reshape(n, c, h, b, w, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, b * b * c, h, w)


@op("pixel_shuffle", source=_SOURCE, accepts=_FLOATS, shape=lambda a: _to_space(a, "upscale_factor"), exact=True)
def pixel_shuffle(*, x: Array, upscale_factor: int) -> Array:
    """`[N, C · f · f, H, W]` to `[N, C, H · f, W · f]`: a channel's index is (C, row in block, column in block)."""
    f = int(upscale_factor)
    n, c, h, w = _blocks(x, f, to_space=True)
    return x.reshape(n, c, f, f, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c, h * f, w * f)


@op(
    "pixel_unshuffle",
    since=Opset.IOS16,
    source="iOS16/tensor_transformation.py",
    accepts=_FLOATS,
    shape=lambda a: _to_depth(a, "downscale_factor"),
    exact=True,
)
def pixel_unshuffle(*, x: Array, downscale_factor: int) -> Array:
    """`[N, C, H · f, W · f]` to `[N, C · f · f, H, W]`: what `pixel_shuffle` undoes."""
    f = int(downscale_factor)
    n, c, h, w = _blocks(x, f, to_space=False)
    return x.reshape(n, c, h, f, w, f).transpose(0, 1, 3, 5, 2, 4).reshape(n, c * f * f, h, w)


def block_pairs(block_shape: Any, margins: Any, parameter: str) -> tuple[tuple[int, int], tuple[tuple[int, int], ...]]:
    """Reads a block's height and width, and what is added or cut before and behind each.

    Raises:
        ValueError: They are not two numbers from 1, and two pairs of numbers from 0.
    """
    block, pairs = np.asarray(block_shape), np.asarray(margins)
    if block.shape != (2,) or block.min() < 1:
        raise ValueError(f"block_shape must be 2 numbers from 1, got {block.tolist()}")
    if pairs.shape != (2, 2) or pairs.min() < 0:
        raise ValueError(f"{parameter} must be 2 pairs from 0, got {pairs.tolist()}")
    return (int(block[0]), int(block[1])), tuple((int(before), int(behind)) for before, behind in pairs)


def _batched(arguments: StaticArguments) -> Shapes:
    x = _image(arguments)
    if x is None:
        return None
    block, pads = block_pairs(arguments.constant("block_shape"), arguments.constant("paddings"), "paddings")
    padded = (None if size is None else size + sum(pair) for size, pair in zip(x[2:], pads, strict=True))
    space = (_divided(size, b, "the padded size") for size, b in zip(padded, block, strict=True))
    return ((_times(x[0], block[0] * block[1]), x[1], *space),)


@op("space_to_batch", source=_SOURCE, accepts=_FLOATS, shape=_batched, exact=True)
def space_to_batch(*, x: Array, block_shape: Array, paddings: Array) -> Array:
    """Every element of a block gets a place of its own in the batch, whose index is (row, column, N).

    Raises:
        ValueError: Blocks do not fill the padded image, or it would take too much memory.
    """
    (b0, b1), pads = block_pairs(block_shape, paddings, "paddings")
    n, c = x.shape[:2]
    sizes = [size + sum(pair) for size, pair in zip(x.shape[2:], pads, strict=True)]
    bounded((n, c, *sizes), x.dtype)
    h, w = (_divided(size, b, "the padded size") or 0 for size, b in zip(sizes, (b0, b1), strict=True))
    padded = np.pad(x, ((0, 0), (0, 0), *pads))
    return padded.reshape(n, c, h, b0, w, b1).transpose(3, 5, 0, 1, 2, 4).reshape(n * b0 * b1, c, h, w)


def _unbatched(arguments: StaticArguments) -> Shapes:
    x = _image(arguments)
    if x is None:
        return None
    block, crops = block_pairs(arguments.constant("block_shape"), arguments.constant("crops"), "crops")
    space = [_times(size, b) for size, b in zip(x[2:], block, strict=True)]
    cut = (
        None if size is None else cropped_size(size, before, behind)
        for size, (before, behind) in zip(space, crops, strict=True)
    )
    return ((_divided(x[0], block[0] * block[1], "the batch"), x[1], *cut),)


def cropped_size(size: int, before: int, behind: int) -> int:
    """Returns what is left of an axis.

    Raises:
        ValueError: Nothing is.
    """
    if before < 0 or behind < 0 or before + behind >= size:
        raise ValueError(f"{before} + {behind} elements cannot be cut off {size}")
    return size - before - behind


@op("batch_to_space", source=_SOURCE, accepts=_FLOATS, shape=_unbatched, exact=True)
def batch_to_space(*, x: Array, block_shape: Array, crops: Array) -> Array:
    """What undoes `space_to_batch`; `crops` cuts off what that padded.

    Raises:
        ValueError: The batch is no multiple of a block's size, or nothing is left.
    """
    (b0, b1), pairs = block_pairs(block_shape, crops, "crops")
    batch, c, h, w = x.shape
    n = _divided(batch, b0 * b1, "the batch") or 0
    whole = x.reshape(b0, b1, n, c, h, w).transpose(2, 3, 4, 0, 5, 1).reshape(n, c, h * b0, w * b1)
    cuts = (
        slice(before, before + cropped_size(size, before, behind))
        for size, (before, behind) in zip(whole.shape[2:], pairs, strict=True)
    )
    return whole[(slice(None), slice(None), *cuts)]


def _taken(shape: Shape, begin: Any, end: Any, open_end: Any) -> Shape:
    return shape[int(begin) :] if bool(open_end) else shape[int(begin) : int(end)]


@op(
    "reshape_like",
    since=Opset.IOS16,
    source="iOS16/tensor_transformation.py",
    variadic=("ref_tensors", "begins", "ends", "end_masks"),
    exact=True,
)
def reshape_like(
    *,
    x: Array,
    ref_tensors: tuple[Array, ...],
    begins: tuple[Any, ...],
    ends: tuple[Any, ...],
    end_masks: tuple[Any, ...],
) -> Array:
    """The same elements in a shape put together from parts of other tensors' shapes: `shape[begin:end]` of each.

    Raises:
        ValueError: The rows have different lengths, or the numbers of elements differ.
    """
    rows = zip(ref_tensors, begins, ends, end_masks, strict=True)
    parts = [_taken(np.shape(reference), begin, end, mask) for reference, begin, end, mask in rows]
    target = tuple(size for part in parts for size in part if size is not None)
    if element_count(target) != np.size(x):
        raise ValueError(f"cannot reshape {list(np.shape(x))} into {list(target)}")
    return np.reshape(x, target)
