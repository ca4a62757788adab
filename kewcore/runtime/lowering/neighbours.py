"""Nodes of a graph with what lies before and behind them, for replacing several by one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kewcore.runtime.lowering.graph import GraphBuilder
from kewcore.runtime.lowering.pruning import reads
from kewcore.runtime.registry import Array

DOMAIN = "kewcore"
"""Of the nodes that are kewcore's own."""
_FLOAT, _FLOAT16 = 1, 10
_LINE_BYTES = 64


@dataclass(frozen=True)
class Bytes:
    """Quantised values as our kernels take them.

    Attributes:
        tensor: uint8, channels last; or the image that they are made from.
        zero_point: What stands for 0.
        shape: Of the same values with the channels first.
    """

    tensor: str
    zero_point: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Neighbours:
    """What is known of a graph's nodes while some are replaced.

    Attributes:
        builder: The graph.
        makers: Nodes by the tensors that they make.
        readers: Nodes that read a tensor, by its name.
        uses: How often a tensor is read, in blocks and from outside too.
        channels_last: By a tensor's name, that of the same values with the channels last; filled as nodes are replaced.
        shapes: Shapes of those tensors, channels first.
        bytes: By a quantised tensor's name, the same values as our kernels take them.
    """

    builder: GraphBuilder
    makers: Mapping[str, Any]
    readers: Mapping[str, Sequence[Any]]
    uses: Counter[str]
    channels_last: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    bytes: dict[str, Bytes] = field(default_factory=dict)

    @staticmethod
    def of(builder: GraphBuilder, nodes: Sequence[Any], outputs: Sequence[str]) -> "Neighbours":
        """Looks at nodes.

        Args:
            builder: Their graph.
            nodes: Those of it that are needed.
            outputs: Tensors that are read from outside.
        """
        readers: dict[str, list[Any]] = {}
        for node in nodes:
            for name in set(node.input):
                readers.setdefault(name, []).append(node)
        uses = Counter([name for node in nodes for name in reads(node)] + list(outputs))
        return Neighbours(builder, {name: node for node in nodes for name in node.output}, readers, uses)

    def only_reader(self, name: str, kind: str) -> Any | None:
        """Returns the node that alone reads a tensor, if it is of this kind."""
        nodes = self.readers.get(name, ())
        return nodes[0] if self.uses[name] == 1 and nodes and nodes[0].op_type == kind else None

    def rounding(self, tensor: str) -> tuple[Any, ...]:
        """Returns the two casts that round a tensor to fp16; none if something else reads it."""
        there = self.only_reader(tensor, "Cast")
        back = None if there is None else self.only_reader(there.output[0], "Cast")
        if there is None or back is None or attributes(there)["to"] != _FLOAT16 or attributes(back)["to"] != _FLOAT:
            return ()
        return there, back

    def before_rounding(self, tensor: str) -> str | None:
        """Returns what two casts round to give a tensor that is read once; None if they do not."""
        back = self.makers.get(tensor)
        there = None if back is None or not back.input else self.makers.get(back.input[0])
        if back is None or there is None or self.uses[tensor] != 1 or self.rounding(there.input[0]) != (there, back):
            return None
        source: str = there.input[0]
        return source

    def constant(self, name: str) -> Array | None:
        """Returns a constant of the graph; None if it is none."""
        return self.builder.initializers.get(name)

    def add_constant(self, array: Array, stem: str, shape: tuple[int, ...] | None = None) -> str:
        """Adds a constant that begins where a line of the cache begins, so that no vector lies across two.

        Args:
            array: Its elements, in this order; they are copied.
            stem: Of its name.
            shape: Its shape, where that is another.
        """
        room = np.empty(array.nbytes + _LINE_BYTES, np.uint8)
        start = -room.ctypes.data % _LINE_BYTES
        aligned = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        aligned[...] = array
        return self.builder.initializer(aligned.reshape(array.shape if shape is None else shape), stem)


def attributes(node: Any) -> dict[str, Any]:
    """Returns a node's attributes by name."""
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
