"""Einstein sums, in the two forms that ML Programs have."""

import re
from typing import Any

import numpy as np

from kewcore.runtime.indices import bounded
from kewcore.runtime.registry import FLOATS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes, broadcast

_FORMS = {"abcd,adce->abce": 4, "abc,cbd->abd": 3}
"""Rank by equation, its letters renamed in order of appearance."""


def equation_rank(equation: Any) -> int:
    """Returns the rank that an equation is for: 4 of `nchw,nwhu->nchu`, 3 of `chw,whr->chr`, in any letters.

    Raises:
        ValueError: It is another equation.
    """
    text = str(equation).replace(" ", "")
    letters = list(dict.fromkeys(re.sub("[^A-Za-z]", "", text)))
    renamed = text.translate({ord(letter): ord("a") + i for i, letter in enumerate(letters)})
    if renamed not in _FORMS:
        raise ValueError(f"equation must have the form nchw,nwhu->nchu or chw,whr->chr, got '{equation:.60}'")
    return _FORMS[renamed]


def _product_shape(x: Shape, y: Shape, rank: int) -> Shape:
    """`[*, C, H, W1]` and `[*, W1, H, W2]` give `[*, C, H, W2]`; H and a batch before may be 1 in either."""
    if len(x) != rank or len(y) != rank:
        raise ValueError(f"values must have rank {rank}, got {len(x)} and {len(y)}")
    if None not in {x[-1], y[-3]} and x[-1] != y[-3]:
        raise ValueError(f"inner sizes must agree, got {x[-1]} and {y[-3]}")
    heights = broadcast((x[-2],), (y[-2],))
    return (*broadcast(x[:-3], y[:-3]), x[-3], *heights, y[-1])


def _shape(arguments: StaticArguments) -> Shapes:
    shapes = arguments.shapes["values"]
    if len(shapes) != 2:
        raise ValueError(f"values must be two tensors, got {len(shapes)}")
    x, y = shapes
    rank = equation_rank(arguments.constant("equation"))
    return None if x is None or y is None else (_product_shape(x, y, rank),)


@op(
    "einsum",
    source="iOS15/linear.py",
    accepts={"values": FLOATS},
    shape=_shape,
    variadic=("values",),
    result_like="values",
)
def einsum(*, values: tuple[Array, ...], equation: str) -> Array:
    """Products of matrices on axes -3 and -1, one for every place on the other axes, which broadcast.

    Raises:
        ValueError: The equation is another one, shapes do not fit, or the result would take too much memory.
    """
    x, y = values
    shape = _product_shape(x.shape, y.shape, equation_rank(equation))
    bounded([size for size in shape if size is not None], x.dtype)
    product = np.matmul(np.swapaxes(x, -3, -2), np.swapaxes(y, -3, -2))
    return np.ascontiguousarray(np.swapaxes(product, -3, -2))
