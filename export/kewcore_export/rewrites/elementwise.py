"""Operations of MIL that work on each element by itself."""

UNARY = frozenset(
    {
        "abs",
        "atan",
        "ceil",
        "clip",
        "cos",
        "elu",
        "erf",
        "exp",
        "exp2",
        "floor",
        "gelu",
        "inverse",
        "leaky_relu",
        "linear_activation",
        "log",
        "relu",
        "relu6",
        "round",
        "rsqrt",
        "scaled_tanh",
        "sigmoid",
        "sigmoid_hard",
        "sign",
        "silu",
        "sin",
        "softplus",
        "softsign",
        "sqrt",
        "square",
        "tanh",
        "threshold",
        "thresholded_relu",
    }
)
"""Functions of one element, `x`."""

BINARY = frozenset({"add", "floor_div", "maximum", "minimum", "mul", "pow", "real_div", "sub"})
"""Functions of two elements, `x` and `y`, one of which may be spread over axes of the other."""

REDUCTIONS = frozenset({"reduce_max", "reduce_mean", "reduce_min", "reduce_sum"})
"""Functions of all elements along some axes."""
