"""Graphs made for one image that can take several: where every node treats the images of a batch apart.

A large linear layer reads its weights once for a batch instead of once for each image, and the first axis is the only
thing that changes. Which nodes treat images apart is a closed list; a graph with any other is left alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kewcore.runtime.lowering.graph import GraphBuilder
from kewcore.runtime.lowering.neighbours import attributes
from kewcore.runtime.registry import Array

_ELEMENTWISE = frozenset({"Identity", "Cast", "LeakyRelu", "Relu", "Sigmoid", "Tanh", "HardSigmoid", "Elu", "Softplus"})
_BINARY = frozenset({"Add", "Sub", "Mul", "Div", "Max", "Min"})
_WITH_CONSTANTS = frozenset(
    {"Conv", "ConvInteger", "MaxPool", "AveragePool", "GlobalAveragePool"}
    | {"WinogradConv", "ShallowConv", "HalfGemm"}
    | {"ByteConv", "ByteConvToFloat", "ByteImageConv", "ByteImageConvToFloat", "ByteGemm"}
)


def take_batches(builder: GraphBuilder, outputs: Sequence[str]) -> bool:
    """Lets a graph take any number of images along the first axis, if every node of it allows that.

    Args:
        builder: The graph, whose inputs have one image; shapes that it holds as constants are changed.
        outputs: Tensors that are read from outside.

    Returns:
        Whether it does now; if not, nothing was changed.
    """
    ranks: dict[str, int] = {}
    for name, type_ in builder.inputs.items():
        shape = type_.static_shape
        if shape is None or len(shape) < 2 or shape[0] != 1:
            return False
        ranks[name] = len(shape)
    constants = dict(builder.initializers)
    for node in builder.nodes:
        if not ranks.keys() & set(node.input):
            if node.op_type != "Reshape" or not _constants(node, constants, 0):
                return False
            constants[node.output[0]] = constants[node.input[0]].reshape(constants[node.input[1]])
            continue
        rule = _rule(node.op_type)
        rank = None if rule is None else rule(node, ranks, constants)
        if rank is None:
            return False
        ranks.update(dict.fromkeys(node.output, rank))
    if not all(name in ranks for name in outputs):
        return False
    for node in builder.nodes:
        if node.op_type == "Reshape" and node.input[0] in ranks:
            target = np.copy(builder.initializers[node.input[1]])
            target[0] = 0  # as many as there are
            node.input[1] = builder.initializer(target, f"{node.name}.shape")
    return True


_Rule = Callable[[Any, Mapping[str, int], Mapping[str, Array]], int | None]


def _rule(kind: str) -> _Rule | None:
    """Returns what gives the rank of a node's result, or None where the node mixes images."""
    if kind in _ELEMENTWISE:
        return lambda node, ranks, _: ranks.get(node.input[0])
    if kind in _BINARY:
        return _binary
    if kind in _WITH_CONSTANTS:
        return _with_constants
    return {
        "QuantizeLinear": _quantization,
        "DequantizeLinear": _quantization,
        "Gemm": _gemm,
        "MatMul": _product,
        "MatMulInteger": _product,
        "Reshape": _reshape,
        "Transpose": _transpose,
        "Softmax": _softmax,
        "Squeeze": _squeeze,
    }.get(kind)


def _constants(node: Any, constants: Mapping[str, Array], first: int = 1) -> bool:
    return all(name in constants for name in node.input[first:] if name)


def _with_constants(node: Any, ranks: Mapping[str, int], constants: Mapping[str, Array]) -> int | None:
    return ranks.get(node.input[0]) if _constants(node, constants) and len(node.output) == 1 else None


def _binary(node: Any, ranks: Mapping[str, int], constants: Mapping[str, Array]) -> int | None:
    """Both images of one rank, or one and a constant that is the same for all images."""
    rank = max(ranks.get(name, 0) for name in node.input)
    for name in node.input:
        constant = constants.get(name)
        if ranks.get(name) != rank and (
            constant is None or constant.ndim > rank or (constant.ndim == rank and constant.shape[0] != 1)
        ):
            return None
    return rank


def _quantization(node: Any, ranks: Mapping[str, int], constants: Mapping[str, Array]) -> int | None:
    one_scale = _constants(node, constants) and constants[node.input[1]].size == 1
    return ranks.get(node.input[0]) if one_scale else None


def _gemm(node: Any, ranks: Mapping[str, int], constants: Mapping[str, Array]) -> int | None:
    bias = constants.get(node.input[2]) if len(node.input) > 2 else np.zeros(1)
    apart = _constants(node, constants) and not attributes(node).get("transA") and bias is not None and bias.ndim <= 1
    return ranks.get(node.input[0]) if apart else None


def _product(node: Any, ranks: Mapping[str, int], constants: Mapping[str, Array]) -> int | None:
    apart = _constants(node, constants) and constants[node.input[1]].ndim == 2
    return ranks.get(node.input[0]) if apart else None


def _reshape(node: Any, ranks: Mapping[str, int], constants: Mapping[str, Array]) -> int | None:
    """One image before and after; 0 is as many as before."""
    shape = constants.get(node.input[1])
    if node.input[0] not in ranks or shape is None or attributes(node).get("allowzero"):
        return None
    return int(shape.size) if shape.size >= 2 and shape[0] in {0, 1} else None


def _transpose(node: Any, ranks: Mapping[str, int], _: Mapping[str, Array]) -> int | None:
    return ranks.get(node.input[0]) if attributes(node)["perm"][0] == 0 else None


def _softmax(node: Any, ranks: Mapping[str, int], _: Mapping[str, Array]) -> int | None:
    rank = ranks[node.input[0]]
    return rank if attributes(node).get("axis", -1) % rank else None


def _squeeze(node: Any, ranks: Mapping[str, int], constants: Mapping[str, Array]) -> int | None:
    axes = constants.get(node.input[1]) if len(node.input) > 1 else None
    rank = ranks[node.input[0]]
    if axes is None or (axes % rank == 0).any():
        return None
    return rank - int(axes.size)
