"""Convolutions whose kernel covers the whole input, as matrix products.

There is one position to compute, so `y[o] = Σ_chw kernel[o, c, h, w] · x[c, h, w]`: a product with a matrix that lies
in memory as the kernel does. ONNX Runtime reorders the weights of convolutions when it opens a model: with KewCNN's
15x15 kernels that took 215 MB more and 0.2 s. Those of a product it reads where they lie.
"""

from typing import Any

from kewcore.runtime.lowering.graph import Lowering
from kewcore.runtime.program import TensorType


def covers(lowering: Lowering, attributes: dict[str, Any]) -> bool:
    """Whether the kernel of a convolution covers its input.

    Args:
        lowering: A `conv`.
        attributes: Those of ONNX's `Conv`.
    """
    sizes = lowering.shape("x")[2:]
    plain = not any(attributes["pads"]) and attributes["group"] == 1 and set(attributes["dilations"]) == {1}
    return plain and tuple(attributes["kernel_shape"]) == sizes


def covering_product(lowering: Lowering) -> bool:
    """Lowers a convolution whose kernel covers its input to a matrix product, if the kernel is known; says whether."""
    if not lowering.is_constant("weight"):
        return False
    sizes = lowering.shape("x")[2:]
    kernel, type_ = lowering.constant("weight"), lowering.type("weight")
    matrix = lowering.graph.literal(
        kernel.reshape(len(kernel), -1), TensorType(type_.dtype, (len(kernel), kernel[0].size)), "weight"
    )
    bias = [lowering.value("bias")] if lowering.has("bias") else []
    flat = lowering.node("Reshape", lowering.value("x"), lowering.integers([0, -1]))
    product = lowering.node("Gemm", flat, matrix, *bias, transB=1)
    lowering.finish(lowering.node("Reshape", product, lowering.integers([0, len(kernel), *[1] * len(sizes)])))
    return True
