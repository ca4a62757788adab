"""What quantised activations cost: alone, operation by operation, and all together.

*Alone*: the float network with the pairs of one operation only, judged at its end, by the SNR of the logits.
*Together*: the finished package, with its compressed weights and in the integer arithmetic of the fast executor, judged
behind each pair against the float network.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kewcore.console import progress
from kewcore.errors import UnsupportedError
from kewcore.parity.snr import logit_snr_db, power_ratio_db
from kewcore.runtime.labels import classify_operation
from kewcore.runtime.package import Interface
from kewcore.runtime.program import Function
from kewcore_export.activations.execution import Image, Watched, over_images
from kewcore_export.activations.pairs import Pair, with_pairs
from kewcore_export.activations.placement import QuantizedOperation

COST_IMAGES = 32
"""Calibration images that costs are measured on; the SNR of KewCNN's logits on 32 and on 128 differs by under 1 dB."""


@dataclass(frozen=True)
class Noise:
    """Squared sums of a value and of its error, over images.

    Attributes:
        signal: Of the float value.
        noise: Of what the quantised network has, less the float value.
    """

    signal: float
    noise: float

    @property
    def snr_db(self) -> float:
        """Signal-to-noise ratio in dB; inf where nothing was lost."""
        return power_ratio_db(self.signal, self.noise)


def probabilities_value(function: Function) -> str:
    """Finds the value that holds a classifier's probabilities.

    Raises:
        UnsupportedError: The function is no classifier.
    """
    operation = classify_operation(function)
    binding = None if operation is None else operation.inputs["probabilities"][0]
    if not isinstance(binding, str):
        raise UnsupportedError("activations are quantised in classifiers only, and this program does not classify")
    return binding


def costs_alone(
    function: Function,
    interface: Interface,
    operations: tuple[QuantizedOperation, ...],
    pairs: tuple[Pair, ...],
    images: list[Image],
) -> dict[str, float]:
    """Measures what the pairs of each operation alone do to the logits.

    Args:
        function: Of the float package.
        interface: Its inputs.
        operations: What takes bytes.
        pairs: All pairs.
        images: uint8 `[H, W]` each.

    Returns:
        SNR of the logits in dB by the name of the operation.
    """
    reference = _probabilities(function, interface, images)
    found = {}
    with progress("cost of each operation", len(operations), "operations") as advance:
        for operation in operations:
            own = tuple(
                Pair(pair.value, pair.range, operands)
                for pair in pairs
                if (operands := tuple(o for o in pair.operands if o.operation == operation.name))
            )
            found[operation.name] = logit_snr_db(
                reference, _probabilities(with_pairs(function, own), interface, images)
            )
            advance(1, operation.name)
    return found


def costs_together(
    function: Function,
    quantized: Function,
    interface: Interface,
    values: Mapping[str, str],
    images: list[Image],
) -> dict[str, float]:
    """Measures how far values of the quantised network are from the float ones.

    Args:
        function: Of the float package.
        quantized: Of the finished package.
        interface: Inputs of both.
        values: Names in the quantised network by those in the float one.
        images: uint8 `[H, W]` each.

    Returns:
        SNR in dB by the name in the float network.
    """
    signal, noise = dict.fromkeys(values, 0.0), dict.fromkeys(values, 0.0)
    exact = Watched(function, interface, tuple(values))
    stored = Watched(quantized, interface, tuple(values.values()))
    for ours, theirs in zip(over_images(exact, images), over_images(stored, images), strict=True):
        for name, other in values.items():
            reference = ours[name].astype(np.float32)
            signal[name] += float(np.square(reference).sum(dtype=np.float64))
            noise[name] += float(np.square(theirs[other].astype(np.float32) - reference).sum(dtype=np.float64))
    return {name: Noise(signal[name], noise[name]).snr_db for name in values}


def logits_snr_db(function: Function, quantized: Function, interface: Interface, images: list[Image]) -> float:
    """Measures the SNR of the quantised network's logits in dB."""
    return logit_snr_db(*(_probabilities(one, interface, images) for one in (function, quantized)))


def _probabilities(function: Function, interface: Interface, images: list[Image]) -> NDArray[np.float32]:
    name = probabilities_value(function)
    watched = Watched(function, interface, (name,))
    return np.concatenate([one[name].astype(np.float32).reshape(1, -1) for one in over_images(watched, images)])
