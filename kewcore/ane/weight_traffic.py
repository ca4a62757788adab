"""What an operation reads of the package's weights: elements, and bytes as stored."""

from collections.abc import Iterator
from dataclasses import dataclass

from kewcore.ane.calls import Call
from kewcore.ane.roofline import Roofline, streamed_bytes
from kewcore.ane.weight_forms import WEIGHT_PARAMETERS, weight_form
from kewcore.runtime.program import Binding, DataType, TensorType, TensorValue, element_count

_PICKING = frozenset({"gather", "gather_along_axis", "gather_nd"})
"""Operations that read a few rows of a table, not all of it."""
_REAL = frozenset({DataType.FLOAT16, DataType.FLOAT32})
_SETTINGS = frozenset({"axis", "vector_axis", "shape", "output_dtype"})
"""Arguments of a compressed weight that say how to expand it, and hold none of it."""


@dataclass(frozen=True)
class _Stored:
    elements: int
    stored_bytes: int


def weight_bytes(call: Call, roofline: Roofline) -> int:
    """Returns the bytes of weights that an operation has a chip read, in the form in which they reach its engine."""
    if call.type in _PICKING:
        return 0
    form, total = weight_form(call), 0
    for parameter, bindings in call.operation.arguments.items():
        if not call.is_weight(parameter):
            continue
        is_form = parameter == WEIGHT_PARAMETERS.get(call.type)
        for binding in bindings:
            if not _is_real(binding, call):
                continue  # strides, names and single numbers are settings of the operation, not weights
            stored = _stored(binding, call)
            total += streamed_bytes(stored.elements, stored.stored_bytes, form if is_form else None, roofline)
    return total if call.rounds is None else total * call.rounds


def _is_real(binding: Binding, call: Call) -> bool:
    type_ = call.scope.makers[binding].outputs[-1].type if isinstance(binding, str) else binding.type
    return isinstance(type_, TensorType) and type_.dtype in _REAL and type_.shape != ()


def _stored(binding: Binding, call: Call) -> _Stored:
    if isinstance(binding, str):
        maker = call.scope.makers[binding]
        elements = _elements(maker.outputs[-1].type)
    else:
        elements = _elements(binding.type)
    values = {id(value): value for value in _values(binding, call)}
    return _Stored(elements, sum(value.storage.size_bytes for value in values.values()))


def _values(binding: Binding, call: Call) -> Iterator[TensorValue]:
    """Yields the tensors that a constant is stored as."""
    if isinstance(binding, TensorValue):
        yield binding
    elif isinstance(binding, str):
        for parameter, bindings in call.scope.makers[binding].arguments.items():
            if parameter not in _SETTINGS:
                for inner in bindings:
                    yield from _values(inner, call)


def _elements(type_: object) -> int:
    return element_count(type_.static_shape or ()) if isinstance(type_, TensorType) else 0
