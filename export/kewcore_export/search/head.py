"""The classifier's last layer, fitted again to what reaches it after compression.

What compression does to the features before it has a part that is the same for all images and a part that follows the
features; a linear layer can take both out again. The weights are found by ridge regression of the uncompressed
network's logits on the compressed network's features, drawn towards the trained ones; no labels are used.

Source: A. E. Hoerl and R. W. Kennard, "Ridge regression", Technometrics 12(1), 1970; fitting a layer to the output of
the uncompressed network is Y. He, X. Zhang and J. Sun, "Channel pruning for accelerating very deep neural networks",
ICCV 2017.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import UnsupportedError
from kewcore_export.compressed_program import CompressedProgram
from kewcore_export.compression import FormChoice, compress
from kewcore_export.program import StoredConstant, main_block
from kewcore_export.tensor_values import new_constant, set_small_tensor

RIDGE = 0.1
"""Weight of the pull towards the trained weights, in units of the features' mean variance. From 0.01 to 0.1 KewCNN's
answers are alike; 1 fits less."""


FIT_IMAGES = 512
"""Training images that a last layer is fitted to."""


@dataclass(frozen=True)
class Head:
    """The last matrix product of a classifier.

    Attributes:
        weight: Its weight, `[classes, features, ...]`.
        bias: Name of its bias, a constant.
        features: Name of the value that it takes.
        logits: Name of the value that it gives.
    """

    weight: StoredConstant
    bias: str
    features: str
    logits: str


def find_head(model: Any, constants: tuple[StoredConstant, ...], classes: int) -> Head:
    """Finds the last layer.

    Args:
        model: Protobuf `Model`.
        constants: Of its program.
        classes: Number of classes.

    Raises:
        UnsupportedError: The network does not end in a matrix product with a bias; see `with_head_bias`.
    """
    last = _last_layer(constants, classes)
    operation = None if last is None else _operation(main_block(model), last.consumer)
    if last is None or operation is None or "bias" not in operation.inputs:
        raise UnsupportedError(
            f"a search takes classifiers that end in a Dense layer of {classes} units; this one does not",
            hint="choose a mode by hand, such as --quantize int8",
        )
    bias, features = (operation.inputs[name].arguments[0].name for name in ("bias", "x"))
    return Head(last, bias, features, last.consumer)


def with_head_bias(model: Any, constants: tuple[StoredConstant, ...], classes: int) -> Any:
    """Gives a last layer without a bias one of zeros, as coremltools drops what is all zeros.

    Args:
        model: Protobuf `Model` of a 16-bit program.
        constants: Of the program.
        classes: Number of classes.

    Returns:
        The model; a copy where something was changed.
    """
    last = _last_layer(constants, classes)
    operation = None if last is None else _operation(main_block(model), last.consumer)
    if operation is None or "bias" in operation.inputs:
        return model
    copy = type(model)()
    copy.CopyFrom(model)
    block = main_block(copy)
    operations, name = list(block.operations), f"{operation.outputs[0].name}_bias"
    del block.operations[:]
    for one in operations:
        if one.outputs and one.outputs[0].name == operation.outputs[0].name:
            new_constant(block, name, np.zeros(classes, np.float16))
            one.inputs["bias"].arguments.add().name = name
        block.operations.append(one)
    return copy


def _last_layer(constants: tuple[StoredConstant, ...], classes: int) -> StoredConstant | None:
    weights = [one for one in constants if one.channel_axis == 0 and one.groups == 1]
    last = weights[-1] if weights else None
    fits = last is not None and last.op_type in ("conv", "linear") and last.shape[0] == classes
    return last if last is not None and fits and prod(last.shape[2:]) == 1 else None


def _operation(block: Any, name: str) -> Any | None:
    return next((one for one in block.operations if one.outputs and one.outputs[0].name == name), None)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turns logits `[N, C]` into probabilities."""
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float32] = grown / grown.sum(axis=1, keepdims=True)
    return probabilities


def fitted_head(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    features: NDArray[np.float32],
    logits: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fits a linear layer.

    Args:
        weight: As trained, float32 `[C, F]`.
        bias: As trained, float32 `[C]`.
        features: Of the compressed network, float32 `[N, F]`.
        logits: Of the uncompressed network, float32 `[N, C]`.

    Returns:
        Weight and bias, in the shapes that were given.
    """
    given = features.astype(np.float64)
    centred = given - given.mean(axis=0)
    missing = logits - (given @ weight.T + bias)
    gram = centred.T @ centred
    pull = RIDGE * np.trace(gram) / len(gram)
    # Features that are the same for all images leave the weights as they were; only the bias has something to make up.
    change = np.zeros(weight.T.shape)
    if pull > 0:
        change = np.linalg.solve(gram + pull * np.eye(len(gram)), centred.T @ (missing - missing.mean(axis=0)))
    shift = missing.mean(axis=0) - given.mean(axis=0) @ change
    return (weight + change.T).astype(np.float32), (bias + shift).astype(np.float32)


def with_head(
    program: CompressedProgram, head: Head, weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> CompressedProgram:
    """Puts another last layer into a compressed program; its weight is compressed as the old one was.

    Args:
        program: The program.
        head: Its last layer.
        weight: float32 `[C, F]`.
        bias: float32 `[C]`.
    """
    shaped = weight.reshape(head.weight.shape)
    plans = tuple(
        compress(plan.constant, shaped, FormChoice(plan.form, plan.reason), program.target)
        if plan.constant.name == head.weight.name
        else plan
        for plan in program.plans
        if plan.constant.name != head.bias
    )
    copy = type(program.model)()
    copy.CopyFrom(program.model)
    for operation in main_block(copy).operations:
        if operation.outputs and operation.outputs[0].name == head.bias:
            operation.attributes["val"].Clear()
            set_small_tensor(operation.attributes["val"], bias.astype(np.float16))
    values = {**program.float32, head.weight.name: shaped}
    return replace(program, model=copy, plans=plans, float32=values)
