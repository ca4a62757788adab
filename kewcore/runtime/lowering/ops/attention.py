"""Lowering of attention."""

from math import sqrt

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.program import DataType


@lowers("scaled_dot_product_attention")
def _scaled_dot_product_attention(lowering: Lowering) -> None:
    rank, embedding = len(lowering.shape("key")), lowering.shape("query")[-1]
    if embedding is None:
        raise NoLoweringError("the embedding size is known at run time only")
    transposed = lowering.node("Transpose", lowering.value("key"), perm=[*range(rank - 2), rank - 1, rank - 2])
    product = lowering.node("MatMul", lowering.value("query"), transposed)
    scores = lowering.node("Div", product, lowering.floats(sqrt(embedding)))
    if lowering.has("attn_mask"):
        mask = lowering.value("attn_mask")
        if lowering.type("attn_mask").dtype is DataType.BOOL:
            scores = lowering.node("Where", mask, scores, lowering.floats(-np.inf))
        else:
            scores = lowering.node("Add", scores, mask)
    weights = lowering.node("Softmax", scores, axis=-1)
    lowering.finish(lowering.node("MatMul", weights, lowering.value("value")))
