"""What holds for the command line as a whole: start-up, exit codes, generated pages, doctor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kewcore_command import kewcore_here

from kewcore.cli import app as app_module
from kewcore.cli import main
from kewcore.cli.doctor import doctor
from kewcore.errors import CheckFailedError, DataError
from kewcore.models.device_check import DeviceCheck

pytestmark = pytest.mark.cli
KEWCORE = Path(sys.executable).with_name("kewcore")
HEAVY = {
    "coremltools", "jinja2", "keras", "matplotlib", "numpy", "onnx", "onnxruntime", "pandas", "PIL",
    "rdata", "scipy", "sklearn", "tensorflow",
}  # fmt: skip


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['kewcore', '--help']\n"
        "from kewcore.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "quickstart" in done.stdout
    assert HEAVY.isdisjoint(eval(done.stderr.splitlines()[-1]))


def test_importing_kewcore_and_its_libraries_is_silent() -> None:
    code = (
        "import kewcore, kewcore.runtime\n"
        "from kewcore.models.tensorflow import import_tensorflow\n"
        "from kewcore_export.coremltools_import import import_coremltools\n"
        "import_tensorflow().constant(1); import_coremltools()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_page_of_commands_is_up_to_date(tmp_path: Path) -> None:
    typer = KEWCORE.with_name("typer")
    page = tmp_path / "cli.md"
    subprocess.run(
        [typer, "kewcore.cli.app", "utils", "docs", "--name", "kewcore", "--output", page],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    committed = Path(__file__).parents[2] / "docs" / "cli.md"
    assert page.read_text() == committed.read_text(), "run `make docs`"


def test_an_error_is_told_with_its_notes_and_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        error = DataError("'a.png' is empty", hint="remove it")
        error.add_note("in folder 'photos'")
        raise error

    monkeypatch.setattr(app_module, "app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert capsys.readouterr().err == "error: 'a.png' is empty\n  in folder 'photos'\nhint: remove it\n"


@pytest.mark.parity
def test_doctor_finds_tensorflow_right_on_the_cpu() -> None:
    done = subprocess.run([KEWCORE, "doctor", "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kind"] == "doctor"
    assert "tensorflow" in found["libraries"]
    errors = [one["max_error"] for one in found["devices"] if one["device"] == "/CPU:0"]
    assert len(errors) == 4
    assert max(errors) < 1e-5


def test_usage_errors_end_with_2() -> None:
    done = subprocess.run([KEWCORE, "train", "--recipe", "oak"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: no recipe 'oak'; built in: kewcnn",
        "hint: give one of these names, or the path of a .toml file",
    ]


def test_a_device_that_gives_nan_is_wrong_and_still_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = DeviceCheck("/GPU:0", "MatMul", float("nan"), 1e-3)
    monkeypatch.setattr("kewcore.models.device_check.check_devices", lambda: [broken])
    with pytest.raises(CheckFailedError, match="TensorFlow computes wrongly on /GPU:0"):
        doctor(json=True)
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["devices"] == [
        {"device": "/GPU:0", "check": "MatMul", "max_error": None, "bound": 1e-3, "passed": False}
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_can_be_read_whatever_the_encoding_of_stdout(encoding: str) -> None:
    code = (
        "from kewcore.cli import take_any_file_name; take_any_file_name(); from kewcore.cli.output import print_json; "
    )
    done = subprocess.run(
        [sys.executable, "-c", code + r"print_json('x', {'path': '\xe9\u2264\udcfc'})"],
        env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout.decode(encoding))["path"] == "\xe9\u2264\udcfc"


@pytest.mark.parametrize("seed", ["-1", str(2**31)])
def test_seeds_that_tensorflow_cannot_take_are_refused(seed: str, tmp_path: Path) -> None:
    done = kewcore_here(tmp_path, "train", "--seed", seed)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--seed'" in done.stderr
