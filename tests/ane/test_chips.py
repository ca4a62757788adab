import pytest

from kewcore.ane.chips import CHIPS, chips_from, parse_chip
from kewcore.errors import UsageError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("asked", "name"),
    [("A13", "A13"), ("m1", "M1"), ("A17Pro", "A17 Pro"), ("a17 pro", "A17 Pro"), ("M2 Max", "M2"), ("A18 Pro", "A18")],
)
def test_chips_are_found_by_loosely_written_names(asked: str, name: str) -> None:
    assert parse_chip(asked).name == name


@pytest.mark.parametrize("asked", ["", "A11", "A17", "M", "Pro"])
def test_an_unknown_chip_is_named_with_those_that_are_known(asked: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_chip(asked)
    assert str(caught.value) == f"there is no chip '{asked}' in the table"
    assert caught.value.hint == "chips: A13, M1, A14, M2, A15, M3, A16, A17 Pro, M4, A18, M5"


def test_the_oldest_chip_brings_its_own_generation_and_all_later_ones() -> None:
    assert [chip.name for chip in chips_from(parse_chip("A16"))] == ["A16", "A17 Pro", "M4", "A18", "M5"]
    assert chips_from(parse_chip("M1")) == CHIPS


def test_limits_are_those_of_the_published_tables() -> None:
    rows = {
        c.name: (c.max_axis.value, c.max_conv_kernel_width.value, c.int8_weights_stream.value, c.sine.value)
        for c in CHIPS
    }
    assert rows["A13"] == rows["M1"] == (16384, 13, False, False)
    assert rows["A14"] == rows["M2"] == (16384, 16, True, False)
    assert rows["A15"] == rows["M3"] == (16384, 16, True, True)
    assert {rows[name] for name in ("A16", "A17 Pro", "M4", "A18", "M5")} == {(65536, 16, True, True)}
    assert [c.name for c in CHIPS if c.int8_products.value] == ["A17 Pro", "M4", "A18", "M5"]
