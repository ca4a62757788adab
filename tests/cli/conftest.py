"""A working folder for commands, shared by all tests of the command line: what one bench has cached serves the next."""

import shutil
from pathlib import Path

import pytest
from bench_bed import Bed


@pytest.fixture(scope="session")
def folder(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a dataset, one run and two packages; tests write beside these, under names of their own."""
    return shutil.copytree(bed.data.parent, tmp_path_factory.mktemp("work") / "bed")
