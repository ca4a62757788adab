"""An ML Program as protobuf: which constants it holds, and the same program with compressed ones.

Compression happens here, on the program in its final, serialised form, and not on coremltools' in-memory graph: names
stay, nothing is optimised a second time, and one converted program serves all modes.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.constexpr import add_constexpr, decompressed, parameters_of
from kewcore_export.quantizers.compressed import RoundedWeight, StoredWeight
from kewcore_export.targets import Target
from kewcore_export.tensor_values import element_name, read_tensor, shape_of
from kewcore_export.weights_file import WeightsWriter, read_entry

# Which inputs of which ops are weights, and their output-channel axis. A matmul has it last, unless transposed.
_CHANNEL_AXES = {("conv", "weight"): 0, ("conv_transpose", "weight"): 1, ("linear", "weight"): 0}
_FLOATS = ("FLOAT16", "FLOAT32")


@dataclass(frozen=True)
class StoredConstant:
    """A floating-point constant in the weights file of a package.

    Attributes:
        name: Of the value in the program.
        offset: Of its entry in the weights file.
        shape: Its dimensions.
        consumer: Name of the op that takes it; the last of several.
        op_type: Type of that op, such as `conv`.
        parameter: The op's parameter that it is, such as `weight`.
        channel_axis: Axis of the op's output channels; None if it is not a weight of a convolution or matrix product.
        groups: Groups of a grouped convolution, else 1.
        readers: How many arguments of operations it is: layers that are called twice, or have equal weights, share one.
    """

    name: str
    offset: int
    shape: tuple[int, ...]
    consumer: str
    op_type: str
    parameter: str
    channel_axis: int | None
    groups: int = 1
    readers: int = 1

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))


def main_block(model: Any) -> Any:
    """Gives the block of the main function, for whichever opset it was written."""
    function = model.mlProgram.functions["main"]
    return function.block_specializations[function.opset]


def stored_constants(model: Any) -> tuple[StoredConstant, ...]:
    """Lists the floating-point constants that lie in the weights file, in program order.

    Args:
        model: Protobuf `Model` that holds an ML Program.
    """
    block = main_block(model)
    uses: dict[str, list[tuple[Any, str]]] = defaultdict(list)
    for operation in block.operations:
        for parameter, argument in operation.inputs.items():
            for binding in argument.arguments:
                if binding.WhichOneof("binding") == "name":
                    uses[binding.name].append((operation, parameter))
    settings = {
        operation.outputs[0].name: operation.attributes["val"].immediateValue.tensor
        for operation in block.operations
        if operation.type == "const"
    }
    found = []
    for operation in block.operations:
        if not _in_weights_file(operation):
            continue
        value, name = operation.attributes["val"], operation.outputs[0].name
        consumer, parameter = uses[name][-1]
        shape = shape_of(value.type)
        axis = _CHANNEL_AXES.get((consumer.type, parameter))
        if (consumer.type, parameter) == ("matmul", "y") and len(shape) == 2:
            axis = 0 if _setting(consumer, "transpose_y", settings, "bools", False) else 1
        groups = int(_setting(consumer, "groups", settings, "ints", 1))
        found.append(
            StoredConstant(
                name,
                value.blobFileValue.offset,
                shape,
                consumer.outputs[0].name,
                consumer.type,
                parameter,
                axis,
                groups,
                len(uses[name]),
            )
        )
    return tuple(found)


def _setting(operation: Any, parameter: str, constants: Mapping[str, Any], field: str, default: Any) -> Any:
    """Reads a constant argument of one element."""
    if parameter not in operation.inputs:
        return default
    return getattr(constants[operation.inputs[parameter].arguments[0].name], field).values[0]


def read_constants(model: Any, weights: Path) -> dict[str, NDArray[Any]]:
    """Decodes the floating-point constants of a package as Core ML would, compressed ones included.

    Args:
        model: Protobuf `Model` that holds an ML Program.
        weights: Its weights file.

    Returns:
        fp16 or fp32 arrays by the name of the value, in program order.

    Raises:
        PackageError: The weights file is damaged, or the program holds a form of compression unknown here.
    """
    found: dict[str, NDArray[Any]] = {}
    for operation in main_block(model).operations:
        if _in_weights_file(operation):
            found[operation.outputs[0].name] = read_tensor(operation.attributes["val"], weights)
        elif operation.type.startswith("constexpr_"):
            parameters = {
                key: found[value] if isinstance(value, str) else read_tensor(value, weights)
                for key, value in parameters_of(operation)
            }
            for output, array in zip(operation.outputs, decompressed(operation.type, parameters), strict=True):
                found[output.name] = array
    return found


def with_weights(
    model: Any, source: Path, compressed: Mapping[str, StoredWeight], target: Target, weights: WeightsWriter
) -> Any:
    """Copies a program, with some of its constants compressed, for a deployment target.

    Args:
        model: Protobuf `Model` with uncompressed constants.
        source: Its weights file.
        compressed: Compressed forms, and values rounded with care, by the name of the constant; the others are copied.
        target: Deployment target of the copy.
        weights: Where the arrays of the copy go.

    Returns:
        A new protobuf `Model`.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    copy.specificationVersion = target.specification_version
    function = copy.mlProgram.functions["main"]
    original = main_block(model)
    function.ClearField("block_specializations")
    function.opset = target.opset
    block = function.block_specializations[target.opset]
    block.inputs.extend(original.inputs)
    block.outputs.extend(original.outputs)
    for operation in original.operations:
        name = operation.outputs[0].name if operation.outputs else ""
        form = compressed.get(name)
        if form is not None and not isinstance(form, RoundedWeight):
            add_constexpr(block, name, form, target, weights)
            continue
        new = block.operations.add()
        new.CopyFrom(operation)
        if operation.type == "const" and operation.attributes["val"].WhichOneof("value") == "blobFileValue":
            value = new.attributes["val"].blobFileValue
            value.offset = _copied(source, value.offset, weights) if form is None else weights.add(form.values, "fp16")
    return copy


def _copied(source: Path, offset: int, weights: WeightsWriter) -> int:
    element, values = read_entry(source, offset)
    return weights.add(values, element)


def _in_weights_file(operation: Any) -> bool:
    if operation.type != "const":
        return False
    value = operation.attributes["val"]
    return value.WhichOneof("value") == "blobFileValue" and element_name(value.type) in _FLOATS
