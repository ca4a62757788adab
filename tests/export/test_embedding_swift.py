"""The Swift that `kewcore embed` writes: names by hand, and a compiler's word for the rest."""

import shutil
import subprocess
from pathlib import Path

import pytest
from embeddable import make_package, make_swift_package
from hypothesis import given
from hypothesis import strategies as st

from kewcore.errors import UsageError
from kewcore_export.embedding import embed_packages
from kewcore_export.embedding.swift_names import case_names, string_literal, type_name

SWIFT = shutil.which("swift") or shutil.which("swift", path="/opt/swift/usr/bin")
HARD_NAMES = {
    "flower": "flower",
    "plant_tag": "plantTag",
    "Whole plant": "wholePlant",
    "URLPath": "urlPath",
    "DNA": "dna",
    "KewCNN-2": "kewCNN2",
    "3-leaved": "_3Leaved",
    "class": "`class`",
    "self": "`self`",
    "init": "`init`",
    "all cases": "allCases_",
    "raw value": "rawValue",
    "Blüte": "blüte",
    "蘭": "蘭",
    'a "quoted" \\ name': "aQuotedName",
    "two\nlines\u202e": "twoLines",
    "\u0928\u092e\u0938\u094d\u0924\u0947": "\u0928\u092e\u0938\u094d\u0924\u0947",
}


@pytest.mark.unit
def test_names() -> None:
    assert dict(zip(HARD_NAMES, case_names(list(HARD_NAMES), "class"), strict=True)) == HARD_NAMES
    assert [type_name(name, "package") for name in ("KewCNN", "my net", "3d")] == ["KewCNN", "MyNet", "_3d"]


@pytest.mark.unit
@pytest.mark.parametrize("name", ["", "++", " _ "])
def test_names_of_which_nothing_can_be_made(name: str) -> None:
    with pytest.raises(UsageError, match=r"class name '.*' has no letter or digit to make a Swift name of"):
        case_names([name], "class")


@pytest.mark.unit
@given(st.lists(st.text(), unique=True))
def test_identifiers_are_different_or_refused(names: list[str]) -> None:
    try:
        found = case_names(names, "class")
    except UsageError:
        return
    assert len(set(found)) == len(names)
    assert not any(character in identifier for identifier in found for character in ' .-\n"\\')


@pytest.mark.unit
def test_literals() -> None:
    assert string_literal('a"b\\c\n\u202ed\u00a0é') == '"a\\"b\\\\c\\u{a}\\u{202e}d\\u{a0}é"'


@pytest.mark.slow
@pytest.mark.skipif(SWIFT is None, reason="swift is not installed")
def test_a_swift_package_prints_models_and_labels(tmp_path: Path) -> None:
    """Builds a throw-away package; what it prints comes from the compiled enum and from its resources."""
    app = make_swift_package(
        tmp_path / "app", '.executableTarget(name: "App", resources: [.copy("KewModels")])', "Sources/App"
    )
    (app / "Sources/App/main.swift").write_text(
        'for one in KewCNNLabel.allCases { print(one, one.rawValue.debugDescription, separator: "|") }\n'
        "for one in KewModel.allCases { print(one.url.map { $0.lastPathComponent } ?? one.rawValue) }\n"
    )
    embed_packages([make_package(tmp_path, class_names=tuple(HARD_NAMES))], app)
    assert SWIFT is not None
    done = subprocess.run(
        [SWIFT, "run", "--package-path", app, "--quiet", "App"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *labels, model = done.stdout.splitlines()
    assert [line.split("|")[0] for line in labels] == [one.strip("`") for one in HARD_NAMES.values()]
    assert labels[1] == 'plantTag|"plant_tag"'
    assert labels[-3:-1] == ['aQuotedName|"a \\"quoted\\" \\\\ name"', 'twoLines|"two\\nlines\u202e"']
    assert model == "KewCNN-original-int8.mlpackage"


@pytest.mark.skipif(SWIFT is None, reason="swift is not installed")
def test_it_is_in_good_form_and_compiles_in_a_target_of_xcode_too(tmp_path: Path) -> None:
    app = make_swift_package(tmp_path / "app", '.executableTarget(name: "App")', "Sources/App")
    embed_packages([make_package(tmp_path), make_package(tmp_path, "KewCNN-synthetic-int8")], app)
    assert SWIFT is not None
    linted = subprocess.run(
        [SWIFT, "format", "lint", "--strict", app / "Sources/App/KewModels.swift"], capture_output=True, text=True
    )
    assert (linted.returncode, linted.stderr) == (0, "")
    # SwiftPM alone defines SWIFT_PACKAGE, so this takes the other way to the bundle.
    options = ["-typecheck", "-parse-as-library", "-swift-version", "6", "-warnings-as-errors"]
    checked = subprocess.run(
        [Path(SWIFT).with_name("swiftc"), *options, app / "Sources/App/KewModels.swift"], capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")
