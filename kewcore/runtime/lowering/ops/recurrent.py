"""Lowerings of recurrent layers: gates and biases in ONNX's order, a direction of its own for every half."""

from collections.abc import Sequence

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.registry import Array

_ACTIVATIONS = {
    "tanh": ("Tanh", (), ()),
    "scaled_tanh": ("Tanh", (), ()),
    "sigmoid": ("Sigmoid", (), ()),
    "hard_sigmoid": ("HardSigmoid", (0.2,), (0.5,)),
    "sigmoid_hard": ("HardSigmoid", (0.2,), (0.5,)),
    "relu": ("Relu", (), ()),
    "linear": ("Affine", (1.0,), (0.0,)),
}
"""ONNX's name, alpha and beta by MIL's name."""
_FIRST = -(1 << 62)
"""An end before the first element, for slices that run backwards."""


@lowers("rnn")
def _rnn(lowering: Lowering) -> None:
    _layer(lowering, "RNN", (0,), ("activation",))


@lowers("gru")
def _gru(lowering: Lowering) -> None:
    # MIL: reset, output, update; ONNX: update, reset, output.
    after = bool(lowering.constant("reset_after", False))
    names = ("recurrent_activation", "activation")
    _layer(lowering, "GRU", (2, 0, 1), names, linear_before_reset=int(after))


@lowers("lstm")
def _lstm(lowering: Lowering) -> None:
    if lowering.has("clip"):
        raise NoLoweringError("clip, which bounds the memory in MIL and what goes into activations in ONNX")
    # MIL: input, forget, output, cell; ONNX: input, output, forget, cell.
    _layer(lowering, "LSTM", (0, 2, 1, 3), ("recurrent_activation", "cell_activation", "activation"))


def _layer(lowering: Lowering, kind: str, order: Sequence[int], names: Sequence[str], **attributes: int) -> None:
    """Adds a layer whose gates stand in `order` in ONNX, with the activations that these parameters name."""
    lowering.require_floats("x")
    direction = str(lowering.constant("direction", "forward"))
    suffixes = ("", "_back") if direction == "bidirectional" else ("",)
    hidden = lowering.static_shape("weight_hh")[1]
    x = lowering.value("x")
    if direction == "reverse":
        # MIL gives the results of a reversed sequence in reversed order, ONNX would not.
        x = lowering.node("Slice", x, *(lowering.integers([value]) for value in (-1, _FIRST, 0, -1)))
    inputs = [
        x,
        _weights(lowering, "weight_ih", suffixes, order),
        _weights(lowering, "weight_hh", suffixes, order),
        _biases(lowering, suffixes, order, hidden),
        "",
        _state(lowering, "initial_h", len(suffixes), hidden),
    ]
    if kind == "LSTM":
        inputs.append(_state(lowering, "initial_c", len(suffixes), hidden))
        if any(lowering.has(f"peephole{suffix}") for suffix in suffixes):
            inputs.append(_peepholes(lowering, suffixes, hidden))
    chosen = [_ACTIVATIONS[str(lowering.constant(name, _default(name))).lower()] for name in names] * len(suffixes)
    alphas, betas = ([value for row in chosen for value in row[index]] for index in (1, 2))
    slopes = {"activation_alpha": alphas, "activation_beta": betas} if alphas else {}
    outputs = lowering.emit(
        kind,
        inputs,
        3 if kind == "LSTM" else 2,
        hidden_size=hidden,
        direction="bidirectional" if len(suffixes) == 2 else "forward",
        activations=[name for name, _, _ in chosen],
        **slopes,
        **attributes,
    )
    width = len(suffixes) * hidden
    states = [_joined(lowering, name, (1, 0, 2), [-1, width]) for name in outputs[1:]]
    if bool(lowering.constant("output_sequence", False)):
        rows = _joined(lowering, outputs[0], (0, 2, 1, 3), [0, -1, width])
    else:
        rows = lowering.node("Unsqueeze", states[0], lowering.integers([0]))
    lowering.finish(rows, *states)


def _default(name: str) -> str:
    return "sigmoid" if name == "recurrent_activation" else "tanh"


def _reordered(lowering: Lowering, parameter: str, order: Sequence[int]) -> Array:
    """A constant whose first axis holds one block a gate."""
    blocks = np.split(np.asarray(lowering.constant(parameter), np.float32), len(order))
    return np.concatenate([blocks[index] for index in order])


def _weights(lowering: Lowering, parameter: str, suffixes: Sequence[str], order: Sequence[int]) -> str:
    stacked = np.stack([_reordered(lowering, f"{parameter}{suffix}", order) for suffix in suffixes])
    return lowering.graph.literal(stacked, lowering.type(parameter), parameter)


def _biases(lowering: Lowering, suffixes: Sequence[str], order: Sequence[int], hidden: int) -> str:
    """Biases of the input, then of the state, to which MIL's `bias` belongs; zeros where there are none."""
    nothing = np.zeros(len(order) * hidden, np.float32)
    rows = []
    for suffix in suffixes:
        row = [
            _reordered(lowering, f"{name}{suffix}", order) if lowering.has(f"{name}{suffix}") else nothing
            for name in ("input_bias", "bias")
        ]
        rows.append(np.concatenate(row))
    return lowering.graph.initializer(np.stack(rows), "bias")


def _peepholes(lowering: Lowering, suffixes: Sequence[str], hidden: int) -> str:
    # MIL: input, forget, output; ONNX: input, output, forget.
    rows = [
        _reordered(lowering, f"peephole{suffix}", (0, 2, 1))
        if lowering.has(f"peephole{suffix}")
        else np.zeros(3 * hidden, np.float32)
        for suffix in suffixes
    ]
    return lowering.graph.initializer(np.stack(rows), "peephole")


def _state(lowering: Lowering, parameter: str, directions: int, hidden: int) -> str:
    """`[N, D · H]` → `[D, N, H]`."""
    split = lowering.node("Reshape", lowering.value(parameter), lowering.integers([-1, directions, hidden]))
    return lowering.node("Transpose", split, perm=[1, 0, 2])


def _joined(lowering: Lowering, name: str, perm: Sequence[int], shape: Sequence[int]) -> str:
    """Brings directions next to hidden units and makes one axis of them."""
    turned = lowering.node("Transpose", name, perm=list(perm))
    return lowering.node("Reshape", turned, lowering.integers(shape))
