"""Small programs of the runtime, written as lists of steps."""

from typing import Any

import numpy as np

from kewcore.runtime.loading import start_executor
from kewcore.runtime.opset import Opset
from kewcore.runtime.program import (
    Block,
    CollectionValue,
    DataType,
    Function,
    NamedType,
    Operation,
    TensorType,
    TensorValue,
)
from kewcore.runtime.spec.values import ImmediateStorage

Shape = tuple[int, ...]
Step = tuple[str, dict[str, Any], str, Shape]
MAP: Shape = (1, 3, 8, 8)
POOLED: Shape = (1, 3, 4, 4)


def conv(name: str, x: str, shape: Shape = MAP, channels: int = 3) -> Step:
    """A 3 x 3 convolution to 3 channels that keeps the size."""
    rng = np.random.default_rng([len(name), ord(name[0]), channels])
    arguments: dict[str, Any] = {
        "x": x,
        "weight": rng.standard_normal((3, channels, 3, 3)).astype(np.float16),
        "bias": rng.standard_normal(3).astype(np.float16),
        "pad_type": "'same'",
        "strides": np.array([1, 1], np.int32),
        "dilations": np.array([1, 1], np.int32),
        "groups": 1,
    }
    return ("conv", arguments, name, shape)


def pool(name: str, x: str, shape: Shape = POOLED) -> Step:
    two = np.array([2, 2], np.int32)
    return ("max_pool", {"x": x, "kernel_sizes": two, "strides": two, "pad_type": "'valid'"}, name, shape)


def program(steps: list[Step], outputs: list[str], shape: Shape = MAP) -> Function:
    """Builds a function over one fp16 input `x`."""
    operations: list[Operation] = []
    for kind, arguments, name, result in steps:
        inputs = {}
        for key, value in arguments.items():
            items = value if isinstance(value, tuple) else (value,)
            if all(isinstance(item, str) and not item.startswith("'") for item in items):
                inputs[key] = items
                continue
            constant = _constant(f"{name}_{key}", value)
            operations.append(constant)
            inputs[key] = (constant.outputs[0].name,)
        operations.append(Operation(kind, name, inputs, {}, (_named(name, DataType.FLOAT16, result),)))
    body = Block((), tuple(operations), tuple(outputs))
    return Function("main", (_named("x", DataType.FLOAT16, shape),), Opset.IOS17, body)


def values_of(function: Function, x: np.ndarray) -> dict[str, np.ndarray]:
    """Runs a function."""
    return start_executor(function, threads=1).run({"x": x.astype(np.float16)}, {})


def constants_in(function: Function) -> dict[str, np.ndarray]:
    """Returns the constant tensors of a function by name."""
    values = {o.outputs[0].name: o.attributes["val"] for o in function.body.operations if o.type == "const"}
    return {name: value.numpy() for name, value in values.items() if not isinstance(value, CollectionValue)}


def _named(name: str, dtype: DataType, shape: Shape) -> NamedType:
    return NamedType(name, TensorType(dtype, shape))


def _constant(name: str, value: Any) -> Operation:
    array = np.array(value.strip("'"), np.object_) if isinstance(value, str) else np.asarray(value)
    array = array.astype(np.int32) if array.dtype == np.int64 else array
    dtype = next(
        d for d in (DataType.STRING, DataType.FLOAT16, DataType.INT32, DataType.BOOL) if d.numpy == array.dtype
    )
    stored = TensorValue(TensorType(dtype, array.shape), ImmediateStorage(array.ravel()))
    return Operation("const", name, {}, {"val": stored}, (_named(name, dtype, array.shape),))
