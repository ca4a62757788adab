"""What tests of several rooms share."""

from pathlib import Path

import pytest
from bench_bed import Bed, make_packages, write_dataset, write_run


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Bed:
    """A small dataset, a run on it, and packages of the run; tests that write there take a copy."""
    root = tmp_path_factory.mktemp("bed")
    run = root / "runs" / "tiny" / "original"
    write_dataset(root / "data")
    write_run(run, root / "data")
    return Bed(root / "data", run, make_packages(run, root / "packages"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--packages", type=Path, help="Folder of packages that tests/coreml compares with Core ML.")


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> list[Path]:
    folder = request.config.getoption("--packages")
    if folder is None:
        pytest.skip("no --packages FOLDER given")
    found = sorted(folder.glob("*.mlpackage"))
    assert found, f"no package in {folder}"
    return found
