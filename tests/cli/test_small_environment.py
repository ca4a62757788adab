"""inspect, predict and verify in an environment that holds only what they need: no TensorFlow, no coremltools.

The environment is a folder of links to the installed files of six libraries and of what those require. Python runs with
that folder as its only place for libraries, so an import of anything else fails as it would on a small machine.
"""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from bench_bed import Bed
from packaging.requirements import Requirement

pytestmark = [pytest.mark.cli, pytest.mark.parity]
LIBRARIES = ("numpy", "onnx", "onnxruntime", "protobuf", "pillow", "typer")
ROOT = Path(__file__).parents[2]
OURS = {"kewcore": ROOT, "kewcore_export": ROOT / "export", "kewcore_bench": ROOT / "bench"}


def with_requirements(names: tuple[str, ...]) -> dict[str, Distribution]:
    """Finds distributions and, as pip would, all that they require on this machine."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        one = distribution(waiting.pop())
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
        if name in found:
            continue
        found[name] = one
        for text in one.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    for one in with_requirements(LIBRARIES).values():
        for top in {file.parts[0] for file in one.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            (folder / top).symlink_to(Path(str(one.locate_file(top))))
    for name, place in OURS.items():
        (folder / name).symlink_to(place / name)
    return folder


@pytest.fixture(scope="module")
def work(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages and images without the run that they came from."""
    root = tmp_path_factory.mktemp("small")
    shutil.copytree(bed.packages[0].parent, root / "packages")
    shutil.copytree(bed.data / "test", root / "images")
    return root


def kewcore(environment: Path, work: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from kewcore.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(environment), *arguments],
        cwd=work, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_environment_holds_neither_tensorflow_nor_coremltools(environment: Path) -> None:
    for absent in ("tensorflow", "keras", "coremltools", "sklearn", "matplotlib", "pandas"):
        assert not (environment / absent).exists()
    assert (environment / "onnxruntime").is_dir()


def test_inspect(environment: Path, work: Path, bed: Bed) -> None:
    done = kewcore(environment, work, "inspect", f"packages/{bed.packages[0].name}", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "inspection"


def test_inspect_for_the_neural_engine(environment: Path, work: Path, bed: Bed) -> None:
    name = f"packages/{bed.packages[0].name}"
    done = kewcore(environment, work, "inspect", name, "--ane", "--require-resident", "1", "--data", "images", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kind"] == "residency"
    assert len(found["activations"]["inputs"]) == 4


def test_verify(environment: Path, work: Path, bed: Bed) -> None:
    done = kewcore(environment, work, "verify", f"packages/{bed.packages[0].name}")
    assert done.returncode == 0, done.stderr


def test_predict(environment: Path, work: Path) -> None:
    done = kewcore(environment, work, "predict", "images", "--json", "-q")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["predictions"]
    assert len(found) == 30
    assert sum(one["answers"][0]["label"] == Path(one["image"]).parent.name for one in found) > 15


def test_training_says_what_is_missing(environment: Path, work: Path) -> None:
    drawn = kewcore(environment, work, "data", "sample", "--images", "60", "--out", "drawings", "-q")
    assert drawn.returncode == 0, drawn.stderr
    done = kewcore(environment, work, "train", "--data", "drawings", "--epochs", "1", "-q")
    assert done.returncode == 8
    assert done.stderr.splitlines()[-2:] == [
        "error: this command needs TensorFlow, and 'keras' is not installed",
        "hint: pip install kewcore",
    ]
