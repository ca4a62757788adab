"""An ONNX graph under construction, and the view of it that one operation's lowering gets.

fp16-typed values are float32 in the graph. Where a value must be rounded to fp16, a pair of casts does it, placed as
late as it can be: behind a max-pool, which commutes with rounding and leaves fewer elements to round.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kewcore.runtime.evaluation import constant
from kewcore.runtime.executor import Precision
from kewcore.runtime.opset import Opset
from kewcore.runtime.program import Binding, DataType, ListType, NamedType, Operation, TensorType, TensorValue
from kewcore.runtime.registry import Array, OpSpec, Shape, as_scalar_or_array

ONNX_OPSET = 20
"""Opset of the graphs: the first with `Gelu`; ONNX Runtime has it since 1.17."""
IR_VERSION = 9

_ELEMENT_TYPES: dict[DataType, int] = {
    DataType.FLOAT16: 1,
    DataType.FLOAT32: 1,
    DataType.UINT8: 2,
    DataType.INT8: 3,
    DataType.UINT16: 4,
    DataType.INT16: 5,
    DataType.INT32: 6,
    DataType.INT64: 7,
    DataType.BOOL: 9,
}
"""ONNX element type of a value in the graph. Source: `TensorProto.DataType` in onnx.proto."""
_FLOAT, _FLOAT16 = 1, 10


UNFINISHED_LOOP = "unfinished_loop"
"""In the name of the node that fails where a loop was cut off, so that the failure can be told from others."""


IntegerProducts = Literal["none", "portable", "mixed"]
"""Whether bytes are multiplied as such: not at all, unsigned ones (exact on every processor), or signed with unsigned
ones too (faster, but exact only where the processor does not cut sums of two products off at 16 bits)."""


class NoLoweringError(Exception):
    """An operation, or this form of it, cannot be said in ONNX; the reference executor takes it."""


@dataclass(frozen=True)
class ListFacts:
    """A list of tensors that lies in the graph as one tensor, its elements along the first axis.

    Attributes:
        length: Number of elements.
        element_shape: Shape of one.
        dtype: Element type of the tensors.
        growing: Whether writing behind the end makes it longer.
    """

    length: int
    element_shape: tuple[int, ...]
    dtype: DataType
    growing: bool

    @property
    def held(self) -> Any:
        """NumPy type of the tensor that holds it."""
        return np.float32 if self.dtype is DataType.FLOAT16 else self.dtype.numpy


@dataclass
class GraphBuilder:
    """Nodes, constants and names of one graph.

    Attributes:
        opset: The function's opset.
        precision: Whether fp16-typed values are rounded.
        types: Types of the program's values by name.
        constants: Values known before anything runs, fp16 widened.
        halves: Names of float32 initializers whose elements are exact in fp16.
        static_shapes: Shapes of tensors of the graph, where all sizes are known.
        makers: Operations by the names of what they give.
        integers: How quantised activations are multiplied with quantised weights.
        byte_weights: Signed bytes and the scale of each channel of quantised weights that stay float in the graph, by
            the weight's tensor.
        lists: What is known of lists, by the name of the tensor that holds one; None where lists must not be lowered.
    """

    opset: Opset
    precision: Precision
    types: Mapping[str, Any]
    constants: Mapping[str, Any]
    lists: dict[str, ListFacts] | None = None
    nodes: list[Any] = field(default_factory=list)
    initializers: dict[str, Array] = field(default_factory=dict)
    halves: set[str] = field(default_factory=set)
    inputs: dict[str, TensorType] = field(default_factory=dict)
    static_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    makers: Mapping[str, Operation] = field(default_factory=dict)
    integers: IntegerProducts = "none"
    byte_weights: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    _raw: dict[str, str] = field(default_factory=dict)
    _settled: dict[str, str] = field(default_factory=dict)
    _counter: int = 0

    def fresh(self, stem: str) -> str:
        """Returns a name that is not taken."""
        self._counter += 1
        return f"{stem}__{self._counter}"

    def emit(self, kind: str, inputs: list[str], stem: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Adds a node and returns the names of its outputs."""
        from onnx import helper

        names = [self.fresh(stem) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=self.fresh(f"{stem}.{kind}"), **attributes))
        return names

    def initializer(self, array: Array, stem: str, *, half: bool = False) -> str:
        """Adds a constant tensor; `half` says that a file may store it in fp16, since that is exact."""
        name = self.fresh(stem)
        self.initializers[name] = np.ascontiguousarray(array).reshape(array.shape)
        if half:
            self.halves.add(name)
        return name

    def bind(self, output: NamedType, name: str, *, rounded: bool) -> None:
        """Says which tensor of the graph is a value of the program, and whether it is as exact as its type."""
        self._raw[output.name] = name
        if isinstance(output.type, TensorType) and output.type.static_shape is not None:
            self.static_shapes[name] = output.type.static_shape
        is_half = isinstance(output.type, TensorType) and output.type.dtype is DataType.FLOAT16
        if rounded or not is_half or self.precision == "fp32":
            self._settled[output.name] = name

    def value(self, name: str) -> str:
        """Returns the tensor of a value, rounded to its type; makes it a constant or an input of the graph if new."""
        if name not in self._settled:
            if name in self._raw:
                self._settled[name] = self._rounded(self._raw[name])
            elif name in self.constants:
                self._settled[name] = self.literal(self.constants[name], self.types[name], name)
            else:
                self._settled[name] = self._raw[name] = self._input(name)
        return self._settled[name]

    def unrounded(self, name: str) -> tuple[str, bool]:
        """Returns the tensor of a value as it is, and whether it is rounded already."""
        if name in self._raw and name not in self._settled:
            return self._raw[name], False
        return self.value(name), True

    def literal(self, value: Any, type_: Any, stem: str) -> str:
        """Adds a constant of the program.

        Raises:
            NoLoweringError: Its type has no counterpart.
        """
        if not isinstance(type_, TensorType) or type_.dtype not in _ELEMENT_TYPES:
            raise NoLoweringError(f"a constant of type {type_}")
        half = type_.dtype is DataType.FLOAT16
        array = np.asarray(value, np.float32 if half else type_.dtype.numpy)
        # Typed values are exact in fp16; under `fp32` an expanded weight need not be.
        exact = self.precision == "typed" or bool(np.array_equal(array, array.astype(np.float16), equal_nan=True))
        return self.initializer(array, stem, half=half and array.size > 1 and exact)

    def knows(self, name: str) -> bool:
        """Whether a value is computed in this graph."""
        return name in self._raw

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that takes back everything that was added since."""
        nodes = len(self.nodes)
        tables: list[tuple[dict[str, Any], int]] = [
            (table, len(table)) for table in (self.initializers, self.inputs, self._raw, self._settled)
        ]

        def restore() -> None:
            del self.nodes[nodes:]
            for table, length in tables:  # nothing in them is ever replaced, so what is new is what came last
                while len(table) > length:
                    table.popitem()

        return restore

    def _rounded(self, name: str) -> str:
        half = self.emit("Cast", [name], name, to=_FLOAT16)[0]
        return self.emit("Cast", [half], name, to=_FLOAT)[0]

    def _input(self, name: str) -> str:
        type_ = self.types[name]
        if not isinstance(type_, TensorType) or type_.dtype not in _ELEMENT_TYPES:
            raise NoLoweringError(f"a value of type {type_}")
        self.inputs[name] = type_
        return name


@dataclass(frozen=True)
class Lowering:
    """One operation on its way into a graph.

    Attributes:
        operation: The operation.
        spec: Its entry in the registry.
        graph: The graph.
    """

    operation: Operation
    spec: OpSpec
    graph: GraphBuilder

    def has(self, parameter: str) -> bool:
        """Whether an argument is given."""
        return bool(self.operation.arguments.get(parameter))

    def value(self, parameter: str) -> str:
        """Returns the tensor of an argument."""
        return self.values(parameter)[0]

    def values(self, parameter: str) -> list[str]:
        """Returns the tensors of an argument with several bindings."""
        return [
            self.graph.value(binding) if isinstance(binding, str) else self._literal(binding, parameter)
            for binding in self.operation.arguments[parameter]
        ]

    def unrounded(self, parameter: str) -> tuple[str, bool]:
        """Returns the tensor of an argument before rounding, and whether it is rounded already."""
        binding = self.operation.arguments[parameter][0]
        return self.graph.unrounded(binding) if isinstance(binding, str) else (self.value(parameter), True)

    def constant(self, parameter: str, default: Any = None) -> Any:
        """Returns a constant argument's value, or `default` where it is left out.

        Raises:
            NoLoweringError: It is computed at run time.
        """
        if not self.has(parameter):
            return default
        binding = self.operation.arguments[parameter][0]
        if not isinstance(binding, str):
            return as_scalar_or_array(np.asarray(constant(binding)))
        if binding not in self.graph.constants:
            raise NoLoweringError(f"'{parameter}' is computed at run time")
        value = self.graph.constants[binding]
        return as_scalar_or_array(value) if isinstance(value, np.ndarray) else value

    def constants(self, parameter: str) -> tuple[Any, ...]:
        """Returns the values of an argument with several bindings, all of them constant.

        Raises:
            NoLoweringError: One is computed at run time.
        """
        bindings = self.operation.arguments.get(parameter, ())
        known = [b for b in bindings if not isinstance(b, str) or b in self.graph.constants]
        if len(known) < len(bindings):
            raise NoLoweringError(f"'{parameter}' is computed at run time")
        values = (self.graph.constants[b] if isinstance(b, str) else constant(b) for b in known)
        return tuple(as_scalar_or_array(np.asarray(value)) for value in values)

    def list_type(self) -> TensorType:
        """Returns the type of the elements of the list that the operation gives.

        Raises:
            NoLoweringError: It gives no list of tensors.
        """
        type_ = self.operation.outputs[0].type
        if not isinstance(type_, ListType) or not isinstance(type_.element, TensorType):
            raise NoLoweringError(f"a list of type {type_}")
        return type_.element

    def is_constant(self, parameter: str) -> bool:
        """Whether an argument is known before anything runs."""
        binding = self.operation.arguments[parameter][0]
        return not isinstance(binding, str) or binding in self.graph.constants

    def type(self, parameter: str) -> TensorType:
        """Returns the type of an argument.

        Raises:
            NoLoweringError: It is not a tensor.
        """
        binding = self.operation.arguments[parameter][0]
        type_ = self.graph.types[binding] if isinstance(binding, str) else binding.type
        if not isinstance(type_, TensorType):
            raise NoLoweringError(f"'{parameter}' is a {type_}")
        return type_

    def shape(self, parameter: str) -> Shape:
        """Returns the shape of an argument.

        Raises:
            NoLoweringError: Not even its rank is known.
        """
        shape = self.type(parameter).shape
        if shape is None:
            raise NoLoweringError(f"the rank of '{parameter}' is not known")
        return shape

    def static_shape(self, parameter: str) -> tuple[int, ...]:
        """Returns the shape of an argument whose sizes are all known.

        Raises:
            NoLoweringError: They are not.
        """
        shape = self.type(parameter).static_shape
        if shape is None:
            raise NoLoweringError(f"the shape of '{parameter}' is known at run time only")
        return shape

    def spatial_sizes(self, parameter: str, first: int = 2) -> tuple[int, ...]:
        """Returns the sizes of the axes from `first` on; a batch of any size may come before.

        Raises:
            NoLoweringError: They are not known.
        """
        sizes = self.shape(parameter)[first:]
        if None in sizes:
            raise NoLoweringError(f"the sizes of '{parameter}' are known at run time only")
        return tuple(size for size in sizes if size is not None)

    def require_floats(self, *parameters: str) -> None:
        """Makes sure that arguments are fp16 or fp32.

        Raises:
            NoLoweringError: One is not.
        """
        for parameter in parameters:
            if not self.type(parameter).dtype.is_float:
                raise NoLoweringError(f"'{parameter}' is {self.type(parameter).dtype.value}")

    def emit(self, kind: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """Adds a node and returns the names of its outputs."""
        return self.graph.emit(kind, inputs, self.operation.outputs[0].name, outputs, **attributes)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output and returns its name."""
        return self.emit(kind, list(inputs), **attributes)[0]

    def floats(self, *values: float) -> str:
        """Adds a float32 constant: a scalar, or a vector of several values."""
        array = np.array(values[0] if len(values) == 1 else values, np.float32)
        return self.graph.initializer(array, "constant")

    def integers(self, values: Any) -> str:
        """Adds an int64 vector, as ONNX takes shapes and axes."""
        return self.graph.initializer(np.atleast_1d(np.asarray(values, np.int64)), "constant")

    def finish(self, *names: str, rounded: bool | None = None) -> None:
        """Binds the operation's outputs; exact operations have nothing to round."""
        for output, name in zip(self.operation.outputs, names, strict=True):
            self.graph.bind(output, name, rounded=self.spec.exact if rounded is None else rounded)

    def _literal(self, binding: Binding, parameter: str) -> str:
        if not isinstance(binding, TensorValue):
            raise NoLoweringError(f"'{parameter}' is a list")
        return self.graph.literal(constant(binding), binding.type, parameter)


def element_type(dtype: DataType) -> int:
    """Returns the ONNX element type that stands for a type in the graph.

    Raises:
        NoLoweringError: None does.
    """
    if dtype not in _ELEMENT_TYPES:
        raise NoLoweringError(f"{dtype.value} has no counterpart")
    return _ELEMENT_TYPES[dtype]
