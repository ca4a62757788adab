"""What tests of several rooms share."""

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
