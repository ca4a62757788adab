"""Products with a weight that fp16 holds exactly, as `HalfGemm`: it reads half the bytes."""

from typing import Any

import numpy as np

from kewcore.runtime.lowering.neighbours import DOMAIN, Neighbours, attributes
from kewcore.runtime.registry import Array

_MOST_ROWS = 64
"""With more, ONNX Runtime's product in float32 is faster."""
_LEAST_WEIGHTS = 1 << 16
"""Smaller weights lie in a cache, where reading them is not what takes the time."""


def half_product(around: Neighbours, gemm: Any) -> list[Any]:
    """Makes what stands in the place of a `Gemm`; nothing where its weight is small, or no constant of fp16.

    Args:
        around: The graph.
        gemm: The node.
    """
    from onnx import helper

    settings = attributes(gemm)
    weight = around.constant(gemm.input[1])
    if weight is None or weight.dtype != np.float32 or weight.size < _LEAST_WEIGHTS or not settings.get("transB"):
        return []
    if settings.get("transA") or {settings.get("alpha", 1.0), settings.get("beta", 1.0)} != {1.0}:
        return []
    rows = around.builder.static_shapes.get(gemm.output[0], (1,))[0]
    bias = around.constant(gemm.input[2]) if len(gemm.input) > 2 else np.zeros(len(weight), np.float32)
    if rows > _MOST_ROWS or bias is None or bias.shape != (len(weight),):
        return []
    with np.errstate(over="ignore"):
        half = weight.astype(np.float16)
    if gemm.input[1] not in around.builder.halves and not np.array_equal(half, weight):
        return []
    if around.uses[gemm.input[1]] == 1:  # before more of its size is needed
        del around.builder.initializers[gemm.input[1]]
    del weight
    read, made, columns = _without_transposition(around, gemm.input[0], half)
    named = around.add_constant(columns, f"{gemm.name}.half", half.shape)
    inputs = [read, named, around.add_constant(bias, f"{gemm.name}.bias")]
    name = f"{gemm.name}.HalfGemm"
    return [*made, helper.make_node("HalfGemm", inputs, list(gemm.output), name=name, domain=DOMAIN)]


def _without_transposition(around: Neighbours, read: str, half: Array) -> tuple[str, list[Any], Array]:
    """Reads a flattened image with its channels last, the weight's columns put in that order, where there is one."""
    from onnx import helper

    reshape = around.makers.get(read)
    image = "" if reshape is None or reshape.op_type != "Reshape" else reshape.input[0]
    shape = around.shapes.get(image)
    if reshape is None or shape is None or int(np.prod(shape[1:])) != half.shape[1]:
        return read, [], half
    flat = around.builder.fresh(f"{read}.channels_last")
    node = helper.make_node("Reshape", [around.channels_last[image], reshape.input[1]], [flat], name=f"{flat}.Reshape")
    return flat, [node], half.reshape(len(half), *shape[1:]).transpose(0, 2, 3, 1)
