"""Shape rules: from shapes and constants of an operation's arguments to the shapes of its results.

A rule raises `ValueError` with a reason when no result fits. Sizes that are not known stay None.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from kewcore.runtime.padding import window_count, window_pads
from kewcore.runtime.registry import Shape, ShapeRule, StaticArguments

Shapes = tuple[Shape | None, ...] | None


def same_as(parameter: str) -> ShapeRule:
    """The result has the shape of `parameter`."""

    def rule(arguments: StaticArguments) -> Shapes:
        return (arguments.shape(parameter),)

    return rule


def broadcast_of(*parameters: str) -> ShapeRule:
    """The result has the shape that the parameters' shapes broadcast to."""

    def rule(arguments: StaticArguments) -> Shapes:
        result: Shape = ()
        for parameter in parameters:
            shape = arguments.shape(parameter)
            if shape is None:
                return None
            result = broadcast(result, shape)
        return (result,)

    return rule


def broadcast(a: Shape, b: Shape) -> Shape:
    """Broadcasts two shapes by NumPy's rule; a None beside a 1 stays None.

    Raises:
        ValueError: Two sizes differ and neither is 1.
    """
    rank = max(len(a), len(b))
    rows = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    sizes: list[int | None] = []
    for left, right in rows:
        if left == right or right == 1:
            sizes.append(left)
        elif left == 1:
            sizes.append(right)
        elif left is None or right is None:
            sizes.append(left or right)
        else:
            raise ValueError(f"shapes {list(a)} and {list(b)} do not broadcast")
    return tuple(sizes)


def axis_in(axis: Any, rank: int, parameter: str = "axis") -> int:
    """Brings an axis to 0 … rank - 1.

    Raises:
        ValueError: It lies outside.
    """
    index = int(axis)
    if not -rank <= index < rank:
        raise ValueError(f"{parameter} must be from {-rank} to {rank - 1}, got {index}")
    return index % rank


def axes_in(axes: Any, rank: int, parameter: str = "axes") -> tuple[int, ...]:
    """Brings a scalar or vector of axes to 0 … rank - 1; None means all."""
    if axes is None:
        return tuple(range(rank))
    return tuple(axis_in(axis, rank, parameter) for axis in np.atleast_1d(axes))


def reduction(arguments: StaticArguments) -> Shapes:
    """Axes become 1 (`keep_dims`) or go."""
    shape = arguments.shape("x")
    if shape is None:
        return None
    chosen = arguments.constant("axes") if "axis" not in arguments.shapes else arguments.constant("axis")
    axes = axes_in(chosen, len(shape))
    if bool(arguments.constant("keep_dims", False)):
        return (tuple(1 if i in axes else size for i, size in enumerate(shape)),)
    return (tuple(size for i, size in enumerate(shape) if i not in axes),)


def convolution(arguments: StaticArguments) -> Shapes:
    """`x [N, C_in, *D]` and `weight [C_out, C_in / groups, *K]` give `[N, C_out, *D_out]`."""
    x, weight = arguments.shape("x"), arguments.shape("weight")
    if x is None or weight is None:
        return None
    if len(x) != len(weight) or not 3 <= len(x) <= 5:
        raise ValueError(f"x and weight must have the same rank from 3 to 5, got {len(x)} and {len(weight)}")
    groups = int(arguments.constant("groups", 1))
    if groups < 1:
        raise ValueError(f"groups must be at least 1, got {groups}")
    if x[1] is not None and weight[1] is not None and x[1] != weight[1] * groups:
        raise ValueError(f"weight[1] must equal C_in/groups = {x[1] / groups:g}, got {weight[1]}")
    if weight[0] is not None and weight[0] % groups:
        raise ValueError(f"C_out = {weight[0]} must be a multiple of groups = {groups}")
    bias = arguments.shape("bias")
    if bias is not None and bias != (weight[0],):
        raise ValueError(f"bias must have shape [{weight[0]}], got {list(bias)}")
    if any(size is None for size in weight[2:]):
        return None
    kernel = [size for size in weight[2:] if size is not None]
    return ((x[0], weight[0], *_window_sizes(arguments, x[2:], kernel)),)


def pooling(arguments: StaticArguments) -> Shapes:
    """Windows of `kernel_sizes` over the axes behind the first two."""
    x = arguments.shape("x")
    if x is None:
        return None
    kernel = [int(size) for size in np.atleast_1d(arguments.constant("kernel_sizes"))]
    if len(x) != len(kernel) + 2:
        raise ValueError(f"kernel_sizes must have {len(x) - 2} elements for x of rank {len(x)}, got {len(kernel)}")
    return ((*x[:2], *_window_sizes(arguments, x[2:], kernel)),)


def _window_sizes(arguments: StaticArguments, sizes: Shape, kernel: Sequence[int]) -> Shape:
    rank = len(sizes)
    strides = _positive(arguments, "strides", rank)
    dilations = _positive(arguments, "dilations", rank)
    pad_type = str(arguments.constant("pad_type", "valid")).lower()
    if any(window < 1 for window in kernel):
        raise ValueError(f"window sizes must be at least 1, got {list(kernel)}")
    ceil_mode = bool(arguments.constant("ceil_mode", False))
    known = [1 if size is None else size for size in sizes]
    pads = window_pads(pad_type, arguments.constant("pad"), known, kernel, strides, dilations)
    if any(pad < 0 for pair in pads for pad in pair):
        raise ValueError(f"pad must not be negative, got {pads}")
    return tuple(
        None if size is None else window_count(size, (window - 1) * dilation + 1, stride, pair, ceil_mode)
        for size, window, stride, dilation, pair in zip(sizes, kernel, strides, dilations, pads, strict=True)
    )


def _positive(arguments: StaticArguments, parameter: str, rank: int) -> list[int]:
    values = [int(value) for value in np.atleast_1d(arguments.constant(parameter, [1] * rank))]
    if len(values) != rank or min(values) < 1:
        raise ValueError(f"{parameter} must be {rank} numbers from 1, got {values}")
    return values


def linear(arguments: StaticArguments) -> Shapes:
    """`x [*, in]` and `weight [out, in]` give `[*, out]`."""
    x, weight = arguments.shape("x"), arguments.shape("weight")
    if x is None or weight is None:
        return None
    if len(weight) != 2 or not x:
        raise ValueError(f"weight must have rank 2 and x at least 1, got {len(weight)} and {len(x)}")
    if None not in {x[-1], weight[1]} and x[-1] != weight[1]:
        raise ValueError(f"weight[1] must equal x[-1] = {x[-1]}, got {weight[1]}")
    bias = arguments.shape("bias")
    if bias is not None and bias != (weight[0],):
        raise ValueError(f"bias must have shape [{weight[0]}], got {list(bias)}")
    return ((*x[:-1], weight[0]),)


def matrix_product(arguments: StaticArguments) -> Shapes:
    """Batched matrix product of the last two axes, each transposed on demand; a vector counts as a row or a column."""
    x, y = arguments.shape("x"), arguments.shape("y")
    if x is None or y is None:
        return None
    if len(x) < 2 or len(y) < 2:
        return None
    if bool(arguments.constant("transpose_x", False)):
        x = (*x[:-2], x[-1], x[-2])
    if bool(arguments.constant("transpose_y", False)):
        y = (*y[:-2], y[-1], y[-2])
    if None not in {x[-1], y[-2]} and x[-1] != y[-2]:
        raise ValueError(f"inner sizes must agree, got {x[-1]} and {y[-2]}")
    return ((*broadcast(x[:-2], y[:-2]), x[-2], y[-1]),)


def reshaped(arguments: StaticArguments) -> Shapes:
    """`shape`, where 0 takes the size of `x` and one -1 takes what is left."""
    x = arguments.shape("x")
    target = resolve_reshape(x, [int(size) for size in arguments.constant("shape")])
    return (target,)


def reshaped_from_right(arguments: StaticArguments) -> Shapes:
    """`shape` since iOS 17; see `zeros_from_right`."""
    x, target = arguments.shape("x"), [int(size) for size in arguments.constant("shape")]
    if x is None or (0 in target and None in x):
        return None
    return (resolve_reshape(x, zeros_from_right(x, target)),)


def zeros_from_right(x: Shape, target: Sequence[int]) -> list[int]:
    """Fills zeros of a reshape's target from the shape of `x`, counted from the right; 1 where there is none.

    A zero whose counterpart is not known stays 0.
    """
    missing = len(target) - len(x)
    return [size if size != 0 else 1 if i < missing else x[i - missing] or 0 for i, size in enumerate(target)]


def resolve_reshape(x: Shape | None, target: Sequence[int]) -> Shape:
    """Fills 0 and -1 of a reshape's target from the shape of `x`.

    Raises:
        ValueError: The numbers of elements differ, or several sizes are -1.
    """
    sizes: list[int | None] = list(target)
    if sum(size == -1 for size in sizes) > 1 or any(size < -1 for size in target):
        raise ValueError(f"shape may have one -1 and nothing below, got {list(target)}")
    if x is not None and len(x) == len(target):
        sizes = [x[i] if size == 0 else size for i, size in enumerate(sizes)]
    if x is None or any(size is None for size in (*x, *sizes)):
        return tuple(None if size == -1 else size for size in sizes)
    count = prod(size for size in x if size is not None)
    rest = prod(size for size in sizes if size is not None and size != -1)
    if -1 in sizes:
        if rest == 0 or count % rest:
            raise ValueError(f"cannot reshape {list(x)} into {list(target)}")
        sizes[sizes.index(-1)] = count // rest
    elif rest != count:
        raise ValueError(f"cannot reshape {list(x)} with {count} elements into {list(target)} with {rest}")
    return tuple(sizes)


def transposed(arguments: StaticArguments) -> Shapes:
    """Axes in the order of `perm`."""
    x = arguments.shape("x")
    if x is None:
        return None
    perm = axes_in(arguments.constant("perm"), len(x), "perm")
    if sorted(perm) != list(range(len(x))):
        raise ValueError(f"perm must name each of {len(x)} axes once, got {list(perm)}")
    return (tuple(x[axis] for axis in perm),)


def expanded(arguments: StaticArguments) -> Shapes:
    """New axes of size 1 at `axes` of the result."""
    x = arguments.shape("x")
    if x is None:
        return None
    chosen = np.atleast_1d(arguments.constant("axes"))
    rank = len(x) + len(chosen)
    axes = axes_in(chosen, rank)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axes must differ, got {list(axes)}")
    sizes = iter(x)
    return (tuple(1 if i in axes else next(sizes) for i in range(rank)),)


def squeezed(arguments: StaticArguments) -> Shapes:
    """Axes of size 1 go: those of `axes`, or all; axes of other sizes stay."""
    x = arguments.shape("x")
    if x is None:
        return None
    chosen = arguments.constant("axes")
    if chosen is None:
        return None if None in x else (tuple(size for size in x if size != 1),)
    axes = axes_in(chosen, len(x))
    if any(x[axis] is None for axis in axes):
        return None
    return (tuple(size for i, size in enumerate(x) if i not in axes or size != 1),)


def concatenated(arguments: StaticArguments) -> Shapes:
    """Sizes along `axis` add up; the others must agree."""
    shapes = arguments.shapes["values"]
    if any(shape is None for shape in shapes):
        return None
    known = [shape or (1,) for shape in shapes if shape is not None]
    rank = len(known[0])
    axis = axis_in(arguments.constant("axis"), rank)
    total: int | None = 0
    for shape in known:
        if len(shape) != rank:
            raise ValueError(f"values must have one rank, got {[len(s) for s in known]}")
        for i in range(rank):
            if i != axis and None not in {shape[i], known[0][i]} and shape[i] != known[0][i]:
                raise ValueError(f"values must agree but for axis {axis}, got {[list(s) for s in known]}")
        size = shape[axis]
        total = None if total is None or size is None else total + size
    return (tuple(total if i == axis else size for i, size in enumerate(known[0])),)


def stacked(arguments: StaticArguments) -> Shapes:
    """A new axis with as many elements as there are values."""
    shapes = arguments.shapes["values"]
    first = shapes[0]
    if first is None or any(shape is None for shape in shapes):
        return None
    if any(shape != first for shape in shapes if shape is not None and None not in (*shape, *first)):
        raise ValueError(f"values must have one shape, got {[list(s) for s in shapes if s is not None]}")
    axis = axis_in(arguments.constant("axis"), len(first) + 1)
    return ((*first[:axis], len(shapes), *first[axis:]),)


def split_sizes(size: int, num_splits: Any, sizes: Any) -> list[int]:
    """Returns the sizes of the parts that `split` cuts an axis into.

    Raises:
        ValueError: They do not add up to `size`.
    """
    if sizes is not None:
        parts = [int(part) for part in np.atleast_1d(sizes)]
        if sum(parts) != size or min(parts) < 0:
            raise ValueError(f"split_sizes must add up to {size}, got {parts}")
        return parts
    count = 0 if num_splits is None else int(num_splits)
    if count < 1 or size % count:
        raise ValueError(f"num_splits must divide {size}, got {num_splits}")
    return [size // count] * count


def split_up(arguments: StaticArguments) -> Shapes:
    """Parts of `x` along `axis`."""
    x = arguments.shape("x")
    if x is None:
        return None
    axis = axis_in(arguments.constant("axis"), len(x))
    size = x[axis]
    if size is None:
        return None
    parts = split_sizes(size, arguments.constant("num_splits"), arguments.constant("split_sizes"))
    return tuple((*x[:axis], part, *x[axis + 1 :]) for part in parts)


def padded(arguments: StaticArguments) -> Shapes:
    """The last axes grow by `pad`: before and behind, axis by axis."""
    x = arguments.shape("x")
    if x is None:
        return None
    pad = [int(value) for value in arguments.constant("pad")]
    if len(pad) % 2 or len(pad) > 2 * len(x) or min(pad, default=0) < 0:
        raise ValueError(f"pad must be pairs from 0 for at most {len(x)} axes, got {pad}")
    untouched = len(x) - len(pad) // 2
    return (
        tuple(
            size if i < untouched or size is None else size + pad[2 * (i - untouched)] + pad[2 * (i - untouched) + 1]
            for i, size in enumerate(x)
        ),
    )


def tiled(arguments: StaticArguments) -> Shapes:
    """Every size times its count in `reps`."""
    x = arguments.shape("x")
    if x is None:
        return None
    reps = [int(count) for count in arguments.constant("reps")]
    if len(reps) != len(x) or min(reps, default=1) < 1:
        raise ValueError(f"reps must be {len(x)} numbers from 1, got {reps}")
    return (tuple(None if size is None else size * count for size, count in zip(x, reps, strict=True)),)
