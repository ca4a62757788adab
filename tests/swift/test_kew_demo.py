"""KewDemo, as far as a machine without Xcode can tell: the project hangs together, every file is Swift, and what is not
user interface is compiled and run with models."""

import os
import plistlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench_bed import Bed
from openstep import parse

from kewcore_export.embedding import find_place

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "swift_demo/KewDemo"
SOURCES = DEMO / "KewDemo"
PROJECT = DEMO / "KewDemo.xcodeproj"
SWIFT = shutil.which("swift") or shutil.which("swift", path="/opt/swift/usr/bin")
needs_swift = pytest.mark.skipif(SWIFT is None, reason="swift is not installed")


def swift(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Runs a tool of the toolchain: `swift build`, or `swiftc` where the first argument is that."""
    assert SWIFT is not None
    tool = [Path(SWIFT).with_name("swiftc")] if arguments[0] == "swiftc" else [SWIFT, arguments[0]]
    return subprocess.run([*tool, *map(str, arguments[1:])], capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    found = parse((PROJECT / "project.pbxproj").read_text())
    assert isinstance(found, dict)
    return found


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    else:
        yield value


@pytest.mark.unit
def test_every_object_is_there_and_used(project: dict[str, Any]) -> None:
    objects = project["objects"]
    named = [text for text in texts(project) if re.fullmatch(r"[0-9A-F]{24}", text)]
    assert set(named) == set(objects)
    # Each stands once where it is defined, and at least once where it is meant.
    assert all(named.count(identifier) > 1 for identifier in objects)
    assert objects[project["rootObject"]]["isa"] == "PBXProject"


@pytest.mark.unit
def test_one_app_for_ios_and_macos_from_the_package_above(project: dict[str, Any]) -> None:
    objects = project["objects"]
    (target,) = (one for one in objects.values() if one["isa"] == "PBXNativeTarget")
    (folder,) = (objects[one] for one in target["fileSystemSynchronizedGroups"])
    (product,) = (objects[one] for one in target["packageProductDependencies"])
    package = DEMO / objects[product["package"]]["relativePath"]
    manifest = (package / "Package.swift").read_text()
    assert DEMO / folder["path"] == SOURCES
    assert folder["explicitFolders"] == ["KewModels"]
    assert (SOURCES / "KewModels").is_dir()
    assert f'.library(name: "{product["productName"]}"' in manifest
    for one in objects[target["buildConfigurationList"]]["buildConfigurations"]:
        settings = objects[one]["buildSettings"]
        for system, key in (("iOS", "IPHONEOS_DEPLOYMENT_TARGET"), ("macOS", "MACOSX_DEPLOYMENT_TARGET")):
            (version,) = re.findall(rf"\.{system}\(\.v(\d+)\)", manifest)
            assert settings[key] == f"{version}.0"
        assert settings["SWIFT_VERSION"] == "6.0"
        assert settings["INFOPLIST_KEY_NSCameraUsageDescription"]  # Without it, opening the camera ends the app.
        assert (DEMO / settings["CODE_SIGN_ENTITLEMENTS[sdk=macosx*]"]).is_file()
        assert "DEVELOPMENT_TEAM" not in settings
        assert settings["CODE_SIGN_IDENTITY[sdk=macosx*]"] == "-"  # To run on one's own Mac no account is needed.


@pytest.mark.unit
def test_the_scheme_builds_that_target(project: dict[str, Any]) -> None:
    scheme = ET.parse(PROJECT / "xcshareddata/xcschemes/KewDemo.xcscheme")
    meant = {one.attrib["BlueprintIdentifier"] for one in scheme.iter("BuildableReference")}
    assert [project["objects"][one]["name"] for one in meant] == ["KewDemo"]


@pytest.mark.unit
def test_no_network_and_nothing_collected() -> None:
    entitlements = plistlib.loads((SOURCES / "KewDemo.entitlements").read_bytes())
    assert entitlements == {
        "com.apple.security.app-sandbox": True,
        "com.apple.security.files.user-selected.read-only": True,
    }
    privacy = plistlib.loads((SOURCES / "PrivacyInfo.xcprivacy").read_bytes())
    assert not any(privacy.values())
    for path in [*SOURCES.glob("*.swift"), *(DEMO.parent / "Sources/KewKit").rglob("*.swift")]:
        assert not re.search(r"URLSession|import Network\b|NWConnection", path.read_text()), path


@pytest.mark.unit
def test_models_go_into_the_app_and_nothing_is_left_to_do() -> None:
    place = find_place(DEMO.parent)
    assert (place.kind, place.folder, place.to_do) == ("Xcode project", SOURCES, ())


@needs_swift
def test_every_file_is_swift_in_good_form() -> None:
    files = sorted(path for path in SOURCES.glob("*.swift") if path.name != "KewModels.swift")
    parsed = swift("swiftc", "-parse", "-swift-version", "6", *files)
    assert (parsed.returncode, parsed.stderr) == (0, "")
    linted = swift("format", "lint", "--strict", *files)
    assert (linted.returncode, linted.stderr) == (0, "")


DRIVER = """
import Foundation
import KewKit

@MainActor func show(_ demo: Demo) {
  for card in demo.cards {
    guard case .answered(let answer) = card.phase else {
      print(card.model.name, card.phase)
      continue
    }
    let isTimed = answer.modelAlone > .zero && answer.fromFile > .zero
    print(card.model.name, answer.classifications[0].label, answer.classifications.count, isTimed)
  }
}

@main @MainActor struct Driver {
  static func main() async throws {
    let arguments = CommandLine.arguments
    let models = arguments[2...].map { path in
      let url = URL(fileURLWithPath: path)
      return EmbeddedModel(name: url.deletingPathExtension().lastPathComponent, url: url)
    }
    let demo = Demo(models: models)
    await demo.answer()
    show(demo)
    demo.show(try Data(contentsOf: URL(fileURLWithPath: arguments[1])))
    await demo.answer()
    show(demo)
    demo.show(Data("no image".utf8))
    let cancelled = Task { await demo.answer() }
    cancelled.cancel()
    await cancelled.value
    await demo.answer()
    show(demo)
  }
}
"""


@pytest.mark.slow
@pytest.mark.parity
@needs_swift
def test_models_are_loaded_asked_and_fail_as_the_cards_show(bed: Bed, tmp_path: Path) -> None:
    """The app's state, compiled for this machine, with KewKit and two packages; only the views are left out."""
    built = swift("build", "--package-path", DEMO.parent, "--target", "KewKit")
    assert built.returncode == 0, built.stdout + built.stderr
    products = DEMO.parent / ".build/debug"
    (tmp_path / "Driver.swift").write_text(DRIVER)
    files = [SOURCES / name for name in ("Demo.swift", "EmbeddedModel.swift", "Photo.swift")]
    compiled = swift(
        "swiftc", "-swift-version", "6", "-warnings-as-errors", "-parse-as-library", "-I", products / "Modules",
        tmp_path / "Driver.swift", *files, *(products / "KewKit.build").rglob("*.o"), "-o", tmp_path / "driver",
    )  # fmt: skip
    assert compiled.returncode == 0, compiled.stderr
    broken = tmp_path / "broken.mlpackage"
    broken.mkdir()
    environment = {**os.environ, "KEWCORE": str(Path(sys.executable).with_name("kewcore"))}
    done = subprocess.run(
        [tmp_path / "driver", bed.data / "test/stripes/0.png", *bed.packages, broken],
        capture_output=True, text=True, timeout=120, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ready, answered, failed = (done.stdout.split("\n")[start : start + 3] for start in (0, 3, 6))
    assert [line.split()[1] for line in ready[:2]] == ["ready", "ready"]
    assert ready[2].startswith("broken failed(")
    assert [line.split()[1:] for line in answered[:2]] == [["stripes", "3", "true"]] * 2
    assert all("failed(" in line for line in failed)


@pytest.mark.unit
def test_a_checkout_knows_which_files_are_made(tmp_path: Path) -> None:
    """What `kewcore embed` writes into the demo is ignored by git, and the project is not."""
    made = ["KewModels.swift", "KewModels/KewCNN-original-int8.mlpackage", "KewModels/kewcore-embed.json"]
    kept = ["KewModels/README.md", "Demo.swift", "../KewDemo.xcodeproj/project.pbxproj"]
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a checkout of git")
    ignored = subprocess.run(
        ["git", "check-ignore", *made, *kept], cwd=SOURCES, capture_output=True, text=True
    ).stdout.splitlines()
    assert ignored == made
