"""An exact rewrite of quantised networks: a max-pool comes before the `quantize` and `dequantize` in front of it.

coremltools puts such a pair on both sides of every operation. Quantising is increasing, so the largest element before
it is the largest behind; pooled first, it has a fraction of the elements to work on, and the activation and convolution
before it stand next to their pool.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from kewcore.runtime.program import Binding, Function, NamedType, Operation, TensorType, TensorValue


def pool_before_quantization(function: Function) -> Function:
    """Moves every max-pool before the pair that it alone reads."""
    operations = function.body.operations
    makers = {named.name: operation for operation in operations for named in operation.outputs}
    readers = Counter(name for operation in operations for name in operation.reads)
    readers.update(function.body.outputs)
    dropped: set[int] = set()
    replaced: dict[int, tuple[Operation, ...]] = {}
    for pool in operations:
        pair = _pair_before(pool, makers, readers)
        if pair is not None and all(_is_increasing(operation, makers) for operation in pair):
            dropped.update(map(id, pair))
            replaced[id(pool)] = _moved(pool, *pair)
    body = tuple(
        new
        for operation in operations
        if id(operation) not in dropped
        for new in replaced.get(id(operation), (operation,))
    )
    return replace(function, body=replace(function.body, operations=body))


def _pair_before(
    pool: Operation, makers: Mapping[str, Operation], readers: Mapping[str, int]
) -> tuple[Operation, Operation] | None:
    """Finds the `quantize` and `dequantize` that a max-pool alone reads; no window of it may be all padding."""
    if pool.type != "max_pool" or _text(pool, "pad_type", makers) not in {"valid", "same"} or _hangs_over(pool, makers):
        return None
    dequantize = _sole(pool, "x", "dequantize", makers, readers)
    quantize = None if dequantize is None else _sole(dequantize, "input", "quantize", makers, readers)
    if dequantize is None or quantize is None:
        return None
    source = quantize.inputs["input"][0]
    given = makers[source].outputs if isinstance(source, str) and source in makers else ()
    kinds = [
        named.type for named in (*given, *dequantize.outputs) if named.name in {source, dequantize.outputs[0].name}
    ]
    tensors = [kind.dtype for kind in kinds if isinstance(kind, TensorType)]
    return (quantize, dequantize) if len(tensors) == 2 and tensors[0] is tensors[1] else None


def _sole(
    reader: Operation, parameter: str, kind: str, makers: Mapping[str, Operation], readers: Mapping[str, int]
) -> Operation | None:
    """Returns what makes an argument, if it is of a kind and nothing else reads its result."""
    (source,) = reader.inputs.get(parameter, (None,))
    maker = makers.get(source) if isinstance(source, str) else None
    return maker if maker is not None and maker.type == kind and readers[maker.outputs[0].name] == 1 else None


def _constant(operation: Operation, parameter: str, makers: Mapping[str, Operation]) -> TensorValue | None:
    (binding,) = operation.arguments.get(parameter, (None,))
    maker = makers.get(binding) if isinstance(binding, str) else None
    value: Binding | None = maker.arguments["val"][0] if maker is not None and maker.type == "const" else binding
    return value if isinstance(value, TensorValue) else None


def _text(operation: Operation, parameter: str, makers: Mapping[str, Operation]) -> str | None:
    value = _constant(operation, parameter, makers)
    return None if value is None else str(value.numpy()[()]).lower()


def _hangs_over(pool: Operation, makers: Mapping[str, Operation]) -> bool:
    """Whether `ceil_mode` may put a window where there is nothing."""
    ceil_mode = _constant(pool, "ceil_mode", makers)
    return "ceil_mode" in pool.arguments and (ceil_mode is None or bool(ceil_mode.numpy().any()))


def _is_increasing(operation: Operation, makers: Mapping[str, Operation]) -> bool:
    """Whether one positive scale holds for the tensor."""
    scale = _constant(operation, "scale", makers)
    if scale is None or not isinstance(scale.type, TensorType) or scale.type.shape != ():
        return False
    return bool(scale.numpy()[()] > 0)


def _moved(pool: Operation, quantize: Operation, dequantize: Operation) -> tuple[Operation, Operation, Operation]:
    """Returns the pool on what `quantize` took, and the pair on that."""
    result, bytes_ = pool.outputs[0], quantize.outputs[0]
    pooled = NamedType(f"{result.name}__before_quantize", result.type)
    shape = result.type.shape if isinstance(result.type, TensorType) else None
    inner = replace(bytes_.type, shape=shape) if isinstance(bytes_.type, TensorType) else bytes_.type
    quantized = NamedType(f"{result.name}__quantized", inner)
    return (
        replace(pool, inputs={**pool.inputs, "x": quantize.inputs["input"]}, outputs=(pooled,)),
        replace(quantize, inputs={**quantize.inputs, "input": (pooled.name,)}, outputs=(quantized,)),
        replace(dequantize, inputs={**dequantize.inputs, "input": (quantized.name,)}, outputs=(result,)),
    )
