"""Sizes that hide: behind a zero, an open size, or in the description, where no program holds them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kewcore_command import kewcore_here
from mlbuilder import Blob, Const, Op, build, model_message, weights_file, write_package

from kewcore.errors import PackageError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
F32 = "fp32"
X = {"x": (F32, (2,))}
RELU = Op("relu", {"x": "x"}, {"y": (F32, (2,))})


def refused(package: Path, expected: str, executor: Any = "reference") -> None:
    with pytest.raises(PackageError) as caught:
        load(package, executor)
    assert expected in "\n".join([caught.value.message, *getattr(caught.value, "__notes__", ())])


@pytest.mark.parametrize("shape", [(0, 2**63 - 1), (None, 2**63 - 1), (0, 2**40, 2**40), (2**33, None, 0)])
def test_a_zero_or_an_open_size_hides_no_other(tmp_path: Path, shape: tuple[int | None, ...]) -> None:
    expected = "bytes with 1 for what is 0 or open, more than the limit of 4294967296"
    message = model_message([Op("relu", {"x": "x"}, {"y": (F32, shape)})], X, ["y"])
    message.description.output[0].type.multiArrayType.ClearField("shape")
    refused(write_package(tmp_path / "p.mlpackage", message), expected)


def test_constants_of_nothing_with_a_size_beyond_all(tmp_path: Path) -> None:
    nothing = Const(b"", F32, (0, 2**63 - 1))
    ops = [Op("const", {}, {"c": (F32, (0, 2**63 - 1))}, {"val": nothing}), RELU]
    refused(build(tmp_path / "a", ops, X, ["y"]), "with 1 for what is 0 or open")
    refused(build(tmp_path / "b", [Op("add", {"x": "x", "y": nothing}, {"y": (F32, (2,))})], X, ["y"]), "is 0 or open")


def described(change: Callable[[Any], None]) -> Any:
    message = model_message([RELU], X, ["y"])
    array = message.description.input[0].type
    array.isOptional, array.multiArrayType.floatDefaultValue = True, 1
    change(array.multiArrayType)
    return message


def shape_of(*sizes: int) -> Callable[[Any], None]:
    def change(array: Any) -> None:
        array.shape[:] = sizes

    return change


def choices_of(*sizes: int) -> Callable[[Any], None]:
    return lambda array: array.enumeratedShapes.shapes.add().shape.extend(sizes)


def range_from(low: int) -> Callable[[Any], None]:
    return lambda array: array.shapeRange.sizeRanges.add(lowerBound=low, upperBound=-1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (shape_of(-1, -1), "its shape [-1, -1] is negative"),
        (
            shape_of(0, 2**31),
            "its shape [0, 2147483648] would take 8589934592 bytes with 1 for what is 0 or open, more than",
        ),
        (shape_of(2**31), "its shape [2147483648] would take 8589934592 bytes, more than the limit of 4294967296"),
        (choices_of(-2), "its shape [-2] is negative"),
        (choices_of(2, 2**63 - 1), "its shape [2, 9223372036854775807] would take 73786976294838206456 bytes, more"),
        (range_from(2**62), "its shape [4611686018427387904] would take 18446744073709551616 bytes, more than"),
    ],
)
def test_described_shapes(tmp_path: Path, change: Callable[[Any], None], expected: str) -> None:
    package = write_package(tmp_path / "p.mlpackage", described(change))
    with pytest.raises(PackageError, match=re.escape(expected)) as caught:
        load(package)
    assert caught.value.__notes__ == ["in feature 'x' of the model's description"]


def test_a_default_is_still_filled_in(tmp_path: Path) -> None:
    package = write_package(tmp_path / "p.mlpackage", described(shape_of(2)))
    assert load(package, "reference").predict({})["y"].tolist() == [1, 1]


def test_a_weight_without_elements_is_inspected(tmp_path: Path) -> None:
    nothing = Op("const", {}, {"c": (F32, (0, 2))}, {"val": Blob(64, F32, (0, 2))})
    ops = [nothing, Op("add", {"x": "x", "y": "c"}, {"y": (F32, (0, 2))})]
    write_package(tmp_path / "p.mlpackage", model_message(ops, X, ["y"]), weights_file([(F32, b"")]))
    for options in ((), ("--weights", "--ops")):
        ended = kewcore_here(tmp_path, "inspect", "p.mlpackage", *options)
        assert ended.returncode == 0, ended.stderr
