"""A large convolution with the max-pool behind it, cut into strips of rows that stay in the processor's cache.

KewCNN's first convolution gives 48 MB for an image; written to memory and read again by the pool, they cost more time
than a tenth of the network. A row of a pool's result needs its own rows of the convolution only, so both can run strip
by strip: the same sums over the same elements, hence the same bits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from kewcore.runtime.lowering.graph import GraphBuilder
from kewcore.runtime.lowering.neighbours import attributes
from kewcore.runtime.lowering.pruning import reads

_LARGE_BYTES = 16 << 20
"""Results from this size on do not stay in a second-level cache by themselves."""
_STRIP_BYTES = 6 << 20
"""What a strip of a convolution's result takes. Of 2, 5, 10, 12 and 24 MB, 5 and 10 were fastest (32 MB of L3)."""


def cut_into_strips(graph: GraphBuilder, outputs: Sequence[str], nodes: Sequence[Any]) -> list[Any]:
    """Returns the nodes of a graph, with strips in the place of large convolutions that a max-pool alone reads.

    Args:
        graph: The graph; it gets the constants that strips need.
        outputs: Tensors that are read from outside the graph.
        nodes: Its nodes that are needed for those.
    """
    uses = Counter([name for node in nodes for name in reads(node)] + list(outputs))
    makers = {name: node for node in nodes for name in node.output}
    cut: dict[int, list[Any]] = {}
    for node in nodes:
        conv = makers.get(node.input[0]) if node.op_type == "MaxPool" else None
        if conv is not None and conv.op_type == "Conv" and uses[node.input[0]] == 1:
            strips = _strips(graph, conv, node)
            if strips:
                cut[id(conv)], cut[id(node)] = [], strips
    return [new for node in nodes for new in cut.get(id(node), [node])]


def _strips(graph: GraphBuilder, conv: Any, pool: Any) -> list[Any]:
    """Makes the nodes; none where the pair does not fit or is not worth it."""
    from onnx import helper

    shape = graph.static_shapes.get(conv.output[0])
    settings, pooling = attributes(conv), attributes(pool)
    if shape is None or len(shape) != 4 or 4 * int(np.prod(shape)) < _LARGE_BYTES or not _separate(settings, pooling):
        return []
    rows, step = shape[2], pooling["strides"][0]
    kernel, (top, left, bottom, right) = settings["kernel_shape"][0], settings["pads"]
    height = rows + kernel - 1 - top - bottom
    count = -(-4 * int(np.prod(shape)) // _STRIP_BYTES)
    nodes, parts = [], []
    for first, last in _ranges(rows // step, count):
        start, end = first * step - top, (last - 1) * step + step - 1 + kernel - top
        bounds = [np.array([max(start, 0)]), np.array([min(end, height)]), np.array([2])]
        names = [graph.initializer(bound.astype(np.int64), "strip") for bound in bounds]
        strip, summed, part = (graph.fresh(f"{pool.output[0]}.{kind}") for kind in ("strip", "sum", "part"))
        pads = [max(-start, 0), left, max(end - height, 0), right]
        own = {**settings, "pads": pads}
        nodes.append(helper.make_node("Slice", [conv.input[0], *names], [strip], name=f"{strip}.Slice"))
        nodes.append(helper.make_node("Conv", [strip, *conv.input[1:]], [summed], name=f"{strip}.Conv", **own))
        nodes.append(helper.make_node("MaxPool", [summed], [part], name=f"{strip}.MaxPool", **pooling))
        parts.append(part)
    return [*nodes, helper.make_node("Concat", parts, list(pool.output), name=f"{pool.name}.Concat", axis=2)]


def _separate(settings: Mapping[str, Any], pooling: Mapping[str, Any]) -> bool:
    """Whether windows of the pool share no rows, and rows of the convolution follow each other."""
    return (
        pooling["kernel_shape"] == pooling["strides"]
        and not any(pooling["pads"])
        and set(settings["strides"]) | set(settings["dilations"]) == {1}
    )


def _ranges(rows: int, count: int) -> list[tuple[int, int]]:
    bounds = np.linspace(0, rows, min(count, rows) + 1).round().astype(int).tolist()
    return list(pairwise(bounds))
