"""The peak memory of a process is its own, and not that of the process that started it."""

import subprocess
import sys

import numpy as np
import pytest

from kewcore.memory import peak_memory_bytes

pytestmark = pytest.mark.unit
OWN_PEAK = "from kewcore.memory import peak_memory_bytes; print(peak_memory_bytes())"


def test_it_counts_what_was_held_and_is_held_no_more() -> None:
    before = peak_memory_bytes()
    assert np.ones(before // 8 + (1 << 24)).sum() > 0
    assert peak_memory_bytes() >= before + (1 << 27)


def test_a_process_does_not_report_its_parents_memory() -> None:
    ballast = np.ones(40 << 20)
    child = int(subprocess.run([sys.executable, "-c", OWN_PEAK], capture_output=True, text=True, check=True).stdout)
    assert peak_memory_bytes() > ballast.nbytes
    assert child < 100 << 20
