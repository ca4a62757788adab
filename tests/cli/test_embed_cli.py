"""`kewcore embed` as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from embeddable import make_package, make_swift_package

pytestmark = pytest.mark.cli
KEWCORE = Path(sys.executable).with_name("kewcore")


def embed(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([KEWCORE, "embed", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_newest_package_goes_in_and_then_stays_as_it_is(tmp_path: Path) -> None:
    make_package(tmp_path / "packages")
    make_swift_package(tmp_path / "app", '.target(name: "App")', "Sources/App")
    done = embed(tmp_path, "--into", "app")
    assert done.returncode == 0, done.stderr
    assert "embedding packages/KewCNN-original-int8.mlpackage" in done.stderr
    assert done.stderr.count("wrote ") == 2
    assert done.stderr.endswith(
        "still to do: add to target 'App' in Package.swift: resources: [.copy(\"KewModels\")]\n"
    )
    assert done.stdout.split()[:4] == ["Swift", "package,", "target", "App"]
    again = embed(tmp_path, "--into", "app", "--json")
    assert "all of it was there already: nothing was written" in again.stderr
    found = json.loads(again.stdout)
    assert (found["schema_version"], found["kind"], found["artefacts"]) == (1, "embed", [])
    assert found["packages"][0] | {"size_bytes": 0} == {
        "name": "KewCNN-original-int8", "state": "unchanged", "files": 5, "size_bytes": 0,
    }  # fmt: skip


def test_endings(tmp_path: Path) -> None:
    make_package(tmp_path / "packages")
    app = make_swift_package(tmp_path / "app", '.target(name: "App")', "Sources/App")
    neither = embed(tmp_path, "--into", "packages")
    assert (neither.returncode, neither.stdout) == (2, "")
    assert "is neither a Swift package" in neither.stderr
    (app / "Sources/App/KewModels.swift").write_text("// mine\n")
    refused = embed(tmp_path, "--into", "app")
    assert refused.returncode == 10
    assert "KewModels.swift: not written by kewcore embed" in refused.stderr
    assert "overwrite them with --force" in refused.stderr
