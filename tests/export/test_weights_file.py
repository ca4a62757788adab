"""The weights file against coremltools' own writer, and back."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore.errors import PackageError
from kewcore_export.weights_file import WeightsWriter, pack_bits, read_entry, unpack_bits


@pytest.mark.unit
@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=40))
def test_packed_bits_are_the_binary_digits_in_order(bits: int, numbers: list[int]) -> None:
    values = np.array([n % 2**bits for n in numbers], np.uint8)
    packed = pack_bits(values, bits)
    digits = "".join(format(v, f"0{bits}b")[::-1] for v in values)
    expected = [int(digits[i : i + 8][::-1], 2) for i in range(0, len(digits), 8)]
    assert packed.tolist() == expected
    np.testing.assert_array_equal(unpack_bits(packed, bits, len(values)), values)


@pytest.mark.parity
def test_files_are_the_bytes_that_coremltools_writes(tmp_path: Path) -> None:
    from kewcore_export.coremltools_import import import_coremltools

    import_coremltools()
    from coremltools.libmilstoragepython import _BlobStorageWriter

    generator = np.random.default_rng(0)
    arrays = {
        "fp16": generator.standard_normal(21).astype(np.float16),
        "fp32": generator.standard_normal(21).astype(np.float32),
        "int8": generator.integers(-127, 128, 37).astype(np.int8),
        "uint8": generator.integers(0, 256, 37).astype(np.uint8),
        "int4": generator.integers(-8, 8, 37).astype(np.int8),
    } | {f"uint{b}": generator.integers(0, 2**b, 37).astype(np.uint8) for b in (1, 2, 3, 4, 6)}
    names = {"fp16": "fp16", "fp32": "float"}
    oracle = _BlobStorageWriter(str(tmp_path / "oracle.bin"))
    ours = io.BytesIO()
    writer = WeightsWriter(ours)
    for element, array in arrays.items():
        raw = array.view(np.uint16) if element == "fp16" else array
        offset = getattr(oracle, f"write_{names.get(element, element)}_data")(raw)
        assert writer.add(array, element) == offset
    writer.close()
    del oracle
    assert ours.getvalue() == (tmp_path / "oracle.bin").read_bytes()


@pytest.mark.unit
def test_entries_read_back(tmp_path: Path) -> None:
    path = tmp_path / "weight.bin"
    values = np.array([[-8, 7, -1], [0, 3, 2]], np.int8)
    with path.open("wb") as stream:
        writer = WeightsWriter(stream)
        offset = writer.add(values, "int4")
        writer.close()
    element, read = read_entry(path, offset)
    assert element == "int4"
    np.testing.assert_array_equal(read, values.ravel())
    with pytest.raises(PackageError, match="has no readable entry at offset 0"):
        read_entry(path, 0)
    with pytest.raises(PackageError, match="ends before the entry at offset 9999"):
        read_entry(path, 9999)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PackageError, match=f"ends inside the entry at offset {offset}"):
        read_entry(path, offset)
