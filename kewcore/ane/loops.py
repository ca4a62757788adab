"""How often the body of a loop runs, where the program itself says so: a counter against a constant."""

from collections import ChainMap
from math import ceil

import numpy as np

from kewcore.runtime.program import Binding, Block, Operation, TensorValue

MOST_ROUNDS = 10**9
"""More than any prediction can run; counts are taken at their word up to here."""
Makers = ChainMap[str, Operation]


def rounds(loop: Operation, makers: Makers) -> int | None:
    """Returns how often the body of a `while_loop` runs; None where that depends on what it computes, or is absurd.

    Known are loops that end once a counter reaches a constant (`less`, or several with `logical_and`), when the counter
    starts at a constant and grows by one.

    Args:
        loop: The loop.
        makers: Operations outside of it by the names of their results.
    """
    if loop.type != "while_loop" or len(loop.blocks) != 2:
        return None
    condition, body = loop.blocks
    limits = _limits(condition.outputs[0], condition, makers.new_child(_made(condition)))
    inner = makers.new_child(_made(body))
    found = []
    for place, limit in limits or ():
        start = _number(loop.inputs["loop_vars"][place], makers)
        step = _step(place, body, inner)
        if start is None or step is None or step <= 0:
            return None  # this test may end the loop before the others do
        found.append(max((limit - start) / step, 0))
    least = min(found, default=None)
    return ceil(least) if least is not None and least <= MOST_ROUNDS else None


def _limits(name: Binding, condition: Block, makers: Makers) -> tuple[tuple[int, float], ...] | None:
    """Finds what counters are compared with: the counter's place among the loop's variables, and the constant.

    None where the condition tests something else as well: it may then end the loop sooner.
    """
    test = makers.get(name) if isinstance(name, str) else None
    if test is None:
        return None
    if test.type == "logical_and":
        sides = [_limits(binding, condition, makers) for key in ("x", "y") for binding in test.inputs[key]]
        known = [side for side in sides if side is not None]
        return tuple(one for side in known for one in side) if len(known) == len(sides) else None
    variables = [named.name for named in condition.inputs]
    if test.type != "less" or test.inputs["x"][0] not in variables:
        return None
    limit = _number(test.inputs["y"][0], makers)
    return None if limit is None else ((variables.index(str(test.inputs["x"][0])), limit),)


def _step(place: int, body: Block, makers: Makers) -> float | None:
    """Returns what a counter grows by each round; None where the body does something else to it."""
    before, after = body.inputs[place].name, makers.get(body.outputs[place])
    if after is None or after.type != "add":
        return None
    x, y = after.inputs["x"][0], after.inputs["y"][0]
    return _number(y if x == before else x, makers) if before in {x, y} else None


def _made(block: Block) -> dict[str, Operation]:
    return {output.name: operation for operation in block.operations for output in operation.outputs}


def _number(binding: Binding, makers: Makers) -> float | None:
    """Reads a constant of one number."""
    if isinstance(binding, str):
        maker = makers.get(binding)
        if maker is None or maker.type != "const":
            return None
        binding = maker.arguments["val"][0]
    if not isinstance(binding, TensorValue) or binding.type.static_shape not in {(), (1,)}:
        return None
    value = float(np.asarray(binding.numpy()).reshape(()))
    return value if np.isfinite(value) else None
