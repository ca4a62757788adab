"""A bench of both variants of a recipe sets them side by side."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bench_bed import Bed

from kewcore.data.prepare import Balance
from kewcore_bench.candidates import candidate, run_facts
from kewcore_bench.run import BenchOptions, run_bench
from kewcore_bench.schema import to_object
from kewcore_bench.sources import labelled_images
from kewcore_bench.tables import markdown

pytestmark = pytest.mark.parity


def synthetic_twin(bed: Bed, root: Path) -> tuple[Path, Path]:
    """Copies the bed's run and its fp16 package; the copy is told to be the other variant. Gives both fp16 packages."""
    shutil.copytree(bed.run.parents[1], root / "runs")
    shutil.copytree(bed.run.parent / "original", root / "runs" / "tiny" / "synthetic", dirs_exist_ok=True)
    note = root / "runs" / "tiny" / "synthetic" / "run.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "variant": "synthetic"}))
    packages = []
    for variant in ("original", "synthetic"):
        package = root / "packages" / f"tiny-{variant}-fp16.mlpackage"
        shutil.copytree(bed.packages[0], package)
        sidecar = json.loads(bed.packages[0].with_suffix(".json").read_text())
        sidecar["run"] |= {"path": f"../runs/tiny/{variant}", "variant": variant}
        package.with_suffix(".json").write_text(json.dumps(sidecar))
        packages.append(package)
    return packages[0], packages[1]


def test_twins_gain_nothing_and_keep_it(bed: Bed, tmp_path: Path) -> None:
    packages = synthetic_twin(bed, tmp_path)
    images = labelled_images([run_facts(bed.run).source], data=None)
    options = BenchOptions(rounds=0, executor="reference", cache=tmp_path / "cache")
    result = run_bench([candidate(path) for path in packages], images, options)
    assert [one.variant for one in result.variants] == ["original", "synthetic"]
    comparison = result.comparison
    assert comparison is not None
    assert comparison.reference.synthetic_accuracy == result.variants[0].metrics.accuracy
    assert (comparison.reference.gain_pp, comparison.reference.mcnemar_p) == (0.0, 1.0)
    (package,) = comparison.packages
    assert (package.gain.mode, package.change.change_pp, package.keeping) == ("fp16", 0.0, "undecided")  # 30 images
    assert comparison.class_balance == tuple(Balance(name, 16, 0) for name in ("circle", "stripes", "grey"))
    text = markdown(result)
    assert "## tiny, synthetic-enhanced beside original: 30 images" in text
    assert "| circle | 16 | 0 | 16 | +0 % |" in text
    found = json.loads(json.dumps(to_object(result)))["comparison"]
    assert found["packages"][0]["keeping"] == "undecided"
    assert np.isfinite(found["packages"][0]["change"]["interval_pp"]["low"])

    alone = run_bench([candidate(packages[0])], images, options)
    assert alone.comparison is None
    assert "synthetic-enhanced" not in markdown(alone)
