"""What the verifier says, and that it says all of it at once."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build, model_message, write_package

from kewcore.errors import KewError, PackageError, UsageError
from kewcore.runtime import load

pytestmark = pytest.mark.unit
F4 = ("fp32", (4,))


def message_of(tmp_path: Path, *ops: Op, inputs: Any = None, outputs: Any = None, opset: str = "CoreML8") -> str:
    names = outputs or [next(iter(ops[-1].outputs))]
    package = build(tmp_path / "p.mlpackage", ops, inputs or {"x": F4}, names, opset)
    with pytest.raises(PackageError) as caught:
        load(package, "reference")
    return str(caught.value)


def test_all_problems_come_in_one_report(tmp_path: Path) -> None:
    text = message_of(
        tmp_path,
        Op("relu", {"x": "nothing"}, {"a": F4}),
        Op("made_up", {"x": "a"}, {"b": F4}),
        Op("leaky_relu", {"x": "x"}, {"c": F4}),
        Op("relu", {"x": "x", "slope": 0.5}, {"d": F4}),
        Op("relu", {"x": "x"}, {"e": ("fp32", (5,))}),
        Op("relu", {"x": "x"}, {"f": ("fp16", (4,))}),
        Op("relu", {"x": "x"}, {"x": F4}),
        outputs=["e", "missing"],
    )
    for line in (
        "is not a valid program, 8 problems:",
        "  - op 'relu_a' (relu): input 'x' refers to 'nothing', which is not defined before",
        "  - op 'made_up_b' (made_up): operation 'made_up' is not known at iOS18",
        "  - op 'leaky_relu_c' (leaky_relu): input 'alpha' is missing",
        "  - op 'relu_d' (relu): input 'slope' is not known; known: x",
        "  - op 'relu_e' (relu): output 'e' is declared as [5], but its shape is [4]",
        "  - op 'relu_f' (relu): output 'f' must be of fp32 as 'x' is, got fp16",
        "  - op 'relu_x' (relu): its output 'x' is defined already",
        "  - output 'missing' is never computed",
    ):
        assert line in text


def test_a_long_report_is_cut(tmp_path: Path) -> None:
    text = message_of(tmp_path, *(Op("relu", {"x": "n"}, {f"y{i}": F4}) for i in range(60)))
    assert text.count("is not defined before") == 50
    assert text.endswith("  - … and 10 more")


IMAGE = {"x": ("fp32", (1, 8, 6, 6))}


def conv(weight: tuple[int, ...], shape: tuple[int, ...], **arguments: Any) -> Op:
    return Op("conv", {"x": "x", "weight": np.zeros(weight, np.float32), **arguments}, {"y": ("fp32", shape)})


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (conv((4, 16, 3, 3), (1, 4, 4, 4)), "weight[1] must equal C_in/groups = 8, got 16"),
        (conv((4, 8, 3), (1, 4, 4, 4)), "x and weight must have the same rank from 3 to 5, got 4 and 3"),
        (conv((3, 4, 3, 3), (1, 3, 4, 4), groups=2), "C_out = 3 must be a multiple of groups = 2"),
        (conv((4, 8, 3, 3), (1, 4, 4, 4), groups=0), "groups must be at least 1, got 0"),
        (conv((4, 8, 7, 3), (1, 4, 1, 4)), "a window of 7 with stride 1 does not fit into 6 + 0 elements"),
        (conv((4, 8, 3, 3), (1, 4, 4, 4), bias=np.zeros(5, np.float32)), "bias must have shape [4], got [5]"),
        (
            conv((4, 8, 3, 3), (1, 4, 4, 4), strides=np.array([0, 1], np.int32)),
            "strides must be 2 numbers from 1, got [0, 1]",
        ),
        (
            conv((4, 8, 3, 3), (1, 4, 4, 4), pad_type="'diagonal'"),
            "pad_type must be valid, same, same_lower or custom, got 'diagonal'",
        ),
        (
            conv((4, 8, 3, 3), (1, 4, 4, 4), pad_type="'custom'", pad=np.array([1], np.int32)),
            "pad must have 4 elements for 2 spatial axes, got 1",
        ),
        (
            Op("reshape", {"x": "x", "shape": np.array([7, -1], np.int32)}, {"y": ("fp32", (7, 41))}),
            "cannot reshape [1, 8, 6, 6] into [7, -1]",
        ),
        (
            Op("transpose", {"x": "x", "perm": np.array([0, 0, 1, 2], np.int32)}, {"y": ("fp32", (1, 1, 8, 6))}),
            "perm must name each of 4 axes once, got [0, 0, 1, 2]",
        ),
        (
            Op("reduce_sum", {"x": "x", "axes": np.array([4], np.int32)}, {"y": ("fp32", (1,))}),
            "axes must be from -4 to 3, got 4",
        ),
        (
            Op("split", {"x": "x", "axis": 1, "num_splits": 3}, {"y": ("fp32", (1, 2, 6, 6))}),
            "num_splits must divide 8, got 3",
        ),
        (
            Op(
                "concat", {"values": ("x", Const(np.zeros((1, 8, 5, 6), np.float32))), "axis": 1}, {"y": ("fp32", (1,))}
            ),
            "values must agree but for axis 1, got [[1, 8, 6, 6], [1, 8, 5, 6]]",
        ),
        (
            Op("add", {"x": "x", "y": np.zeros(5, np.float32)}, {"y": ("fp32", (1, 8, 6, 6))}),
            "shapes [1, 8, 6, 6] and [5] do not broadcast",
        ),
        (
            Op("linear", {"x": "x", "weight": np.zeros((3, 5), np.float32)}, {"y": ("fp32", (1, 8, 6, 3))}),
            "weight[1] must equal x[-1] = 6, got 5",
        ),
        (
            Op("matmul", {"x": "x", "y": np.zeros((5, 3), np.float32)}, {"y": ("fp32", (1, 8, 6, 3))}),
            "inner sizes must agree, got 6 and 5",
        ),
        (
            Op("relu", {"x": Const(np.zeros(3, np.float32), shape=(4,))}, {"y": F4}),
            "input 'x': tensor<fp32, [4]> takes 4 elements, the program has 3",
        ),
        (
            Op("relu", {"x": Const(b"\0" * 7, "fp16", (4,))}, {"y": ("fp16", (4,))}),
            "input 'x': tensor<fp16, [4]> takes 8 bytes, the program has 7",
        ),
        (
            Op("logical_not", {"x": "x"}, {"y": ("bool", (1, 8, 6, 6))}),
            "input 'x' must be of bool, got fp32",
        ),
        (Op("relu", {"x": ("x", "x")}, {"y": F4}), "input 'x' takes one value, got 2"),
        (
            Op("leaky_relu", {"x": "x", "alpha": np.zeros(2, np.float32)}, {"y": ("fp32", (1, 8, 6, 6))}),
            "input 'alpha' must be a scalar, got tensor<fp32, [2]>",
        ),
        (
            Op("relu", {"x": "x"}, {"y": ("fp32", (1, 8, 6, 6)), "z": F4}),
            "it has 1 results, but 2 outputs are declared",
        ),
        (
            Op("relu", {"x": "x"}, {"y": ("fp32", (1 << 40,))}),
            "would take 4398046511104 bytes, more than the limit of 4294967296",
        ),
        (
            Op(
                "slice_by_index",
                {"x": "x", "begin": np.zeros(3, np.int32), "end": np.zeros(4, np.int32)},
                {"y": ("fp32", (1,))},
            ),
            "begin must have 4 elements for x of rank 4, got 3",
        ),
    ],
)
def test_one_problem(tmp_path: Path, op: Op, expected: str) -> None:
    assert expected in message_of(tmp_path, op, inputs=IMAGE)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"indices": Const(bytes(4), "uint8", (4,)), "lut": np.zeros(16, np.float32)}, "indices must be 5 bytes"),
        (
            {"indices": Const(bytes(5), "uint8", (5,)), "lut": np.zeros(5, np.float32)},
            "lut must be a vector of 2, 4, 16",
        ),
    ],
)
def test_a_palette_that_does_not_fit(tmp_path: Path, arguments: Any, expected: str) -> None:
    shape = Const(np.array([2, 5], np.uint32).tobytes(), "uint32", (2,))
    op = Op("constexpr_lut_to_dense", {}, {"w": ("fp32", (2, 5))}, {**arguments, "shape": shape})
    assert expected in message_of(tmp_path, op, opset="CoreML6")


OPEN = ("fp32", (None, None, None, None))


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        (
            [Op("tile", {"x": "x", "reps": np.array([1, 1, 1 << 16, 1 << 16], np.int32)}, {"y": OPEN})],
            r"op 'tile_y' \(tile\): output 'y': tensor<fp32, \[\d+, \d+, \d+, \d+\]> would take \d+ bytes, more",
        ),
        (
            [
                Op("tile", {"x": f"y{i}" if i else "x", "reps": np.array([1, 1, 8, 8], np.int32)}, {f"y{i + 1}": OPEN})
                for i in range(6)
            ],
            r"op 'tile_y6' \(tile\): output 'y6': tensor<fp32, \[\d+, \d+, \d+, \d+\]> would take \d+ bytes, more than",
        ),
    ],
)
def test_sizes_left_open_do_not_hide_how_large_a_tensor_gets(tmp_path: Path, ops: list[Op], expected: str) -> None:
    package = build(tmp_path / "p.mlpackage", ops, IMAGE, [next(iter(ops[-1].outputs))])
    with pytest.raises(PackageError, match=expected):
        load(package)


def test_an_operation_of_a_later_opset(tmp_path: Path) -> None:
    op = Op("quantize", {"input": "x", "scale": 1.0, "output_dtype": "'int8'"}, {"y": ("int8", (4,))})
    text = message_of(tmp_path, op, opset="CoreML6")
    assert "operation 'quantize' comes with iOS17, but the program says iOS16" in text


def test_what_only_shows_at_run_time_is_located(tmp_path: Path) -> None:
    dense = Op(
        "constexpr_sparse_to_dense",
        {"nonzero_data": np.ones(3, np.float32), "mask": Const(bytes([0b0101]), "uint1", (4,))},
        {"y": F4},
    )
    with pytest.raises(KewError) as caught:
        load(build(tmp_path / "p.mlpackage", [dense], {"x": F4}, ["y"])).predict({"x": np.zeros(4)})
    expected = "op 'constexpr_sparse_to_dense_y' (constexpr_sparse_to_dense) failed: mask has 2 elements set for 3"
    assert re.search(re.escape(expected), str(caught.value))


def test_an_input_that_is_not_described(tmp_path: Path) -> None:
    model = model_message([Op("relu", {"x": "x"}, {"y": F4})], {"x": F4, "z": F4}, ["y"])
    del model.description.input[1]
    with pytest.raises(PackageError, match="the program has input 'z', the description has not"):
        load(write_package(tmp_path / "p.mlpackage", model))


def test_a_function_that_is_not_there(tmp_path: Path) -> None:
    package = build(tmp_path / "p.mlpackage", [Op("relu", {"x": "x"}, {"y": F4})], {"x": F4}, ["y"])
    with pytest.raises(UsageError, match="has no function 'other'; functions: main"):
        load(package, function_name="other")
