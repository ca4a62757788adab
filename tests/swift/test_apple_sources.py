"""KewKit's files for Apple's systems, compiled here against declarations of the frameworks that they call.

`swiftc -parse` sees the form of a file only. With declarations the compiler sees types, initialisers, actors and what
is sent between them. The declarations are written after Apple's documentation; that they are Apple's, only a Mac can
tell, and the macOS job of the workflow does. Foundation's types stand for those of Core Foundation, into which they
are bridged on Apple's systems.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "swift_demo/Sources/KewKit"
DECLARATIONS = Path(__file__).with_name("apple")
FRAMEWORKS = ("CoreGraphics", "ImageIO", "CoreVideo", "CryptoKit", "CoreML")  # each may import those before it
SWIFTC = shutil.which("swiftc") or shutil.which("swiftc", path="/opt/swift/usr/bin")

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(SWIFTC is None, reason="swift is not installed"),
    pytest.mark.skipif(sys.platform == "darwin", reason="this system has the frameworks themselves"),
]


def compiled(*arguments: object) -> str:
    assert SWIFTC is not None
    done = subprocess.run([SWIFTC, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    return done.stderr if done.returncode else ""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    for name in FRAMEWORKS:
        source, module = DECLARATIONS / f"{name}.swift", folder / f"{name}.swiftmodule"
        assert not compiled(
            "-emit-module", "-parse-as-library", "-module-name", name, "-I", folder, "-o", module, source
        )
    return folder


def errors(folder: Path, modules: Path, sources: list[Path]) -> str:
    return compiled(
        "-c", "-wmo", "-swift-version", "6", "-warnings-as-errors", "-module-name", "KewKit",
        "-I", modules, "-o", folder / "KewKit.o", *sources,
    )  # fmt: skip


def test_they_compile_without_a_warning(modules: Path, tmp_path: Path) -> None:
    assert errors(tmp_path, modules, sorted(SOURCES.rglob("*.swift"))) == ""


def test_mistakes_in_them_are_seen(modules: Path, tmp_path: Path) -> None:
    """That the files are really compiled, not left out by `#if canImport(CoreML)`."""
    engine = SOURCES / "Apple/CoreMLEngine.swift"
    wrong = tmp_path / "CoreMLEngine.swift"
    wrong.write_text(engine.read_text().replace("floatValue", "floatingValue"))
    others = [path for path in sorted(SOURCES.rglob("*.swift")) if path != engine]
    assert "value of type 'NSNumber' has no member 'floatingValue'" in errors(tmp_path, modules, [*others, wrong])
