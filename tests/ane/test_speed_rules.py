"""Each rule on speed, memory and numbers: the smallest program that it remarks on, and one that it does not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Blob, Const, Op, model_message, weights_file, write_package
from one_op import conv, judged, one, pool, program, zeros

from kewcore.ane.calls import Call, calls_of
from kewcore.runtime import load

pytestmark = pytest.mark.unit
F16 = "fp16"


def remarks(call: Call, number: int, chip: str = "M1") -> list[str]:
    return [finding.text for finding in judged(call, chip).remarks if finding.rule.number == number]


def relu(path: Path, shape: tuple[int, ...]) -> Call:
    return one(path, "relu", {"x": "x"}, {"x": (F16, shape)}, shape)


def test_rule_4_rows_at_the_border(tmp_path: Path) -> None:
    assert remarks(relu(tmp_path / "a", (1, 4, 32)), 4) == []
    assert remarks(relu(tmp_path / "b", (1, 4, 33)), 4) == [
        "rows of 66 bytes at the border of the network in [1, 4, 33], not a multiple of 64"
    ]


def test_rule_4_a_last_axis_of_one(tmp_path: Path) -> None:
    ops = [
        Op("reshape", {"x": "x", "shape": np.array([32, 1], np.int32)}, {"a": (F16, (32, 1))}),
        Op("reshape", {"x": "a", "shape": np.array([1, 32], np.int32)}, {"y": (F16, (1, 32))}),
    ]
    first, last = calls_of(program(tmp_path, ops, {"x": (F16, (1, 32))}, ["y"]))
    assert remarks(first, 4) == ["a last axis of 1 in [32, 1] takes 32 times its memory"]
    assert remarks(last, 4) == []


@pytest.mark.parametrize(("stride", "text"), [(5, "stride 5, not made of factors 2 and 3"), (6, None), (1, None)])
def test_rule_5_strides(tmp_path: Path, stride: int, text: str | None) -> None:
    assert remarks(conv(tmp_path, (3, 3), strides=[stride, stride]), 5) == ([text] if text else [])


def test_rule_5_wide_kernels(tmp_path: Path) -> None:
    assert remarks(conv(tmp_path / "a", (9, 8)), 5) == []
    assert remarks(conv(tmp_path / "b", (1, 9)), 5) == ["a kernel 9 wide is slow"]


@pytest.mark.parametrize(("stride", "text"), [(3, "pool stride 3; 2 and 4 are fast"), (1, None), (2, None), (4, None)])
def test_rule_6_pools(tmp_path: Path, stride: int, text: str | None) -> None:
    assert remarks(pool(tmp_path, 2, stride), 6) == ([text] if text else [])


def test_rule_7_minus_infinity(tmp_path: Path) -> None:
    def masked(path: Path, value: float) -> Call:
        return one(path, "add", {"x": "x", "y": Const(np.array([0, value], np.float16))}, {"x": (F16, (2,))}, (2,))

    assert remarks(masked(tmp_path / "a", -np.inf), 7) == ["a constant of -inf, which softmax mishandles; use -40000"]
    assert remarks(masked(tmp_path / "b", -40000), 7) == []


def test_rule_8_dense_layers(tmp_path: Path) -> None:
    dense = one(tmp_path, "linear", {"x": "x", "weight": zeros(2, 32)}, {"x": (F16, (1, 32))}, (1, 2))
    assert remarks(dense, 8) == ["a 1x1 convolution is faster"]


def test_rule_8_the_last_axis(tmp_path: Path) -> None:
    def turned(path: Path, perm: list[int], shape: tuple[int, ...]) -> Call:
        result = [shape[axis] for axis in perm]
        arguments = {"x": "x", "perm": np.array(perm, np.int32)}
        return one(path, "transpose", arguments, {"x": (F16, shape)}, result)

    assert remarks(turned(tmp_path / "a", [0, 2, 3, 1], (1, 2, 4, 8)), 8) == [
        "moves the last axis, which rewrites the tensor"
    ]
    assert remarks(turned(tmp_path / "b", [0, 2, 1, 3], (1, 2, 4, 8)), 8) == []
    flat = one(
        tmp_path / "c", "reshape", {"x": "x", "shape": np.array([1, 64], np.int32)}, {"x": (F16, (1, 2, 32))}, (1, 64)
    )
    assert remarks(flat, 8) == ["changes the last axis, which rewrites the tensor"]
    split = one(
        tmp_path / "d", "reshape", {"x": "x", "shape": np.array([2, 32], np.int32)}, {"x": (F16, (1, 2, 32))}, (2, 32)
    )
    assert remarks(split, 8) == []


def quantised(path: Path, *, activations: bool) -> Call:
    """A convolution of int8 weights, on bytes or on fp16."""
    weight = Op(
        "constexpr_affine_dequantize",
        {},
        {"w": (F16, (2, 2, 1, 1))},
        {
            "quantized_data": Const(np.ones((2, 2, 1, 1), np.int8)),
            "scale": Const(np.ones(2, np.float16)),
            "zero_point": Const(np.zeros(2, np.int8)),
            "axis": np.int32(0),
        },
    )
    shape = (1, 2, 4, 32)
    bytes_ = [
        Op("quantize", {"input": "x", "scale": np.float16(1), "output_dtype": "'int8'"}, {"q": ("int8", shape)}),
        Op("dequantize", {"input": "q", "scale": np.float16(1)}, {"d": (F16, shape)}),
    ]
    product = Op("conv", {"x": "d" if activations else "x", "weight": "w", "pad_type": "'valid'"}, {"y": (F16, shape)})
    ops = [weight, *(bytes_ if activations else []), product]
    return calls_of(program(path, ops, {"x": (F16, shape)}, ["y"]))[-1]


def test_rule_10_int8_products(tmp_path: Path) -> None:
    both, weights_only = quantised(tmp_path / "a", activations=True), quantised(tmp_path / "b", activations=False)
    slow = ["int8 times int8 is no faster than fp16 before A17 Pro and M4"]
    assert [remarks(both, 10, chip) for chip in ("A16", "A17 Pro", "M4", "M5")] == [slow, [], [], []]
    assert remarks(weights_only, 10, "A16") == []


def test_rule_17_int8_weights_fold_on_the_oldest_chips(tmp_path: Path) -> None:
    call = quantised(tmp_path, activations=False)
    folded = ["int8 weights are widened to fp16 before they reach the engine: smaller, not faster"]
    assert [remarks(call, 17, chip) for chip in ("A13", "M1", "A14", "M5")] == [folded, folded, [], []]


def test_rules_11_and_17_scales_per_block(tmp_path: Path) -> None:
    def blocks(path: Path, scales: int) -> Call:
        weight = Op(
            "constexpr_blockwise_shift_scale",
            {"data": Blob(64, "int4", (2, 64)), "scale": Const(np.ones((2, scales), np.float16))},
            {"w": (F16, (2, 64))},
        )
        ops: list[Any] = [weight, Op("linear", {"x": "x", "weight": "w"}, {"y": (F16, (1, 2))})]
        message = model_message(ops, {"x": (F16, (1, 64))}, ["y"])
        model = load(write_package(path / "m.mlpackage", message, weights_file([("int4", bytes(64))])), "reference")
        return calls_of(model)[-1]

    per_block, per_channel = blocks(tmp_path / "a", 2), blocks(tmp_path / "b", 1)
    assert remarks(per_block, 11) == ["int4 with a scale per block suits the GPU; use scales per channel or a palette"]
    assert remarks(per_channel, 11) == []
    assert [len(remarks(per_block, 17, chip)) for chip in ("M1", "M2", "M3")] == [1, 1, 0]
    assert remarks(per_channel, 17) == []


def palettised(path: Path, stride: int) -> Call:
    weight = Op(
        "constexpr_lut_to_dense",
        {"indices": Blob(64, "uint4", (1, 1, 4, 4)), "lut": Const(np.zeros((1, 1, 1, 1, 16, 1), np.float16))},
        {"w": (F16, (1, 1, 4, 4))},
    )
    side = (32 - 4) // stride + 1
    arguments = {
        "x": "x",
        "weight": "w",
        "pad_type": "'valid'",
        "strides": np.array([stride, stride], np.int32),
    }
    product = Op("conv", arguments, {"y": (F16, (1, 1, side, side))})
    message = model_message([weight, product], {"x": (F16, (1, 1, 32, 32))}, ["y"])
    package = write_package(path / "m.mlpackage", message, weights_file([("uint4", bytes(8))]))
    return calls_of(load(package, "reference"))[-1]


def test_rule_5_strides_of_palettised_kernels(tmp_path: Path) -> None:
    assert remarks(palettised(tmp_path / "a", 2), 5) == []
    assert remarks(palettised(tmp_path / "b", 4), 5) == ["stride 4 with a palettised kernel, at most 2"]
    assert remarks(palettised(tmp_path / "c", 2), 17) == []


def test_rule_15_on_chip_memory(tmp_path: Path) -> None:
    call = relu(tmp_path / "a", (1, 1, 1024, 1056))
    assert remarks(call, 15, "M1") == [
        "[1, 1, 1024, 1056] takes 2.1 MiB, more than the 2.0 MiB on the chip: streams from memory"
    ]
    assert remarks(call, 15, "M5") == []
    assert remarks(relu(tmp_path / "b", (1, 1, 1024, 1024)), 15, "M1") == []


def test_rule_19_old_limits(tmp_path: Path) -> None:
    assert remarks(pool(tmp_path / "a", 14, 2), 19) == ["a pool window of 14, said to end at 13"]
    assert remarks(pool(tmp_path / "f", 30, 2), 19)[1:] == [
        "a pool window of 30; 29 by the compiler's tables, 128 and more by measurement"
    ]
    assert len(remarks(pool(tmp_path / "g", 30, 2), 19, "A14")) == 1
    assert remarks(pool(tmp_path / "b", 13, 4), 19) == ["a pool stride of 4, said to end at 2"]
    assert remarks(conv(tmp_path / "c", (3, 3), dilations=[2, 2]), 19) == [
        "a dilated convolution, said to be unsupported"
    ]
    assert remarks(conv(tmp_path / "d", (3, 3)), 19) == []
    arguments = {"x": "x", "scale_factor_height": np.float32(4), "scale_factor_width": np.float32(2)}
    up = one(tmp_path / "e", "upsample_nearest_neighbor", arguments, {"x": (F16, (1, 1, 4, 32))}, (1, 1, 16, 64))
    assert remarks(up, 19) == ["an upsampling by 4, said to end at 2"]


def test_rule_24_slices_of_the_last_axis(tmp_path: Path) -> None:
    def part(path: Path, begin: list[int]) -> Call:
        arguments = {"x": "x", "begin": np.array(begin, np.int32), "end": np.array([b + 4 for b in begin], np.int32)}
        return one(path, "slice_by_index", arguments, {"x": (F16, (8, 8))}, (4, 4))

    text = "slices the last axis behind its start: values above 4094 become infinite before A15"
    late = part(tmp_path / "a", [0, 2])
    assert [remarks(late, 24, chip) for chip in ("M1", "M2", "M3")] == [[text], [text], []]
    assert remarks(part(tmp_path / "b", [2, 0]), 24) == []
