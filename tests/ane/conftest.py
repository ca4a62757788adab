"""Programs for rules are built with the runtime's builder."""

import os
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "runtime"))


@pytest.fixture(scope="session")
def third_party() -> Path:
    folder = Path(os.environ.get("KEWCORE_SHARED", CHECKOUT.parent / "shared")) / "mlpackages"
    if not folder.is_dir():
        pytest.skip(f"third-party packages are not at '{folder}'; set KEWCORE_SHARED to where they lie")
    return folder
