"""Rules for types: tensors, lists and states where an operation takes them, element types, and what blocks hand on."""

from collections.abc import Iterator, Mapping, Sequence

from kewcore.runtime.program import (
    DictionaryType,
    ListType,
    Operation,
    StateType,
    TensorType,
    TupleType,
    ValueType,
)
from kewcore.runtime.registry import OpSpec

_KINDS: dict[type[ValueType], str] = {
    TensorType: "a tensor",
    ListType: "a list",
    TupleType: "a tuple",
    DictionaryType: "a dictionary",
    StateType: "a state",
}


def type_rule_problems(spec: OpSpec, types: Mapping[str, tuple[ValueType, ...]], operation: Operation) -> Iterator[str]:
    """Compares the types of arguments and results with what an operation takes and gives."""
    yield from _kind_problems(spec, types, operation)
    for parameter, accepted in spec.accepts.items():
        for type_ in types.get(parameter, ()):
            if isinstance(type_, TensorType) and type_.dtype not in accepted:
                names = ", ".join(sorted(dtype.value for dtype in accepted))
                yield f"input '{parameter}' must be of {names}, got {type_.dtype.value}"
    for parameter in spec.scalars:
        for type_ in types.get(parameter, ()):
            if isinstance(type_, TensorType) and type_.shape not in {(), None}:
                yield f"input '{parameter}' must be a scalar, got {type_}"
    like = types.get(spec.result_like or "", ())
    if like and isinstance(like[0], TensorType):
        for output in operation.outputs:
            if isinstance(output.type, TensorType) and output.type.dtype is not like[0].dtype:
                yield (
                    f"output '{output.name}' must be of {like[0].dtype.value} as '{spec.result_like}' is, "
                    f"got {output.type.dtype.value}"
                )


def handed_on_problems(what: str, given: Sequence[ValueType | None], wanted: Sequence[ValueType]) -> Iterator[str]:
    """Makes sure that tensors are handed on as tensors and lists as lists, from and to blocks.

    Args:
        what: What hands on, for the message.
        given: Types as handed on; None for one that is not known.
        wanted: Types on the other side.
    """
    for number, (left, right) in enumerate(zip(given, wanted, strict=False), start=1):
        if left is not None and type(left) is not type(right):
            yield f"{what} {number} is {left}, where {_KINDS[type(right)]} is taken"


def _kind_problems(spec: OpSpec, types: Mapping[str, tuple[ValueType, ...]], operation: Operation) -> Iterator[str]:
    for parameter, kind in spec.holds.items():
        for type_ in types.get(parameter, ()):
            if not isinstance(type_, kind):
                yield f"input '{parameter}' must be {_KINDS[kind]}, got {type_}"
    if spec.result_like is not None or spec.shape_rule is not None:
        for output in operation.outputs:
            if not isinstance(output.type, TensorType | DictionaryType):
                yield f"output '{output.name}' must be a tensor, got {output.type}"
