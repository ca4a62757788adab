"""Constants, casts, and the classifier's last operation."""

from typing import Any

import numpy as np

from kewcore.runtime.program import DataType
from kewcore.runtime.registry import FLOATS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes, same_as


@op("const", source="iOS15/control_flow.py", result_like=None, exact=True)
def const(*, val: Any) -> Any:
    """The value itself."""
    return val


@op("identity", source="iOS15/tensor_operation.py", shape=same_as("x"), exact=True)
def identity(*, x: Array) -> Array:
    """The value itself."""
    return x


@op("cast", source="iOS17/elementwise_unary.py", shape=same_as("x"), result_like=None)
def cast(*, x: Array, dtype: str) -> Array:
    """x in another type: to fp16 by rounding to the nearest, to integers by cutting off, to bool by comparing with 0.

    Raises:
        ValueError: `dtype` is not the name of a type.
    """
    target = DataType(dtype)
    return np.asarray(x).astype(np.float32 if target is DataType.FLOAT16 else target.numpy)


def _classify_shapes(arguments: StaticArguments) -> Shapes:
    shape, classes = arguments.shape("probabilities"), arguments.constant("classes", ())
    if shape is not None and None not in shape:
        count = int(np.prod([size or 0 for size in shape]))
        if count != len(classes):
            raise ValueError(f"probabilities has {count} elements for {len(classes)} classes")
    return None


@op(
    "classify",
    source="iOS15/classify.py",
    accepts={"probabilities": FLOATS},
    shape=_classify_shapes,
    result_like=None,
    exact=True,
)
def classify(*, probabilities: Array, classes: tuple[Any, ...]) -> tuple[Any, dict[Any, float]]:
    """The label of the largest probability, and all probabilities by label."""
    flat = np.asarray(probabilities).reshape(-1)
    labels = [label if isinstance(label, str) else int(label) for label in classes]
    return labels[int(np.argmax(flat))], {label: float(p) for label, p in zip(labels, flat, strict=True)}
