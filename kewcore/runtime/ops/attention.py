"""Attention."""

from math import prod, sqrt

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.program import TENSOR_LIMIT_BYTES
from kewcore.runtime.registry import BOOLS, FLOATS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes, broadcast

_ACCEPTS = {"query": FLOATS, "key": FLOATS, "value": FLOATS, "attn_mask": FLOATS | BOOLS}


def _shape(arguments: StaticArguments) -> Shapes:
    query, key, value = (arguments.shape(name) for name in ("query", "key", "value"))
    if query is None or key is None or value is None:
        return None
    if len(query) < 3 or len(key) != len(query) or len(value) != len(query):
        raise ValueError(f"query, key and value must have one rank from 3, got {[len(query), len(key), len(value)]}")
    for name, other, what, left, right in (
        ("key", "query", "embedding sizes", key[-1], query[-1]),
        ("value", "key", "lengths", value[-2], key[-2]),
    ):
        if None not in {left, right} and left != right:
            raise ValueError(f"{what} of {name} and {other} must agree, got {left} and {right}")
    batch = broadcast(broadcast(query[:-2], key[:-2]), value[:-2])
    scores = (*batch, query[-2], key[-2])
    mask = arguments.shape("attn_mask")
    if mask is not None and len(broadcast(scores, mask)) != len(scores):
        raise ValueError(f"attn_mask must have rank {len(scores)} at most, got {len(mask)}")
    check_scores([size for size in scores if size is not None])
    return ((*batch, query[-2], value[-1]),)


def check_scores(sizes: list[int]) -> None:
    """Makes sure that scores of these sizes, or of these sizes at least, may be computed.

    Raises:
        ValueError: They would take more memory than a tensor may.
    """
    size_bytes = prod(sizes) * 4
    if size_bytes > TENSOR_LIMIT_BYTES:
        raise ValueError(f"its scores would take {size_bytes} bytes, more than the limit of {TENSOR_LIMIT_BYTES}")


@op(
    "scaled_dot_product_attention",
    since=Opset.IOS18,
    source="iOS18/transformers.py",
    accepts=_ACCEPTS,
    shape=_shape,
    result_like="query",
)
def scaled_dot_product_attention(*, query: Array, key: Array, value: Array, attn_mask: Array | None = None) -> Array:
    """softmax(query · keyᵀ / √E + mask) · value: `[*, L, E]`, `[*, S, E]`, `[*, S, V]` → `[*, L, V]`.

    A truth value says whether a key takes part, a number is added to its score; masks broadcast to `[*, L, S]`.
    """
    batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    check_scores([*batch, query.shape[-2], key.shape[-2]])
    scores = np.matmul(query, np.swapaxes(key, -1, -2)) / np.float32(sqrt(query.shape[-1]))
    if attn_mask is not None:
        scores = np.where(attn_mask, scores, np.float32(-np.inf)) if attn_mask.dtype == np.bool_ else scores + attn_mask
    weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return np.asarray(np.matmul(weights / np.sum(weights, axis=-1, keepdims=True), value))
