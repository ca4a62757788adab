"""How a weight that an operation reads is stored, as far as the engine treats the forms differently."""

from collections.abc import Mapping
from dataclasses import dataclass

from kewcore.ane.calls import Call
from kewcore.runtime.program import Operation, TensorType, ValueType

WEIGHT_PARAMETERS: Mapping[str, str] = {"conv": "weight", "conv_transpose": "weight", "linear": "weight", "matmul": "y"}
"""Where the operations that multiply read their weights."""


@dataclass(frozen=True)
class WeightForm:
    """A compressed weight.

    Attributes:
        bits: Bits of an element as stored; of an index, for a palette.
        palette: Whether elements are indices into a palette.
        sparse: Whether zeros are left out.
        blocks: Whether there is more than one scale along an axis that is not cut into single channels.
    """

    bits: int
    palette: bool = False
    sparse: bool = False
    blocks: bool = False


def weight_form(call: Call) -> WeightForm | None:
    """Describes the weight of a convolution or product; None where there is none, and where it is not compressed."""
    parameter = WEIGHT_PARAMETERS.get(call.type)
    maker = call.maker(parameter) if parameter else None
    return None if maker is None else _form(maker, call)


def _form(maker: Operation, call: Call) -> WeightForm | None:
    kind = maker.type
    if kind == "constexpr_affine_dequantize":
        return WeightForm(_bits(maker, "quantized_data", call))
    if kind in {"constexpr_lut_to_dense", "constexpr_lut_to_sparse"}:
        indices = "indices" if kind == "constexpr_lut_to_dense" else "indices_nonzero_data"
        return WeightForm(_bits(maker, indices, call), palette=True, sparse=kind.endswith("sparse"))
    if kind == "constexpr_blockwise_shift_scale":
        return WeightForm(_bits(maker, "data", call), blocks=_has_blocks(maker, call))
    if kind == "constexpr_sparse_to_dense":
        inner = _inner(maker, "nonzero_data", call)
        form = _form(inner, call) if inner is not None else None
        return form or WeightForm(_bits(maker, "nonzero_data", call), sparse=True)
    if kind == "constexpr_sparse_blockwise_shift_scale":
        return WeightForm(_bits(maker, "nonzero_data", call), sparse=True)
    return None


def _inner(maker: Operation, parameter: str, call: Call) -> Operation | None:
    binding = maker.arguments[parameter][0]
    found = call.scope.makers.get(binding) if isinstance(binding, str) else None
    return found if found is not None and found.type.startswith("constexpr_") else None


def _type(maker: Operation, parameter: str, call: Call) -> ValueType | None:
    binding = maker.arguments[parameter][0]
    return call.scope.types.get(binding) if isinstance(binding, str) else binding.type


def _bits(maker: Operation, parameter: str, call: Call) -> int:
    type_ = _type(maker, parameter, call)
    return type_.dtype.bits if isinstance(type_, TensorType) else 0


def _has_blocks(maker: Operation, call: Call) -> bool:
    data, scale = _type(maker, "data", call), _type(maker, "scale", call)
    if not isinstance(data, TensorType) or not isinstance(scale, TensorType):
        return False
    axes = zip(data.static_shape or (), scale.static_shape or (), strict=False)
    return any(1 < count < size for size, count in axes) or sum(count > 1 for count in scale.static_shape or ()) > 1
