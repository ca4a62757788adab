"""The runtime where TensorFlow and coremltools are not installed, and what importing it costs."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlbuilder import Op, build

pytestmark = pytest.mark.runtime
F4 = ("fp32", (4,))

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> str:
    return str(build(tmp_path / "p.mlpackage", [Op("relu", {"x": "x"}, {"y": F4})], {"x": F4}, ["y"]))


@pytest.mark.parametrize("executor", ["reference", "onnx", "auto"])
def test_it_runs_without_tensorflow_and_coremltools(package: str, executor: str) -> None:
    code = BLOCKER.format(blocked=["tensorflow", "keras", "coremltools", "sklearn", "scipy", "matplotlib"]) + (
        "import kewcore.runtime\n"
        "print(kewcore.runtime.load(sys.argv[1], sys.argv[2]).predict({'x': [-1, 0, 1, 2]})['y'].tolist())\n"
    )
    assert run(code, package, executor) == "[0.0, 0.0, 1.0, 2.0]"


def test_auto_falls_back_to_the_reference_without_onnxruntime(package: str) -> None:
    code = BLOCKER.format(blocked=["onnx", "onnxruntime"]).replace("raise ModuleNotFoundError", "return None #") + (
        "import importlib.util, kewcore.runtime.loading as loading\n"
        "loading.find_spec = lambda name: None\n"
        "model = loading.load(sys.argv[1])\n"
        "print(model.executor.name, model.predict({'x': [-1, 0, 1, 2]})['y'].tolist())\n"
        "from kewcore.errors import DependencyError\n"
        "try: loading.load(sys.argv[1], 'onnx')\n"
        "except DependencyError as error: print(error)\n"
    )
    expected = "reference [0.0, 0.0, 1.0, 2.0]\nthe fast executor needs onnx and onnxruntime"
    assert run(code, package) == expected


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ["onnx", "onnxruntime", "tensorflow", "keras", "coremltools", "google.protobuf", "scipy"]
    assert run(f"import sys, kewcore.runtime; print([m for m in {heavy!r} if m in sys.modules])") == "[]"
