"""What is in a package: inputs, operations and where they run, weights and how they are stored."""

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from kewcore.runtime.evaluation import is_constant
from kewcore.runtime.model import Model
from kewcore.runtime.program import (
    Binding,
    CollectionValue,
    Function,
    Operation,
    TensorType,
    TensorValue,
    element_count,
)
from kewcore.runtime.spec.weights import BlobStorage


@dataclass(frozen=True)
class WeightReport:
    """One weight as the network sees it.

    Attributes:
        name: Name of the value.
        shape: Shape once expanded.
        dtype: Element type once expanded.
        form: How it is stored, in words.
        stored_bytes: Bytes of all that it is stored as: elements, scales, palettes, masks.
        float32_bytes: Bytes that it takes in float32.
        bits_per_weight: `stored_bytes` in bits over the number of elements.
        sparsity: Fraction of elements left out by a mask, or None without one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    form: str
    stored_bytes: int
    float32_bytes: int
    bits_per_weight: float
    sparsity: float | None

    @property
    def ratio(self) -> float:
        """How many times smaller than in float32."""
        return self.float32_bytes / max(self.stored_bytes, 1)


@dataclass(frozen=True)
class OpCount:
    """How often an operation occurs, and which executor takes it, with the reasons where the fast one does not."""

    type: str
    count: int
    onnx: int
    reference: int
    reasons: tuple[str, ...]


def op_counts(model: Model) -> tuple[OpCount, ...]:
    """Counts operations by type, the most frequent first."""
    counts = Counter(placement.operation.type for placement in model.placements)
    rows = []
    for kind, count in sorted(counts.items(), key=lambda row: (-row[1], row[0])):
        placed = [placement for placement in model.placements if placement.operation.type == kind]
        onnx = sum(placement.executor == "onnx" for placement in placed)
        reasons = tuple(sorted({placement.reason for placement in placed if placement.reason}))
        rows.append(OpCount(kind, count, onnx, count - onnx, reasons))
    return tuple(rows)


def weight_reports(function: Function) -> tuple[WeightReport, ...]:
    """Describes every weight: constants in a weights file and compressed ones, in order of the program."""
    made = {named.name: o for o in function.body.walk() if is_constant(o) for named in o.outputs}
    inner = {
        binding
        for operation in function.body.walk()
        if operation.type.startswith("constexpr_")
        for bindings in operation.arguments.values()
        for binding in bindings
        if isinstance(binding, str)
    }
    return tuple(
        _report(operation, made, inner)
        for operation in function.body.walk()
        if is_constant(operation) and operation.outputs[-1].name not in inner and _is_weight(operation)
    )


def _is_weight(operation: Operation) -> bool:
    if operation.type != "const":
        return True
    value = operation.arguments["val"][0]
    return isinstance(value, TensorValue) and isinstance(value.storage, BlobStorage)


def _report(operation: Operation, made: Mapping[str, Operation], inner: AbstractSet[str]) -> WeightReport:
    type_ = operation.outputs[-1].type
    shape = type_.static_shape or () if isinstance(type_, TensorType) else ()
    count = element_count(shape)
    chain = list(_chain(operation, made))
    stored = sum(value.storage.size_bytes for step in chain for value in _tensors(step))
    sparsity = next((_sparsity(step, count, made) for step in chain if step.type.endswith("sparse_to_dense")), None)
    return WeightReport(
        name=operation.outputs[-1].name,
        shape=shape,
        dtype=type_.dtype.value if isinstance(type_, TensorType) else str(type_),
        form=" + ".join(filter(None, (_form(step, made, inner) for step in reversed(chain)))),
        stored_bytes=stored,
        float32_bytes=4 * count,
        bits_per_weight=8 * stored / max(count, 1),
        sparsity=sparsity,
    )


def _chain(operation: Operation, made: Mapping[str, Operation]) -> Iterator[Operation]:
    """Yields an operation and the constants that it is expanded from, each once."""
    waiting, seen = [operation], set()
    while waiting:
        step = waiting.pop(0)
        if id(step) in seen:
            continue
        seen.add(id(step))
        yield step
        names = (b for bindings in step.arguments.values() for b in bindings if isinstance(b, str))
        waiting.extend(made[name] for name in names if name in made)


_SETTINGS = frozenset({"axis", "vector_axis", "shape", "output_dtype"})
"""Arguments that say how to expand a weight; they hold none of it."""


def _tensors(operation: Operation) -> Iterator[TensorValue]:
    for parameter, bindings in operation.arguments.items():
        for binding in bindings:
            if isinstance(binding, TensorValue) and parameter not in _SETTINGS:
                yield binding


def _form(operation: Operation, made: Mapping[str, Operation], inner: AbstractSet[str]) -> str:
    """Describes one step; constants that only feed another step say nothing of themselves."""
    kind, arguments = operation.type, {k: _type(v[0], made) for k, v in operation.arguments.items()}
    if kind == "const":
        return _dtype(_type(operation.outputs[0].name, made)) if operation.outputs[0].name not in inner else ""
    if kind == "constexpr_cast":
        return "fp16, widened"
    if kind == "constexpr_affine_dequantize":
        return f"{_dtype(arguments['quantized_data'])} linear, {_granularity_16(arguments['scale'])}"
    if kind in {"constexpr_blockwise_shift_scale", "constexpr_sparse_blockwise_shift_scale"}:
        data = arguments.get("data") or arguments.get("data_mask")
        elements = arguments.get("data") or arguments.get("nonzero_data")
        offset = ", with offsets" if "offset" in arguments else ""
        return f"{_dtype(elements)} linear, {_granularity_18(data, arguments['scale'])}{offset}"
    if kind in {"constexpr_lut_to_dense", "constexpr_lut_to_sparse"}:
        return _palette(arguments["lut"])
    return "sparse" if kind == "constexpr_sparse_to_dense" else kind


def _type(binding: Binding, made: Mapping[str, Operation]) -> TensorType | None:
    if isinstance(binding, CollectionValue):
        return None
    if isinstance(binding, TensorValue):
        return binding.type
    operation = made.get(binding)
    type_ = next((named.type for named in operation.outputs if named.name == binding), None) if operation else None
    return type_ if isinstance(type_, TensorType) else None


def _dtype(type_: TensorType | None) -> str:
    return type_.dtype.value if type_ else "?"


def _granularity_16(scale: TensorType | None) -> str:
    return "per channel" if scale is not None and scale.shape else "per tensor"


def _granularity_18(data: TensorType | None, scale: TensorType | None) -> str:
    if data is None or scale is None or data.static_shape is None or scale.static_shape is None:
        return "per block"
    blocks = [size // max(count, 1) for size, count in zip(data.static_shape, scale.static_shape, strict=True)]
    if element_count(scale.static_shape) == 1:
        return "per tensor"
    split = [axis for axis, count in enumerate(scale.static_shape) if count > 1]
    if len(split) == 1 and blocks[split[0]] == 1:
        return "per channel"
    return f"per block [{', '.join(map(str, blocks))}]"


def _palette(lut: TensorType | None) -> str:
    shape: Any = lut.static_shape if lut else None
    if not shape:
        return "palette"
    if len(shape) == 1:
        return f"palette-{int(np.log2(shape[0]))}, per tensor"
    groups, (entries, length) = element_count(shape[:-2]), shape[-2:]
    tables = "per tensor" if groups == 1 else f"{groups} palettes"
    vectors = f", vectors of {length}" if length > 1 else ""
    return f"palette-{int(np.log2(entries))}, {tables}{vectors}"


def _sparsity(operation: Operation, count: int, made: Mapping[str, Operation]) -> float | None:
    data = _type(operation.arguments["nonzero_data"][0], made)
    if data is None or not data.static_shape:
        return None
    return 1 - data.static_shape[0] / max(count, 1)
