"""Operations of the public op set that kewcore does not run, so that a user meets them as what they are."""

NOT_RUN = frozenset(
    {
        "argsort",
        "band_part",
        "batch_to_space",
        "cumsum",
        "depth_to_space",
        "einsum",
        "fill",
        "fill_like",
        "gather",
        "gather_along_axis",
        "gather_nd",
        "non_maximum_suppression",
        "non_zero",
        "one_hot",
        "pixel_shuffle",
        "pixel_unshuffle",
        "random_bernoulli",
        "random_categorical",
        "random_normal",
        "random_uniform",
        "range_1d",
        "reshape_like",
        "reverse_sequence",
        "scatter",
        "scatter_along_axis",
        "scatter_nd",
        "shape",
        "slice_update",
        "sliding_windows",
        "space_to_batch",
        "space_to_depth",
        "topk",
    }
)
"""Source: the operations registered in coremltools 9.0, `converters/mil/mil/ops/defs`, iOS 15 to iOS 18."""
