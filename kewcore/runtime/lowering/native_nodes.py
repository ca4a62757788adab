"""Nodes of kewcore's own kernels in the place of ONNX's, where those are faster.

Three kinds: 3x3 convolutions of many channels (`WinogradConv`), 5x5 convolutions of few (`ShallowConv`), each with what
is computed behind them, and products with a weight that fp16 holds (`HalfGemm`); and of bytes, see `native_bytes`.
Minimal filtering rounds otherwise than plain sums do; it takes only sums that are rounded to fp16. The kernels have the
channels last, so that a transposition stands where nodes of ONNX begin and end. See ADR 0016.
"""

from collections.abc import Sequence
from typing import Any

from kewcore.runtime.lowering.graph import GraphBuilder
from kewcore.runtime.lowering.native_bytes import byte_convolution, byte_image_convolution, byte_product
from kewcore.runtime.lowering.native_convolutions import native_convolution
from kewcore.runtime.lowering.native_products import half_product
from kewcore.runtime.lowering.neighbours import Neighbours
from kewcore.runtime.lowering.pruning import only_read


def use_native_kernels(builder: GraphBuilder, outputs: Sequence[str], *, bytes_too: bool) -> None:
    """Replaces nodes of a graph; nodes and constants that nothing reads any more stay behind.

    Args:
        builder: The graph, complete.
        outputs: Tensors that are read from outside.
        bytes_too: Whether this processor has kernels for products of bytes.
    """
    nodes = only_read(builder.nodes, outputs)
    around = Neighbours.of(builder, nodes, outputs)
    gone: set[int] = set()
    written: list[Any] = []
    for node in nodes:
        if id(node) not in gone:
            replaced, made = _replacement(around, node, bytes_too=bytes_too)
            gone.update(id(old) for old in replaced)
            written.extend(made or [node])
    builder.nodes[:] = written


def _replacement(around: Neighbours, node: Any, *, bytes_too: bool) -> tuple[Sequence[Any], list[Any]]:
    """Returns the nodes that a node of ours computes with this one, and what stands in their place; none, if none."""
    if bytes_too and node.op_type == "ConvInteger":
        return byte_convolution(around, node)
    if bytes_too and node.op_type == "MatMulInteger":
        return byte_product(around, node)
    if node.op_type == "Conv":
        replaced, made = byte_image_convolution(around, node) if bytes_too else ((), [])
        return (replaced, made) if made else native_convolution(around, node)
    if node.op_type == "Gemm":
        made = half_product(around, node)
        return ([node] if made else []), made
    return [], []
