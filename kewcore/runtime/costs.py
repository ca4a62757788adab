"""What a whole program takes, told before it runs: work, memory of its weights, memory of what is alive at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kewcore.runtime.limits import MEMORY_LIMIT_BYTES, WORK_LIMIT
from kewcore.runtime.program import DataType, Function, Operation, TensorType, TensorValue, ValueType
from kewcore.runtime.registry import StaticArguments
from kewcore.runtime.workload import elements, peak_bytes, work_of


@dataclass
class Cost:
    """What the operations counted so far take; bodies of loops count once, since loops have a budget of their own.

    Attributes:
        work: Multiply-adds and elements moved.
        weights_bytes: Bytes of constants and expanded weights.
        hardest: The operation that takes most work, and how much.
    """

    work: int = 0
    weights_bytes: int = 0
    hardest: tuple[str, int] = ("", 0)

    def add(self, operation: Operation, arguments: StaticArguments, results: Sequence[ValueType]) -> None:
        """Counts an operation."""
        if operation.type.startswith("constexpr_"):
            self.add_constants(operation, results)
            return
        shapes = [type_.shape if isinstance(type_, TensorType) else None for type_ in results]
        work = work_of(operation.type, arguments, shapes)
        self.work += work
        self.hardest = max(self.hardest, (str(operation), work), key=lambda row: row[1])
        self.add_constants(operation, ())

    def add_constants(self, operation: Operation, results: Iterable[ValueType]) -> None:
        """Counts what an operation holds: its constant arguments, and its results where those are constant."""
        rows = operation.arguments.values() if operation.type != "const" else ()
        written = [binding.type for row in rows for binding in row if isinstance(binding, TensorValue)]
        self.weights_bytes += sum(map(held_bytes, (*written, *results)))


def held_bytes(type_: ValueType) -> int:
    """Returns the bytes that a value takes while a program runs; sizes that are not known count as 1."""
    if not isinstance(type_, TensorType):
        return 0
    return elements(type_.shape) * (4 if type_.dtype is DataType.FLOAT16 else type_.dtype.numpy.itemsize)


def together(costs: Sequence[Cost]) -> Cost:
    """Adds up what functions take that run one after the other."""
    return Cost(
        work=sum(cost.work for cost in costs),
        weights_bytes=sum(cost.weights_bytes for cost in costs),
        hardest=max((cost.hardest for cost in costs), key=lambda row: row[1], default=("", 0)),
    )


def cost_problems(cost: Cost) -> Iterator[str]:
    """Compares what functions take with what a prediction may."""
    if cost.work > WORK_LIMIT:
        name, work = cost.hardest
        yield (
            f"a prediction would take {cost.work:.1e} multiply-adds, {work:.1e} of them {name}; "
            f"the limit is {WORK_LIMIT:.0e}"
        )
    if cost.weights_bytes > MEMORY_LIMIT_BYTES:
        yield f"its weights would take {cost.weights_bytes} bytes, more than the limit of {MEMORY_LIMIT_BYTES}"


def peak_problems(function: Function, types: Mapping[str, ValueType]) -> Iterator[str]:
    """Compares the values of a function that are alive at a time with what may be."""
    computed = [o for o in function.body.operations if o.type != "const" and not o.type.startswith("constexpr_")]
    sizes = {
        output.name: held_bytes(types[output.name]) for o in computed for output in o.outputs if output.name in types
    }
    most = peak_bytes(computed, sizes, function.body.outputs)
    if most > MEMORY_LIMIT_BYTES:
        yield f"its values would take {most} bytes at a time, more than the limit of {MEMORY_LIMIT_BYTES}"
