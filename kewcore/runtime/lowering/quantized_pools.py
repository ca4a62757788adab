"""An exact rewrite of quantised networks: a max-pool comes before the `quantize` and `dequantize` in front of it.

coremltools puts such a pair on both sides of every operation. Quantising is increasing, so the largest element before
it is the largest behind; pooled first, it has a fraction of the elements to work on, and the activation and convolution
before it stand next to their pool.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from kewcore.runtime.lowering.fixed_arguments import Constants, constants_of, fixed_argument, may_hang_over
from kewcore.runtime.program import Function, NamedType, Operation, TensorType


def pool_before_quantization(function: Function) -> Function:
    """Moves every max-pool before the pair that it alone reads."""
    operations = function.body.operations
    makers = {named.name: operation for operation in operations for named in operation.outputs}
    readers = Counter(name for operation in operations for name in operation.reads)
    readers.update(function.body.outputs)
    constants = constants_of(function)
    dropped: set[int] = set()
    replaced: dict[int, tuple[Operation, ...]] = {}
    for pool in operations:
        pair = _pair_before(pool, makers, readers, constants)
        if pair is not None and all(_is_increasing(operation, constants) for operation in pair):
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
    pool: Operation, makers: Mapping[str, Operation], readers: Mapping[str, int], constants: Constants
) -> tuple[Operation, Operation] | None:
    """Finds the `quantize` and `dequantize` that a max-pool alone reads; no window of it may be all padding."""
    pad_type = fixed_argument(pool, "pad_type", constants)
    if pool.type != "max_pool" or pad_type is None or str(pad_type[()]).lower() not in {"valid", "same"}:
        return None
    if may_hang_over(pool, constants):
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


def _is_increasing(operation: Operation, constants: Constants) -> bool:
    """Whether one positive scale holds for the tensor."""
    scale = fixed_argument(operation, "scale", constants)
    return scale is not None and scale.shape == () and bool(scale[()] > 0)


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
