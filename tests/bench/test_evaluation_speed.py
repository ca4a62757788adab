"""The script that times evaluations: both sides read the same images and come to the same answer."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from bench_bed import Bed

pytestmark = pytest.mark.parity
SCRIPT = Path(__file__).parents[2] / "bench" / "evaluation_speed.py"


@pytest.mark.slow
def test_both_sides_find_the_same_accuracy(bed: Bed) -> None:
    command = [sys.executable, SCRIPT, bed.run, bed.packages[0], bed.data / "test", "--rounds", "1"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    keras, kewcore, both = done.stdout.splitlines()
    accuracy = re.search(r"accuracy (\d\.\d{4})$", keras)
    assert accuracy is not None
    assert kewcore.endswith(accuracy[0])
    assert re.match(
        r"kewcore over Keras: \d+\.\d\d times the images a second \(\d+\.\d\d to \d+\.\d\d in 1 rounds\)", both
    )
