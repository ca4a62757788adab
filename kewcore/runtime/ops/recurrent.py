"""Recurrent layers: rnn, gru and lstm over sequences `[S, N, I]`.

Each layer is one operation: fp16-typed states are rounded once, at its end, and not between two steps.
In the direction `reverse`, sequence and results run from the last step to the first, as Apple's operator tests have
it; the backward half of a `bidirectional` layer gives its results in the order of the input.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.program import TENSOR_LIMIT_BYTES
from kewcore.runtime.registry import FLOATS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_SOURCE = "iOS15/recurrent.py"
_FLOAT_NAMES = ("x", "initial_h", "initial_c", "weight_ih", "weight_hh", "bias", "peephole", "clip", "input_bias")
_ACCEPTS = dict.fromkeys(_FLOAT_NAMES, FLOATS)
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "scaled_tanh": np.tanh,
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * x)),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "sigmoid_hard": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
}
"""Activations by name; both names of the hard sigmoid occur in the documentation. Scales are 1, slopes ONNX's too."""


def _activation(name: str) -> Callable[[Array], Array]:
    if name.lower() not in ACTIVATIONS:
        raise ValueError(f"activation '{name}' is not known; known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name.lower()]


def _layer(gates: int, directions: tuple[str, ...], states: int, **activations: str) -> Callable[..., Shapes]:
    """Makes the shape rule of a layer with so many gates and states, and these activations by default."""

    def rule(arguments: StaticArguments) -> Shapes:
        for parameter, default in activations.items():
            _activation(str(arguments.constant(parameter, default)))
        direction = str(arguments.constant("direction", "forward"))
        if direction not in directions:
            raise ValueError(f"direction must be {' or '.join(directions)}, got '{direction}'")
        both = direction == "bidirectional"
        x = arguments.shape("x")
        if x is not None and len(x) != 3:
            raise ValueError(f"x must have rank 3, got {len(x)}")
        hidden = _hidden_size(arguments, gates, None if x is None else x[2], "")
        if both and _hidden_size(arguments, gates, None if x is None else x[2], "_back") != hidden:
            raise ValueError("weights of both directions must have one size")
        if x is None or hidden is None:
            return None
        width = hidden * (2 if both else 1)
        _check_fits(arguments, "initial_h", (x[1], width))
        _check_fits(arguments, "initial_c", (x[1], width))
        steps = x[0] if bool(arguments.constant("output_sequence", False)) else 1
        return ((steps, x[1], width), *((x[1], width),) * states)

    return rule


def _hidden_size(arguments: StaticArguments, gates: int, inputs: int | None, suffix: str) -> int | None:
    """Checks the weights of one direction and returns how many hidden units they have."""
    recurrent = arguments.shape(f"weight_hh{suffix}")
    if recurrent is None or len(recurrent) != 2 or recurrent[1] is None:
        if f"weight_hh{suffix}" not in arguments.shapes:
            raise ValueError(f"a bidirectional layer needs 'weight_ih{suffix}' and 'weight_hh{suffix}'")
        if recurrent is not None and len(recurrent) != 2:
            raise ValueError(f"weight_hh{suffix} must have rank 2, got {len(recurrent)}")
        return None
    hidden = recurrent[1]
    _check_fits(arguments, f"weight_hh{suffix}", (gates * hidden, hidden))
    _check_fits(arguments, f"weight_ih{suffix}", (gates * hidden, inputs))
    _check_fits(arguments, f"bias{suffix}", (gates * hidden,))
    _check_fits(arguments, f"input_bias{suffix}", (gates * hidden,))
    _check_fits(arguments, f"peephole{suffix}", (3 * hidden,))
    if suffix and f"weight_ih{suffix}" not in arguments.shapes:
        raise ValueError(f"a bidirectional layer needs 'weight_ih{suffix}' and 'weight_hh{suffix}'")
    return hidden


def _check_fits(arguments: StaticArguments, parameter: str, wanted: Shape) -> None:
    shape = arguments.shape(parameter)
    if shape is None:
        return
    if len(shape) != len(wanted) or any(None not in {a, b} and a != b for a, b in zip(shape, wanted, strict=True)):
        sizes = ", ".join("?" if size is None else str(size) for size in wanted)
        raise ValueError(f"{parameter} must have shape [{sizes}], got {list(shape)}")


def _sequence(
    x: Array,
    direction: str,
    output_sequence: bool,
    step: Callable[[Array, tuple[Array, ...]], tuple[Array, ...]],
    states: tuple[Array, ...],
) -> tuple[Array, ...]:
    """Runs `step` over the first axis; returns the first state of every step, or of the last, and all last states."""
    rows: list[Array] = []
    for row in x[::-1] if direction == "reverse" else x:
        states = step(row, states)
        if output_sequence:
            rows.append(states[0])
    return (np.stack(rows) if output_sequence else states[0][None], *states)


def _projected(x: Array, weight: Array, bias: Array | None) -> Array:
    """Applies the input weights of all gates to all steps at once: `[S, N, I]` → `[S, N, gates · H]`.

    Raises:
        ValueError: There is no step, or the result would take more memory than a tensor may.
    """
    if not len(x):
        raise ValueError("a sequence needs one step or more")
    size_bytes = prod(x.shape[:2]) * len(weight) * 4
    if size_bytes > TENSOR_LIMIT_BYTES:
        raise ValueError(f"its gates would take {size_bytes} bytes, more than the limit of {TENSOR_LIMIT_BYTES}")
    product = np.matmul(x, weight.T)
    return np.asarray(product if bias is None else product + bias)


@op("rnn", source=_SOURCE, accepts=_ACCEPTS, shape=_layer(1, ("forward", "reverse"), 1, activation="tanh"))
def rnn(
    *,
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    activation: str = "tanh",
) -> tuple[Array, ...]:
    """h = activation(W_ih · x + W_hh · h + bias): `x [S, N, I]`, `initial_h [N, H]` → `[S or 1, N, H]`, `[N, H]`."""
    act = _activation(activation)

    def step(row: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        return (act(row + states[0] @ weight_hh.T),)

    return _sequence(_projected(x, weight_ih, bias), direction, bool(output_sequence), step, (initial_h,))


_GRU_SHAPE = _layer(3, ("forward", "reverse"), 1, recurrent_activation="sigmoid", activation="tanh")


@op("gru", source=_SOURCE, accepts=_ACCEPTS, shape=_GRU_SHAPE)
def gru(
    *,
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
) -> tuple[Array, ...]:
    """Gated recurrent unit; the reset gate scales the state before the recurrent weights see it. See `gru_18`."""
    return gru_18(
        x=x,
        initial_h=initial_h,
        weight_ih=weight_ih,
        weight_hh=weight_hh,
        bias=bias,
        direction=direction,
        output_sequence=output_sequence,
        recurrent_activation=recurrent_activation,
        activation=activation,
    )


@op("gru", since=Opset.IOS18, source="iOS18/recurrent.py", accepts=_ACCEPTS, shape=_GRU_SHAPE)
def gru_18(
    *,
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: bool = False,
    input_bias: Array | None = None,
) -> tuple[Array, ...]:
    """Gated recurrent unit: `x [S, N, I]`, `initial_h [N, H]` → `[S or 1, N, H]`, `[N, H]`.

    Gates lie in the order reset, output, update. With `reset_after`, the reset gate scales what the recurrent weights
    and `bias` make of the state; without, it scales the state.
    """
    gate, act = _activation(recurrent_activation), _activation(activation)
    hidden = weight_hh.shape[1]
    recurrent_bias = np.zeros(3 * hidden, np.float32) if bias is None else bias

    def step(row: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        (h,) = states
        reset_in, output_in, update_in = np.split(row, 3, axis=-1)
        reset_weight, output_weight, update_weight = np.split(weight_hh, 3)
        reset_bias, output_bias, update_bias = np.split(recurrent_bias, 3)
        reset = gate(reset_in + h @ reset_weight.T + reset_bias)
        update = gate(update_in + h @ update_weight.T + update_bias)
        if reset_after:
            output = act(output_in + reset * (h @ output_weight.T + output_bias))
        else:
            output = act(output_in + (reset * h) @ output_weight.T + output_bias)
        return ((1 - update) * output + update * h,)

    return _sequence(_projected(x, weight_ih, input_bias), direction, bool(output_sequence), step, (initial_h,))


_LSTM_SHAPE = _layer(
    4,
    ("forward", "reverse", "bidirectional"),
    2,
    recurrent_activation="sigmoid",
    cell_activation="tanh",
    activation="tanh",
)


@op("lstm", source=_SOURCE, accepts=_ACCEPTS, shape=_LSTM_SHAPE)
def lstm(
    *,
    x: Array,
    initial_h: Array,
    initial_c: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    peephole: Array | None = None,
    weight_ih_back: Array | None = None,
    weight_hh_back: Array | None = None,
    bias_back: Array | None = None,
    peephole_back: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: float | None = None,
) -> tuple[Array, ...]:
    """Long short-term memory: `x [S, N, I]`, states `[N, D · H]` → `[S or 1, N, D · H]`, `[N, D · H]`, `[N, D · H]`.

    Gates lie in the order input, forget, output, cell; peepholes in the order input, forget, output. `clip` bounds the
    memory of every step. D is 2 for a bidirectional layer, else 1; the last state of the backward half belongs to the
    first element of the sequence.
    """
    acts = (_activation(recurrent_activation), _activation(cell_activation), _activation(activation))
    sequence, bound = bool(output_sequence), None if clip is None else float(clip)
    if direction != "bidirectional":
        projected = _projected(x, weight_ih, bias)
        step = _lstm_step(weight_hh, peephole, acts, bound)
        return _sequence(projected, direction, sequence, step, (initial_h, initial_c))
    if weight_ih_back is None or weight_hh_back is None:
        raise ValueError("a bidirectional layer needs 'weight_ih_back' and 'weight_hh_back'")
    halves = []
    for way, index, input_weight, recurrent_weight, offset, peep in (
        ("forward", 0, weight_ih, weight_hh, bias, peephole),
        ("reverse", 1, weight_ih_back, weight_hh_back, bias_back, peephole_back),
    ):
        states = tuple(np.split(state, 2, axis=1)[index] for state in (initial_h, initial_c))
        step = _lstm_step(recurrent_weight, peep, acts, bound)
        halves.append(_sequence(_projected(x, input_weight, offset), way, sequence, step, states))
    rows = np.concatenate([halves[0][0], halves[1][0][::-1]], axis=-1)
    return (rows, *(np.concatenate(pair, axis=-1) for pair in zip(halves[0][1:], halves[1][1:], strict=True)))


def _lstm_step(
    weight: Array, peephole: Array | None, acts: tuple[Callable[[Array], Array], ...], clip: float | None
) -> Callable[[Array, tuple[Array, ...]], tuple[Array, ...]]:
    """Makes the step of one direction."""
    gate, cell_act, output_act = acts
    peeps = np.split(np.zeros(3 * weight.shape[1], np.float32) if peephole is None else peephole, 3)

    def step(row: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        hidden, memory = states
        entry, forget, output, cell = np.split(row + hidden @ weight.T, 4, axis=-1)
        memory = gate(forget + peeps[1] * memory) * memory + gate(entry + peeps[0] * memory) * cell_act(cell)
        if clip is not None:
            memory = np.clip(memory, -clip, clip)
        return gate(output + peeps[2] * memory) * output_act(memory), memory

    return step
