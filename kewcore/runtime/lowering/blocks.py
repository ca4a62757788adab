"""The graph of a nested block, for ONNX's If and Loop."""

from dataclasses import dataclass, field

from kewcore.runtime.executor import Values
from kewcore.runtime.lowering.graph import GraphBuilder, NoLoweringError
from kewcore.runtime.program import Block
from kewcore.runtime.registry import Array


@dataclass
class BlockBuilder(GraphBuilder):
    """The graph of a nested block, inside another: what the block does not define is the outer graph's.

    Constants go to the outermost graph, where they are expanded once and not in every round of a loop.

    Attributes:
        outer: The graph around.
        local: Names of the program's values that the block defines.
        own_constants: `constants`, to which the block's own are added.
    """

    outer: GraphBuilder = field(kw_only=True)
    local: frozenset[str] = field(kw_only=True)
    own_constants: Values = field(kw_only=True)

    @staticmethod
    def inside(outer: GraphBuilder, block: Block, *, inline: bool = False) -> "BlockBuilder":
        """Opens a graph for a block; `inline` adds its nodes to the outer graph's own."""
        made = [named for operation in block.operations for named in operation.outputs]
        types = {named.name: named.type for named in (*block.inputs, *made)}
        constants = dict(outer.constants)
        return BlockBuilder(
            outer.opset,
            outer.precision,
            {**outer.types, **types},
            constants,
            outer.lists,
            outer.nodes if inline else [],
            outer=outer,
            local=frozenset(types),
            own_constants=constants,
        )

    def fresh(self, stem: str) -> str:
        """Returns a name that is taken nowhere, since inner names hide outer ones."""
        return self.outer.fresh(stem)

    def initializer(self, array: Array, stem: str, *, half: bool = False) -> str:
        """Adds a constant tensor to the outermost graph."""
        return self.outer.initializer(array, stem, half=half)

    def value(self, name: str) -> str:
        """Returns the tensor of a value, which may be the outer graph's."""
        return super().value(name) if name in self.local else self.outer.value(name)

    def unrounded(self, name: str) -> tuple[str, bool]:
        """Returns the tensor of a value as it is; one from outside is rounded."""
        return super().unrounded(name) if name in self.local else (self.outer.value(name), True)

    def _input(self, name: str) -> str:
        raise NoLoweringError(f"'{name}' is not computed in its block")
