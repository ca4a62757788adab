"""Which operations run on the Neural Engine at all, and from which generation: one table, with who says so.

The states are those of the ane-guide's appendix A: measured there on M1, M2 and M5, read from the compiler's tables for
the others. What the appendix calls a bridge, a route through a decomposition or a software fallback, is `unknown` here.
"""

FIRST = 13
"""The oldest generation that the table covers."""

RUNNING: frozenset[str] = frozenset(
    {
        # products and windows
        *("conv", "conv_transpose", "linear", "linear_activation", "matmul", "einsum", "scaled_dot_product_attention"),
        *("avg_pool", "max_pool", "l2_pool"),
        # normalisation
        *("batch_norm", "layer_norm", "instance_norm", "l2_norm", "local_response_norm"),
        # elementwise arithmetic and comparison
        *("abs", "add", "sub", "mul", "real_div", "floor_div", "pow", "square", "sqrt", "rsqrt", "inverse"),
        *("maximum", "minimum", "cumsum", "equal", "not_equal", "greater", "greater_equal", "less", "less_equal"),
        *("logical_not", "select"),
        # activations
        *("relu", "relu6", "leaky_relu", "prelu", "clamped_relu", "thresholded_relu", "threshold", "clip", "elu"),
        *("sigmoid", "sigmoid_hard", "tanh", "scaled_tanh", "gelu", "silu", "softmax", "softplus"),
        *("softplus_parametric", "softsign", "erf", "exp", "exp2", "log", "sign", "ceil", "floor", "round", "atan"),
        # reductions
        *("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_sum_square", "reduce_l1_norm"),
        *("reduce_l2_norm", "reduce_log_sum", "reduce_log_sum_exp", "reduce_argmax"),
        # data movement
        *("reshape", "reshape_like", "expand_dims", "squeeze", "flatten2d", "transpose", "concat", "split", "stack"),
        *("pad", "slice_by_size", "slice_update", "reverse", "tile", "depth_to_space", "space_to_depth", "crop"),
        *("pixel_shuffle", "pixel_unshuffle", "space_to_batch", "batch_to_space", "identity", "fill", "fill_like"),
        # types and states
        *("cast", "quantize", "dequantize", "read_state", "write_state", "coreml_update_state"),
    }
)
"""Run on every chip of the table, within the limits that the rules check."""

RUNNING_FROM: dict[str, int] = {
    **dict.fromkeys(("crop_resize", "resample", "affine", "topk", "argsort"), 14),
    **dict.fromkeys(("sin", "cos", "random_uniform"), 15),
}
"""Run from a generation on and nowhere before."""

UNCLEAR_BEFORE: dict[str, tuple[int, str]] = {
    **dict.fromkeys(
        ("resize", "resize_bilinear", "resize_nearest_neighbor", "upsample_bilinear", "upsample_nearest_neighbor"),
        (14, "a software fallback that rounds differently"),
    ),
    **dict.fromkeys(
        ("gather", "gather_along_axis", "gather_nd"),
        (14, "only in a narrow form: batch 1, depth 1, indices of three elements"),
    ),
    "reduce_argmin": (15, "only by a route that Core ML may not take"),
}
"""Run from a generation on; before that in part or in software."""

NEVER: frozenset[str] = frozenset(
    {
        *("reduce_prod", "scatter", "scatter_along_axis", "scatter_nd", "mod", "one_hot", "non_zero", "band_part"),
        *("reverse_sequence", "shape", "sliding_windows", "logical_and", "logical_or", "logical_xor"),
        *("tan", "asin", "acos", "sinh", "cosh", "atanh"),
        *("random_bernoulli", "random_categorical", "random_normal"),
        *("list_gather", "list_length", "list_read", "list_scatter", "list_write", "make_list"),
        *("cond", "while_loop", "range_1d", "non_maximum_suppression"),
    }
)
"""Have no path on any chip."""

RECURRENT: frozenset[str] = frozenset({"lstm", "gru", "rnn"})
"""Never run there, by Apple's own word."""
