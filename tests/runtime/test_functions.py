"""Packages with several functions, as coremltools writes them: each is found by its name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, model_message, write_package

from kewcore.errors import PackageError, UsageError
from kewcore.quiet import silenced_stderr
from kewcore.runtime import load, patch_coremltools
from kewcore.runtime.loading import with_executor

# coremltools leaves a temporary folder to the garbage collector, which reports that from wherever it runs.
pytestmark = [
    pytest.mark.runtime,
    pytest.mark.filterwarnings("ignore:.*finalize object:pytest.PytestUnraisableExceptionWarning"),
]
WEIGHTS = np.random.default_rng(6).standard_normal((16, 8)).astype(np.float32)
X = np.arange(8, dtype=np.float32).reshape(1, 8) - 3
EXPECTED = {"project": {"y": X @ WEIGHTS.T}, "activate": {"z": np.maximum(X @ WEIGHTS.T, 0)}}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with silenced_stderr():
        import coremltools as ct
        from coremltools.converters.mil import Builder as mb  # noqa: N813

        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 8))])
        def project(x: Any) -> Any:
            return mb.linear(x=x, weight=WEIGHTS, name="y")

        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 8))])
        def activate(x: Any) -> Any:
            return mb.relu(x=mb.linear(x=x, weight=WEIGHTS), name="z")

        folder = tmp_path_factory.mktemp("functions")
        described = ct.utils.MultiFunctionDescriptor()
        for name, program in (("project", project), ("activate", activate)):
            options = {"compute_precision": ct.precision.FLOAT32, "minimum_deployment_target": ct.target.iOS18}
            ct.convert(program, **options).save(str(folder / f"{name}.mlpackage"))
            described.add_function(str(folder / f"{name}.mlpackage"), "main", name)
        described.default_function_name = "project"
        ct.utils.save_multifunction(described, str(folder / "both.mlpackage"))
    return folder / "both.mlpackage"


@pytest.mark.parametrize("executor", ["reference", "onnx"])
@pytest.mark.parametrize("name", ["project", "activate", None])
def test_a_function_is_found_by_its_name(package: Path, name: str | None, executor: Any) -> None:
    model = load(package, executor, function_name=name)
    expected = EXPECTED[name or "project"]
    assert [feature.name for feature in model.outputs] == list(expected)
    answers = [*model.predict({"x": X}).items(), *with_executor(model).predict({"x": X}).items()]
    for key, value in answers:
        np.testing.assert_allclose(value, expected[key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["project", "activate"])
def test_coremltools_finds_it_too(package: Path, name: str) -> None:
    import coremltools as ct

    take_back = patch_coremltools()
    try:
        with silenced_stderr():
            model = ct.models.MLModel(str(package), function_name=name)
        for key, value in model.predict({"x": X}).items():
            np.testing.assert_allclose(value, EXPECTED[name][key], rtol=1e-5, atol=1e-5)
    finally:
        take_back()


def test_a_name_that_is_not_there(package: Path) -> None:
    with pytest.raises(UsageError, match=r"has no function 'main'; functions: activate, project"):
        load(package, function_name="main")
    with pytest.raises(UsageError, match=r"has no function ''; functions: activate, project"):
        load(package, function_name="")


def test_a_function_that_only_the_description_has(tmp_path: Path) -> None:
    four = ("fp32", (4,))
    model = model_message([Op("relu", {"x": "x"}, {"y": four})], {"x": four}, ["y"])
    for name in ("main", "other"):
        described = model.description.functions.add(name=name)
        described.input.extend(model.description.input)
        described.output.extend(model.description.output)
    package = write_package(tmp_path / "p.mlpackage", model)
    assert load(package).predict({"x": [-1, 0, 1, 2]})["y"].tolist() == [0, 0, 1, 2]
    with pytest.raises(PackageError, match="has no function 'other', only main"):
        load(package, function_name="other")
    model.description.defaultFunctionName = "third"
    with pytest.raises(PackageError, match=r"the default function 'third' is not among \['main', 'other'\]"):
        load(write_package(tmp_path / "q.mlpackage", model))
