"""Which value of a package stands for which layer of the Keras network: by shape, by what it holds, and by name.

Exports are rewritten: layouts change, pooling moves before activations, Dense layers become convolutions or products of
three. So names alone do not do. Layers are taken in order. Each is computed by Keras from what the *package* holds for
the layers before it; of the package's later values of the same size, it gets the one that comes nearest. A value that
comes nearer to the next layer, as an activation does to the convolution before it, is left to that. A layer for which
no value is left, since it was merged with another or does nothing at inference, has none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.snr import snr_db
from kewcore_bench.depth.channel_gains import channel_gain
from kewcore_bench.depth.keras_steps import Floats, Step, stretch
from kewcore_bench.depth.package_values import PackageValues

_LEAST_SNR_DB = 0.0
"""A value whose error is as large as the layer's output is none of it; unrelated values have about -3 dB."""
_LONGEST_RUN = 4


@dataclass(frozen=True)
class Counterpart:
    """A package's value that stands for a layer's output.

    Attributes:
        value: Its name.
        position: Its place in the order of computation.
        channels_first: Whether its channels lie before its other axes (NCHW), and not behind them (NHWC).
        gain: What each channel is multiplied with in the package, and divided by again in the weights behind it, in
            Keras' layout; None where nothing is.
    """

    value: str
    position: int
    channels_first: bool
    gain: Floats | None = None

    def as_keras(self, trace: Mapping[str, Any], shape: tuple[int, ...]) -> Floats:
        """Gives the value as Keras would: in its layout, without the gain, float32 `[1, *shape]`."""
        value = _keras_layout(trace[self.value], shape, self.channels_first)
        return value if self.gain is None else value / self.gain


def line_up(steps: Sequence[Step], package: PackageValues, trace: Mapping[str, Any]) -> dict[int, Counterpart]:
    """Finds the counterparts of layers.

    Args:
        steps: Of the Keras network, its input first.
        package: What the package computes.
        trace: Its values for one image.

    Returns:
        By index of the step; the input's is the package's input.
    """
    found = {0: Counterpart(package.order[0], 0, channels_first=True)}
    for index in range(1, len(steps)):
        counterpart = _nearest(steps, index, package, trace, found)
        if counterpart is not None:
            found[index] = counterpart
    return found


def sources_of(steps: Sequence[Step], index: int, found: Mapping[int, Counterpart]) -> tuple[int, ...]:
    """Finds the nearest steps before a step that have counterparts, on all ways to it."""
    return tuple(one for one in _before(steps, index, found) if one in found)


def merged_before(steps: Sequence[Step], index: int, found: Mapping[int, Counterpart]) -> tuple[int, ...]:
    """Finds the steps without counterparts that lie between a step and its sources."""
    return tuple(one for one in _before(steps, index, found) if one not in found)


def _before(steps: Sequence[Step], index: int, found: Mapping[int, Counterpart]) -> tuple[int, ...]:
    seen: dict[int, None] = {}
    waiting = list(steps[index].inputs)
    while waiting:
        one = waiting.pop(0)
        seen[one] = None
        if one not in found:
            waiting += steps[one].inputs
    return tuple(seen)


def _nearest(
    steps: Sequence[Step],
    index: int,
    package: PackageValues,
    trace: Mapping[str, Any],
    found: Mapping[int, Counterpart],
) -> Counterpart | None:
    """Finds the value that comes nearest to a step, and nearer to it than to the steps that follow at its size."""
    step, run, sources = steps[index], _run(steps, index), sources_of(steps, index, found)
    given = [found[one].as_keras(trace, steps[one].shape) for one in sources]
    wanted = stretch([steps[one] for one in sources], [steps[one] for one in run])(given)
    taken = {one.value for one in found.values()}
    after = max(found[one].position for one in sources)
    best, best_db = None, -np.inf
    for position, name in enumerate(package.order):
        if position <= after or name in taken or not _is_float(trace[name]):
            continue
        for channels_first in _layouts(trace[name].shape, step.shape):
            plain = Counterpart(name, position, channels_first)
            value = plain.as_keras(trace, step.shape)
            gain = _gain(steps, index, package, trace, found, (value, wanted[0]), name)
            candidate = Counterpart(name, position, channels_first, gain)
            nearness_db = [snr_db(want, value if gain is None else value / gain) for want in wanted]
            owner = _owner(name, steps)
            nearest = next((i for i, one in enumerate(run) if steps[one].name == owner), int(np.argmax(nearness_db)))
            sure = owner == step.name or nearness_db[0] > _LEAST_SNR_DB
            if nearest == 0 and sure and (best is None or nearness_db[0] > best_db):
                best, best_db = candidate, nearness_db[0]
    return best


def _gain(
    steps: Sequence[Step],
    index: int,
    package: PackageValues,
    trace: Mapping[str, Any],
    found: Mapping[int, Counterpart],
    pair: tuple[Floats, Floats],
    name: str,
) -> Floats | None:
    """What the channels of a value are multiplied with: anew by a layer with weights, or as those before it."""
    origin = package.origins[name]
    if origin not in package.equalized:
        return None
    sources = sources_of(steps, index, found)
    if any(package.origins[found[one].value] == origin for one in sources):
        # max, LeakyReLU and means of equal positive numbers are these numbers: the layers hand gains on themselves.
        fields = [np.broadcast_to(_gain_of(found[one]), (1, *steps[one].shape)) for one in sources]
        (gain,) = stretch([steps[one] for one in sources], [steps[index]])(fields)
        return gain
    value, expected = pair
    bias = package.biases.get(origin)
    layers = [steps[one] for one in (index, *merged_before(steps, index, found)) if steps[one].has_weights]
    keras_bias = layers[0].bias if len(layers) == 1 else None
    return channel_gain(keras_bias, None if bias is None else trace[bias], value, expected)


def _gain_of(counterpart: Counterpart) -> Floats:
    return np.ones(1, np.float32) if counterpart.gain is None else counterpart.gain


def _keras_layout(value: NDArray[Any], shape: tuple[int, ...], channels_first: bool) -> Floats:
    flat = np.asarray(value, np.float32).reshape(-1)
    if channels_first and len(shape) > 1:
        flat = np.moveaxis(flat.reshape(shape[-1], *shape[:-1]), 0, -1)
    return flat.reshape(1, *shape)


def _layouts(value: tuple[int, ...], wanted: tuple[int, ...]) -> list[bool]:
    """Ways in which a value can hold a layer's output: channels first, last, or both where sizes do not tell."""
    own, last = _without_ones(value), _without_ones(wanted)
    first = _without_ones((*wanted[-1:], *wanted[:-1]))
    return [True] * (own == first) + [False] * (own == last and len(last) > 1)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _run(steps: Sequence[Step], index: int) -> list[int]:
    """A step, and those behind it that alone read the one before and keep its shape."""
    run = [index]
    while len(run) < _LONGEST_RUN:
        readers = [reader for reader, step in enumerate(steps) if run[-1] in step.inputs]
        if len(readers) != 1 or steps[readers[0]].shape != steps[index].shape or len(steps[readers[0]].inputs) != 1:
            break
        run += readers
    return run


def _owner(value: str, steps: Sequence[Step]) -> str | None:
    """The layer that a value is named after: TensorFlow writes `model_1/layer_2/op`, coremltools `_` for `/`."""
    named = [step.name for step in steps if re.search(rf"_{re.escape(step.name)}_\d+_", f"_{value}_")]
    return max(named, key=len, default=None)


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and bool(np.issubdtype(value.dtype, np.floating))
