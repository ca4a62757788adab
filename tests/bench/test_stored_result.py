"""Reading a bench.json back: what was written comes back, and nothing else is taken for a result."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_full_result import full_result
from made_results import result_of
from PIL import Image

from kewcore.errors import DataError
from kewcore.parity.drift import LayerDrift
from kewcore.parity.pipeline import PipelineParity
from kewcore.parity.robustness import CorruptionParity
from kewcore_bench.gates.gate_file import GateFile, Gates
from kewcore_bench.gates.judging import judge
from kewcore_bench.report.page import render
from kewcore_bench.report.pictures import with_pictures
from kewcore_bench.result import BenchResult
from kewcore_bench.schema import json_text, to_json, to_object
from kewcore_bench.stored_result import from_json, read_result, stored_object
from kewcore_bench.timing.engine_result import EngineResult
from kewcore_bench.variants.comparison import VariantComparison

pytestmark = pytest.mark.unit


def stored(result: BenchResult, folder: Path) -> Path:
    verdicts = judge(GateFile(Path("gates.toml"), Gates(min_agreement=0.9)), result)
    path = folder / "bench.json"
    path.write_text(json_text(stored_object(result, verdicts)), encoding="utf-8")
    return path


def object_of(result: BenchResult) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_text(to_object(result)))
    return found


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    for agree in (97, 100):  # of 100: with and without an infinite SNR
        result = result_of(agree=agree, of=100)
        found = read_result(stored(result, tmp_path))
        assert found.result == result  # pictures do not compare
        assert [(one.gate, one.held) for one in found.verdicts] == [("min_agreement", True)]
        assert found.result.variants[0].gallery[0].thumbnail is None


def test_a_result_with_everything_in_it_comes_back_too(tmp_path: Path) -> None:
    result = full_result(120, 2)
    path = stored(result, tmp_path)
    assert read_result(path).result == result
    changed = json.loads(path.read_text(encoding="utf-8"))
    changed["variants"][1]["occlusion"][0]["maps"][1]["drops"][3].pop()
    path.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"'variants\[1\]\.occlusion\[0\]\.maps' must all have the same rows and columns"
    ):
        read_result(path)
    changed["variants"][0]["packages"][2]["roc"][4]["true_positive_rate"].pop()
    path.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(DataError, match=r"'variants\[0\]\.packages\[2\]\.roc\[4\]' has rates of two lengths"):
        read_result(path)


@pytest.mark.parametrize("kind", [LayerDrift, PipelineParity, CorruptionParity, EngineResult, VariantComparison])
def test_json_read_and_written_again_is_the_same(kind: type[Any]) -> None:
    st.register_type_strategy(Path, st.sampled_from([Path("a"), Path("/b/c d.png")]))

    @settings(max_examples=12, deadline=None)
    @given(st.from_type(kind))
    def holds(value: Any) -> None:
        written = to_json(value)
        assert to_json(from_json(kind, json.loads(json.dumps(written)))) == written

    holds()


def test_numbers_stand_in_a_row_and_strings_stay_as_they_are() -> None:
    text = json_text({"row": [1, -2.5e-07, None], "words": ["[\n  1\n]", "2"], "rows": [[1], [2, 3]], "none": []})
    assert text == (
        '{\n  "row": [1, -2.5e-07, null],\n  "words": [\n    "[\\n  1\\n]",\n    "2"\n  ],\n'
        '  "rows": [\n    [1],\n    [2, 3]\n  ],\n  "none": []\n}\n'
    )


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


WRITTEN = object_of(result_of(agree=4, of=6))
PLACES = list(places(WRITTEN))


@settings(max_examples=150, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    value=st.sampled_from([None, True, -1, 0, 10**30, 0.5, "", "x", [], {}, [[]], {"x": 1}, ["x"], [1, 2, 3]]),
)
def test_a_changed_file_is_refused_or_still_a_result(place: tuple[str | int, ...], value: Any) -> None:
    changed = json.loads(json.dumps(WRITTEN))
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    text = json.dumps({"schema_version": 1, "kind": "bench", **changed})
    path = Path("never.json")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed.json"
        path.write_text(text, encoding="utf-8")
        try:
            found = read_result(path)
        except DataError as error:
            refused: DataError | None = error
        else:
            refused = None
            assert to_object(found.result).keys() == WRITTEN.keys()
    assert refused is None or "changed.json' is damaged: '" in refused.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "is not JSON: 'utf-8' codec"),
        (b"{", "is not JSON: Expecting property name"),
        (b"[" * 100_000, "is not JSON: maximum recursion"),
        (b'{"kind": "bench", "schema_version": 1, "created": NaN}', "is not JSON: NaN is not JSON"),
        (b"[1]", "is not from kewcore bench"),
        (b'{"kind": "gates", "schema_version": 1}', "is not from kewcore bench: its kind is 'gates'"),
        (b'{"kind": "bench", "schema_version": 2}', "has schema_version 2; this kewcore reads 1"),
        (b'{"kind": "bench", "schema_version": 1}', "is damaged: 'created' is missing"),
    ],
)
def test_what_is_no_result_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_result(path)
    assert caught.value.message.startswith(f"result '{path}' ")
    assert message in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no result '.*none\.json'") as caught:
        read_result(tmp_path / "none.json")
    assert caught.value.hint == "run kewcore bench first, or name its bench.json"
    with pytest.raises(DataError, match=r"cannot read result '.*': Is a directory"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("created",), 3, "'created' must be text, got 3"),
        (("dataset", "images"), 1.5, "'dataset.images' must be a whole number, got 1.5"),
        (("dataset", "images"), True, "'dataset.images' must be a whole number, got true"),
        (("dataset", "width"), 9000, "'dataset.height' and 'dataset.width' must be 0 to 8192"),
        (("host", "libraries"), [], "'host.libraries' must be an object, got []"),
        (("variants",), [], "'variants' is empty"),
        (("variants", 0, "metrics", "accuracy"), "1", "'variants[0].metrics.accuracy' must be a number, got \"1\""),
        (
            ("variants", 0, "packages", 0, "metrics", "per_class"),
            [],
            "metrics.per_class' must have 2 entries, has 0",
        ),
        (("variants", 0, "metrics", "confusion"), [[1, 2]], "metrics.confusion' must have 2 rows and columns"),
        (("variants", 0, "metrics", "class_names"), ["x", "y"], "class_names' are not those of the reference"),
        (("variants", 0, "latency", "round_medians_ms"), [], "'variants[0].latency.round_medians_ms' is empty"),
        (
            ("variants", 0, "latency", "round_medians_ms"),
            [1, None],
            "latency.round_medians_ms' must be finite and above 0",
        ),
        (("variants", 0, "latency", "starts"), 0, "rounds, which cannot come from 0 starts of as many each"),
        (
            ("variants", 0, "packages", 0, "latency_ratio", "value"),
            0,
            "latency_ratio.value' must be finite and above 0",
        ),
        (("latency_options", "starts"), 0, "'latency_options' must have starts, rounds and threads from 1 on"),
        (("extra",), 1, "'extra' is not known here"),
    ],
)
def test_what_does_not_fit_is_named(place: tuple[str | int, ...], value: Any, message: str, tmp_path: Path) -> None:
    path = stored(result_of(agree=97, of=100), tmp_path)
    changed = inner = json.loads(path.read_text(encoding="utf-8"))
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_result(path)
    assert message in caught.value.message
    assert caught.value.hint == "run kewcore bench again"


def test_pictures_are_read_again_and_gone_ones_are_told(tmp_path: Path) -> None:
    result = result_of(agree=97, of=100)
    variant = result.variants[0]
    there = tmp_path / "there.png"
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(there)
    gallery = (replace(variant.gallery[0], file=there), replace(variant.gallery[1], file=tmp_path / "gone.png"))
    dataset = replace(result.dataset, height=8, width=8, resize="fill")
    bare = replace(result, dataset=dataset, variants=(replace(variant, gallery=gallery),))
    found = with_pictures(bare)
    shown, gone = found.result.variants[0].gallery
    assert shown.thumbnail is not None
    assert shown.thumbnail.tolist() == [[77] * 8] * 8
    assert gone.thumbnail is None
    assert found.missing == {"cannot be read: No such file or directory": (tmp_path / "gone.png",)}
    assert f"The photograph {tmp_path / 'gone.png'} could not be read again." in render(found.result)
    unsized = with_pictures(replace(bare, dataset=result.dataset))
    assert list(unsized.missing) == ["the result does not say how its photographs were brought to size"]


def test_the_report_made_again_is_the_report_that_the_bench_wrote(tmp_path: Path) -> None:
    result = result_of(agree=97, of=100)
    variant = result.variants[0]
    gallery = tuple(replace(one, file=tmp_path / one.file) for one in variant.gallery)
    for one in gallery:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(one.file)
    dataset = replace(result.dataset, height=8, width=8, resize="fill")
    written = replace(result, dataset=dataset, variants=(replace(variant, gallery=gallery),))
    found = with_pictures(read_result(stored(written, tmp_path)).result)
    assert found.missing == {}
    assert render(found.result) == render(written)
