"""What an operation would do with the arguments at hand, checked right before it does it.

The verifier knows shapes as far as a program says them. Where it leaves them open, here they are known.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kewcore.errors import PackageError
from kewcore.runtime.program import TENSOR_LIMIT_BYTES, Operation, TensorType
from kewcore.runtime.registry import OpSpec, StaticArguments, UnknownShapeError
from kewcore.runtime.workload import elements, work_of

_LARGE_ELEMENTS = 1024
"""Operations on fewer elements cannot make much of them by broadcasting or as products."""
_GROWING = frozenset({"tile", "pad", "fill", "fill_like", "one_hot", "conv_transpose", "sliding_windows", "affine"})
_GROWING_STEMS = ("upsample_", "resize", "crop_resize", "random_", "make_list")


def check_call(operation: Operation, spec: OpSpec, arguments: Mapping[str, Any]) -> int:
    """Makes sure that an operation may make the results that its arguments ask for, and returns its work.

    Returns:
        Multiply-adds and elements moved; 0 where that is too little to tell.

    Raises:
        PackageError: A result would be too large.
    """
    rows = {name: value if isinstance(value, tuple) else (value,) for name, value in arguments.items()}
    moved = sum(np.size(value) for row in rows.values() for value in row if isinstance(value, np.ndarray))
    kind = operation.type
    if moved < _LARGE_ELEMENTS and kind not in _GROWING and not kind.startswith(_GROWING_STEMS):
        return 0
    known = StaticArguments({name: tuple(np.shape(value) for value in row) for name, row in rows.items()}, arguments)
    try:
        results = (spec.shape_rule(known) if spec.shape_rule else None) or ()
    except (UnknownShapeError, ValueError, TypeError, IndexError, KeyError, ArithmeticError):
        results = ()  # the kernel says what is wrong, or knows better
    for output, shape in zip(operation.outputs, results, strict=False):
        itemsize = output.type.dtype.numpy.itemsize if isinstance(output.type, TensorType) else 1
        size_bytes = elements(shape) * itemsize
        if size_bytes > TENSOR_LIMIT_BYTES:
            raise PackageError(
                f"{operation}: output '{output.name}' of shape {list(shape or ())} would take {size_bytes} bytes, "
                f"more than the limit of {TENSOR_LIMIT_BYTES}"
            )
    return work_of(kind, known, results)
