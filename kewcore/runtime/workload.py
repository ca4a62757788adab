"""How much an operation has to do, and how much is alive at a time: told from shapes, before anything runs.

Work is counted in multiply-adds for products and windows, and in elements read and written for everything else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

from kewcore.runtime.program import Operation
from kewcore.runtime.registry import Shape, StaticArguments, UnknownShapeError

Results = Sequence[Shape | None]


def work_of(kind: str, arguments: StaticArguments, results: Results) -> int:
    """Returns the work of an operation; sizes that are not known count as 1.

    Args:
        kind: MIL's name of the operation.
        arguments: Shapes of its arguments, and the constants among them.
        results: Shapes of its results.
    """
    moved = sum(elements(shape) for row in arguments.shapes.values() for shape in row) + sum(map(elements, results))
    return moved + _counted(_PRODUCTS | _VISITS, kind, arguments, results)


def multiply_adds(kind: str, arguments: StaticArguments, results: Results) -> int:
    """Returns the products that an operation adds up; 0 for one that has none, such as a pool or an activation.

    Args:
        kind: MIL's name of the operation.
        arguments: Shapes of its arguments, and the constants among them.
        results: Shapes of its results.
    """
    return _counted(_PRODUCTS, kind, arguments, results)


def elements(shape: Shape | None) -> int:
    """Returns the number of elements; sizes that are not known count as 1."""
    return 1 if shape is None else prod(1 if size is None else size for size in shape)


def peak_bytes(operations: Sequence[Operation], sizes_bytes: Mapping[str, int], kept: Iterable[str]) -> int:
    """Returns how much memory the values of a row of operations take at most at a time.

    Args:
        operations: In order of execution.
        sizes_bytes: Bytes by name; names that are missing take none.
        kept: Names that are read behind the last operation.
    """
    last = {name: len(operations) for name in kept}
    for position in range(len(operations) - 1, -1, -1):
        for name in operations[position].reads:
            last.setdefault(name, position)
    dying: dict[int, list[str]] = {}
    for name, position in last.items():
        dying.setdefault(position, []).append(name)
    made: set[str] = set()
    alive = most = 0
    for position, operation in enumerate(operations):
        names = [output.name for output in operation.outputs if output.name not in made]
        made.update(names)
        alive += sum(sizes_bytes.get(name, 0) for name in names)
        most = max(most, alive)
        gone = [name for name in dying.get(position, ()) if name in made]
        gone += [name for name in names if name not in last]
        alive -= sum(sizes_bytes.get(name, 0) for name in gone)
    return most


def _counted(
    rules: Mapping[str, Callable[[StaticArguments, Results], int]],
    kind: str,
    arguments: StaticArguments,
    results: Results,
) -> int:
    rule = rules.get(kind)
    if rule is None:
        return 0
    try:
        return rule(arguments, results)
    except (UnknownShapeError, IndexError):
        return 0


def _shape(arguments: StaticArguments, parameter: str) -> Shape:
    return arguments.shape(parameter) or ()


def _size(shape: Shape, axis: int) -> int:
    size = shape[axis]
    return 1 if size is None else size


def _convolution(arguments: StaticArguments, results: Results) -> int:
    return elements(results[0]) * elements(_shape(arguments, "weight")[1:])


def _transposed_convolution(arguments: StaticArguments, results: Results) -> int:
    return elements(_shape(arguments, "x")) * elements(_shape(arguments, "weight")[1:])


def _linear(arguments: StaticArguments, results: Results) -> int:
    return elements(results[0]) * _size(_shape(arguments, "x"), -1)


def _matmul(arguments: StaticArguments, results: Results) -> int:
    x = _shape(arguments, "x")
    swapped = bool(arguments.constant("transpose_x", False)) and len(x) > 1
    return elements(results[0]) * _size(x, -2 if swapped else -1)


def _einsum(arguments: StaticArguments, results: Results) -> int:
    return elements(results[0]) * _size(arguments.shapes["values"][0] or (), -1)


def _attention(arguments: StaticArguments, results: Results) -> int:
    query, key, value = (_shape(arguments, name) for name in ("query", "key", "value"))
    return elements(query[:-1]) * _size(key, -2) * (_size(query, -1) + _size(value, -1))


def _recurrent(arguments: StaticArguments, results: Results) -> int:
    weights = ("weight_ih", "weight_hh", "weight_ih_back", "weight_hh_back")
    return elements(_shape(arguments, "x")[:2]) * sum(
        elements(arguments.shape(name)) for name in weights if arguments.shapes.get(name)
    )


def _pool(arguments: StaticArguments, results: Results) -> int:
    return elements(results[0]) * prod(int(size) for size in arguments.constant("kernel_sizes"))


def _local_norm(arguments: StaticArguments, results: Results) -> int:
    return elements(results[0]) * max(int(arguments.constant("size")), 1)


def _suppression(arguments: StaticArguments, results: Results) -> int:
    return elements(_shape(arguments, "boxes")) * max(int(arguments.constant("max_boxes")), 1)


def _sorting(arguments: StaticArguments, results: Results) -> int:
    shape = _shape(arguments, "x")
    return elements(shape) * max(max((size or 1 for size in shape), default=1).bit_length(), 1)


_PRODUCTS: dict[str, Callable[[StaticArguments, Results], int]] = {
    "conv": _convolution,
    "conv_quantized": _convolution,
    "conv_transpose": _transposed_convolution,
    "linear": _linear,
    "matmul": _matmul,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "lstm": _recurrent,
    "gru": _recurrent,
    "rnn": _recurrent,
}
"""What operations multiply and add up."""
_VISITS: dict[str, Callable[[StaticArguments, Results], int]] = {
    "max_pool": _pool,
    "avg_pool": _pool,
    "l2_pool": _pool,
    "local_response_norm": _local_norm,
    "non_maximum_suppression": _suppression,
    "argsort": _sorting,
    "topk": _sorting,
}
"""Elements that operations visit again and again."""
