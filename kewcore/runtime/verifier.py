"""Checks a whole program before its first operation runs, and reports all problems at once.

What is checked: operations are known at the program's opset; required inputs are there and no unknown ones; names are
defined before they are used, once, in nested blocks too; constants can be read; element types and shapes agree with the
rules that stand beside each operation in the registry; blocks take and give what their operation hands on; outputs
exist and answer to the model's description.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kewcore.errors import KewError, PackageError
from kewcore.runtime.costs import Cost, cost_problems, peak_problems
from kewcore.runtime.images import image_problems
from kewcore.runtime.limits import RANK_LIMIT
from kewcore.runtime.opset import Opset
from kewcore.runtime.package import FeatureKind, Interface, Package
from kewcore.runtime.program import (
    Binding,
    Block,
    CollectionValue,
    Function,
    ListType,
    Operation,
    StateType,
    TensorType,
    TensorValue,
    ValueType,
    element_count,
    too_large,
)
from kewcore.runtime.registry import OpSpec, Shape, StaticArguments, UnknownShapeError, as_scalar_or_array, lookup
from kewcore.runtime.type_rules import handed_on_problems, type_rule_problems

_SMALL_ELEMENTS = 1 << 16
"""Constants up to this size are read for shape rules."""
_SHOWN_PROBLEMS = 50


@dataclass
class _Scope:
    """Names that are defined so far, and the constants among them.

    Attributes:
        types: Types by name, as declared, or as inferred where a declared size is not known.
        constants: Constants by name.
        inferred: Types of the outputs of the operation at hand that are known better than declared.
        cost: What the operations so far take.
    """

    types: ChainMap[str, ValueType] = field(default_factory=ChainMap)
    constants: ChainMap[str, Binding] = field(default_factory=ChainMap)
    inferred: dict[str, ValueType] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)


def verify(package: Package, function_name: str) -> Cost:
    """Checks one function of a package.

    Returns:
        What it takes.

    Raises:
        PackageError: It has problems; the message lists them, one a line.
    """
    function = package.program.functions.get(function_name)
    if function is None:
        raise PackageError(
            f"'{package.path}' has no function '{function_name}', only {', '.join(sorted(package.program.functions))}"
        )
    cost = Cost()
    raise_problems(package, list(_function_problems(function, package.interfaces.get(function_name), cost)))
    return cost


def raise_problems(package: Package, problems: Sequence[str]) -> None:
    """Reports problems, if there are any.

    Raises:
        PackageError: There are; the message lists them, one a line.
    """
    if problems:
        shown = problems[:_SHOWN_PROBLEMS]
        rest = [f"… and {len(problems) - len(shown)} more"] if len(problems) > len(shown) else []
        lines = "\n".join(f"  - {line}" for line in [*shown, *rest])
        kind = "program" if package.kind == "mlProgram" else package.kind
        raise PackageError(
            f"'{package.path}' is not a valid {kind}, {len(problems)} problem{'s' * (len(problems) > 1)}:\n{lines}",
            hint="make the package again with a tool that checks what it writes, such as coremltools",
        )


def _function_problems(function: Function, interface: Interface | None, cost: Cost) -> Iterator[str]:
    scope = _Scope(cost=cost)
    for named in function.inputs:
        if named.name in scope.types:
            yield f"input '{named.name}' is there twice"
        scope.types[named.name] = named.type
        yield from (f"input '{named.name}': {problem}" for problem in _type_problems(named.type))
    yield from _block_problems(function.body, function.opset, scope)
    yield from cost_problems(cost)
    yield from peak_problems(function, scope.types)
    if interface is not None:
        known = {named.name: named.type for named in function.inputs}
        for feature in interface.inputs:
            if feature.name not in known:
                yield f"the description has input '{feature.name}', the program has not"
            elif feature.kind is FeatureKind.IMAGE:
                yield from image_problems(feature, known[feature.name])
        for feature in interface.outputs:
            if feature.name not in function.body.outputs:
                yield f"the description has output '{feature.name}', the program has not"
        described = {feature.name for feature in (*interface.inputs, *interface.states)}
        for name in sorted(known.keys() - described):
            yield f"the program has input '{name}', the description has not"


def _block_problems(block: Block, opset: Opset, scope: _Scope) -> Iterator[str]:
    """Checks operations in order, nested blocks included; `scope` gets what they define."""
    for operation in block.operations:
        yield from (f"{operation}: {problem}" for problem in _operation_problems(operation, opset, scope))
        for number, inner in enumerate(operation.blocks, start=1):
            problems = _inner_problems(inner, operation, number, opset, scope)
            yield from (f"{operation}, block {number}: {problem}" for problem in problems)
        for output in operation.outputs:
            if output.name in scope.types:
                yield f"{operation}: its output '{output.name}' is defined already"
            scope.types[output.name] = scope.inferred.pop(output.name, output.type)
    for name in block.outputs:
        if name not in scope.types:
            yield f"output '{name}' is never computed"


def _inner_problems(block: Block, operation: Operation, number: int, opset: Opset, scope: _Scope) -> Iterator[str]:
    """Checks a nested block; what it defines is not seen outside, and may hide nothing."""
    inner = _Scope(scope.types.new_child(), scope.constants.new_child(), cost=scope.cost)
    given = [scope.types.get(b) if isinstance(b, str) else b.type for b in operation.inputs.get("loop_vars", ())]
    yield from handed_on_problems("variable", given, [named.type for named in block.inputs])
    for named in block.inputs:
        if named.name in inner.types:
            yield f"input '{named.name}' is defined already"
        # A loop may change the shapes of its variables from round to round, so their sizes are not taken at their word.
        inner.types[named.name] = _opened(named.type)
        yield from (f"input '{named.name}': {problem}" for problem in _type_problems(named.type))
    yield from _block_problems(block, opset, inner)
    if operation.type != "while_loop" or number == 2:
        results = [inner.types.get(name) for name in block.outputs]
        yield from handed_on_problems("result", results, [output.type for output in operation.outputs])
        yield from handed_on_problems("result", results, [named.type for named in block.inputs])


def _opened(type_: ValueType) -> ValueType:
    if isinstance(type_, TensorType) and type_.shape is not None:
        return replace(type_, shape=(None,) * len(type_.shape))
    return type_


def _control_problems(operation: Operation, spec: OpSpec) -> Iterator[str]:
    """Compares what blocks take and give in number with the operation that runs them."""
    blocks = operation.blocks
    if len(blocks) != spec.blocks:
        yield f"it takes {spec.blocks} blocks, got {len(blocks)}"
        return
    given = len(operation.inputs.get("loop_vars", ()))
    for number, block in enumerate(blocks, start=1):
        is_condition = operation.type == "while_loop" and number == 1
        wanted = 1 if is_condition else len(operation.outputs)
        if len(block.inputs) != given:
            yield f"block {number} takes {len(block.inputs)} values, got {given}"
        if len(block.outputs) != wanted:
            yield f"block {number} gives {len(block.outputs)} values, expected {wanted}"


def _operation_problems(operation: Operation, opset: Opset, scope: _Scope) -> Iterator[str]:
    arguments = operation.arguments
    for output in operation.outputs:
        yield from (f"output '{output.name}': {problem}" for problem in _type_problems(output.type))
    undefined = [
        f"input '{parameter}' refers to '{binding}', which is not defined before"
        for parameter, bindings in arguments.items()
        for binding in bindings
        if isinstance(binding, str) and binding not in scope.types
    ]
    yield from undefined
    broken = [
        f"input '{parameter}': {problem}"
        for parameter, bindings in arguments.items()
        for binding in bindings
        if not isinstance(binding, str)
        for problem in _value_problems(binding)
    ]
    yield from broken
    spec = lookup(operation.type, opset)
    if spec is None:
        yield _unknown_op(operation.type, opset)
        return
    misfits = [*_parameter_problems(spec, arguments), *_control_problems(operation, spec)]
    yield from misfits
    if operation.type == "const":
        yield from _remember_constant(operation, scope)
        scope.cost.add_constants(operation, (output.type for output in operation.outputs))
        return
    if undefined or broken or misfits:
        return
    types = _argument_types(arguments, scope)
    mistyped = list(type_rule_problems(spec, types, operation))
    yield from mistyped
    if mistyped:
        return
    known = StaticArguments(
        {parameter: tuple(_shape_of(type_) for type_ in row) for parameter, row in types.items()},
        dict(_small_constants(operation, scope)),
    )
    yield from _shape_problems(spec, operation, known, scope)
    results = [scope.inferred.get(output.name, output.type) for output in operation.outputs]
    scope.cost.add(operation, known, results)


def _unknown_op(name: str, opset: Opset) -> str:
    newest = lookup(name, max(Opset))
    if newest is not None:
        return f"operation '{name}' comes with {newest.since.ios}, but the program says {opset.ios}"
    return f"operation '{name}' is not known at {opset.ios}"


def _parameter_problems(spec: OpSpec, arguments: Mapping[str, tuple[Binding, ...]]) -> Iterator[str]:
    for parameter, required in spec.parameters.items():
        if required and not arguments.get(parameter):
            yield f"input '{parameter}' is missing"
    for parameter, bindings in arguments.items():
        if parameter not in spec.parameters:
            yield f"input '{parameter}' is not known; known: {', '.join(spec.parameters)}"
        elif len(bindings) != 1 and parameter not in spec.variadic:
            yield f"input '{parameter}' takes one value, got {len(bindings)}"


def _remember_constant(operation: Operation, scope: _Scope) -> Iterator[str]:
    for value in operation.arguments.get("val", ()):
        if isinstance(value, str) or len(operation.outputs) != 1:
            yield "a constant needs a value and one output"
        elif value.type != operation.outputs[0].type:
            yield f"its value has type {value.type}, its output {operation.outputs[0].type}"
        else:
            scope.constants[operation.outputs[0].name] = value


def _type_problems(type_: ValueType) -> Iterator[str]:
    if isinstance(type_, TensorType) and len(type_.shape or ()) > RANK_LIMIT:
        yield f"a tensor may have rank {RANK_LIMIT}, got {len(type_.shape or ())}"
        return
    if isinstance(type_, TensorType) and type_.shape is not None and (problem := too_large(type_.shape, type_.dtype)):
        yield f"{type_} {problem}"
    if isinstance(type_, ListType):
        yield from _type_problems(type_.element)
    if isinstance(type_, StateType):
        yield from _type_problems(type_.wrapped)
        if not isinstance(type_.wrapped, TensorType) or type_.wrapped.static_shape is None:
            yield f"a state must hold a tensor of a fixed shape, got {type_}"


def _value_problems(value: TensorValue | CollectionValue) -> Iterator[str]:
    if isinstance(value, TensorValue):
        yield from _type_problems(value.type)
        if problem := value.storage.problem(value.type):
            yield problem
        return
    for item in value.items:
        yield from _value_problems(item)


def _argument_types(arguments: Mapping[str, tuple[Binding, ...]], scope: _Scope) -> dict[str, tuple[ValueType, ...]]:
    return {
        parameter: tuple(scope.types[b] if isinstance(b, str) else b.type for b in bindings)
        for parameter, bindings in arguments.items()
    }


def _shape_problems(spec: OpSpec, operation: Operation, arguments: StaticArguments, scope: _Scope) -> Iterator[str]:
    try:
        inferred = spec.shape_rule(arguments) if spec.shape_rule else None
    except UnknownShapeError:
        return
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, ArithmeticError) as error:
        yield str(error) or type(error).__name__
        return
    if inferred is None:
        return
    if len(inferred) != len(operation.outputs):
        yield f"it has {len(inferred)} results, but {len(operation.outputs)} outputs are declared"
        return
    for output, shape in zip(operation.outputs, inferred, strict=True):
        declared = _shape_of(output.type)
        if not _compatible(declared, shape):
            yield f"output '{output.name}' is declared as {_text(declared)}, but its shape is {_text(shape)}"
        elif shape is not None and isinstance(output.type, TensorType) and output.type.static_shape is None:
            # Sizes that a program leaves open must not hide how large a tensor will be.
            scope.inferred[output.name] = replace(output.type, shape=_closed(declared, shape))
            yield from (f"output '{output.name}': {problem}" for problem in _type_problems(scope.inferred[output.name]))


def _small_constants(operation: Operation, scope: _Scope) -> Iterator[tuple[str, Any]]:
    for parameter, bindings in operation.arguments.items():
        if not bindings:  # a row of values may be empty, such as the shape of a scalar
            continue
        binding = scope.constants.get(bindings[0]) if isinstance(bindings[0], str) else bindings[0]
        if isinstance(binding, TensorValue) and len(bindings) == 1:
            shape = binding.type.static_shape
            if shape is not None and element_count(shape) <= _SMALL_ELEMENTS:
                try:
                    yield parameter, as_scalar_or_array(binding.numpy())
                except KewError:
                    continue
        elif isinstance(binding, CollectionValue):
            yield parameter, binding.items


def _shape_of(type_: ValueType) -> Shape | None:
    return type_.shape if isinstance(type_, TensorType) else None


def _compatible(declared: Shape | None, inferred: Shape | None) -> bool:
    if declared is None or inferred is None:
        return True
    if len(declared) != len(inferred):
        return False
    return all(a == b or a is None or b is None for a, b in zip(declared, inferred, strict=True))


def _closed(declared: Shape | None, inferred: Shape) -> Shape:
    """Fills sizes that are not inferred with declared ones."""
    if declared is None:
        return inferred
    return tuple(b if a is None else a for a, b in zip(inferred, declared, strict=True))


def _text(shape: Shape | None) -> str:
    return "[*]" if shape is None else f"[{', '.join('?' if size is None else str(size) for size in shape)}]"
