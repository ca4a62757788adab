"""Estimates of small programs, computed by hand, and their order on real ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op
from one_op import program, zeros

from kewcore.ane.chips import CHIPS, parse_chip
from kewcore.ane.cost import Estimate, estimate, estimate_for
from kewcore.ane.residency import residency
from kewcore.ane.roofline import Bound
from kewcore.errors import UsageError
from kewcore.runtime import Model, load

F16 = "fp16"
M1, A14, A17, M5 = (parse_chip(name) for name in ("M1", "A14", "A17 Pro", "M5"))
SIDE = 256
WIDE = 32 * SIDE * SIDE  # elements: 4 MiB in fp16, over the 2 MiB of most chips and below the M5's 4.72 MB


def wide_conv(path: Path, after: Sequence[Op] = (), output: str = "a") -> Model:
    """A 1x1 convolution from 1 to 32 channels of 256x256, and what comes behind it."""
    conv = Op(
        "conv", {"x": "x", "weight": zeros(32, 1, 1, 1), "pad_type": "'valid'"}, {"a": (F16, (1, 32, SIDE, SIDE))}
    )
    return program(path, [conv, *after], {"x": (F16, (1, 1, SIDE, SIDE))}, [output])


def pool(x: str, y: str) -> Op:
    """Max-pooling of 4x4 to 64x64."""
    sizes = np.array([4, 4], np.int32)
    arguments = {
        "x": x, "kernel_sizes": sizes, "strides": sizes, "pad_type": "'valid'", "pad": np.zeros(4, np.int32),
        "ceil_mode": False,
    }  # fmt: skip
    return Op("max_pool", arguments, {y: (F16, (1, 32, 64, 64))})


def ms(count_bytes: float, gb_per_s: float) -> float:
    return count_bytes / gb_per_s / 1e6


@pytest.mark.unit
def test_a_large_intermediate_spills_and_its_activation_does_not(tmp_path: Path) -> None:
    after = [Op("relu", {"x": "a"}, {"b": (F16, (1, 32, SIDE, SIDE))}), pool("b", "c")]
    model = wide_conv(tmp_path, after, "c")
    found = estimate_for(model, M1)
    conv, relu, pooling = found.operations
    assert conv.work is not None
    assert conv.work.activation_bytes == 2 * SIDE * SIDE + 2 * WIDE  # the input, and what does not stay
    assert conv.bound is Bound.ACTIVATIONS
    assert conv.estimated_ms == pytest.approx(ms(2 * SIDE * SIDE + 2 * WIDE, 24))
    assert (relu.part_of, relu.work, relu.estimated_ms) == (1, None, 0.0)
    assert pooling.work is not None
    assert pooling.work.activation_bytes == 2 * WIDE + 2 * 32 * 64 * 64  # the package's output goes to memory
    assert found.is_complete
    assert found.estimated_ms == pytest.approx(0.23 + ms(4 * WIDE + 2 * SIDE * SIDE + 2 * 32 * 64 * 64, 24))
    assert found.bound is Bound.ACTIVATIONS
    assert sum(found.by_bound.values()) == pytest.approx(found.estimated_ms)
    # On the M5 it stays: only the border is left.
    roomy = estimate_for(model, M5)
    assert [row.work.activation_bytes for row in roomy.operations if row.work is not None] == [
        2 * SIDE * SIDE,
        2 * 32 * 64 * 64,
    ]


@pytest.mark.unit
def test_strips_keep_an_intermediate_on_the_chip(tmp_path: Path) -> None:
    """The same convolution and pool in two halves of 2 MiB each, which just fit."""
    half, pooled = (1, 32, SIDE // 2, SIDE), (1, 32, 32, 64)
    ops = []
    for number in range(2):
        rows = {
            "x": "x",
            "begin": np.array([0, 0, number * SIDE // 2, 0], np.int32),
            "end": np.array([1, 1, (number + 1) * SIDE // 2, SIDE], np.int32),
        }
        kernel = {"x": f"s{number}", "weight": zeros(32, 1, 1, 1), "pad_type": "'valid'"}
        ops += [
            Op("slice_by_index", rows, {f"s{number}": (F16, (1, 1, SIDE // 2, SIDE))}),
            Op("conv", kernel, {f"a{number}": (F16, half)}),
            Op("max_pool", pool(f"a{number}", "").inputs, {f"p{number}": (F16, pooled)}),
        ]
    ops.append(
        Op("concat", {"values": ("p0", "p1"), "axis": np.int32(2), "interleave": False}, {"y": (F16, (1, 32, 64, 64))})
    )
    striped = estimate_for(program(tmp_path / "striped", ops, {"x": (F16, (1, 1, SIDE, SIDE))}, ["y"]), M1)
    whole = estimate_for(wide_conv(tmp_path / "whole", [pool("a", "y")], "y"), M1)
    border = 2 * SIDE * SIDE + 2 * 32 * 64 * 64
    moved = [
        sum(row.work.activation_bytes for row in found.operations if row.work is not None) for found in (whole, striped)
    ]
    assert moved == [border + 4 * WIDE, border]
    assert striped.estimated_ms < whole.estimated_ms / 2


@pytest.mark.unit
def test_an_activation_that_is_not_alone_is_counted_by_itself(tmp_path: Path) -> None:
    after = [
        Op("relu", {"x": "a"}, {"b": (F16, (1, 32, SIDE, SIDE))}),
        Op("add", {"x": "a", "y": "b"}, {"c": (F16, (1, 32, SIDE, SIDE))}),
    ]
    found = estimate_for(wide_conv(tmp_path, after, "c"), M1)
    assert [row.part_of for row in found.operations] == [None, None, None]
    assert [row.work.activation_bytes for row in found.operations if row.work] == [
        2 * SIDE * SIDE + 2 * WIDE,
        4 * WIDE,
        6 * WIDE,
    ]


@pytest.mark.unit
def test_a_scale_per_channel_is_part_of_the_convolution(tmp_path: Path) -> None:
    after = [
        Op("mul", {"x": "a", "y": zeros(1, 32, 1, 1)}, {"b": (F16, (1, 32, SIDE, SIDE))}),
        Op("relu", {"x": "b"}, {"c": (F16, (1, 32, SIDE, SIDE))}),
    ]
    found = estimate_for(wide_conv(tmp_path, after, "c"), M1)
    assert [row.part_of for row in found.operations] == [None, 1, 1]
    assert found.operations[0].work is not None
    assert found.operations[0].work.weight_bytes == 2 * 32 + 2 * 32  # kernel and scales


@pytest.mark.unit
def test_what_runs_elsewhere_has_no_estimate_and_costs_a_second_dispatch(tmp_path: Path) -> None:
    ops = [
        Op("relu", {"x": "x"}, {"a": (F16, (64,))}),
        Op("mod", {"x": "a", "y": "x"}, {"b": (F16, (64,))}),
        Op("relu", {"x": "b"}, {"y": (F16, (64,))}),
    ]
    found = estimate_for(program(tmp_path, ops, {"x": (F16, (64,))}, ["y"]), M1)
    assert [row.estimated_ms for row in found.operations] == pytest.approx([ms(256, 24), None, ms(256, 24)])
    assert [row.bound for row in found.operations] == [Bound.ACTIVATIONS, None, Bound.ACTIVATIONS]
    assert (found.elsewhere, found.is_complete) == (1, False)
    assert [segment.numbers for segment in found.segments] == [(1,), (3,)]
    assert found.estimated_ms == pytest.approx(2 * 0.23 + ms(512, 24))
    assert found.bound is Bound.DISPATCH


def product(path: Path, form: str) -> Model:
    """One row of 1024 times a matrix of 1024 columns, its weight in a form."""
    rows = columns = 1024
    linear = Op("linear", {"x": "x", "weight": "w"}, {"y": (F16, (1, columns))})
    weight = (F16, (columns, rows))
    scales = np.ones(columns, np.float16)
    compressed: dict[str, tuple[str, dict[str, Any]]] = {
        "int8": (
            "constexpr_affine_dequantize",
            {
                "quantized_data": np.zeros((columns, rows), np.int8),
                "zero_point": np.zeros(columns, np.int8),
                "scale": scales,
                "axis": np.int32(0),
            },
        ),
        "palette-4": (
            "constexpr_lut_to_dense",
            {
                "indices": Const(bytes(rows * columns // 2), "uint4", (columns, rows)),
                "lut": np.arange(16, dtype=np.float16).reshape(1, 1, 16, 1),
            },
        ),
    }
    if form == "fp16":
        linear = Op("linear", {"x": "x", "weight": zeros(columns, rows)}, {"y": (F16, (1, columns))})
        return program(path, [linear], {"x": (F16, (1, rows))}, ["y"])
    kind, arguments = compressed[form]
    where = {"attributes": arguments} if form == "int8" else {"inputs": arguments}  # iOS 16 keeps them as attributes
    ops = [Op(kind, **{"inputs": {}, "outputs": {"w": weight}} | where), linear]
    return program(path, ops, {"x": (F16, (1, rows))}, ["y"])


@pytest.mark.unit
@pytest.mark.parametrize(
    ("form", "bytes_on_m1", "bytes_on_a14"),
    [
        ("fp16", 2 << 20, 2 << 20),
        ("int8", 2 << 20, (1 << 20) + 1024 + 2048),  # a byte each, with zero points and scales
        ("palette-4", round((2 << 20) / 2.37), (1 << 19) + 32),  # half a byte each, with a palette of 16
    ],
)
def test_weights_stream_as_the_chip_takes_them(tmp_path: Path, form: str, bytes_on_m1: int, bytes_on_a14: int) -> None:
    model = product(tmp_path, form)
    for chip, expected in ((M1, bytes_on_m1), (A14, bytes_on_a14)):
        (cost,) = estimate_for(model, chip).operations
        assert cost.work is not None
        assert cost.work.weight_bytes == expected
        assert cost.estimated_ms == pytest.approx(ms(expected, 51))
        assert cost.bound is Bound.WEIGHTS


@pytest.mark.unit
def test_bytes_times_bytes(tmp_path: Path) -> None:
    """x → quantize → dequantize → conv → relu → quantize → dequantize → conv: activations lie in memory as bytes."""
    shape, scale = (1, 32, SIDE, SIDE), np.float16(1)

    def conv(number: int, x: str, y: str, channels: int) -> list[Op]:
        attributes = {
            "quantized_data": np.zeros((32, channels, 1, 1), np.int8),
            "zero_point": np.zeros(32, np.int8),
            "scale": np.ones(32, np.float16),
            "axis": np.int32(0),
        }
        weight = Op(
            "constexpr_affine_dequantize", {}, {f"w{number}": (F16, (32, channels, 1, 1))}, attributes=attributes
        )
        return [weight, Op("conv", {"x": x, "weight": f"w{number}", "pad_type": "'valid'"}, {y: (F16, shape)})]

    def rounded(x: str, y: str, of: Sequence[int]) -> list[Op]:
        return [
            Op("quantize", {"input": x, "scale": scale, "output_dtype": "'int8'"}, {f"{y}_q": ("int8", of)}),
            Op("dequantize", {"input": f"{y}_q", "scale": scale}, {y: (F16, of)}),
        ]

    small = (1, 1, SIDE, SIDE)
    ops = [
        *rounded("x", "a", small),
        *conv(1, "a", "b", 1),
        Op("relu", {"x": "b"}, {"c": (F16, shape)}),
        *rounded("c", "d", shape),
        *conv(2, "d", "y", 32),
    ]
    model = program(tmp_path, ops, {"x": (F16, small)}, ["y"])
    found = estimate_for(model, A17)
    first, second = (row.work for row in found.operations if row.work is not None and row.work.multiply_adds)
    assert first is not None
    assert second is not None
    assert (first.int8_products, second.int8_products) == (True, True)
    # 32 channels of 256x256 are 2 MiB as bytes: they stay, where 4 MiB of fp16 would not. The output is fp16.
    assert first.activation_bytes == 0
    assert second.activation_bytes == 2 * WIDE
    assert second.multiply_adds == 32 * WIDE
    assert [row.part_of for row in found.operations] == [None, 1, None, 3, 3, 3, None]


@pytest.mark.unit
def test_a_report_serves_as_well_as_a_model(tmp_path: Path) -> None:
    model = product(tmp_path, "fp16")
    report = residency(model, [M1, M5])
    assert estimate_for(report, M5) == estimate_for(model, M5)
    with pytest.raises(UsageError, match="the report is on M1, M5, not on A14"):
        estimate_for(report, A14)


@pytest.mark.runtime
@pytest.mark.parametrize(
    "name", ["yolo11n_pal8", "screendoc_mobilenetv3", "mobilefacenet_fp16", "u2netp_saliency", "pose_lstm"]
)
def test_packages_that_others_made(third_party: Path, name: str) -> None:
    folders = [*(third_party / name).rglob("*.mlpackage"), *(third_party / name).rglob("*.mlmodelc")]
    report = residency(load(folders[0], "reference"), CHIPS)
    for on_chip in report.chips:
        found = estimate(report, on_chip)
        assert len(found.operations) == len(report.calls)
        assert found.is_complete is all(segment.on_engine for segment in on_chip.segments)
        assert found.estimated_ms == pytest.approx(sum(found.by_bound.values()))
        assert 0 <= found.estimated_ms < 1000
        _counts_every_operation_once(found)


def _counts_every_operation_once(found: Estimate) -> None:
    on_engine = [number for segment in found.segments for number in segment.numbers]
    estimated = [row.number for row in found.operations if row.estimated_ms is not None]
    assert sorted(on_engine) == estimated
    heads = {row.number for row in found.operations if row.time is not None}
    assert all(row.part_of in heads for row in found.operations if row.part_of is not None)
