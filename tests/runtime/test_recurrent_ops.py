"""Recurrent layers in both executors against plain loops over units, steps and gates."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, build

from kewcore.errors import PackageError
from kewcore.runtime import load
from kewcore.runtime.ops.recurrent import rnn

pytestmark = pytest.mark.runtime
EXECUTORS = ("reference", "onnx")
S, N, WIDTH, H = 4, 2, 3, 2
ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "tanh": math.tanh,
    "scaled_tanh": math.tanh,
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "hard_sigmoid": lambda v: min(max(0.2 * v + 0.5, 0), 1),
    "sigmoid_hard": lambda v: min(max(0.2 * v + 0.5, 0), 1),
    "relu": lambda v: max(v, 0),
    "linear": lambda v: v,
}


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).uniform(-1, 1, shape).astype(np.float32)


def dot(row: Any, values: Any) -> float:
    return sum(float(a) * float(b) for a, b in zip(row, values, strict=True))


def walk(x: Any, step: Callable[..., Any], states: Any) -> tuple[list[Any], Any]:
    """Hidden states of every step, and the last states, of every instance of the batch."""
    rows = []
    for row in x:
        states = [step(row[n], *state) for n, state in enumerate(states)]
        rows.append([state[0] for state in states])
    return rows, states


def predict(folder: Path, kind: str, arguments: Any, results: Any, executor: Any, opset: str = "CoreML8") -> Any:
    x = random(S, N, WIDTH)
    outputs = {name: ("fp32", shape) for name, shape in results.items()}
    op = Op(kind, {"x": "x", **arguments}, outputs)
    model = load(build(folder / "p.mlpackage", [op], {"x": ("fp32", x.shape)}, list(results), opset), executor)
    return x, model.predict({"x": x}), model


def shapes(sequence: bool, directions: int = 1, states: int = 1) -> dict[str, tuple[int, ...]]:
    width = H * directions
    return {"y": (S if sequence else 1, N, width), "h": (N, width), **({"c": (N, width)} if states == 2 else {})}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "sigmoid_hard", "scaled_tanh", "linear"])
@pytest.mark.parametrize(("direction", "sequence"), [("forward", True), ("reverse", False), ("reverse", True)])
def test_rnn(tmp_path: Path, activation: str, direction: str, sequence: bool, executor: Any) -> None:
    w, r, b, h0 = random(H, WIDTH), random(H, H), random(H), random(N, H, seed=1)
    arguments = {
        "initial_h": h0,
        "weight_ih": w,
        "weight_hh": r,
        "bias": b,
        "direction": f"'{direction}'",
        "activation": f"'{activation}'",
        "output_sequence": sequence,
    }
    x, result, model = predict(tmp_path, "rnn", arguments, shapes(sequence), executor)

    def step(row: Any, h: Any) -> Any:
        return ([ACTIVATIONS[activation](dot(w[i], row) + dot(r[i], h) + float(b[i])) for i in range(H)],)

    rows, states = walk(x[::-1] if direction == "reverse" else x, step, [(h,) for h in h0])
    np.testing.assert_allclose(result["y"], rows if sequence else rows[-1:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result["h"], [state[0] for state in states], rtol=1e-5, atol=1e-5)
    assert [p.executor for p in model.placements] == [executor]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("gate", "activation", "direction", "sequence", "after", "opset"),
    [
        ("sigmoid", "tanh", "forward", True, None, "CoreML5"),
        ("tanh", "sigmoid", "reverse", False, None, "CoreML7"),
        ("hard_sigmoid", "relu", "reverse", True, False, "CoreML8"),
        ("sigmoid", "tanh", "forward", True, True, "CoreML8"),
        ("sigmoid", "linear", "forward", False, True, "CoreML8"),
    ],
)
def test_gru(
    tmp_path: Path, gate: str, activation: str, direction: str, sequence: bool, after: Any, opset: str, executor: Any
) -> None:
    w, r, b, h0 = random(3 * H, WIDTH), random(3 * H, H), random(3 * H), random(N, H, seed=1)
    arguments = {
        "initial_h": h0,
        "weight_ih": w,
        "weight_hh": r,
        "bias": b,
        "direction": f"'{direction}'",
        "recurrent_activation": f"'{gate}'",
        "activation": f"'{activation}'",
        "output_sequence": sequence,
    }
    extra = np.zeros(3 * H)
    if after is not None:
        extra = random(3 * H, seed=2)
        arguments |= {"reset_after": after, "input_bias": extra}
    x, result, model = predict(tmp_path, "gru", arguments, shapes(sequence), executor, opset)
    act, inner = ACTIVATIONS[activation], ACTIVATIONS[gate]

    def step(row: Any, h: Any) -> Any:
        reset, update = (
            [
                inner(dot(w[k * H + i], row) + dot(r[k * H + i], h) + float(b[k * H + i] + extra[k * H + i]))
                for i in range(H)
            ]
            for k in (0, 2)
        )
        scaled = [a * float(v) for a, v in zip(reset, h, strict=True)]
        output = []
        for i in range(H):
            recurrent = reset[i] * (dot(r[H + i], h) + b[H + i]) if after else dot(r[H + i], scaled) + b[H + i]
            output.append(act(dot(w[H + i], row) + float(extra[H + i]) + float(recurrent)))
        return ([(1 - z) * o + z * float(v) for z, o, v in zip(update, output, h, strict=True)],)

    rows, states = walk(x[::-1] if direction == "reverse" else x, step, [(h,) for h in h0])
    np.testing.assert_allclose(result["y"], rows if sequence else rows[-1:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result["h"], [state[0] for state in states], rtol=1e-5, atol=1e-5)
    assert [p.executor for p in model.placements] == [executor]


def lstm_step(w: Any, r: Any, b: Any, p: Any, acts: Any, clip: float) -> Callable[..., Any]:
    gate, cell, out = (ACTIVATIONS[name] for name in acts)

    def step(row: Any, h: Any, c: Any) -> Any:
        hidden, memory = [], []
        for i in range(H):
            entry, forget, output, new = (
                dot(w[k * H + i], row) + dot(r[k * H + i], h) + float(b[k * H + i]) for k in range(4)
            )
            kept = gate(forget + p[H + i] * c[i]) * c[i] + gate(entry + p[i] * c[i]) * cell(new)
            kept = min(max(kept, -clip), clip)
            memory.append(kept)
            hidden.append(gate(output + p[2 * H + i] * kept) * out(kept))
        return hidden, memory

    return step


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("acts", "direction", "sequence", "peephole", "clip"),
    [
        (("sigmoid", "tanh", "tanh"), "forward", True, False, None),
        (("sigmoid", "tanh", "relu"), "reverse", True, True, None),
        (("hard_sigmoid", "linear", "scaled_tanh"), "reverse", False, False, None),
        (("sigmoid", "tanh", "tanh"), "bidirectional", True, True, None),
        (("tanh", "hard_sigmoid", "linear"), "bidirectional", False, False, None),
        (("sigmoid", "tanh", "tanh"), "bidirectional", True, True, 0.1),
    ],
)
def test_lstm(
    tmp_path: Path, acts: Any, direction: str, sequence: bool, peephole: bool, clip: Any, executor: Any
) -> None:
    directions = 2 if direction == "bidirectional" else 1
    h0, c0 = (random(N, directions * H, seed=seed) for seed in (1, 2))
    arguments: dict[str, Any] = {"initial_h": h0, "initial_c": c0, "output_sequence": sequence}
    arguments |= {"direction": f"'{direction}'"}
    names = ("recurrent_activation", "cell_activation", "activation")
    arguments |= {name: f"'{act}'" for name, act in zip(names, acts, strict=True)}
    if clip is not None:
        arguments["clip"] = clip
    steps = []
    for index, suffix in enumerate(("", "_back")[:directions]):
        w, r, b = (random(4 * H, *rest, seed=index) for rest in ((WIDTH,), (H,), ()))
        arguments |= {f"weight_ih{suffix}": w, f"weight_hh{suffix}": r, f"bias{suffix}": b}
        p = random(3 * H, seed=index) if peephole and not index else np.zeros(3 * H)
        if p.any():
            arguments[f"peephole{suffix}"] = p
        steps.append(lstm_step(w, r, b, p, acts, math.inf if clip is None else clip))
    x, result, model = predict(tmp_path, "lstm", arguments, shapes(sequence, directions, 2), executor)
    for index, step in enumerate(steps):
        part = slice(index * H, index * H + H)
        backwards = direction == "reverse" or index == 1
        rows, states = walk(x[::-1] if backwards else x, step, list(zip(h0[:, part], c0[:, part], strict=True)))
        shown = rows[::-1] if index == 1 else rows
        np.testing.assert_allclose(result["y"][..., part], shown if sequence else rows[-1:], rtol=1e-5, atol=1e-5)
        for which, name in enumerate(("h", "c")):
            expected = [state[which] for state in states]
            np.testing.assert_allclose(result[name][:, part], expected, rtol=1e-5, atol=1e-5)
    assert [p.executor for p in model.placements] == [executor if clip is None else "reference"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_state_in_fp16_is_rounded_once_behind_the_last_step(tmp_path: Path, executor: Any) -> None:
    w, x = np.array([[0.1]], np.float16), np.ones((30, 1, 1), np.float16)
    ops = [
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"a": ("fp16", (30, 1, 1))}),
        Op(
            "rnn",
            {
                "x": "a",
                "initial_h": np.zeros((1, 1), np.float16),
                "weight_ih": w,
                "weight_hh": w + np.float16(1),
                "activation": "'linear'",
            },
            {"y": ("fp16", (1, 1, 1)), "h": ("fp16", (1, 1))},
        ),
        Op("cast", {"x": "h", "dtype": "'fp32'"}, {"z": ("fp32", (1, 1))}),
    ]
    model = load(build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (30, 1, 1))}, ["z"]), executor)
    state, rate = 0.0, float(w[0, 0] + np.float16(1))
    for _ in range(30):
        state = float(w[0, 0]) + rate * state
    assert model.predict({"x": x})["z"] == np.float16(state)


@pytest.mark.parametrize(
    ("kind", "arguments", "problem"),
    [
        ("rnn", {"activation": "'swish'"}, "activation 'swish' is not known; known: tanh, "),
        ("rnn", {"direction": "'bidirectional'"}, "direction must be forward or reverse, got 'bidirectional'"),
        ("rnn", {"bias": np.ones(3, np.float32)}, r"bias must have shape \[2\], got \[3\]"),
        ("rnn", {"weight_ih": np.ones((2, 4), np.float32)}, r"weight_ih must have shape \[2, 3\], got \[2, 4\]"),
        ("rnn", {"weight_hh": np.ones(2, np.float32)}, "weight_hh must have rank 2, got 1"),
        ("rnn", {"initial_h": np.ones((1, 2), np.float32)}, r"initial_h must have shape \[2, 2\], got \[1, 2\]"),
        ("gru", {}, r"weight_hh must have shape \[6, 2\], got \[2, 2\]"),
        ("lstm", {"direction": "'bidirectional'"}, r"weight_hh must have shape \[8, 2\]"),
    ],
)
def test_arguments_that_do_not_fit(tmp_path: Path, kind: str, arguments: dict[str, Any], problem: str) -> None:
    given = {"initial_h": random(N, H), "weight_ih": random(H, WIDTH), "weight_hh": random(H, H)}
    if kind == "lstm":
        given["initial_c"] = random(N, H)
    with pytest.raises(PackageError, match=problem):
        predict(tmp_path, kind, {**given, **arguments}, shapes(False, 1, 2 if kind == "lstm" else 1), "reference")


def test_a_bidirectional_layer_without_weights_for_its_second_half(tmp_path: Path) -> None:
    given = {"initial_h": random(N, 2 * H), "initial_c": random(N, 2 * H), "direction": "'bidirectional'"}
    given |= {"weight_ih": random(4 * H, WIDTH), "weight_hh": random(4 * H, H)}
    with pytest.raises(PackageError, match="a bidirectional layer needs 'weight_ih_back' and 'weight_hh_back'"):
        predict(tmp_path, "lstm", given, shapes(False, 2, 2), "reference")


def test_gates_that_are_larger_than_memory() -> None:
    x = np.broadcast_to(np.float32(0), (1 << 20, 1 << 10, 1))
    with pytest.raises(ValueError, match="its gates would take 8589934592 bytes, more than the limit of 4294967296"):
        rnn(x=x, initial_h=random(1, H), weight_ih=random(H, 1), weight_hh=random(H, H))
