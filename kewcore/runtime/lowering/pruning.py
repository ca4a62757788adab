"""Nodes that nothing reads, such as a dequantisation whose readers took the integers."""

from collections.abc import Iterator, Sequence
from typing import Any

from kewcore.runtime.lowering.graph import GraphBuilder


def only_read(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """Returns the nodes, in order, that the outputs depend on.

    Args:
        nodes: Nodes of a graph, each behind those that it reads.
        outputs: Tensors that are read from outside.
    """
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(reads(node))
    return kept[::-1]


def prune(builder: GraphBuilder, outputs: Sequence[str]) -> None:
    """Drops nodes and constants of a graph that nothing reads: ONNX Runtime refuses large constants without a reader.

    Args:
        builder: The graph, complete.
        outputs: Tensors that are read from outside.
    """
    builder.nodes[:] = only_read(builder.nodes, outputs)
    read = {*outputs, *(name for node in builder.nodes for name in reads(node))}
    for name in builder.initializers.keys() - read:
        del builder.initializers[name]


def reads(node: Any) -> Iterator[str]:
    """Yields what a node reads; blocks of a node read from the graph around them."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from reads(inner)
        for output in attribute.g.output:  # a block may give a value from outside
            yield output.name
