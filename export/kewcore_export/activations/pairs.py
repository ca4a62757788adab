"""Pairs of `quantize` and `dequantize`: what they are, and a program of the runtime with them.

The edited function serves to try pairs out without a package being written; `kewcore_export.activations.insertion`
writes the same pairs into a package.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.program import (
    Binding,
    DataType,
    Function,
    NamedType,
    Operation,
    TensorType,
    TensorValue,
)
from kewcore.runtime.spec.values import ImmediateStorage
from kewcore_export.activations.placement import Operand, Placement
from kewcore_export.activations.ranges import ActivationRange


@dataclass(frozen=True)
class Pair:
    """One activation that becomes bytes and comes back.

    Attributes:
        value: Name of the activation.
        range: How it becomes bytes.
        operands: Who reads it from behind the pair; all others read it as before.
    """

    value: str
    range: ActivationRange
    operands: tuple[Operand, ...]

    @property
    def quantized(self) -> str:
        """Name of the bytes."""
        return f"{self.value}_quantized"

    @property
    def dequantized(self) -> str:
        """Name of what the operands read."""
        return f"{self.value}_dequantized"


def pairs_for(placed: Placement, ranges: Mapping[str, ActivationRange]) -> tuple[Pair, ...]:
    """Makes the pairs of a placement, in the order in which they are first read.

    Args:
        placed: What takes bytes.
        ranges: By the names of values.
    """
    readers: dict[str, list[Operand]] = {}
    for operation in placed.operations:
        for operand in operation.operands:
            readers.setdefault(operand.value, []).append(operand)
    return tuple(Pair(value, ranges[value], tuple(operands)) for value, operands in readers.items())


def with_pairs(function: Function, pairs: tuple[Pair, ...]) -> Function:
    """Returns a function with pairs in front of their operands.

    Args:
        function: A verified function without such pairs.
        pairs: What to insert.
    """
    operands = {(o.operation, o.parameter, o.position): pair for pair in pairs for o in pair.operands}
    types = {named.name: named.type for named in function.inputs}
    inserted: set[str] = set()
    operations: list[Operation] = []
    for operation in function.body.operations:
        name = operation.outputs[0].name if operation.outputs else ""
        inputs = dict(operation.inputs)
        for parameter, bindings in operation.inputs.items():
            for position in range(len(bindings)):
                pair = operands.get((name, parameter, position))
                if pair is None:
                    continue
                if pair.value not in inserted:
                    operations.extend(_pair_operations(pair, types[pair.value]))
                    inserted.add(pair.value)
                inputs[parameter] = _rebound(inputs[parameter], position, pair.dequantized)
        operations.append(replace(operation, inputs=inputs))
        types.update({output.name: output.type for output in operation.outputs})
    opset = max(function.opset, Opset.IOS17)
    return replace(function, opset=opset, body=replace(function.body, operations=tuple(operations)))


def watching(function: Function, names: tuple[str, ...]) -> Function:
    """Returns a function whose outputs are these values; what none of them needs need not run."""
    return replace(function, body=replace(function.body, outputs=names))


def _rebound(bindings: tuple[Binding, ...], position: int, name: str) -> tuple[Binding, ...]:
    return (*bindings[:position], name, *bindings[position + 1 :])


def _pair_operations(pair: Pair, type_: Any) -> tuple[Operation, Operation]:
    bytes_ = DataType(pair.range.dtype)
    scale = _constant(np.float16(pair.range.scale), DataType.FLOAT16)
    zero_point = _constant(pair.range.zero_point, bytes_)
    output_dtype = _constant(bytes_.value, DataType.STRING)
    quantize = Operation(
        "quantize",
        pair.quantized,
        {"input": (pair.value,), "scale": (scale,), "zero_point": (zero_point,), "output_dtype": (output_dtype,)},
        {},
        (NamedType(pair.quantized, replace(type_, dtype=bytes_)),),
    )
    dequantize = Operation(
        "dequantize",
        pair.dequantized,
        {"input": (pair.quantized,), "scale": (scale,), "zero_point": (zero_point,)},
        {},
        (NamedType(pair.dequantized, type_),),
    )
    return quantize, dequantize


def _constant(value: Any, dtype: DataType) -> TensorValue:
    return TensorValue(TensorType(dtype, ()), ImmediateStorage(np.array([value], dtype.numpy)))
