"""Which operations of a program its values depend on."""

from collections.abc import Collection, Sequence

from kewcore.runtime.program import Operation


def needed_for(names: Collection[str], operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Keeps the operations that values depend on, in order.

    Args:
        names: The values.
        operations: In program order.
    """
    wanted, kept = set(names), []
    for operation in reversed(operations):
        if any(output.name in wanted for output in operation.outputs):
            kept.append(operation)
            wanted |= operation.reads
    return tuple(reversed(kept))
