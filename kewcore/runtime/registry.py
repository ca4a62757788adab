"""The registry of operations: what each means (a pure NumPy function) and what it takes (rules as data).

An operation is looked up by name and opset: the newest version not above the program's opset, whatever the order in
which the files of `kewcore.runtime.ops` are imported.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.opset import Opset
from kewcore.runtime.program import DataType, TensorType, ValueType

Array = NDArray[Any]
Shape = tuple[int | None, ...]
Kernel = Callable[..., Any]
F = TypeVar("F", bound=Kernel)
_ANYTHING = (Any, tuple[Any, ...])
_SCALAR_ANNOTATIONS = (float, int, bool, str, float | None, int | None, bool | None, str | None)

FLOATS = frozenset({DataType.FLOAT16, DataType.FLOAT32})
INTEGERS = frozenset(t for t in DataType if t.is_integer)
NUMBERS = FLOATS | INTEGERS
BOOLS = frozenset({DataType.BOOL})

COREML_OPS = "coremltools 9.0, converters/mil/mil/ops/defs"
"""Where the documentation of every operation lies; `source` completes it."""


@dataclass(frozen=True)
class StaticArguments:
    """What is known of an operation's arguments before anything runs; a shape rule reads it.

    Attributes:
        shapes: Shapes by parameter; several for `concat`'s `values`. A shape is None where the rank is not known.
        constants: Values by parameter, for small constants only.
    """

    shapes: Mapping[str, tuple[Shape | None, ...]]
    constants: Mapping[str, Any]

    def shape(self, parameter: str) -> Shape | None:
        """Returns the shape of an argument with one binding; None if it is missing or its rank is not known."""
        shapes = self.shapes.get(parameter, ())
        return shapes[0] if shapes else None

    def constant(self, parameter: str, default: Any = None) -> Any:
        """Returns a constant argument's value, or `default` where the argument is left out.

        Raises:
            UnknownShapeError: The argument is there, but computed at run time.
        """
        if parameter in self.constants:
            return self.constants[parameter]
        if parameter in self.shapes:
            raise UnknownShapeError(parameter)
        return default


class UnknownShapeError(Exception):
    """A shape rule needs a value that is known at run time only; never leaves the verifier."""


ShapeRule = Callable[[StaticArguments], "tuple[Shape | None, ...] | None"]
"""Gives the shapes of the results; None where they cannot be known. Raises `ValueError` with a reason if none fits."""


@dataclass(frozen=True)
class OpSpec:
    """One version of one operation.

    Attributes:
        name: MIL's name.
        since: First opset that has this version.
        source: Where its meaning is documented.
        kernel: The pure function; keyword-only parameters with MIL's names.
        parameters: Whether each parameter must be given.
        scalars: Parameters of rank 0: those whose annotation is a plain number, truth value or text.
        holds: Kind of type that each parameter takes: a tensor, a list or a state; one that is not listed takes any.
        variadic: Parameters that take a row of values.
        variadic_results: Whether the kernel gives a row of results, however long.
        blocks: How many nested blocks it has.
        accepts: Element types that parameters take; one that is not listed takes any.
        shape_rule: Shapes of the results from shapes and constants; None where they are known at run time only.
        result_like: Parameter whose element type the result must have; None where another rule holds.
        exact: Whether every result element is an input element or exact in its type, so that nothing is rounded.
    """

    name: str
    since: Opset
    source: str
    kernel: Kernel
    parameters: Mapping[str, bool]
    scalars: frozenset[str]
    holds: Mapping[str, type[ValueType]]
    variadic: frozenset[str]
    variadic_results: bool
    blocks: int
    accepts: Mapping[str, frozenset[DataType]]
    shape_rule: ShapeRule | None
    result_like: str | None
    exact: bool


_versions: dict[str, dict[Opset, OpSpec]] = {}
"""Specs by name and first opset; filled while the files of `kewcore.runtime.ops` are imported."""


def op(
    name: str,
    *,
    since: Opset = Opset.IOS15,
    source: str,
    accepts: Mapping[str, frozenset[DataType]] | None = None,
    shape: ShapeRule | None = None,
    variadic: tuple[str, ...] = (),
    variadic_results: bool = False,
    blocks: int = 0,
    result_like: str | None = "x",
    exact: bool = False,
) -> Callable[[F], F]:
    """Registers the decorated function as the meaning of an operation.

    The function's keyword-only parameters carry MIL's names; one with a default is optional. It gets fp16 arguments
    widened to float32, rank-0 numbers as NumPy scalars, texts as `str` and lists as tuples, and returns an array, or
    a tuple of arrays where the operation has several results. The executor brings results to the declared type.

    Args:
        name: MIL's name of the operation.
        since: First opset that has this version of it.
        source: Where its meaning is documented, below `COREML_OPS`.
        accepts: Element types by parameter.
        shape: Rule for the results' shapes.
        variadic: Parameters that take a row of values.
        variadic_results: See `OpSpec.variadic_results`.
        blocks: How many nested blocks it has.
        result_like: Parameter whose element type the results have.
        exact: See `OpSpec.exact`.

    Raises:
        ValueError: The operation is already registered for this opset.
    """

    def register(kernel: F) -> F:
        versions = _versions.setdefault(name, {})
        if since in versions:
            raise ValueError(f"operation '{name}' is already registered for {since.ios}")
        signature = inspect.signature(kernel).parameters
        parameters = {name: parameter.default is inspect.Parameter.empty for name, parameter in signature.items()}
        scalars = (name for name, parameter in signature.items() if parameter.annotation in _SCALAR_ANNOTATIONS)
        like = result_like if result_like in parameters else None
        versions[since] = OpSpec(
            name=name,
            since=since,
            source=f"{COREML_OPS}/{source}",
            kernel=kernel,
            parameters=parameters,
            scalars=frozenset(scalars),
            holds=dict(_held_types(signature)),
            variadic=frozenset(variadic),
            variadic_results=variadic_results,
            blocks=blocks,
            accepts=accepts or {},
            shape_rule=shape,
            result_like=like,
            exact=exact,
        )
        return kernel

    return register


def _held_types(signature: Mapping[str, inspect.Parameter]) -> Iterator[tuple[str, type[ValueType]]]:
    """Tells kinds of types from annotations; classes that are no arrays name theirs as `value_type`."""
    for name, parameter in signature.items():
        if parameter.annotation not in _ANYTHING:
            yield name, getattr(parameter.annotation, "value_type", TensorType)


def lookup(name: str, opset: Opset) -> OpSpec | None:
    """Finds the newest version of an operation that is not above `opset`; None if there is none."""
    _import_ops()
    versions = _versions.get(name, {})
    newest = max((since for since in versions if since <= opset), default=None)
    return None if newest is None else versions[newest]


def all_specs() -> tuple[OpSpec, ...]:
    """Returns every version of every operation, sorted by name and opset."""
    _import_ops()
    return tuple(_versions[name][since] for name in sorted(_versions) for since in sorted(_versions[name]))


def as_scalar_or_array(value: Array) -> Any:
    """Gives kernels a rank-0 text as `str`, other rank-0 values as NumPy scalars, and arrays as they are."""
    if value.shape == ():
        return str(value[()]) if value.dtype == np.object_ else value[()]
    return value


@cache
def _import_ops() -> None:
    package = importlib.import_module("kewcore.runtime.ops")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
