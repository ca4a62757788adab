import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore.errors import PackageError
from kewcore.runtime.packing import PACKED_BITS, packed_size_bytes, sign_extend, unpack

pytestmark = pytest.mark.unit


def test_the_example_of_the_specification() -> None:
    # indices 3, 0, … as drawn at coremltools' constexpr_lut_to_dense: byte 0 is i3 i2 i1 i0 = 01 10 11 00.
    packed = np.array([0b01101100, 0b00000011], np.uint8)
    assert unpack(packed, 2, 5).tolist() == [0, 3, 2, 1, 3]


def test_an_element_may_straddle_two_bytes() -> None:
    # Six bits each: 0b100001, 0b111000 → bits from the lowest up: 100001 | 000111 …
    number = 0b111000_100001
    assert unpack(np.array([number & 255, number >> 8], np.uint8), 6, 2).tolist() == [0b100001, 0b111000]


@given(st.sampled_from(PACKED_BITS), st.data())
def test_unpacking_reads_the_bits_of_one_long_number(bits: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=70))
    number = sum(value << (bits * position) for position, value in enumerate(values))
    size = packed_size_bytes(len(values), bits)
    packed = np.frombuffer(number.to_bytes(size, "little"), np.uint8)
    assert unpack(packed, bits, len(values)).tolist() == values


@given(st.sampled_from((1, 2, 3, 4, 6)), st.integers(0, 255))
def test_sign_extension_is_twos_complement(bits: int, value: int) -> None:
    unsigned = value % 2**bits
    expected = unsigned - 2**bits if unsigned >= 2 ** (bits - 1) else unsigned
    assert sign_extend(np.array([unsigned], np.uint8), bits).tolist() == [expected]


def test_too_few_bytes() -> None:
    with pytest.raises(PackageError, match="9 elements of 3 bits take 4 bytes, got 3"):
        unpack(np.zeros(3, np.uint8), 3, 9)


def test_a_width_that_is_not_used() -> None:
    with pytest.raises(PackageError, match=r"packed elements must have one of .* bits, got 5"):
        unpack(np.zeros(3, np.uint8), 5, 1)
