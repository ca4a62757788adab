"""Export: from a trained network to a package on disk, sidecar and golden answers included."""

import gc
import itertools
import warnings
from pathlib import Path

import pytest
from conftest import write_run
from pytest_benchmark.fixture import BenchmarkFixture

from kewcore_export.export import export_run
from kewcore_export.exported_package import ExportedPackage
from kewcore_export.modes import parse_modes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "run"
    write_run(folder)
    return folder


@pytest.mark.parametrize("mode", ["fp16", "int8", "palette-4"])
def test_export(benchmark: BenchmarkFixture, run: Path, tmp_path: Path, mode: str) -> None:
    numbers = itertools.count()

    def export() -> list[ExportedPackage]:  # into a new folder: what is there already would not be written again
        with warnings.catch_warnings():
            # coremltools leaves the removal of its temporary folders to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            exported = export_run(run, parse_modes([mode]), tmp_path / str(next(numbers)))
            gc.collect()
        return exported

    # The first imports TensorFlow and coremltools.
    (exported,) = benchmark.pedantic(export, rounds=3, warmup_rounds=1)
    assert exported.sidecar.mode == mode
