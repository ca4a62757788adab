"""Channels of like size: per-channel factors move from activations into the weights on both sides, exactly.

A range holds for a whole tensor, but KewCNN's first layer has channels whose activations differ tenfold: the small ones
are left with a handful of levels. `f(s·x) = s·f(x)` for ReLU-like functions and pooling and s > 0, so the channel of
one layer may be multiplied by s and the weights that read it divided by s. In real numbers nothing changes.

Source: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section
4.1; ranges of activations instead of weights as in G. Xiao et al., "SmoothQuant", ICML 2023, equation 4.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.console import progress
from kewcore.runtime.package import Interface
from kewcore.runtime.program import Function, Operation, TensorType, TensorValue
from kewcore.runtime.spec.values import ImmediateStorage
from kewcore_export.activations.chains import Chain, Reader, by_input, is_by_channel
from kewcore_export.activations.execution import Image, Watched, over_images

STRENGTH = 0.75
"""Power of the channels' sizes that is evened out: 1 makes them equal, 0 leaves them. Equal channels serve activations
best, but spread the weights that read them. On 64 training photographs apart from those of the calibration, KewCNN's
logits had 39.5, 40.7 and 41.2 dB with 0.5, 0.75 and 1, and its 8-bit weights lose 2 dB from 0.75 to 1."""
LARGEST_FACTOR = 64.0
"""Factors stay between its reciprocal and it, so that scaled weights and biases stay within fp16."""


def channel_sizes(
    function: Function, interface: Interface, found: tuple[Chain, ...], images: Iterable[Image], count: int
) -> dict[str, NDArray[np.float64]]:
    """Measures how much of the tensor's range the activations of each channel need where the next layers read them.

    Both ends are means over images of the extremes, so that one odd image does not decide. They are compared with the
    largest of all channels end by end: after LeakyReLU the lower end of a range is short, and a channel that lies there
    must not be drawn out to the length of the upper one.

    Args:
        function: Of the float package.
        interface: Its inputs.
        found: Its chains.
        images: uint8 `[H, W]` each.
        count: How many they are.

    Returns:
        Sizes `[C]`, 0 to 1, by the name of the first layer's result.
    """
    names = tuple(sorted({reader.value for chain in found for reader in chain.readers}))
    if not names:
        return {}
    sums = {chain.layer.outputs[0].name: np.zeros((2, chain.count)) for chain in found}
    watched = Watched(function, interface, names)
    with progress("sizes of channels", count) as advance:
        for one in over_images(watched, images):
            for chain in found:
                ends = np.zeros((2, chain.count))
                for reader in chain.readers:
                    values = one[reader.value].astype(np.float32)
                    for end, sign in enumerate((1, -1)):
                        np.maximum(ends[end], _largest(sign * values, reader.channels, chain.count), out=ends[end])
                sums[chain.layer.outputs[0].name] += ends
            advance()
    return {name: _of_the_largest(ends) for name, ends in sums.items()}


def _of_the_largest(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = ends.max(axis=1, keepdims=True)
    sizes: NDArray[np.float64] = (ends / np.where(largest > 0, largest, 1)).max(axis=0)
    return sizes


def _largest(values: NDArray[np.float32], channels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Returns the largest element of each channel, at least 0."""
    if channels.ndim > 2 and is_by_channel(channels):
        by_position, owners = values.max(axis=(0, *range(2, values.ndim))), by_input(channels)
    else:
        by_position, owners = values.ravel(), channels.ravel()
    largest = np.zeros(count)
    np.maximum.at(largest, owners, by_position)
    return largest


def multipliers(
    function: Function, found: tuple[Chain, ...], sizes: Mapping[str, NDArray[np.float64]], strength: float = STRENGTH
) -> dict[str, NDArray[np.float64]]:
    """Works out what constants are multiplied with.

    Args:
        function: Of the float package.
        found: Its chains.
        sizes: Of their channels.
        strength: See `STRENGTH`.

    Returns:
        Arrays by the name of the constant, in its shape or broadcast to it.
    """
    shapes = {
        named.name: named.type.static_shape
        for o in function.body.operations
        for named in o.outputs
        if isinstance(named.type, TensorType)
    }
    result: dict[str, NDArray[np.float64]] = {}

    def times(name: str, factor: NDArray[np.float64]) -> None:
        result[name] = result.get(name, np.ones(())) * factor

    for chain in found:
        size = sizes[chain.layer.outputs[0].name]
        alive = size > 0
        if not alive.any():
            continue
        common = float(np.exp(np.log(size[alive]).mean()))
        factor = np.ones(chain.count)
        factor[alive] = np.clip((common / size[alive]) ** strength, 1 / LARGEST_FACTOR, LARGEST_FACTOR)
        weight = str(chain.layer.inputs["weight"][0])
        rank = len(shapes[weight] or ())
        times(weight, factor.reshape(-1, *[1] * (rank - 1)))
        for bias in chain.layer.inputs.get("bias", ()):
            times(str(bias), factor)
        for reader in chain.readers:
            name = str(reader.layer.inputs["weight"][0])
            times(name, 1 / factor[_weight_channels(reader, shapes[name] or ())])
    return result


def _weight_channels(reader: Reader, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Returns which channel each weight of a layer multiplies, in a shape that broadcasts to the weight's."""
    if reader.layer.type == "linear":
        rows = reader.channels.reshape(-1, shape[1])
        return rows[:1]
    channels = by_input(reader.channels)
    groups = channels.size // shape[1]
    rows = channels.reshape(groups, shape[1]).repeat(shape[0] // groups, axis=0)
    return rows.reshape(*rows.shape, *[1] * (len(shape) - 2))


def with_constants(function: Function, constants: Mapping[str, NDArray[Any]]) -> Function:
    """Returns a function with other values of some constants.

    Args:
        function: A verified function.
        constants: Arrays by name, in the constants' shapes.
    """

    def changed(operation: Operation) -> Operation:
        name = operation.outputs[0].name if operation.outputs else ""
        if operation.type != "const" or name not in constants:
            return operation
        type_ = operation.outputs[0].type
        if not isinstance(type_, TensorType):
            return operation
        value = TensorValue(type_, ImmediateStorage(constants[name].astype(type_.dtype.numpy).ravel()))
        return replace(operation, attributes={**operation.attributes, "val": value})

    operations = tuple(changed(operation) for operation in function.body.operations)
    return replace(function, body=replace(function.body, operations=operations))
