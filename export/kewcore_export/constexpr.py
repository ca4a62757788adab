"""Compressed weights as `constexpr_` ops of an ML Program: written, and decompressed as Core ML does.

Up to iOS 17 the parameters of these ops are attributes, and masks and indices are packed bytes with a `shape` beside
them; from iOS 18 on they are inputs of sub-byte types, and scales and palettes cover blocks.

Source: `converters/mil/mil/ops/defs/iOS16/constexpr_ops.py` and `iOS18/compression.py` in apple/coremltools 9.0.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import PackageError
from kewcore_export.quantizers.blocks import spread
from kewcore_export.quantizers.compressed import (
    CompressedWeight,
    LinearWeight,
    PaletteWeight,
    SparsePaletteWeight,
    SparseWeight,
    VectorPaletteWeight,
)
from kewcore_export.targets import TARGETS, Target
from kewcore_export.tensor_values import new_output, set_file_tensor, set_small_tensor
from kewcore_export.weights_file import ElementType, WeightsWriter, pack_bits, unpack_bits

Array = NDArray[Any]
_Parameters = list[tuple[str, Array, ElementType | None]]

# Arrays of fewer elements stand in the program itself, as coremltools writes them.
_FEWEST_IN_FILE = 10


def add_constexpr(block: Any, name: str, weight: CompressedWeight, target: Target, weights: WeightsWriter) -> None:
    """Appends the ops that decompress a weight into the value `name` to a block, and its arrays to the weights file.

    Args:
        block: Protobuf `Block` that is being built.
        name: Of the value that the decompressed weight becomes.
        weight: Its compressed form.
        target: Deployment target, which decides between the forms of iOS 16 and of iOS 18.
        weights: Where arrays go.
    """
    if target >= TARGETS["iOS18"]:
        _add_ios18(block, name, weight, weights)
    else:
        _add_ios16(block, name, weight, weights)


def decompressed(op_type: str, parameters: Mapping[str, Array]) -> tuple[Array, ...]:
    """Evaluates one `constexpr_` op.

    Args:
        op_type: Such as `constexpr_lut_to_dense`.
        parameters: Values by name; those of sub-byte types one element a byte.

    Returns:
        The outputs of the op, in order; weights as fp16.

    Raises:
        PackageError: The op is not one that kewcore writes.
    """
    match op_type:
        case "constexpr_affine_dequantize":
            return (_affine(parameters),)
        case "constexpr_blockwise_shift_scale":
            data, scale = parameters["data"], cast(NDArray[np.float16], parameters["scale"])
            return ((data.astype(np.float16) * spread(scale, data.shape)).astype(np.float16),)
        case "constexpr_lut_to_dense":
            if "shape" in parameters:
                return (_flat_palette(parameters),)
            return (_look_up(parameters["indices"], parameters["lut"], int(parameters.get("vector_axis", 0))),)
        case "constexpr_sparse_to_dense":
            return (_scatter(parameters),)
        case "constexpr_lut_to_sparse":
            mask = parameters["indices_mask"].astype(bool)
            indices = np.zeros(mask.shape, np.uint8)
            indices[mask] = parameters["indices_nonzero_data"]
            return mask.astype(np.uint8), _look_up(indices, parameters["lut"])[mask]
    raise PackageError(f"the program holds a '{op_type}' op, which kewcore does not write")


def _add_ios16(block: Any, name: str, weight: CompressedWeight, weights: WeightsWriter) -> None:
    match weight:
        case LinearWeight(values, scale, 8):
            axis = next((i for i, n in enumerate(scale.shape) if n > 1), 0)
            kind = "constexpr_affine_dequantize"
            parameters: _Parameters = [
                ("quantized_data", values, "int8"),
                ("zero_point", np.zeros((), np.int8), None),
                ("scale", scale.ravel() if scale.size > 1 else scale.reshape(()), "fp16"),
                ("axis", np.asarray(axis, np.int32), None),
            ]
        case PaletteWeight(indices, palette, bits) if palette.size == 2**bits:
            kind = "constexpr_lut_to_dense"
            parameters = [
                ("indices", pack_bits(indices.ravel(), bits), "uint8"),
                ("lut", palette.ravel(), "fp16"),
                ("shape", np.asarray(indices.shape, np.uint32), None),
            ]
        case SparseWeight(mask, values):
            kind = "constexpr_sparse_to_dense"
            parameters = [
                ("nonzero_data", values, "fp16"),
                ("mask", np.packbits(mask.ravel(), bitorder="little"), "uint8"),
                ("shape", np.asarray(mask.shape, np.uint32), None),
            ]
        case _:
            raise ValueError(f"weight '{name}' has a form that needs iOS18: {type(weight).__name__}")
    operation = _new_operation(block, kind, name)
    for key, array, element in parameters:
        _set_tensor(operation.attributes[key], array, element, weights)
    new_output(operation, name, "FLOAT16", _dense_shape(weight))


def _add_ios18(block: Any, name: str, weight: CompressedWeight, weights: WeightsWriter) -> None:
    match weight:
        case LinearWeight(values, scale, bits):
            operation = _new_operation(block, "constexpr_blockwise_shift_scale", name)
            parameters: _Parameters = [("data", values, _signed(bits)), ("scale", scale, "fp16")]
        case PaletteWeight(indices, palette, bits):
            operation = _new_operation(block, "constexpr_lut_to_dense", name)
            parameters = [("indices", indices, _unsigned(bits)), ("lut", palette[..., None], "fp16")]
        case VectorPaletteWeight(indices, palette, bits, axis):
            operation = _new_operation(block, "constexpr_lut_to_dense", name)
            parameters = [
                ("indices", indices, _unsigned(bits)),
                ("lut", palette, "fp16"),
                ("vector_axis", np.asarray(axis, np.int32), None),
            ]
        case SparseWeight(mask, kept):
            operation = _new_operation(block, "constexpr_sparse_to_dense", name)
            parameters = [("nonzero_data", kept, "fp16"), ("mask", mask, "uint1")]
        case SparsePaletteWeight(mask, kept_indices, palette, bits):
            inner = _new_operation(block, "constexpr_lut_to_sparse", f"{name}_sparse")
            inner_parameters: _Parameters = [
                ("indices_mask", mask, "uint1"),
                ("indices_nonzero_data", kept_indices, _unsigned(bits)),
                ("lut", palette[..., None], "fp16"),
            ]
            for key, array, element in inner_parameters:
                _set_tensor(inner.inputs[key].arguments.add().value, array, element, weights)
            new_output(inner, f"{name}_mask", "UINT1", mask.shape)
            new_output(inner, f"{name}_values", "FLOAT16", kept_indices.shape)
            operation = _new_operation(block, "constexpr_sparse_to_dense", name)
            operation.inputs["nonzero_data"].arguments.add().name = f"{name}_values"
            operation.inputs["mask"].arguments.add().name = f"{name}_mask"
            parameters = []
    for key, array, element in parameters:
        _set_tensor(operation.inputs[key].arguments.add().value, array, element, weights)
    new_output(operation, name, "FLOAT16", _dense_shape(weight))


def _new_operation(block: Any, kind: str, name: str) -> Any:
    operation = block.operations.add()
    operation.type = kind
    set_small_tensor(operation.attributes["name"], name)
    return operation


def _set_tensor(value: Any, array: Array, element: ElementType | None, weights: WeightsWriter) -> None:
    whole_bytes = element in ("fp16", "int8", "uint8", None)
    if element is None or (array.size < _FEWEST_IN_FILE and whole_bytes):
        set_small_tensor(value, array)
    else:
        set_file_tensor(value, array.shape, element, weights.add(array, element))


def _dense_shape(weight: CompressedWeight) -> tuple[int, ...]:
    match weight:
        case LinearWeight(values=array) | PaletteWeight(indices=array):
            return array.shape
        case SparseWeight(mask=mask) | SparsePaletteWeight(mask=mask):
            return mask.shape
        case VectorPaletteWeight():
            return weight.shape


def _signed(bits: int) -> ElementType:
    return "int4" if bits == 4 else "int8"


def _unsigned(bits: int) -> ElementType:
    return cast(ElementType, f"uint{bits}")


def _affine(parameters: Mapping[str, Array]) -> Array:
    data, scale = parameters["quantized_data"], cast(NDArray[np.float16], parameters["scale"])
    zero_point = parameters["zero_point"].astype(np.float16)
    axis = int(parameters["axis"])
    along = [-1 if i == axis else 1 for i in range(data.ndim)]
    if scale.ndim:
        scale = scale.reshape(along)
    if zero_point.ndim:
        zero_point = zero_point.reshape(along)
    return ((data.astype(np.float16) - zero_point) * scale).astype(np.float16)


def _flat_palette(parameters: Mapping[str, Array]) -> Array:
    shape = tuple(int(n) for n in parameters["shape"])
    bits = int(parameters["lut"].size - 1).bit_length()
    packed = parameters["indices"].astype(np.uint8, copy=False)
    return parameters["lut"][unpack_bits(packed, bits, int(np.prod(shape)))].reshape(shape)


def _scatter(parameters: Mapping[str, Array]) -> Array:
    if "shape" in parameters:
        shape = tuple(int(n) for n in parameters["shape"])
        packed = parameters["mask"].astype(np.uint8, copy=False)
        mask = unpack_bits(packed, 1, int(np.prod(shape))).reshape(shape).astype(bool)
    else:
        mask = parameters["mask"].astype(bool)
    values = parameters["nonzero_data"]
    dense = np.zeros(mask.shape, values.dtype)
    dense[mask] = values
    return dense


def _look_up(indices: Array, lut: Array, vector_axis: int = 0) -> Array:
    blocks, (levels, vector) = lut.shape[:-2], lut.shape[-2:]
    owner = spread(np.arange(int(np.prod(blocks)), dtype=np.int32).reshape(blocks), indices.shape)
    values: Array = lut.reshape(-1, vector)[owner * levels + indices.astype(np.int32)]
    return values[..., 0] if vector == 1 else _along(values, vector_axis)


def _along(vectors: Array, axis: int) -> Array:
    """Lays the last axis, the elements of vectors, out along another."""
    moved = np.moveaxis(vectors, -1, axis + 1)
    return moved.reshape(*moved.shape[:axis], -1, *moved.shape[axis + 2 :])


def parameters_of(operation: Any) -> Iterator[tuple[str, Any]]:
    """Gives the parameters of a `constexpr_` op: names with values, or with the name of an op's output."""
    for key, value in operation.attributes.items():
        if key != "name":
            yield key, value
    for key, argument in operation.inputs.items():
        binding = argument.arguments[0]
        yield key, binding.name if binding.WhichOneof("binding") == "name" else binding.value
