"""Lowerings of activation functions."""

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers

_SAME_NAME = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "softsign": "Softsign",
}


@lowers(*_SAME_NAME)
def _plain(lowering: Lowering) -> None:
    lowering.finish(lowering.node(_SAME_NAME[lowering.operation.type], lowering.value("x")))


@lowers("relu6")
def _relu6(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Clip", lowering.value("x"), lowering.floats(0), lowering.floats(6)))


@lowers("leaky_relu")
def _leaky_relu(lowering: Lowering) -> None:
    lowering.finish(lowering.node("LeakyRelu", lowering.value("x"), alpha=float(lowering.constant("alpha"))))


@lowers("clamped_relu")
def _clamped_relu(lowering: Lowering) -> None:
    leaky = lowering.node("LeakyRelu", lowering.value("x"), alpha=float(lowering.constant("alpha")))
    lowering.finish(lowering.node("Min", leaky, lowering.floats(lowering.constant("beta"))))


@lowers("thresholded_relu")
def _thresholded_relu(lowering: Lowering) -> None:
    # ONNX's ThresholdedRelu is strict where MIL's keeps x = alpha.
    x = lowering.value("x")
    keeps = lowering.node("GreaterOrEqual", x, lowering.floats(lowering.constant("alpha")))
    lowering.finish(lowering.node("Where", keeps, x, lowering.floats(0)))


@lowers("elu")
def _elu(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Elu", lowering.value("x"), alpha=float(lowering.constant("alpha"))))


@lowers("prelu")
def _prelu(lowering: Lowering) -> None:
    lowering.finish(lowering.node("PRelu", lowering.value("x"), _per_channel(lowering, "alpha")))


def _per_channel(lowering: Lowering, parameter: str) -> str:
    """A constant vector shaped for axis 1 of `x`."""
    vector = np.asarray(lowering.constant(parameter), np.float32)
    spatial = (1,) * (len(lowering.shape("x")) - 2)
    return lowering.graph.initializer(vector.reshape(-1, *spatial), parameter)


@lowers("sigmoid_hard")
def _sigmoid_hard(lowering: Lowering) -> None:
    alpha, beta = float(lowering.constant("alpha", 0.2)), float(lowering.constant("beta", 0.5))
    lowering.finish(lowering.node("HardSigmoid", lowering.value("x"), alpha=alpha, beta=beta))


@lowers("silu")
def _silu(lowering: Lowering) -> None:
    x = lowering.value("x")
    lowering.finish(lowering.node("Mul", x, lowering.node("Sigmoid", x)))


@lowers("gelu")
def _gelu(lowering: Lowering) -> None:
    x, mode = lowering.value("x"), str(lowering.constant("mode", "EXACT"))
    if mode == "SIGMOID_APPROXIMATION":
        gate = lowering.node("Sigmoid", lowering.node("Mul", x, lowering.floats(1.702)))
        lowering.finish(lowering.node("Mul", x, gate))
        return
    approximations = {"EXACT": "none", "TANH_APPROXIMATION": "tanh"}
    if mode not in approximations:
        raise NoLoweringError(f"mode '{mode}' is not known")
    lowering.finish(lowering.node("Gelu", x, approximate=approximations[mode]))


@lowers("softplus_parametric")
def _softplus_parametric(lowering: Lowering) -> None:
    inner = lowering.node("Softplus", lowering.node("Mul", lowering.value("x"), _per_channel(lowering, "beta")))
    lowering.finish(lowering.node("Mul", inner, _per_channel(lowering, "alpha")))


@lowers("scaled_tanh")
def _scaled_tanh(lowering: Lowering) -> None:
    alpha, beta = lowering.floats(lowering.constant("alpha", 1)), lowering.floats(lowering.constant("beta", 1))
    inner = lowering.node("Tanh", lowering.node("Mul", lowering.value("x"), beta))
    lowering.finish(lowering.node("Mul", inner, alpha))


@lowers("linear_activation")
def _linear_activation(lowering: Lowering) -> None:
    alpha, beta = lowering.floats(lowering.constant("alpha")), lowering.floats(lowering.constant("beta", 0))
    lowering.finish(lowering.node("Add", lowering.node("Mul", lowering.value("x"), alpha), beta))


@lowers("softmax")
def _softmax(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Softmax", lowering.value("x"), axis=int(lowering.constant("axis", -1))))
