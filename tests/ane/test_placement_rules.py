"""Each rule that decides placement: the smallest program that breaks it, and one that keeps it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Body, Const, Op
from one_op import conv, judged, one, program, zeros

from kewcore.ane.calls import calls_of
from kewcore.ane.chips import CHIPS, parse_chip
from kewcore.ane.evidence import Mark
from kewcore.ane.known_ops import NEVER, RECURRENT, RUNNING, RUNNING_FROM, UNCLEAR_BEFORE
from kewcore.ane.residency import Verdict, judge
from kewcore.runtime.registry import all_specs

pytestmark = pytest.mark.unit
F16 = "fp16"


def relu(path: Path, shape: tuple[int | None, ...], dtype: str = F16) -> Any:
    return one(path, "relu", {"x": "x"}, {"x": (dtype, shape)}, shape, dtype)


def test_an_operation_that_runs_says_who_says_so(tmp_path: Path) -> None:
    found = judged(relu(tmp_path, (1, 8)))
    assert (found.verdict, found.rule, found.mark) == (Verdict.ON, None, Mark.REPORTED)
    assert found.reason == "runs on every chip"
    assert found.source is not None
    assert found.source.url.startswith("https://github.com/sbryngelson/ane-guide/")


def test_rule_1_rank(tmp_path: Path) -> None:
    found = judged(relu(tmp_path / "a", (1, 1, 1, 1, 1, 64)))
    assert (found.verdict, found.rule, found.mark) == (Verdict.OFF, 1, Mark.CERTAIN)
    assert found.reason == "rank 6, at most 5"
    assert judged(relu(tmp_path / "b", (1, 1, 1, 1, 64))).verdict is Verdict.ON


def test_rule_2_types(tmp_path: Path) -> None:
    found = judged(relu(tmp_path / "a", (1, 8), "fp32"))
    assert (found.verdict, found.rule, found.mark) == (Verdict.OFF, 2, Mark.CERTAIN)
    assert found.reason == "computes in fp32, not fp16"
    whole = one(tmp_path / "b", "add", {"x": "x", "y": "x"}, {"x": ("int32", (4,))}, (4,), "int32")
    assert judged(whole).reason == "computes in int32, not fp16"
    indices = one(
        tmp_path / "c", "reduce_argmax", {"x": "x", "axis": 1, "keep_dims": False}, {"x": (F16, (1, 8))}, (1,), "int32"
    )
    assert judged(indices).verdict is Verdict.ON


def test_rule_2_leaves_the_casts_at_the_border_out(tmp_path: Path) -> None:
    ops = [
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"a": (F16, (8,))}),
        Op("relu", {"x": "a"}, {"b": (F16, (8,))}),
        Op("cast", {"x": "b", "dtype": "'fp32'"}, {"c": ("fp32", (8,))}),
        Op("cast", {"x": "c", "dtype": "'fp16'"}, {"d": (F16, (8,))}),
        Op("cast", {"x": "d", "dtype": "'fp32'"}, {"e": ("fp32", (8,))}),
    ]
    model = program(tmp_path, ops, {"x": ("fp32", (8,))}, ["e"])
    found = [judged(call) for call in calls_of(model)]
    assert [one.verdict.value for one in found] == ["outside", "on", "off", "off", "outside"]
    assert found[0].reason == "Core ML converts between the app's fp32 and the network's fp16 at the border"


def flexible(path: Path, **shapes: Any) -> Any:
    from mlbuilder import model_message, write_package

    from kewcore.runtime import load

    message = model_message([Op("relu", {"x": "x"}, {"y": (F16, (None, 8))})], {"x": (F16, (None, 8))}, ["y"])
    array = message.description.input[0].type.multiArrayType
    for size in shapes.get("listed", ()):
        array.enumeratedShapes.shapes.add().shape.extend([size, 8])
    if "most" in shapes:
        for low, high in ((1, shapes["most"]), (8, 8)):
            array.shapeRange.sizeRanges.add(lowerBound=low, upperBound=high)
    return calls_of(load(write_package(path / "m.mlpackage", message), "reference"))[0]


def test_rule_3_sizes(tmp_path: Path) -> None:
    free = judged(flexible(tmp_path / "a", most=4))
    assert (free.verdict, free.rule, free.mark) == (Verdict.UNKNOWN, 3, Mark.CERTAIN)
    assert free.reason == "sizes vary within ranges: stays only with the reshape hint 'Infrequent', iOS 17.4 and later"
    listed = judged(flexible(tmp_path / "b", listed=range(1, 129)))
    assert listed.verdict is Verdict.ON
    assert listed.remarks[0].text == "sizes are chosen from a list: stays on the engine"
    assert judged(flexible(tmp_path / "c", listed=range(1, 130))).verdict is Verdict.UNKNOWN


def test_rule_3_sizes_that_only_running_tells(tmp_path: Path) -> None:
    call = one(tmp_path, "non_zero", {"x": "x"}, {"x": (F16, (8,))}, (None, 1), "int32")
    texts = {finding.text for finding in judged(call).findings if finding.rule.number == 3}
    assert texts == {"sizes are known at run time only"}


def test_rule_9_recurrent_layers(tmp_path: Path) -> None:
    arguments = {
        "x": "x",
        "initial_h": zeros(1, 2),
        "initial_c": zeros(1, 2),
        "weight_ih": zeros(8, 3),
        "weight_hh": zeros(8, 2),
        "direction": "'forward'",
        "output_sequence": False,
        "recurrent_activation": "'sigmoid'",
        "cell_activation": "'tanh'",
        "activation": "'tanh'",
    }
    outputs = {"y": (F16, (1, 1, 2)), "h": (F16, (1, 2)), "c": (F16, (1, 2))}
    (call,) = calls_of(program(tmp_path, [Op("lstm", arguments, outputs)], {"x": (F16, (5, 1, 3))}, ["y"]))
    assert call.multiply_adds == 5 * 8 * (3 + 2)
    for chip in CHIPS:
        found = judge(call, chip)
        assert (found.verdict, found.rule, found.mark) == (Verdict.OFF, 9, Mark.CERTAIN)
        assert found.reason == "recurrent layers have no path"


@pytest.mark.parametrize(("chip", "limit"), [("A13", 16384), ("M3", 16384), ("A16", 65536), ("M5", 65536)])
def test_rule_12_axes(tmp_path: Path, chip: str, limit: int) -> None:
    assert judged(relu(tmp_path / "a", (1, limit)), chip).verdict is Verdict.ON
    found = judged(relu(tmp_path / "b", (1, limit + 1)), chip)
    assert (found.verdict, found.rule, found.mark) == (Verdict.OFF, 12, Mark.REPORTED)
    assert found.reason == f"axis of {limit + 1:,} in [1, {limit + 1}], at most {limit:,}"


@pytest.mark.parametrize("kind", ["linear", "matmul", "transposed"])
def test_rule_12_contraction(tmp_path: Path, kind: str) -> None:
    for place, length in (("a", 16384), ("b", 16385)):
        if kind == "linear":
            arguments: dict[str, Any] = {"x": "x", "weight": zeros(2, length)}
            shape: tuple[int, ...] = (1, length)
        elif kind == "matmul":
            arguments, shape = {"x": "x", "y": zeros(length, 2)}, (1, length)
        else:
            arguments, shape = {"x": "x", "y": zeros(length, 2), "transpose_x": True, "transpose_y": False}, (length, 1)
        call = one(tmp_path / place, "linear" if kind == "linear" else "matmul", arguments, {"x": (F16, shape)}, (1, 2))
        assert call.multiply_adds == 2 * length
        found = judged(call, "A15")
        assert found.verdict is (Verdict.ON if length == 16384 else Verdict.OFF)
    assert (found.rule, found.reason) == (12, "contraction axis of 16,385, at most 16,384")


def test_rule_12_channels_of_convolutions_escape(tmp_path: Path) -> None:
    def many(path: Path, channels: int) -> Any:
        arguments = {"x": "x", "weight": zeros(1, channels, 1, 1), "pad_type": "'valid'"}
        return one(path, "conv", arguments, {"x": (F16, (1, channels, 2, 2))}, (1, 1, 2, 2))

    assert judged(many(tmp_path / "a", 43200)).verdict is Verdict.ON
    found = judged(many(tmp_path / "b", 65537))
    assert (found.verdict, found.rule, found.reason) == (Verdict.OFF, 12, "65,537 channels, at most 65,536")
    wide = judged(conv(tmp_path / "c", (1, 1), (1, 1, 1, 16385)))
    assert (wide.verdict, wide.rule) == (Verdict.OFF, 12)


@pytest.mark.parametrize(("chip", "limit"), [("A13", 13), ("M1", 13), ("A14", 16), ("M5", 16)])
def test_rule_13_kernel_width(tmp_path: Path, chip: str, limit: int) -> None:
    assert judged(conv(tmp_path / "a", (limit + 4, limit)), chip).verdict is Verdict.ON
    found = judged(conv(tmp_path / "b", (1, limit + 1)), chip)
    assert (found.verdict, found.rule, found.mark) == (Verdict.OFF, 13, Mark.REPORTED)
    assert found.reason == f"kernel width {limit + 1}, at most {limit}"
    line = judged(conv(tmp_path / "c", (limit + 1,), (1, 1, 64)), chip)
    assert line.reason == found.reason


@pytest.mark.parametrize(("chip", "limit"), [("M1", 7), ("A14", 8)])
def test_rule_13_strided_transposed_convolutions(tmp_path: Path, chip: str, limit: int) -> None:
    def call(path: Path, width: int, stride: int) -> Any:
        arguments = {
            "x": "x",
            "weight": zeros(1, 1, 1, width),
            "pad_type": "'valid'",
            "strides": np.array([1, stride], np.int32),
        }
        return one(path, "conv_transpose", arguments, {"x": (F16, (1, 1, 1, 32))}, (1, 1, 1, 31 * stride + width))

    assert judged(call(tmp_path / "a", limit, 2), chip).verdict is Verdict.ON
    assert judged(call(tmp_path / "b", limit + 1, 1), chip).verdict is Verdict.ON
    found = judged(call(tmp_path / "c", limit + 1, 2), chip)
    assert (found.verdict, found.rule) == (Verdict.OFF, 13)
    assert found.reason == f"kernel width {limit + 1} of a transposed convolution with stride 2, at most {limit}"


def test_rule_13_kernel_height_is_disputed(tmp_path: Path) -> None:
    found = judged(conv(tmp_path, (30, 1)))
    assert (found.verdict, found.rule, found.mark) == (Verdict.UNKNOWN, 13, Mark.RUMOUR)
    assert found.reason == "kernel height 30; 29 by the compiler's tables, without limit by measurement"


def test_rule_14_argmax(tmp_path: Path) -> None:
    def largest(path: Path, length: int) -> Any:
        arguments = {"x": "x", "axis": -1, "keep_dims": False}
        return judged(one(path, "reduce_argmax", arguments, {"x": (F16, (3, length))}, (3,), "int32"))

    assert largest(tmp_path / "a", 2048).verdict is Verdict.ON
    found = largest(tmp_path / "b", 2049)
    assert (found.verdict, found.rule, found.reason) == (Verdict.OFF, 14, "reduces an axis of 2,049, at most 2,048")


def test_rule_16_no_path(tmp_path: Path) -> None:
    arguments = {"x": "x", "axes": np.array([1], np.int32), "keep_dims": False}
    found = judged(one(tmp_path / "a", "reduce_prod", arguments, {"x": (F16, (1, 8))}, (1,)), "M5")
    assert (found.verdict, found.rule, found.reason) == (Verdict.OFF, 16, "has no path on any chip")
    solid = judged(conv(tmp_path / "b", (1, 1, 1), (1, 1, 2, 2, 2)), "M5")
    assert (solid.verdict, solid.rule, solid.reason) == (Verdict.OFF, 16, "a convolution over three axes")


def test_rule_16_from_a_chip_on(tmp_path: Path) -> None:
    call = one(tmp_path, "sin", {"x": "x"}, {"x": (F16, (8,))}, (8,))
    verdicts = {chip.name: judge(call, chip).verdict.value for chip in CHIPS}
    assert {name for name, verdict in verdicts.items() if verdict == "off"} == {"A13", "M1", "A14", "M2"}
    assert judge(call, parse_chip("M2")).reason == "runs from A15 on"
    assert judge(call, parse_chip("M3")).reason == "runs from A15 on"


def test_rule_16_narrow_paths(tmp_path: Path) -> None:
    arguments = {"x": "x", "scale_factor_height": np.float32(2), "scale_factor_width": np.float32(2)}
    call = one(tmp_path, "upsample_nearest_neighbor", arguments, {"x": (F16, (1, 1, 4, 32))}, (1, 1, 8, 64))
    found = judged(call, "M1")
    assert (found.verdict, found.rule) == (Verdict.UNKNOWN, 16)
    assert found.reason == "before A14: a software fallback that rounds differently"
    assert judged(call, "A14").verdict is Verdict.ON


def test_rule_16_bodies_of_loops(tmp_path: Path) -> None:
    body = Body({"i": (F16, ())}, [Op("add", {"x": "i", "y": Const(np.float16(1))}, {"j": (F16, ())})], ["j"])
    test = Body({"k": (F16, ())}, [Op("less", {"x": "k", "y": Const(np.float16(9))}, {"go": ("bool", ())})], ["go"])
    loop = Op("while_loop", {"loop_vars": ("x",)}, {"y": (F16, ())}, blocks=[test, body])
    calls = calls_of(program(tmp_path, [loop], {"x": (F16, ())}, ["y"]))
    assert [(call.number, call.type, judged(call).verdict.value) for call in calls] == [
        (1, "while_loop", "off"),
        (2, "less", "off"),
        (3, "add", "off"),
    ]
    assert judged(calls[2]).reason == "inside op 'while_loop_y' (while_loop), which has no path"


def test_rule_16_slices(tmp_path: Path) -> None:
    settings = {"x": "x", "end": np.array([4], np.int32)}
    fixed = one(
        tmp_path / "a", "slice_by_index", {**settings, "begin": np.array([0], np.int32)}, {"x": (F16, (8,))}, (4,)
    )
    assert judged(fixed).verdict is Verdict.ON
    inputs = {"x": (F16, (8,)), "b": ("int32", (1,))}
    moving = one(tmp_path / "b", "slice_by_index", {**settings, "begin": "b"}, inputs, (None,))
    assert "slices at places computed at run time" in {finding.text for finding in judged(moving).findings}


def test_rule_21_rank_of_products(tmp_path: Path) -> None:
    inputs = {"x": (F16, (1, 1, 1, 2, 64)), "z": (F16, (1, 1, 1, 64, 32))}
    found = judged(one(tmp_path, "matmul", {"x": "x", "y": "z"}, inputs, (1, 1, 1, 2, 32)), "M5")
    assert (found.verdict, found.rule, found.reason) == (Verdict.OFF, 21, "a product of rank 5, at most 4")


def test_rule_22_computed_kernels(tmp_path: Path) -> None:
    def call(path: Path, batch: int) -> Any:
        inputs = {"x": (F16, (batch, 1, 32, 32)), "w": (F16, (1, 1, 1, 1))}
        return one(path, "conv", {"x": "x", "weight": "w", "pad_type": "'valid'"}, inputs, (batch, 1, 32, 32))

    assert judged(call(tmp_path / "a", 1)).verdict is Verdict.ON
    found = judged(call(tmp_path / "b", 2))
    assert (found.verdict, found.rule) == (Verdict.UNKNOWN, 22)
    assert found.reason == "a kernel computed at run time with a batch of 2; compiles with a batch of 1 only"


def test_rule_23_padding(tmp_path: Path) -> None:
    def call(path: Path, pad: list[int], mode: str, result: tuple[int, ...]) -> Any:
        arguments = {"x": "x", "pad": np.array(pad, np.int32), "mode": f"'{mode}'", "constant_val": np.float16(0)}
        return one(path, "pad", arguments, {"x": (F16, (1, 1, 8, 8))}, result)

    assert judged(call(tmp_path / "a", [0, 0, 0, 0, 1, 1, 1, 1], "constant", (1, 1, 10, 10))).verdict is Verdict.ON
    channels = judged(call(tmp_path / "b", [0, 0, 1, 0, 0, 0, 0, 0], "constant", (1, 2, 8, 8)))
    assert (channels.verdict, channels.rule) == (Verdict.OFF, 23)
    assert channels.reason == "pads the batch or channel axis; only height and width can be padded"
    mirrored = call(tmp_path / "c", [1, 1, 1, 1], "reflect", (1, 1, 10, 10))
    assert judged(mirrored, "M1").reason == "mirrored padding needs the texture engine, A14 and later"
    assert judged(mirrored, "A14").verdict is Verdict.ON


def test_rule_25_factors(tmp_path: Path) -> None:
    def tiled(path: Path, times: int) -> Any:
        arguments = {"x": "x", "reps": np.array([1, times], np.int32)}
        return judged(one(path, "tile", arguments, {"x": (F16, (1, 32))}, (1, 32 * times)))

    assert tiled(tmp_path / "a", 12).verdict is Verdict.ON
    found = tiled(tmp_path / "b", 10)
    assert (found.verdict, found.rule) == (Verdict.UNKNOWN, 25)
    assert found.reason == "a factor of 10, which is not made of 2 and 3"


def test_every_operation_of_the_registry_is_in_one_table() -> None:
    tables = [RUNNING, set(RUNNING_FROM), set(UNCLEAR_BEFORE), NEVER, RECURRENT]
    known = set().union(*tables)
    assert sum(map(len, tables)) == len(known)
    names = {spec.name for spec in all_specs() if not spec.name.startswith("const")}
    elsewhere = {"classify", "slice_by_index", "conv_quantized"}
    assert names - known == elsewhere
    assert known <= names


def test_an_operation_that_no_table_has_is_unknown(tmp_path: Path) -> None:
    call = conv(tmp_path, (1, 1))
    strange = type(call)(1, type(call.operation)("conv_quantized", "c", {}, {}, call.operation.outputs), call.scope)
    found = judged(strange)
    assert (found.verdict, found.mark, found.reason) == (Verdict.UNKNOWN, None, "nothing is known of this operation")
