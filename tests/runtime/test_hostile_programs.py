"""Small programs that ask for much: memory, work, rounds; refused before they run, or stopped while they do."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Blob, Body, Op, build, model_message, weights_file, write_package

from kewcore.errors import KewError, PackageError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
F32, I32, BOOL = "fp32", "int32", "bool"
EXECUTORS = ("reference", "onnx")
TINY = {"x": (F32, (2,))}
OPEN = {"x": (F32, (None, None))}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def refused(folder: Path, ops: list[Op], expected: str, inputs: Any = TINY) -> None:
    """Opening it says what is wrong, at once."""
    start = time.monotonic()
    with pytest.raises(PackageError, match=re.escape(expected)):
        load(build(folder / "p.mlpackage", ops, inputs, [next(iter(ops[-1].outputs))]))
    assert time.monotonic() - start < 10


ONE_HOT = {
    "indices": ints(0, 1),
    "one_hot_vector_size": 2**31 - 1,
    "on_value": np.float32(1),
    "off_value": np.float32(0),
}
EXPLODING = (
    ("fill", {"shape": ints(1 << 20, 1 << 20), "value": np.float32(0)}, 2),
    ("tile", {"x": "x", "reps": ints(2**31 - 1)}, 1),
    ("pad", {"x": "x", "pad": ints(2**31 - 1, 0)}, 1),
    ("one_hot", ONE_HOT, 2),
    ("range_1d", {"start": np.float32(0), "end": np.float32(1e30), "step": np.float32(1e-6)}, 1),
    ("upsample_nearest_neighbor", {"x": "z", "scale_factor_height": 100_000, "scale_factor_width": 100_000}, 4),
)


@pytest.mark.parametrize(("kind", "arguments", "rank"), EXPLODING, ids=[row[0] for row in EXPLODING])
def test_shapes_that_explode_are_refused_before_anything_runs(
    tmp_path: Path, kind: str, arguments: Any, rank: int
) -> None:
    image = Op("const", {}, {"z": (F32, (1, 1, 1, 1))}, {"val": np.zeros((1, 1, 1, 1), np.float32)})
    refused(tmp_path, [image, Op(kind, arguments, {"y": (F32, (None,) * rank)})], "more than the limit of 4294967296")


def test_sizes_whose_product_exceeds_64_bits(tmp_path: Path) -> None:
    refused(tmp_path, [Op("relu", {"x": "x"}, {"y": (F32, (1 << 62,) * 3)})], "more than the limit of 4294967296")


def test_a_broadcast_that_explodes_once_sizes_are_known(tmp_path: Path) -> None:
    """[n, 1] + [1, n]: the program leaves n open, the caller gives 40,000: 6.4 GB."""
    ops = [
        Op("transpose", {"x": "x", "perm": ints(1, 0)}, {"t": (F32, (None, None))}),
        Op("add", {"x": "x", "y": "t"}, {"y": (F32, (None, None))}),
    ]
    model = load(build(tmp_path / "p.mlpackage", ops, OPEN, ["y"]), "reference")
    with pytest.raises(PackageError, match=r"of shape \[40000, 40000\] would take 6400000000 bytes"):
        model.predict({"x": np.zeros((40_000, 1), np.float32)})


def test_a_product_of_absurd_work_is_refused(tmp_path: Path) -> None:
    """Small results, all of which fit; 4.4e12 multiply-adds each."""
    fill = {"shape": ints(16384, 16384), "value": np.float32(1)}
    ops = [Op("fill", fill, {"a": (F32, (16384, 16384))})]
    for number in range(4):
        ops.append(Op("matmul", {"x": "a", "y": "a"}, {f"m{number}": (F32, (16384, 16384))}))
    refused(tmp_path, ops, "a prediction would take 1.8e+13 multiply-adds, 4.4e+12 of them op 'matmul_m0' (matmul)")


@pytest.mark.parametrize("kind", ["conv", "max_pool", "local_response_norm"])
def test_windows_of_absurd_work_are_refused(tmp_path: Path, kind: str) -> None:
    arguments: dict[str, Any] = {
        "conv": {"x": "a", "weight": "w", "pad_type": "'same'"},
        "max_pool": {"x": "a", "kernel_sizes": ints(4095, 4095), "strides": ints(1, 1), "pad_type": "'same'"},
        "local_response_norm": {"x": "a", "size": 2**31 - 1},
    }[kind]
    ops = [
        Op("fill", {"shape": ints(1, 1, 8192, 8192), "value": np.float32(1)}, {"a": (F32, (1, 1, 8192, 8192))}),
        Op("fill", {"shape": ints(1, 1, 4095, 4095), "value": np.float32(1)}, {"w": (F32, (1, 1, 4095, 4095))}),
        Op(kind, arguments, {"y": (F32, (1, 1, 8192, 8192))}),
    ]
    refused(tmp_path, ops, "the limit is 1e+13")


def test_work_that_shows_at_run_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kewcore.runtime.evaluation.WORK_LIMIT", 10**6)
    ops = [Op("matmul", {"x": "x", "y": "x"}, {"y": (F32, (None, None))})]
    model = load(build(tmp_path / "p.mlpackage", ops, OPEN, ["y"]), "reference")
    assert model.predict({"x": np.ones((50, 50), np.float32)})["y"][0, 0] == 50
    with pytest.raises(PackageError, match=r"op 'matmul_y' \(matmul\): this prediction takes more than the limit"):
        model.predict({"x": np.ones((200, 200), np.float32)})


def test_weights_that_expand_enormously_together(tmp_path: Path) -> None:
    """Each is below the limit of one tensor, takes a bit an element in the file, and all share one blob of 16 MB."""
    count = 1 << 27
    weights = weights_file([("uint1", bytes(count // 8))])
    palette = np.zeros((1, 2, 1), np.float16)
    ops = [
        Op(
            "constexpr_lut_to_dense",
            {"indices": Blob(64, "uint1", (count,)), "lut": palette},
            {f"w{n}": ("fp16", (count,))},
        )
        for n in range(40)
    ]
    ops.append(Op("relu", {"x": "x"}, {"y": (F32, (2,))}))
    package = write_package(tmp_path / "q.mlpackage", model_message(ops, TINY, ["y"]), weights)
    with pytest.raises(PackageError, match=r"its weights would take \d+ bytes, more than the limit of 17179869184"):
        load(package)


def test_values_that_are_alive_together(tmp_path: Path) -> None:
    count = 1 << 30
    fills = [Op("fill", {"shape": ints(count), "value": np.float32(n)}, {f"f{n}": (F32, (count,))}) for n in range(5)]
    chained = [fills[0]]
    for number in range(1, 5):
        last = f"f{number - 1}" if number == 1 else f"s{number - 1}"
        chained += [fills[number], Op("add", {"x": last, "y": f"f{number}"}, {f"s{number}": (F32, (count,))})]
    load(
        build(
            tmp_path / "chained.mlpackage",
            [*chained, Op("slice_by_size", {"x": "s4", "begin": ints(0), "size": ints(2)}, {"y": (F32, (2,))})],
            TINY,
            ["y"],
        ),
        "reference",
    )
    sums = [Op("add", {"x": f"f{n}", "y": f"f{(n + 1) % 5}"}, {f"s{n}": (F32, (count,))}) for n in range(5)]
    refused(
        tmp_path,
        [*fills, *sums, Op("relu", {"x": "x"}, {"y": (F32, (2,))})],
        "its values would take 25769803776 bytes at a time, more than the limit of 17179869184",
    )


def growing_loop(kind: str) -> list[Op]:
    """A loop without end, whose variable doubles, or whose list grows, or that holds another loop."""
    goes_on = Body({"c": (F32, (2,))}, [Op("const", {}, {"yes": (BOOL, ())}, {"val": np.bool_(True)})], ["yes"])
    if kind.startswith("doubles"):
        row = (F32, (2,) if kind == "doubles" else (None,))
        double = Op("concat", {"values": ("v", "v"), "axis": 0, "interleave": False}, {"d": row})
        return [
            Op("while_loop", {"loop_vars": ("x",)}, {"y": row}, blocks=(goes_on, Body({"v": row}, [double], ["d"])))
        ]
    if kind == "list":
        made = {"elem_shape": (np.int32(2),), "init_length": np.int32(1), "dynamic_length": True, "dtype": "'fp32'"}
        last = [
            Op("list_length", {"ls": "v"}, {"n": (I32, ())}),
            Op("list_write", {"ls": "v", "index": "n", "value": "x"}, {"d": ("list fp32", (2,))}),
        ]
        forever = Body({"c": ("list fp32", (2,))}, goes_on.ops, ["yes"])
        loop = Op(
            "while_loop",
            {"loop_vars": ("ls",)},
            {"l": ("list fp32", (2,))},
            blocks=(forever, Body({"v": ("list fp32", (2,))}, last, ["d"])),
        )
        return [
            Op("make_list", made, {"ls": ("list fp32", (2,))}),
            loop,
            Op("list_length", {"ls": "l"}, {"y": (I32, ())}),
        ]
    inner_goes_on = Body({"e": (F32, (2,))}, [Op("const", {}, {"yes2": (BOOL, ())}, {"val": np.bool_(True)})], ["yes2"])
    inner = Op(
        "while_loop",
        {"loop_vars": ("v",)},
        {"d": (F32, (2,))},
        blocks=(inner_goes_on, Body({"w": (F32, (2,))}, [Op("relu", {"x": "w"}, {"r": (F32, (2,))})], ["r"])),
    )
    return [
        Op(
            "while_loop",
            {"loop_vars": ("x",)},
            {"y": (F32, (2,))},
            blocks=(goes_on, Body({"v": (F32, (2,))}, [inner], ["d"])),
        )
    ]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("kind", ["doubles", "doubles openly", "list", "nests"])
def test_loops_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, executor: Any) -> None:
    monkeypatch.setattr("kewcore.runtime.evaluation.LOOP_BUDGET", 2000)
    monkeypatch.setattr("kewcore.runtime.lowering.ops.control_flow.LOOP_BUDGET", 2000)
    model = load(build(tmp_path / "p.mlpackage", growing_loop(kind), TINY, ["y"]), executor)
    with pytest.raises(
        PackageError, match=r"the loops of this prediction do more|is declared as tensor<fp32, \[2\]>, got \[4\]"
    ):
        model.predict({"x": np.ones(2, np.float32)})


@pytest.mark.parametrize("executor", EXECUTORS)
def test_names_stay_names(tmp_path: Path, executor: Any) -> None:
    """Names that would mean something to ONNX, a shell, a terminal or a formatter are names of values like others."""
    names = ["", "x__1", "x__out", "unfinished_loop", "%s%n", "{0.__class__}", "a\x1b[2Jb", "../y", "x.Cast", "é" * 300]
    ops, last = [], "x"
    for name in names:
        ops.append(Op("add", {"x": last, "y": np.float32(1)}, {name or "blank": (F32, (2,))}))
        last = name or "blank"
    ops.append(Op("relu", {"x": last}, {"y": (F32, (2,))}))
    result = load(build(tmp_path / "p.mlpackage", ops, TINY, ["y"]), executor).predict({"x": np.zeros(2, np.float32)})
    assert result["y"].tolist() == [len(names)] * 2


def test_label_lists_of_millions(tmp_path: Path) -> None:
    ops = [
        Op("softmax", {"x": "x", "axis": -1}, {"p": (F32, (2,))}),
        Op("classify", {"probabilities": "p", "classes": ["a"]}, {"label": ("string", ()), "probs": (F32, (2,))}),
    ]
    message = model_message(ops, TINY, ["label"])
    classes = message.mlProgram.functions["main"].block_specializations["CoreML8"].operations[-1].inputs["classes"]
    values = classes.arguments[0].value.immediateValue.list.values
    for _ in range(200_000):
        values.add().CopyFrom(values[0])
    package = write_package(tmp_path / "p.mlpackage", message)
    start = time.monotonic()
    with pytest.raises(KewError):
        load(package)
    assert time.monotonic() - start < 30


def test_an_image_of_absurd_size(tmp_path: Path) -> None:
    message = model_message(
        [Op("relu", {"x": "x"}, {"y": (F32, (1, 3, None, None))})], {"x": (F32, (1, 3, None, None))}, ["y"]
    )
    image = message.description.input[0].type.imageType
    image.width, image.height, image.colorSpace = 2**40, 2**40, 20
    with pytest.raises(PackageError, match="must have 1 to 16384 rows and columns, got 1099511627776x1099511627776"):
        load(write_package(tmp_path / "p.mlpackage", message), "reference")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_loop_pays_for_the_long_list_that_it_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: Any
) -> None:
    """A list of 4,000,000 numbers, written to 100 times, is 400,000,000 elements copied."""
    monkeypatch.setattr("kewcore.runtime.evaluation.LOOP_BUDGET", 5000)
    monkeypatch.setattr("kewcore.runtime.lowering.ops.control_flow.LOOP_BUDGET", 5000)
    made = {
        "elem_shape": (np.int32(1),),
        "init_length": np.int32(4_000_000),
        "dynamic_length": False,
        "dtype": "'fp32'",
    }
    long = ("list fp32", (1,))
    below = Op("less", {"x": "c", "y": np.int32(100)}, {"go": (BOOL, ())})
    body = [
        Op("list_write", {"ls": "v", "index": "i", "value": np.ones(1, np.float32)}, {"w": long}),
        Op("add", {"x": "i", "y": np.int32(1)}, {"n": (I32, ())}),
    ]
    blocks = (
        Body({"c": (I32, ()), "d": long}, [below], ["go"]),
        Body({"i": (I32, ()), "v": long}, body, ["n", "w"]),
    )
    ops = [
        Op("make_list", made, {"ls": long}),
        Op("while_loop", {"loop_vars": (np.int32(0), "ls")}, {"count": (I32, ()), "full": long}, blocks=blocks),
        Op("list_read", {"ls": "full", "index": np.int32(0)}, {"y": (F32, (1,))}),
    ]
    model = load(build(tmp_path / "p.mlpackage", ops, TINY, ["y"]), executor)
    with pytest.raises(PackageError, match="the loops of this prediction do more than"):
        model.predict({"x": np.ones(2, np.float32)})
