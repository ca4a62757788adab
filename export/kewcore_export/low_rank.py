"""Weights of low rank: one convolution or matrix product becomes two or three, with fewer weights between them.

The best product of two matrices of a given rank is the truncated singular value decomposition (C. Eckart and G. Young,
"The approximation of one matrix by another of lower rank", Psychometrika 1(3), 1936). A convolution's weight counts as
the matrix `[C_out, C_in·kH·kW]`: its first factor keeps the kernel, strides and padding, its second is 1x1.

With an input rank, a 1x1 convolution in front mixes the input channels to fewer first: Tucker's decomposition of two of
the axes (L. R. Tucker, "Some mathematical notes on three-mode factor analysis", Psychometrika 31(3), 1966; of networks
Y.-D. Kim et al., "Compression of deep convolutional neural networks for fast and low power mobile applications", ICLR
2016). Channels are weighed by what reaches them: their second moment over images, where it is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.program import StoredConstant, main_block
from kewcore_export.quantizers.blocks import Weight
from kewcore_export.tensor_values import new_constant, new_output, set_file_tensor, set_small_tensor, shape_of

_FACTORISED = ("conv", "linear")
_NOT_YET_STORED = 0
"""Offset of a new weight; `with_weights` gives it its place when the package is written."""
_LEAST_SHARE = 1e-6
"""Of the largest second moment: channels, or mixtures of them, that carry less count as carrying this much."""


@dataclass(frozen=True)
class Ranks:
    """To which ranks a weight is cut.

    Attributes:
        output: Rank between the input and the output channels.
        input: How many mixtures of the input channels are left; 0 leaves them as they are.
    """

    output: int
    input: int = 0


@dataclass(frozen=True)
class _Part:
    """One of the operations that take the place of one.

    Attributes:
        suffix: What its weight's name ends in.
        weight: `[C_out, C_in, ...]`.
        keeps_kernel: Whether it has the kernel, strides and padding of the operation; the others are pointwise.
    """

    suffix: str
    weight: Weight
    keeps_kernel: bool


@dataclass(frozen=True)
class FactorisedProgram:
    """A program some of whose weights were replaced by two.

    Attributes:
        model: Protobuf `Model`; the new weights have no place in a weights file yet.
        constants: Of the program; factors in order, where the weight was.
        float32: Values of all constants of `constants`, by name.
        origins: By the name of a factor, the name of the weight that it came from.
    """

    model: Any
    constants: tuple[StoredConstant, ...]
    float32: Mapping[str, NDArray[np.float32]]
    origins: Mapping[str, str]


def factor_names(name: str) -> frozenset[str]:
    """Names the weights that may stand in a program for one: itself, or its factors."""
    return frozenset({name, *(f"{name}_{suffix}" for suffix in ("mix", "first", "second"))})


def largest_useful_rank(constant: StoredConstant) -> int:
    """Gives the largest rank at which two factors have fewer elements than the weight; 0 where none can be made.

    None are made of a weight that several operations read: each of them would have to become two.
    """
    if constant.op_type not in _FACTORISED or constant.channel_axis != 0 or constant.groups != 1:
        return 0
    if constant.readers != 1:
        return 0
    outputs, inputs = constant.shape[0], constant.size // constant.shape[0]
    return max(0, (constant.size - 1) // (outputs + inputs))


def largest_input_rank(constant: StoredConstant) -> int:
    """Gives the largest number of mixtures that saves something; 0 where kernels are of one element."""
    if largest_useful_rank(constant) == 0 or prod(constant.shape[2:]) == 1:
        return 0
    return constant.shape[1] - 1


def largest_output_rank(constant: StoredConstant, input_rank: int) -> int:
    """Gives the largest rank that is left between so many mixtures of the input channels and the output channels."""
    return min(constant.shape[0], input_rank * prod(constant.shape[2:]))


def factors(weight: Weight, rank: int) -> tuple[Weight, Weight]:
    """Cuts a weight to the best product of two of a rank, with the singular values shared out evenly.

    Numerics: singular vectors come from the smaller of the two Gram matrices, in float64. Singular values that are lost
    in its rounding, as those of rows that depend on others, count as large as that, so that nothing is divided by zero.

    Args:
        weight: float32 `[outputs, inputs, ...]`.
        rank: At most the smaller side.

    Returns:
        float32 `[rank, inputs, ...]` and `[outputs, rank]`; the second times the first is the approximation.
    """
    matrix = weight.reshape(len(weight), -1).astype(np.float64)
    if matrix.shape[0] <= matrix.shape[1]:
        values, vectors = np.linalg.eigh(matrix @ matrix.T)
        left = _leading(vectors, rank)
        right = left.T @ matrix
    else:
        values, vectors = np.linalg.eigh(matrix.T @ matrix)
        right = _leading(vectors, rank).T
        left = matrix @ right.T
    least = float(values[-1]) * np.finfo(np.float64).eps
    share = np.sqrt(np.sqrt(np.maximum(values[::-1][:rank], least if least > 0 else 1.0)))
    grow = share if matrix.shape[0] <= matrix.shape[1] else 1 / share
    first, second = right / grow[:, None], left * grow
    return first.reshape(rank, *weight.shape[1:]).astype(np.float32), second.astype(np.float32)


def input_factors(weight: Weight, ranks: Ranks, moment: NDArray[np.float64] | None) -> tuple[Weight, Weight, Weight]:
    """Cuts a convolution's weight along its input and its output channels.

    Mixtures of input channels are chosen, and scaled to a mean square of 1, by what reaches them: the error of the
    convolution's result is least, for inputs of that second moment and weights of that input rank.

    Args:
        weight: float32 `[C_out, C_in, ...]`.
        ranks: Both ranks.
        moment: Mean of `x xᵀ` over positions and images, float64 `[C_in, C_in]`; None takes channels alike.

    Returns:
        float32 `[input rank, C_in, 1, ...]`, `[output rank, input rank, ...]` and `[C_out, output rank]`.
    """
    outputs, channels = weight.shape[:2]
    root, inverse = _roots(np.eye(channels) if moment is None else moment)
    flat = weight.reshape(outputs, channels, -1)
    rows = flat.transpose(1, 0, 2).reshape(channels, -1)
    gram = (rows @ rows.T).astype(np.float64)
    _, vectors = np.linalg.eigh(root @ gram @ root)
    mixtures = _leading(vectors, ranks.input)
    core = np.matmul((mixtures.T @ root).astype(np.float32), flat)
    first, second = factors(core.reshape(outputs, ranks.input, *weight.shape[2:]), ranks.output)
    mix = (mixtures.T @ inverse).astype(np.float32)
    return mix.reshape(*mix.shape, *(1 for _ in weight.shape[2:])), first, second


def _leading(vectors: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Gives the eigenvectors of the largest eigenvalues, the largest first; `eigh` has them last."""
    # A copy: products with a view of negative steps do not go to BLAS and take thirty times as long.
    return np.ascontiguousarray(vectors[:, ::-1][:, :count])


def _roots(moment: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gives the symmetric square root of a moment, and its inverse."""
    values, vectors = np.linalg.eigh(moment)
    least = _LEAST_SHARE * max(float(values[-1]), float(np.finfo(np.float64).tiny))
    values = np.sqrt(np.maximum(values, least))
    return (vectors * values) @ vectors.T, (vectors / values) @ vectors.T


def with_low_rank(
    model: Any,
    constants: tuple[StoredConstant, ...],
    float32: Mapping[str, NDArray[np.float32]],
    ranks: Mapping[str, Ranks],
    moments: Mapping[str, NDArray[np.float64]],
) -> FactorisedProgram:
    """Replaces weights by their factors.

    Args:
        model: Protobuf `Model` of a 16-bit program.
        constants: Of the program.
        float32: Their values before rounding to fp16.
        ranks: By the name of the constant; each at most `largest_useful_rank`.
        moments: Second moments of input channels, by the name of the constant; see `input_factors`.
    """
    by_name = {constant.name: constant for constant in constants}
    copy = type(model)()
    copy.CopyFrom(model)
    block = main_block(copy)
    operations = list(block.operations)
    del block.operations[:]
    types = {value.name: value.type for value in copy.mlProgram.functions["main"].inputs}
    types |= {output.name: output.type for operation in operations for output in operation.outputs}
    made: dict[str, tuple[StoredConstant, ...]] = {}
    values = dict(float32)
    for operation in operations:
        constant = by_name.get(_weight_name(operation))
        if constant is None or constant.name not in ranks:
            if not (operation.outputs and operation.outputs[0].name in ranks):
                block.operations.add().CopyFrom(operation)
            continue
        parts = _parts(values.pop(constant.name), ranks[constant.name], moments.get(constant.name))
        given = shape_of(types[operation.inputs["x"].arguments[0].name])
        made[constant.name] = _append(block, operation, constant, parts, given)
        values.update((one.name, part.weight) for one, part in zip(made[constant.name], parts, strict=True))
    kept = tuple(part for constant in constants for part in made.get(constant.name, (constant,)))
    origins = {part.name: name for name, row in made.items() for part in row}
    return FactorisedProgram(copy, kept, values, origins)


def _parts(weight: Weight, ranks: Ranks, moment: NDArray[np.float64] | None) -> tuple[_Part, ...]:
    mixed: tuple[_Part, ...] = ()
    if ranks.input:
        mix, first, second = input_factors(weight, ranks, moment)
        mixed = (_Part("mix", mix, False),)
    else:
        first, second = factors(weight, ranks.output)
    second = second.reshape(*second.shape, *(1 for _ in first.shape[2:]))
    return (*mixed, _Part("first", first, True), _Part("second", second, False))


def _weight_name(operation: Any) -> str:
    """Names the value that is the weight of an operation; empty where it has none."""
    if operation.type not in _FACTORISED or "weight" not in operation.inputs:
        return ""
    binding = operation.inputs["weight"].arguments[0]
    return str(binding.name) if binding.WhichOneof("binding") == "name" else ""


def _append(
    block: Any, operation: Any, constant: StoredConstant, parts: tuple[_Part, ...], given: tuple[int, ...]
) -> tuple[StoredConstant, ...]:
    """Appends the weights and the operations that take the place of one; the last gives its result, with the bias."""
    result = operation.outputs[0]
    channels = 1 if operation.type == "conv" else len(shape_of(result.type)) - 1
    names = [f"{constant.name}_{part.suffix}" for part in parts]
    for name, part in zip(names, parts, strict=True):
        _append_constant(block, name, part.weight.shape)
    value, shape, made = operation.inputs["x"].arguments[0].name, given, []
    for name, part in zip(names, parts, strict=True):
        last = part is parts[-1]
        new = type(operation)()
        new.CopyFrom(operation)
        new.inputs["x"].arguments[0].name = value
        new.inputs["weight"].arguments[0].name = name
        if part.keeps_kernel:
            shape = shape_of(result.type)
        if not last:
            value = f"{result.name}_{part.suffix}"
            set_small_tensor(new.attributes["name"], value)
            new.inputs.pop("bias", None)
            del new.outputs[:]
            new_output(new, value, "FLOAT16", (*shape[:channels], len(part.weight), *shape[channels + 1 :]))
        if operation.type == "conv" and not part.keeps_kernel:
            _make_pointwise(block, new, len(shape) - 2)
        block.operations.append(new)
        made.append(
            replace(constant, name=name, offset=_NOT_YET_STORED, shape=part.weight.shape, consumer=new.outputs[0].name)
        )
    return tuple(made)


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
