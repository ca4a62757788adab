"""Where activations become bytes: before which operations, and which of these values must share a range.

A pair of `quantize` and `dequantize` before an operation says that it takes bytes; Core ML runs the operation on bytes
where its operands come out of such pairs. Layers are convolutions and products with constant weights. Additions of two
activations follow where both are computed; pooling and concatenation where their result goes to one of those as it is,
since in between they would only cost accuracy. Whatever follows the last layer, the softmax of a classifier too, stays
floating point.

Source: the patterns in `optimize/coreml/_quantization_passes.py` and
`converters/mil/mil/passes/defs/optimize_activation_quantization.py` of apple/coremltools 9.0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kewcore.runtime.lowering.fixed_arguments import Constants, constants_of, fixed_argument
from kewcore.runtime.program import DataType, Function, Operation, TensorType
from kewcore_export.activations.ranges import ActivationRange, exact_range

_LAYERS = {"conv": "weight", "linear": "weight", "matmul": "y"}
"""Operations with a constant operand, and which that is; the other one, `x`, is the activation."""
_MOVING = frozenset(
    {"max_pool", "reshape", "transpose", "squeeze", "expand_dims", "slice_by_index", "slice_by_size", "concat"}
    | {"upsample_nearest_neighbor", "depth_to_space", "space_to_depth", "pixel_shuffle", "pixel_unshuffle", "identity"}
)
"""Operations whose result has only elements of their operands, so that one range serves both sides exactly."""
_POOLS = frozenset({"max_pool", "avg_pool"})


@dataclass(frozen=True)
class Operand:
    """An argument of an operation that takes bytes.

    Attributes:
        operation: Name of the operation's first result, which is unique.
        parameter: MIL's name of the parameter.
        position: Which of its bindings; 0 but for the `values` of `concat`.
        value: Name of the activation.
    """

    operation: str
    parameter: str
    position: int
    value: str


@dataclass(frozen=True)
class QuantizedOperation:
    """An operation that takes bytes.

    Attributes:
        name: Of its first result.
        type: Such as `conv`.
        operands: Its activations.
        decides: Whether it computes with its operands; others pass elements on, and cost nothing.
    """

    name: str
    type: str
    operands: tuple[Operand, ...]
    decides: bool


@dataclass(frozen=True)
class Placement:
    """What is quantised in a program.

    Attributes:
        operations: In program order.
        groups: Names of values that share a range; each value of an operand is in one of them.
        measured: Of these values, those whose distribution decides on the range of their group.
        exact: Ranges of values that are an image's bytes, scaled.
    """

    operations: tuple[QuantizedOperation, ...]
    groups: tuple[tuple[str, ...], ...]
    measured: frozenset[str]
    exact: dict[str, ActivationRange]


def placement(function: Function, kept_float: frozenset[str] = frozenset()) -> Placement:
    """Finds what takes bytes in a 16-bit program.

    Args:
        function: Its function.
        kept_float: Operations, by the names of their first results, that are to take floats.
    """
    graph = _Graph.of(function)
    chosen = {
        operation.outputs[0].name: operation
        for operation in function.body.operations
        if _is_layer(operation, graph) and operation.outputs[0].name not in kept_float
    }
    wanted = {binding for one in chosen.values() for binding in _activations(one, graph)}
    wanted = _with_passed_on(function, graph, chosen, wanted, kept_float)
    names = [operation.outputs[0].name for operation in function.body.operations if operation.outputs]
    operations = tuple(_quantized(chosen[name], graph) for name in names if name in chosen)
    groups = _groups(operations, wanted, graph)
    deciding = {operand.value for one in operations if one.decides for operand in one.operands}
    measured = {value for group in groups for value in (deciding.intersection(group) or group)}
    images = _image_values(function, graph)
    exact = {value: images[value] for group in groups for value in group if len(group) == 1 and value in images}
    return Placement(operations, groups, frozenset(measured), exact)


@dataclass(frozen=True)
class _Graph:
    """Lookups in a function.

    Attributes:
        makers: Operations by the names of what they give.
        constants: Values of `const` operations by name.
        fixed: Names of values that are fixed in the package.
        types: Types by the names of values.
    """

    makers: dict[str, Operation]
    constants: Constants
    fixed: frozenset[str]
    types: dict[str, TensorType]

    @staticmethod
    def of(function: Function) -> "_Graph":
        operations = function.body.operations
        named = [*function.inputs, *(output for operation in operations for output in operation.outputs)]
        return _Graph(
            makers={output.name: operation for operation in operations for output in operation.outputs},
            constants=constants_of(function),
            fixed=frozenset(
                output.name
                for operation in operations
                if operation.type == "const" or operation.type.startswith("constexpr_")
                for output in operation.outputs
            ),
            types={one.name: one.type for one in named if isinstance(one.type, TensorType)},
        )

    def is_activation(self, value: object) -> bool:
        """Whether a binding is a computed fp16 tensor."""
        return (
            isinstance(value, str)
            and value not in self.fixed
            and value in self.types
            and self.types[value].dtype is DataType.FLOAT16
        )


def _bindings(operation: Operation) -> Iterator[tuple[str, int, object]]:
    parameters = {"concat": ("values",), "add": ("x", "y")}.get(operation.type, ("x",))
    for parameter in parameters:
        for position, binding in enumerate(operation.inputs.get(parameter, ())):
            yield parameter, position, binding


def _activations(operation: Operation, graph: _Graph) -> list[str]:
    """Returns the operands that are computed fp16 tensors."""
    return [b for _, _, b in _bindings(operation) if isinstance(b, str) and graph.is_activation(b)]


def _is_layer(operation: Operation, graph: _Graph) -> bool:
    parameter = _LAYERS.get(operation.type)
    if parameter is None or parameter not in operation.inputs:
        return False
    (weight,) = operation.inputs[parameter]
    return (not isinstance(weight, str) or weight in graph.fixed) and bool(_activations(operation, graph))


def _with_passed_on(
    function: Function, graph: _Graph, chosen: dict[str, Operation], wanted: set[str], kept_float: frozenset[str]
) -> set[str]:
    """Adds to `chosen` what passes bytes on, from the end to the start; returns all values that become bytes."""
    wanted = set(wanted)
    layers = frozenset(chosen)
    for operation in reversed(function.body.operations):
        name = operation.outputs[0].name if operation.outputs else ""
        if name in layers or name in kept_float:
            continue
        operands = _activations(operation, graph)
        whole = bool(operands) and len(operands) == sum(1 for _ in _bindings(operation))
        if operation.type == "add":
            takes = whole and all(_is_computed(value, graph, layers) for value in operands)
        else:
            takes = whole and operation.type in _POOLS | {"concat"} and _goes_to_bytes(name, wanted, function)
        if takes:
            chosen[name] = operation
            wanted.update(operands)
    return wanted


def _is_computed(value: str, graph: _Graph, layers: frozenset[str]) -> bool:
    """Whether an activation comes out of a layer, somewhere before: the image and what only scales it does not."""
    pending, seen = [value], set()
    while pending:
        name = pending.pop()
        maker = graph.makers.get(name)
        if name in seen or maker is None:
            continue
        seen.add(name)
        if maker.outputs[0].name in layers:
            return True
        pending.extend(maker.reads)
    return False


def _goes_to_bytes(name: str, wanted: set[str], function: Function) -> bool:
    """Whether all that reads a value takes bytes, past operations that only move elements."""
    if name in wanted:
        return True
    readers = [operation for operation in function.body.operations if name in operation.reads]
    return bool(readers) and all(
        reader.type in _MOVING and _goes_to_bytes(reader.outputs[0].name, wanted, function) for reader in readers
    )


def _quantized(operation: Operation, graph: _Graph) -> QuantizedOperation:
    name = operation.outputs[0].name
    operands = tuple(
        Operand(name, parameter, position, binding)
        for parameter, position, binding in _bindings(operation)
        if isinstance(binding, str) and graph.is_activation(binding)
    )
    return QuantizedOperation(name, operation.type, operands, operation.type not in _MOVING)


def _groups(operations: tuple[QuantizedOperation, ...], wanted: set[str], graph: _Graph) -> tuple[tuple[str, ...], ...]:
    """Joins the operands of an addition or concatenation, and what moving of elements alone separates."""
    owner = {operand.value: operand.value for one in operations for operand in one.operands}

    def root(value: str) -> str:
        while owner[value] != value:
            value = owner[value]
        return value

    for one in operations:
        first = one.operands[0].value
        for operand in one.operands[1:] if one.type in ("add", "concat") else ():
            owner[root(operand.value)] = root(first)
    for value in list(owner):
        source = value
        while (maker := graph.makers.get(source)) is not None and maker.type in _MOVING:
            source = _activations(maker, graph)[0] if _activations(maker, graph) else ""
            if source in owner:
                owner[root(value)] = root(source)
                break
    groups: dict[str, list[str]] = {}
    for value in owner:
        groups.setdefault(root(value), []).append(value)
    return tuple(tuple(group) for group in groups.values())


def _image_values(function: Function, graph: _Graph) -> dict[str, ActivationRange]:
    """Finds values that are an 8-bit image, cast, multiplied with and added to single numbers; with their ranges."""
    # An image input is described as such outside the program; here a float input of which only casts and arithmetic
    # with single numbers is read. The caller gives images only.
    spans = {named.name: (0.0, 255.0) for named in function.inputs}
    found: dict[str, ActivationRange] = {}
    for operation in function.body.operations:
        operand = operation.inputs.get("x", (None,))[0]
        if not isinstance(operand, str) or operand not in spans:
            continue
        low, high = spans[operand]
        name = operation.outputs[0].name
        number = fixed_argument(operation, "y", graph.constants)
        if operation.type == "cast":
            spans[name] = (low, high)
        elif number is not None and number.size == 1 and operation.type in ("mul", "add", "sub", "real_div"):
            n = float(number.reshape(())[()])
            spans[name] = {
                "mul": (low * n, high * n),
                "add": (low + n, high + n),
                "sub": (low - n, high - n),
                "real_div": (low / n, high / n) if n else (low, high),
            }[operation.type]
        else:
            continue
        span = exact_range(*spans[name])
        if span is not None and graph.is_activation(name):
            found[name] = span
    return found
