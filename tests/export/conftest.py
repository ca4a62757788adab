"""Small networks and their packages, made once for all tests of the room."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_runs import write_run
from small_networks import CLASS_NAMES, small_network


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(
        tmp_path_factory.mktemp("runs") / "original", small_network(), CLASS_NAMES, title="KewCNN", stand_in=True
    )


@pytest.fixture(scope="session")
def packages(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The small run in every mode, by the name of the mode."""
    from kewcore_export.export import export_run
    from kewcore_export.modes import all_modes

    out = tmp_path_factory.mktemp("packages")
    return {package.sidecar.mode: package for package in export_run(small_run, all_modes(), out)}


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., Path]:
    def make(model: Any, class_names: tuple[str, ...] = CLASS_NAMES) -> Path:
        return write_run(tmp_path / "run", model, class_names, title="KewCNN", stand_in=True)

    return make


@pytest.fixture(scope="session")
def mil() -> Iterator[None]:
    """coremltools and its TensorFlow frontend, which raises Python's recursion limit: not in a test of hypothesis.

    coremltools collects garbage after every conversion; all that TensorFlow brought is kept out of that.
    """
    from kewcore.models.tensorflow import import_tensorflow
    from kewcore_export.coremltools_import import import_coremltools

    import_tensorflow()
    import_coremltools()
    import coremltools.converters.mil.frontend.tensorflow.load  # noqa: F401

    gc.freeze()
    yield
    gc.unfreeze()
