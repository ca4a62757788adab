"""Pairs of `quantize` and `dequantize` in the protobuf of an ML Program, as coremltools would write them.

Source: `converters/mil/mil/ops/defs/iOS17/quantization_ops.py` in apple/coremltools 9.0; `MIL.proto`.
"""

from typing import Any

import numpy as np

from kewcore_export.activations.pairs import Pair
from kewcore_export.program import main_block
from kewcore_export.tensor_values import new_constant, new_output, set_small_tensor, shape_of


def insert_pairs(model: Any, pairs: tuple[Pair, ...]) -> Any:
    """Copies a program, with pairs in front of what takes bytes.

    Args:
        model: Protobuf `Model` whose opset is that of iOS 17 or later.
        pairs: What to insert; values have the names that they have in the program.

    Returns:
        A new protobuf `Model`.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    block = main_block(copy)
    del block.operations[:]
    by_operand = {(o.operation, o.parameter, o.position): pair for pair in pairs for o in pair.operands}
    types = {value.name: value.type for value in copy.mlProgram.functions["main"].inputs}
    inserted: set[str] = set()
    for operation in main_block(model).operations:
        new = type(operation)()
        new.CopyFrom(operation)
        name = operation.outputs[0].name if operation.outputs else ""
        for parameter in sorted(new.inputs):  # Protobuf orders map entries by chance.
            for position, binding in enumerate(new.inputs[parameter].arguments):
                pair = by_operand.get((name, parameter, position))
                if pair is None:
                    continue
                if pair.value not in inserted:
                    _add_pair(block, pair, types[pair.value])
                    inserted.add(pair.value)
                binding.name = pair.dequantized
        block.operations.append(new)
        types.update({output.name: output.type for output in operation.outputs})
    return copy


def _add_pair(block: Any, pair: Pair, type_: Any) -> None:
    shape = shape_of(type_)
    scale, zero_point, dtype = (f"{pair.value}_{part}" for part in ("scale", "zero_point", "dtype"))
    new_constant(block, scale, np.array(pair.range.scale, np.float16))
    new_constant(block, zero_point, np.array(pair.range.zero_point, pair.range.dtype))
    new_constant(block, dtype, pair.range.dtype)
    steps = {"scale": scale, "zero_point": zero_point}
    quantize = {"input": pair.value, "output_dtype": dtype, **steps}
    _add_operation(block, "quantize", quantize, pair.quantized, pair.range.dtype.upper(), shape)
    _add_operation(block, "dequantize", {"input": pair.quantized, **steps}, pair.dequantized, "FLOAT16", shape)


def _add_operation(
    block: Any, kind: str, inputs: dict[str, str], name: str, spec_name: str, shape: tuple[int, ...]
) -> None:
    operation = block.operations.add()
    operation.type = kind
    for parameter, value in inputs.items():
        operation.inputs[parameter].arguments.add().name = value
    set_small_tensor(operation.attributes["name"], name)
    new_output(operation, name, spec_name, shape)
