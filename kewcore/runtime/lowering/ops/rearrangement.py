"""Lowerings of operations that move elements between channels, batch and space, and of `reshape_like` and `einsum`."""

from collections.abc import Sequence

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.einsum import equation_rank
from kewcore.runtime.ops.rearrangement import block_pairs
from kewcore.runtime.program import TensorType


@lowers("depth_to_space")
def _depth_to_space(lowering: Lowering) -> None:
    block = int(lowering.constant("block_size"))
    lowering.finish(lowering.node("DepthToSpace", lowering.value("x"), blocksize=block, mode="DCR"))


@lowers("space_to_depth")
def _space_to_depth(lowering: Lowering) -> None:
    block = int(lowering.constant("block_size"))
    lowering.finish(lowering.node("SpaceToDepth", lowering.value("x"), blocksize=block))


@lowers("pixel_shuffle")
def _pixel_shuffle(lowering: Lowering) -> None:
    block = int(lowering.constant("upscale_factor"))
    lowering.finish(lowering.node("DepthToSpace", lowering.value("x"), blocksize=block, mode="CRD"))


def _shuffled(lowering: Lowering, x: str, split: Sequence[int], perm: Sequence[int], joined: Sequence[int]) -> str:
    """Cuts axes apart, puts them into another order, and joins them."""
    apart = lowering.node("Reshape", x, lowering.integers(split))
    turned = lowering.node("Transpose", apart, perm=list(perm))
    return lowering.node("Reshape", turned, lowering.integers(joined))


@lowers("pixel_unshuffle")
def _pixel_unshuffle(lowering: Lowering) -> None:
    c, h, w = lowering.spatial_sizes("x", 1)
    f = int(lowering.constant("downscale_factor"))
    split = [-1, c, h // f, f, w // f, f]
    joined = [-1, c * f * f, h // f, w // f]
    lowering.finish(_shuffled(lowering, lowering.value("x"), split, [0, 1, 3, 5, 2, 4], joined))


@lowers("space_to_batch")
def _space_to_batch(lowering: Lowering) -> None:
    n, c, h, w = lowering.static_shape("x")
    (b0, b1), ((top, bottom), (left, right)) = block_pairs(
        lowering.constant("block_shape"), lowering.constant("paddings"), "paddings"
    )
    rows, columns = (h + top + bottom) // b0, (w + left + right) // b1
    padded = lowering.node("Pad", lowering.value("x"), lowering.integers([0, 0, top, left, 0, 0, bottom, right]))
    joined = [n * b0 * b1, c, rows, columns]
    lowering.finish(_shuffled(lowering, padded, [n, c, rows, b0, columns, b1], [3, 5, 0, 1, 2, 4], joined))


@lowers("batch_to_space")
def _batch_to_space(lowering: Lowering) -> None:
    batch, c, h, w = lowering.static_shape("x")
    (b0, b1), ((top, bottom), (left, right)) = block_pairs(
        lowering.constant("block_shape"), lowering.constant("crops"), "crops"
    )
    n = batch // (b0 * b1)
    split, joined = [b0, b1, n, c, h, w], [n, c, h * b0, w * b1]
    whole = _shuffled(lowering, lowering.value("x"), split, [2, 3, 4, 0, 5, 1], joined)
    bounds = ([top, left], [h * b0 - bottom, w * b1 - right], [2, 3])
    lowering.finish(lowering.node("Slice", whole, *(lowering.integers(row) for row in bounds)))


@lowers("reshape_like")
def _reshape_like(lowering: Lowering) -> None:
    type_ = lowering.operation.outputs[0].type
    if not isinstance(type_, TensorType) or type_.static_shape is None:
        raise NoLoweringError("the shape is known at run time only")
    lowering.finish(lowering.node("Reshape", lowering.value("x"), lowering.integers(type_.static_shape)))


@lowers("einsum")
def _einsum(lowering: Lowering) -> None:
    rank = equation_rank(lowering.constant("equation"))
    lowering.require_floats("values")
    perm = [1, 0, 2] if rank == 3 else [0, 2, 1, 3]
    factors = (lowering.node("Transpose", value, perm=perm) for value in lowering.values("values"))
    lowering.finish(lowering.node("Transpose", lowering.node("MatMul", *factors), perm=perm))
