"""Sidecars survive the round trip, and a damaged one is a `PackageError` that names the place."""

import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kewcore.errors import PackageError
from kewcore.recipes import ExportRecipe
from kewcore_export.model_card import model_card
from kewcore_export.sidecar import (
    EngineRecord,
    GoldenCase,
    InputRecord,
    RunRecord,
    Sidecar,
    WeightRecord,
    load_sidecar,
    save_sidecar,
    sidecar_path,
)

pytestmark = pytest.mark.unit

SIDECAR = Sidecar(
    name="KewCNN-original-int8",
    mode="int8",
    deployment_target="iOS16",
    kewcore_version="0.1.0",
    inputs_sha256="ab" * 32,
    run=RunRecord("../runs/kewcnn/original", "kewcnn", "original", "cd" * 32, "f00d", True),
    input=InputRecord("image", 500, 500, 1, "greyscale", "centre-crop"),
    class_names=("flower", "fruit"),
    engine=EngineRecord("ane", "A14", {"dense-as-conv": ("dense: 3 kernels of 1x1",)}),
    activations=None,
    search=None,
    finetune=None,
    softmax_added=False,
    files={"Manifest.json": "ef" * 32},
    golden_files={"golden-0.png": "01" * 32},
    float32_bytes=56_140_568,
    weights=(WeightRecord("w", "conv", "conv", "weight", (48, 1, 5, 5), "linear", 8, "channel", 1296, 48.6, 0.0, ""),),
    golden=(GoldenCase("golden-0.png", (0.25, 0.75), (0.26, 0.74)),),
    parity=None,
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    save_sidecar(SIDECAR, tmp_path / "KewCNN-original-int8.json")
    return tmp_path / "KewCNN-original-int8.mlpackage"


def test_what_is_saved_is_loaded(package: Path) -> None:
    assert load_sidecar(package) == SIDECAR


def test_a_sidecar_from_before_there_were_rewrites(package: Path) -> None:
    path = sidecar_path(package)
    value = json.loads(path.read_text())
    del value["engine"]
    path.write_text(json.dumps(value))
    assert load_sidecar(package) == replace(SIDECAR, engine=None)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("ane", "engine must be an object, got str"),
        ({"target": "ane", "min_chip": "A14", "rewrites": []}, "engine.rewrites must be an object, got list"),
        ({"target": "ane", "min_chip": "A14", "rewrites": {"strips": [1]}}, "'engine.strips' must be a list of texts"),
        ({"target": "ane", "min_chip": 14, "rewrites": {}}, "EngineRecord.min_chip must be of type str, got 14"),
        ({"min_chip": "A14", "rewrites": {}}, "EngineRecord lacks target"),
    ],
)
def test_damaged_rewrites(package: Path, engine: object, message: str) -> None:
    path = sidecar_path(package)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"engine": engine}))
    with pytest.raises(PackageError, match=re.escape(message)):
        load_sidecar(package)


def test_a_missing_sidecar(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"package '.*x.mlpackage' has no sidecar 'x.json'") as caught:
        load_sidecar(tmp_path / "x.mlpackage")
    assert caught.value.hint == "only packages that kewcore exported have one; write it again with `kewcore export`"


@pytest.mark.parametrize(
    "path, value, message",
    [
        (("schema_version",), 2, "sidecar has schema_version 2, this kewcore reads 1"),
        (("mode",), 8, "Sidecar.mode must be of type str, got 8"),
        (("input", "height"), True, "InputRecord.height must be of type int, got True"),
        (("weights", 0, "shape"), ["a"], "WeightRecord.shape must be a list of whole numbers, got ['a']"),
        (("weights", 0, "snr_db"), "high", "WeightRecord.snr_db must be a number, got 'high'"),
        (("golden", 0, "package"), [10**400], f"golden.package must be a list of numbers, got [1{'0' * 400}]"),
        (("golden", 0, "package"), [None], "golden.package must be a list of numbers, got [None]"),
        (("golden", 0, "image"), "../x.png", "golden image '../x.png' must be a file name without folders"),
        (("files",), {"a": 1}, "'files' must hold SHA-256 digests"),
        (("class_names",), [1], "'class_names' must be a list of texts"),
        (("run",), [], "run must be an object, got list"),
        (("extra",), 1, "Sidecar has unknown keys extra"),
    ],
)
def test_damage_is_named(package: Path, path: tuple[Any, ...], value: Any, message: str) -> None:
    content = json.loads(sidecar_path(package).read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    sidecar_path(package).write_text(json.dumps(content))
    with pytest.raises(PackageError) as caught:
        load_sidecar(package)
    assert caught.value.message == message
    assert caught.value.__notes__ == [f"in sidecar '{sidecar_path(package)}'"]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"unseen": {}}, "in what it says of its search or training: 'agreement_interval'"),
        ({"unseen": []}, "in what it says of its search or training: list indices must be integers"),
    ],
)
def test_no_card_is_written_from_a_damaged_search(search: dict[str, Any], message: str) -> None:
    about = ExportRecipe("nobody", "MIT", "1.0", "Tells patterns apart.")
    with pytest.raises(PackageError, match=re.escape(message)):
        model_card(replace(SIDECAR, search=search), about, 1)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_know_is_no_probability(package: Path, text: str) -> None:
    content = sidecar_path(package).read_text()
    sidecar_path(package).write_text(content.replace("0.26", text))
    with pytest.raises(PackageError, match=rf"int8\.json' cannot be read: {text} is no number in JSON"):
        load_sidecar(package)
    sidecar_path(package).write_text(content.replace("0.26", "1e999"))
    with pytest.raises(PackageError, match=r"golden\.package must be a list of numbers, got \[inf, 0\.74\]"):
        load_sidecar(package)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_sidecar_only_package_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    package = tmp_path_factory.getbasetemp() / "fuzzed.mlpackage"
    save_sidecar(SIDECAR, sidecar_path(package))
    content = json.loads(sidecar_path(package).read_text())
    place: Any = content
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_JSON)
    sidecar_path(package).write_text(json.dumps(content))
    with suppress(PackageError):
        load_sidecar(package)
