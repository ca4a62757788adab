"""Operations of every family for the sound packages, each with arguments that it takes on an image `x [1, 2, 6, 6]`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))

from mlbuilder import Const

F32, I32 = "fp32", "int32"


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


Row = tuple[str, Mapping[str, Any], tuple[tuple[str, int], ...]]
"""An operation, its arguments, and type and rank of its results."""

ROWS: dict[str, tuple[Row, ...]] = {
    "images": (
        ("upsample_nearest_neighbor", {"x": "x", "scale_factor_height": 2, "scale_factor_width": 3}, ((F32, 4),)),
        ("upsample_bilinear", {"x": "x", "scale_factor_height": 2.0, "scale_factor_width": 1.5}, ((F32, 4),)),
        (
            "resize_bilinear",
            {"x": "x", "target_size_height": 9, "target_size_width": 4, "sampling_mode": "'DEFAULT'"},
            ((F32, 4),),
        ),
        ("resize_nearest_neighbor", {"x": "x", "target_size_height": 9, "target_size_width": 4}, ((F32, 4),)),
        ("crop", {"x": "x", "crop_height": ints(1, 1), "crop_width": ints(1, 2)}, ((F32, 4),)),
        (
            "crop_resize",
            {
                "x": "x",
                "boxes": np.array([[0, 0, 1, 1]], np.float32),
                "box_indices": ints(0),
                "target_height": 3,
                "target_width": 3,
            },
            ((F32, 4),),
        ),
        (
            "avg_pool",
            {"x": "x", "kernel_sizes": ints(2, 2), "pad_type": "'custom'", "pad": ints(1, 1, 0, 1), "ceil_mode": True},
            ((F32, 4),),
        ),
        ("conv_transpose", {"x": "x", "weight": np.ones((2, 3, 2, 2), np.float32), "strides": ints(2, 2)}, ((F32, 4),)),
        (
            "conv",
            {
                "x": "x",
                "weight": np.ones((4, 1, 2, 2), np.float32),
                "groups": 2,
                "pad_type": "'same_lower'",
                "dilations": ints(2, 1),
            },
            ((F32, 4),),
        ),
        (
            "affine",
            {
                "x": "x",
                "transform_matrix": np.ones((1, 6), np.float32),
                "output_height": 4,
                "output_width": 3,
                "sampling_mode": "'bilinear'",
                "padding_mode": "'constant'",
                "padding_value": np.float32(0),
                "coordinates_mode": "'normalized_zero_to_one'",
                "align_corners": True,
            },
            ((F32, 4),),
        ),
        ("local_response_norm", {"x": "x", "size": 3}, ((F32, 4),)),
        ("instance_norm", {"x": "x"}, ((F32, 4),)),
        ("batch_norm", {"x": "x", "mean": np.ones(2, np.float32), "variance": np.ones(2, np.float32)}, ((F32, 4),)),
        ("pixel_unshuffle", {"x": "x", "downscale_factor": Const(np.uint32(2))}, ((F32, 4),)),
        ("space_to_batch", {"x": "x", "block_shape": ints(2, 2), "paddings": np.zeros((2, 2), np.int32)}, ((F32, 4),)),
    ),
    "shapes": (
        ("tile", {"x": "x", "reps": ints(1, 2, 1, 3)}, ((F32, 4),)),
        ("pad", {"x": "x", "pad": ints(1, 1, 2, 2), "mode": "'reflect'"}, ((F32, 4),)),
        ("reshape", {"x": "x", "shape": ints(2, -1)}, ((F32, 2),)),
        ("transpose", {"x": "x", "perm": ints(0, 3, 1, 2)}, ((F32, 4),)),
        ("concat", {"values": ("x", "x"), "axis": 1, "interleave": False}, ((F32, 4),)),
        ("stack", {"values": ("x", "x"), "axis": 0}, ((F32, 5),)),
        ("split", {"x": "x", "num_splits": 2, "axis": 2}, ((F32, 4), (F32, 4))),
        ("expand_dims", {"x": "x", "axes": ints(0, -1)}, ((F32, 6),)),
        ("squeeze", {"x": "x", "axes": ints(0)}, ((F32, 3),)),
        (
            "slice_by_index",
            {"x": "x", "begin": ints(0, 0, 1, 5), "end": ints(1, 2, 4, 0), "stride": ints(1, 1, 2, -1)},
            ((F32, 4),),
        ),
        ("slice_by_size", {"x": "x", "begin": ints(0, 0, 1, 1), "size": ints(1, -1, 2, 3)}, ((F32, 4),)),
        (
            "slice_update",
            {"x": "x", "update": np.ones((1, 2, 2, 2), np.float32), "begin": ints(0, 0, 1, 1), "end": ints(1, 2, 3, 3)},
            ((F32, 4),),
        ),
        ("sliding_windows", {"x": "x", "axis": 2, "size": 3, "stride": 2}, ((F32, 5),)),
        ("band_part", {"x": "x", "lower": 1, "upper": 2}, ((F32, 4),)),
        ("reverse", {"x": "x", "axes": ints(2)}, ((F32, 4),)),
        ("reverse_sequence", {"x": "x", "lengths": ints(1, 4), "seq_axis": 2, "batch_axis": 1}, ((F32, 4),)),
        ("shape", {"x": "x"}, ((I32, 1),)),
    ),
    "values": (
        ("fill", {"shape": ints(2, 3), "value": np.float32(1)}, ((F32, 2),)),
        ("range_1d", {"start": np.float32(0), "end": np.float32(9), "step": np.float32(2)}, ((F32, 1),)),
        (
            "one_hot",
            {
                "indices": ints(1, 2),
                "one_hot_vector_size": 5,
                "axis": -1,
                "on_value": np.float32(1),
                "off_value": np.float32(0),
            },
            ((F32, 2),),
        ),
        ("random_uniform", {"shape": ints(2, 3), "low": np.float32(0), "high": np.float32(1), "seed": 3}, ((F32, 2),)),
        ("topk", {"x": "x", "k": 3, "axis": -1, "ascending": False}, ((F32, 4), (I32, 4))),
        ("argsort", {"x": "x", "axis": 2}, ((I32, 4),)),
        ("cumsum", {"x": "x", "axis": 3, "exclusive": True}, ((F32, 4),)),
        ("non_zero", {"x": "x"}, ((I32, 2),)),
        ("gather", {"x": "x", "indices": ints(1, 0), "axis": 1}, ((F32, 4),)),
        ("gather_nd", {"x": "x", "indices": np.zeros((2, 2), np.int32)}, ((F32, 3),)),
        ("gather_along_axis", {"x": "x", "indices": np.zeros((1, 2, 1, 6), np.int32), "axis": 2}, ((F32, 4),)),
        (
            "scatter_nd",
            {
                "data": "x",
                "indices": np.zeros((1, 2), np.int32),
                "updates": np.ones((1, 6, 6), np.float32),
                "mode": "'add'",
            },
            ((F32, 4),),
        ),
        (
            "scatter",
            {
                "data": "x",
                "indices": ints(1),
                "updates": np.ones((1, 1, 6, 6), np.float32),
                "axis": 1,
                "mode": "'update'",
            },
            ((F32, 4),),
        ),
        ("reduce_argmax", {"x": "x", "axis": -1, "keep_dims": True}, ((I32, 4),)),
        ("reduce_log_sum_exp", {"x": "x", "axes": ints(2, 3), "keep_dims": False}, ((F32, 2),)),
        ("clip", {"x": "x", "alpha": np.float32(0), "beta": np.float32(1)}, ((F32, 4),)),
        ("pow", {"x": "x", "y": np.float32(2)}, ((F32, 4),)),
        ("select", {"cond": np.array([True]), "a": "x", "b": np.ones((1,), np.float32)}, ((F32, 4),)),
    ),
    "sequences": (
        ("matmul", {"x": "x", "y": "x", "transpose_y": True}, ((F32, 4),)),
        ("einsum", {"values": ("x", np.ones((1, 6, 6, 2), np.float32)), "equation": "'nchw,nwhu->nchu'"}, ((F32, 4),)),
        ("scaled_dot_product_attention", {"query": "x", "key": "x", "value": "x"}, ((F32, 4),)),
        ("linear", {"x": "x", "weight": np.ones((3, 6), np.float32), "bias": np.ones(3, np.float32)}, ((F32, 4),)),
        ("layer_norm", {"x": "x", "axes": ints(3), "epsilon": np.float32(1e-5)}, ((F32, 4),)),
        (
            "lstm",
            {
                "x": np.ones((3, 1, 2), np.float32),
                "initial_h": np.zeros((1, 2), np.float32),
                "initial_c": np.zeros((1, 2), np.float32),
                "weight_ih": np.ones((8, 2), np.float32),
                "weight_hh": np.ones((8, 2), np.float32),
                "output_sequence": True,
                "direction": "'forward'",
            },
            ((F32, 3), (F32, 2), (F32, 2)),
        ),
        (
            "gru",
            {
                "x": np.ones((3, 1, 2), np.float32),
                "initial_h": np.zeros((1, 2), np.float32),
                "weight_ih": np.ones((6, 2), np.float32),
                "weight_hh": np.ones((6, 2), np.float32),
                "output_sequence": True,
            },
            ((F32, 3), (F32, 2)),
        ),
        (
            "non_maximum_suppression",
            {
                "boxes": np.ones((1, 4, 5), np.float32),
                "scores": np.ones((1, 2, 5), np.float32),
                "iou_threshold": np.float32(0.5),
                "max_boxes": 3,
            },
            ((F32, 3), (F32, 3), (I32, 2)),
        ),
        ("softmax", {"x": "x", "axis": -1}, ((F32, 4),)),
    ),
}
