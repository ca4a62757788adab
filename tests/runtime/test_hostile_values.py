"""Programs that mix up tensors, lists, states and texts: refused before anything runs, or by a clear error."""

import re
from pathlib import Path

import numpy as np
import pytest
from mlbuilder import Body, Op, build, model_message, write_package

from kewcore.errors import PackageError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
F32, I32, BOOL = "fp32", "int32", "bool"
X = {"x": (F32, (2,))}
TWO = np.int32(2)


def list_of_two(name: str = "ls") -> Op:
    arguments = {"elem_shape": (TWO,), "init_length": TWO, "dynamic_length": True, "dtype": "'fp32'"}
    return Op("make_list", arguments, {name: ("list fp32", (2,))})


def loop(
    variables: dict[str, str], types: dict[str, tuple[str, tuple[int, ...]]], body: list[Op], results: list[str]
) -> Op:
    """A loop over `variables` (name in the body: name outside) that ends at once."""
    false = Op("const", {}, {"never": (BOOL, ())}, {"val": np.bool_(False)})
    return Op(
        "while_loop",
        {"loop_vars": tuple(variables.values())},
        {f"{name}_end": type_ for name, type_ in types.items()},
        blocks=(
            Body({f"{name}_c": types[name] for name in variables}, [false], ["never"]),
            Body({name: types[name] for name in variables}, body, results),
        ),
    )


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([Op("list_length", {"ls": "x"}, {"y": (I32, ())})], "input 'ls' must be a list, got tensor<fp32, [2]>"),
        (
            [Op("read_state", {"input": "x"}, {"y": (F32, (2,))})],
            "input 'input' must be a state, got tensor<fp32, [2]>",
        ),
        (
            [list_of_two(), Op("identity", {"x": "ls"}, {"y": (F32, (2,))})],
            "input 'x' must be a tensor, got list<tensor<fp32, [2]>, ?>",
        ),
        (
            [Op("relu", {"x": "x"}, {"y": ("list fp32", (2,))})],
            "output 'y' must be a tensor, got list<tensor<fp32, [2]>, ?>",
        ),
        (
            [loop({"a": "x"}, {"a": ("list fp32", (2,))}, [], ["a"])],
            "variable 1 is tensor<fp32, [2]>, where a list is taken",
        ),
        (
            [list_of_two(), loop({"a": "ls"}, {"a": ("list fp32", (2,))}, [], ["x"])],
            "result 1 is tensor<fp32, [2]>, where a list is taken",
        ),
    ],
)
def test_kinds_of_values_are_not_mixed_up(tmp_path: Path, ops: list[Op], expected: str) -> None:
    with pytest.raises(PackageError, match=re.escape(expected)):
        load(build(tmp_path / "p.mlpackage", ops, X, [next(iter(ops[-1].outputs))]))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1 << 40,), "would take 2199023255552 bytes, more than the limit of 4294967296"),
        ((0, 1 << 62), "would take 9223372036854775808 bytes with 1 for what is 0 or open, more than the limit of"),
        ((None, 2), "a state must hold a tensor of a fixed shape, got state<tensor<fp16, [?, 2]>>"),
    ],
)
def test_a_state_is_no_way_round_the_limits(tmp_path: Path, shape: tuple[int | None, ...], expected: str) -> None:
    ops = [Op("relu", {"x": "x"}, {"y": (F32, (2,))})]
    message = model_message(ops, {**X, "total": ("state fp16", shape)}, ["y"])
    message.description.state[0].type.stateType.arrayType.ClearField("shape")
    with pytest.raises(PackageError, match=re.escape(expected)):
        load(write_package(tmp_path / "p.mlpackage", message))


def test_a_label_is_a_text_to_whatever_reads_it(tmp_path: Path) -> None:
    """`classify` gives a label: an operation that takes tensors gets an array of it, not a Python `str`."""
    ops = [
        Op("softmax", {"x": "x", "axis": -1}, {"p": (F32, (2,))}),
        Op("classify", {"probabilities": "p", "classes": ["a", "b"]}, {"label": ("string", ()), "probs": (F32, (2,))}),
        Op("expand_dims", {"x": "label", "axes": np.array([0], np.int32)}, {"y": ("string", (1,))}),
        Op("reduce_sum", {"x": "label"}, {"z": ("string", ())}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, X, ["y"])
    with pytest.raises(PackageError):
        load(package, "reference").predict({"x": np.zeros(2, np.float32)})


def test_a_list_does_not_pass_for_a_tensor(tmp_path: Path) -> None:
    ops = [Op("concat", {"values": ("x", "x"), "axis": ["a", "b"]}, {"y": (F32, (4,))})]
    message = model_message(ops, X, ["y"])
    operation = message.mlProgram.functions["main"].block_specializations["CoreML8"].operations[0]
    operation.inputs["axis"].arguments[0].value.type.tensorType.dataType = 23
    with pytest.raises(PackageError, match=re.escape("a list is given where the type is tensor<int32, []>")):
        load(write_package(tmp_path / "p.mlpackage", message))


def test_a_tensor_of_more_axes_than_numpy_takes(tmp_path: Path) -> None:
    ops = [Op("relu", {"x": "x"}, {"y": (F32, (1,) * 300)})]
    with pytest.raises(PackageError, match="a tensor may have rank 32, got 300"):
        load(build(tmp_path / "p.mlpackage", ops, {"x": (F32, (1,) * 300)}, ["y"]))


def test_an_element_type_that_onnx_has_not_falls_back(tmp_path: Path) -> None:
    ops = [Op("identity", {"x": "x"}, {"y": (F32, (2,))})]
    message = model_message(ops, X, ["y"])
    function = message.mlProgram.functions["main"]
    operation = function.block_specializations["CoreML8"].operations[0]
    for named in (function.inputs[0], operation.outputs[0]):
        named.type.tensorType.dataType = 40  # FLOAT8E4M3FN
    model = load(write_package(tmp_path / "p.mlpackage", message), "onnx")
    assert [placement.executor for placement in model.placements] == ["reference"]
