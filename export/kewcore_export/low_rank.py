"""Weights of low rank: one convolution or matrix product becomes two, with fewer weights between them.

The best product of two matrices of a given rank is the truncated singular value decomposition (C. Eckart and G. Young,
"The approximation of one matrix by another of lower rank", Psychometrika 1(3), 1936). A convolution's weight counts as
the matrix `[C_out, C_in·kH·kW]`: its first factor keeps the kernel, strides and padding, its second is 1x1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.program import StoredConstant, main_block
from kewcore_export.quantizers.blocks import Weight
from kewcore_export.tensor_values import new_constant, new_output, set_file_tensor, set_small_tensor, shape_of

_FACTORISED = ("conv", "linear")
_NOT_YET_STORED = 0
"""Offset of a new weight; `with_weights` gives it its place when the package is written."""


@dataclass(frozen=True)
class FactorisedProgram:
    """A program some of whose weights were replaced by two.

    Attributes:
        model: Protobuf `Model`; the new weights have no place in a weights file yet.
        constants: Of the program; the second factor behind the first, where the weight was.
        float32: Values of all constants of `constants`, by name.
        origins: By the name of a factor, the name of the weight that it came from.
    """

    model: Any
    constants: tuple[StoredConstant, ...]
    float32: Mapping[str, NDArray[np.float32]]
    origins: Mapping[str, str]


def largest_useful_rank(constant: StoredConstant) -> int:
    """Gives the largest rank at which two factors have fewer elements than the weight; 0 where none can be made."""
    if constant.op_type not in _FACTORISED or constant.channel_axis != 0 or constant.groups != 1:
        return 0
    outputs, inputs = constant.shape[0], constant.size // constant.shape[0]
    return max(0, (constant.size - 1) // (outputs + inputs))


def factors(weight: Weight, rank: int) -> tuple[Weight, Weight]:
    """Cuts a weight to the best product of two of a rank, with the singular values shared out evenly.

    Numerics: singular vectors come from the smaller of the two Gram matrices, in float64.

    Args:
        weight: float32 `[outputs, inputs, ...]`.
        rank: At most the smaller side.

    Returns:
        float32 `[rank, inputs, ...]` and `[outputs, rank]`; the second times the first is the approximation.
    """
    matrix = weight.reshape(len(weight), -1).astype(np.float64)
    if matrix.shape[0] <= matrix.shape[1]:
        values, vectors = np.linalg.eigh(matrix @ matrix.T)
        left = vectors[:, ::-1][:, :rank]
        right = left.T @ matrix
    else:
        values, vectors = np.linalg.eigh(matrix.T @ matrix)
        right = vectors[:, ::-1][:, :rank].T
        left = matrix @ right.T
    share = np.sqrt(np.sqrt(np.maximum(values[::-1][:rank], np.finfo(np.float64).tiny)))
    grow = share if matrix.shape[0] <= matrix.shape[1] else 1 / share
    first, second = right / grow[:, None], left * grow
    return first.reshape(rank, *weight.shape[1:]).astype(np.float32), second.astype(np.float32)


def with_low_rank(
    model: Any,
    constants: tuple[StoredConstant, ...],
    float32: Mapping[str, NDArray[np.float32]],
    ranks: Mapping[str, int],
) -> FactorisedProgram:
    """Replaces weights by their factors.

    Args:
        model: Protobuf `Model` of a 16-bit program.
        constants: Of the program.
        float32: Their values before rounding to fp16.
        ranks: By the name of the constant; each at most `largest_useful_rank`.
    """
    by_name = {constant.name: constant for constant in constants}
    copy = type(model)()
    copy.CopyFrom(model)
    block = main_block(copy)
    operations = list(block.operations)
    del block.operations[:]
    new_constants: dict[str, tuple[StoredConstant, ...]] = {}
    values = dict(float32)
    for operation in operations:
        constant = by_name.get(_weight_name(operation))
        if constant is None or constant.name not in ranks:
            if not (operation.outputs and operation.outputs[0].name in ranks):
                block.operations.add().CopyFrom(operation)
            continue
        first, second = factors(values.pop(constant.name), ranks[constant.name])
        second = second.reshape(*second.shape, *(1 for _ in first.shape[2:]))
        pair = _append(block, operation, constant, first, second)
        new_constants[constant.name] = pair
        values.update(zip((part.name for part in pair), (first, second), strict=True))
    kept = tuple(part for constant in constants for part in new_constants.get(constant.name, (constant,)))
    origins = {part.name: name for name, pair in new_constants.items() for part in pair}
    return FactorisedProgram(copy, kept, values, origins)


def _weight_name(operation: Any) -> str:
    """Names the value that is the weight of an operation; empty where it has none."""
    if operation.type not in _FACTORISED or "weight" not in operation.inputs:
        return ""
    binding = operation.inputs["weight"].arguments[0]
    return str(binding.name) if binding.WhichOneof("binding") == "name" else ""


def _append(
    block: Any, operation: Any, constant: StoredConstant, first: Weight, second: Weight
) -> tuple[StoredConstant, StoredConstant]:
    """Appends the two weights and the two operations that take the place of one."""
    result = operation.outputs[0]
    shape = shape_of(result.type)
    names = (f"{constant.name}_first", f"{constant.name}_second")
    for name, weight in zip(names, (first, second), strict=True):
        _append_constant(block, name, weight.shape)
    inner_name = f"{result.name}_low_rank"
    inner = block.operations.add()
    inner.CopyFrom(operation)
    set_small_tensor(inner.attributes["name"], inner_name)
    inner.inputs["weight"].arguments[0].name = names[0]
    inner.inputs.pop("bias", None)
    del inner.outputs[:]
    channels = 1 if operation.type == "conv" else len(shape) - 1
    new_output(inner, inner_name, "FLOAT16", (*shape[:channels], len(first), *shape[channels + 1 :]))
    outer = type(operation)()
    outer.CopyFrom(operation)
    outer.inputs["x"].arguments[0].name = inner_name
    outer.inputs["weight"].arguments[0].name = names[1]
    if operation.type == "conv":
        _make_pointwise(block, outer, len(shape) - 2)
    block.operations.append(outer)
    parts = zip(names, (inner_name, result.name), (first, second), strict=True)
    made = tuple(
        replace(constant, name=name, offset=_NOT_YET_STORED, shape=weight.shape, consumer=consumer)
        for name, consumer, weight in parts
    )
    return made[0], made[1]


def _append_constant(block: Any, name: str, shape: tuple[int, ...]) -> None:
    operation = block.operations.add()
    operation.type = "const"
    set_small_tensor(operation.attributes["name"], name)
    set_file_tensor(operation.attributes["val"], shape, "fp16", _NOT_YET_STORED)
    new_output(operation, name, "FLOAT16", shape)


def _make_pointwise(block: Any, operation: Any, axes: int) -> None:
    """Makes a convolution take one element at a time, whatever it took before."""
    ones = np.ones(axes, np.int32)
    settings: dict[str, NDArray[np.int32] | str] = {
        "strides": ones,
        "dilations": ones,
        "pad": np.zeros(2 * axes, np.int32),
        "pad_type": "valid",
    }
    for parameter, value in settings.items():
        name = f"{operation.outputs[0].name}_{parameter}"
        new_constant(block, name, value)
        operation.inputs[parameter].Clear()
        operation.inputs[parameter].arguments.add().name = name
