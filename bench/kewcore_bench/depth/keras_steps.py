"""A Keras network as steps in order of computation, and any stretch of it as a function of what lies before it."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.models.tensorflow import import_tensorflow

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Step:
    """One call of a layer.

    Attributes:
        name: Of the layer; a layer that is called again has `#2`, `#3` … behind it.
        kind: Class of the layer.
        shape: Of its output without the axis of images, layout as in Keras.
        inputs: Indices of the steps that it reads.
        tensor: Keras' symbol of its output.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...]
    tensor: Any = field(repr=False, compare=False)

    @property
    def has_weights(self) -> bool:
        """Whether the layer has any."""
        return bool(getattr(self._layer, "weights", ()))

    @property
    def bias(self) -> Floats | None:
        """What the layer adds to each channel, float32 `[C]`; None where it adds nothing."""
        bias = getattr(self._layer, "bias", None)
        return None if bias is None else np.asarray(bias)

    @property
    def _layer(self) -> Any:
        return self.tensor._keras_history.operation


def keras_steps(model: Any) -> tuple[Step, ...]:
    """Lists the calls of layers that lead to a model's output, every step behind those that it reads; inputs first.

    Args:
        model: A Functional or Sequential Keras model of fixed image size; a model inside it counts as one layer.
    """
    order = _ordered((*model.inputs, *model.outputs))
    index_of = {id(tensor): index for index, tensor in enumerate(order)}
    calls: dict[str, int] = {}
    steps = []
    for tensor in order:
        layer = tensor._keras_history.operation
        calls[layer.name] = calls.get(layer.name, 0) + 1
        name = layer.name if calls[layer.name] == 1 else f"{layer.name}#{calls[layer.name]}"
        inputs = tuple(index_of[id(earlier)] for earlier in _read_by(tensor))
        steps.append(Step(name, type(layer).__name__, tuple(tensor.shape[1:]), inputs, tensor))
    return tuple(steps)


def stretch(starts: Sequence[Step], ends: Sequence[Step]) -> Callable[[Iterable[Floats]], list[Floats]]:
    """Makes a function of what some steps give that computes what later steps make of it, as at inference.

    Args:
        starts: Steps whose outputs are given; every way from the model's input to `ends` leads over one of them.
        ends: Steps whose outputs are wanted.

    Returns:
        From arrays `[N, *shape]` of `starts` to arrays of `ends`.
    """
    tf = import_tensorflow()
    given_tensors = [step.tensor for step in starts]
    wanted_tensors = [step.tensor for step in ends]
    order = [one for one in _ordered(wanted_tensors, given_tensors) if all(one is not first for first in given_tensors)]

    def compute(given: Iterable[Floats]) -> list[Floats]:
        with tf.device("/CPU:0"):
            arrays = [tf.constant(array.astype(np.float32)) for array in given]
            values = {id(tensor): array for tensor, array in zip(given_tensors, arrays, strict=True)}
            for tensor in order:
                values[id(tensor)] = _called(tensor, values)
        return [np.asarray(values[id(tensor)]) for tensor in wanted_tensors]

    return compute


def _ordered(wanted: Iterable[Any], given: Iterable[Any] = ()) -> list[Any]:
    """The symbols that lead to the wanted ones, each behind those that it is computed from; what is given is an end."""
    known = {id(tensor): tensor for tensor in given}
    waiting = list(reversed(list(wanted)))
    while waiting:
        tensor = waiting[-1]
        missing = [earlier for earlier in _read_by(tensor) if id(earlier) not in known]
        if id(tensor) in known or not missing:
            known.setdefault(id(waiting[-1]), waiting.pop())
        else:
            waiting += missing
    return list(known.values())


def _called(tensor: Any, values: dict[int, Any]) -> Any:
    """Calls a layer on what it reads, as at inference. Source: Keras 3, `Function._run_through_graph`."""
    layer, node_index, tensor_index = tensor._keras_history
    arguments, settings = layer._inbound_nodes[node_index].arguments.fill_in(values)
    if "training" in inspect.signature(layer.call).parameters:
        settings = {**settings, "training": False}
    found = layer(*arguments, **settings)
    return found[tensor_index] if isinstance(found, list | tuple) else found


def _read_by(tensor: Any) -> list[Any]:
    """The symbols that a tensor is computed from. Source: Keras 3, `KerasTensor._keras_history`, `Node`."""
    layer, node_index, _ = tensor._keras_history
    return list(layer._inbound_nodes[node_index].input_tensors)
