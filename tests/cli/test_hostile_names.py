"""Names and texts that a package brings reach the terminal as text: they move no cursor and turn no line round."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))

from mlbuilder import Op, model_message, write_package

from kewcore.console import printable

pytestmark = pytest.mark.cli
ACTING = {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2066, 0x2028)}
NAME = "a\x1b[2J\x1b]0;title\x07\x9b31m\u202egpj.exe\r\x7f"


def hostile_package(path: Path) -> Path:
    ops = [
        Op("add", {"x": NAME, "y": np.float32(1)}, {f"{NAME}1": ("fp32", (2,))}),
        Op("relu", {"x": f"{NAME}1"}, {"y": ("fp32", (2,))}),
    ]
    message = model_message(ops, {NAME: ("fp32", (2,))}, ["y"])
    message.description.metadata.author = f"[bold]{NAME}[/bold]"
    message.description.metadata.userDefined[NAME] = NAME
    return write_package(path, message)


def shown(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kewcore", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("options", [(), ("--ops", "--weights"), ("--json",)])
def test_inspect_shows_them_as_text(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = shown("inspect", str(hostile_package(tmp_path / "p.mlpackage")), *options)
    assert ended.returncode == 0, ended.stderr
    assert not ACTING & set(ended.stdout + ended.stderr)
    if options == ("--json",):
        assert json.loads(ended.stdout)["metadata"]["author"] == f"[bold]{NAME}[/bold]"
    else:
        assert r"\x1b[2J" in ended.stdout
        assert "[bold]" in ended.stdout


def test_errors_show_them_as_text(tmp_path: Path) -> None:
    package = hostile_package(tmp_path / "p.mlpackage")
    model = package / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model.write_bytes(model.read_bytes().replace(b"relu", b"r\x1blu"))
    ended = shown("inspect", str(package))
    assert ended.returncode == 6
    assert r"operation 'r\x1blu' is not known" in ended.stderr
    assert not ACTING & set(ended.stderr)


def test_ordinary_text_stays_as_it_is() -> None:
    text = "Größe 5 µm\n\t· 漢字 – “ok” \U0001f33f {0} %s [b]"
    assert printable(text) == text
    assert printable("\x1b\r\x9b\u202e\udce9") == r"\x1b\r\x9b\u202e\udce9"
