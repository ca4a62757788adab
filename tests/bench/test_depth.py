"""What is looked into beyond the images as they are: asked for by options, shown as tables, kept in JSON."""

import json
from dataclasses import replace

import made_results
import numpy as np
import pytest
from bench_bed import Bed

from kewcore.parity.agreement import compare
from kewcore.parity.drift import LayerDrift
from kewcore.parity.pipeline import PipelineParity
from kewcore.parity.robustness import compare_corrupted
from kewcore_bench.candidates import run_facts
from kewcore_bench.depth.deepen import DepthOptions, deepen
from kewcore_bench.depth.robustness import CASES
from kewcore_bench.depth.tables import depth_tables
from kewcore_bench.result import BenchResult
from kewcore_bench.schema import to_json
from kewcore_bench.sources import labelled_images
from kewcore_bench.tables import markdown


def deep_result() -> BenchResult:
    """A result with every kind of depth, from made figures."""
    result = made_results.result_of(8, 10)
    (variant,) = result.variants
    labels = np.arange(10) % 2
    sure = np.where(np.arange(2) == labels[:, None], 0.9, 0.1)
    other = sure.copy()
    other[0] = other[0, ::-1]
    robustness = tuple(
        compare_corrupted(
            kind, level, f"amount {level}", sure, other if (kind, level) == ("noise", 4) else sure, labels
        )
        for kind, level in CASES
    )
    drift = (
        LayerDrift("conv", "Conv2D", (8, 8, 4), "conv_value", None, 20.0, 20.0, 3, 15.0, ("conv",)),
        LayerDrift("leak", "LeakyReLU", (8, 8, 4), None, "pool", None, None, None, None),
        LayerDrift("pool", "MaxPooling2D", (4, 4, 4), "p" * 60, None, 19.0, float("inf"), 0, 90.0, ("leak", "pool")),
        LayerDrift("head", "Dense", (2,), "head_value", None, 12.0, 8.0, 1, 6.0, ("flat", "head")),
    )
    noise = robustness[8]
    pipeline = PipelineParity(
        "app", "an app", 9, 1, 1.25, 40, 0.5, 0.9, noise.top1_agreement_interval, 0.2, 0.01, noise.accuracy
    )
    package = replace(variant.packages[0], robustness=robustness, drift=drift)
    return replace(result, variants=(replace(variant, packages=(package,), pipelines=(pipeline,)),))


@pytest.mark.unit
def test_tables_show_every_depth_within_a_hundred_columns() -> None:
    reference, package, pipelines, drift = depth_tables(deep_result())
    assert [row[0] for row in package.rows] == ["blur", "noise", "brightness", "rotation", "jpeg"]
    assert package.rows[1][1:6] == ("100.0", "100.0", "100.0", "90.0", "100.0")
    assert package.rows[1][6].startswith("90.0 [59.6, 98.2")  # Wilson's interval of 9 of 10.
    assert package.rows[1][7].startswith("+10.0 [")
    assert reference.rows[0] == ("blur", *["100.0"] * 5, "amount 1", "amount 5")
    assert pipelines.rows[0][:4] == ("app", "9 (-1)", "1.25 (40)", pipelines.rows[0][3])
    assert drift.title.endswith("; worst: flat + head")
    assert [row[1] for row in drift.rows] == ["head", "conv", "pool", "leak"]
    assert drift.rows[0][3:6] == ("8.0", "12.0", "WORST")
    assert drift.rows[2][3] == "equal"
    assert drift.rows[3][3:] == ("–", "–", "", "merged with pool")
    for table in (reference, package, pipelines, drift):
        widths = [max(map(len, cells)) for cells in zip(table.columns, *table.rows, strict=True)]
        assert sum(widths) + 3 * len(widths) <= 100 + 3, table.title
    *_, ordered = depth_tables(deep_result(), worst_first=False)
    assert [row[0] for row in ordered.rows] == ["1", "2", "3", "4"]
    assert "### Tiny-original-int8: SNR of layers" in markdown(deep_result())


@pytest.mark.unit
def test_accuracy_calibration_and_recall_stand_in_tables_of_three_packages_across() -> None:
    result = made_results.result_of(8, 10)
    (variant,) = result.variants
    labels = np.array([0, 0, 0, 1])
    reference = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8]])
    package = reference.copy()
    package[0] = package[0, ::-1]  # one of three of class a is lost
    parity = compare(reference, package, labels, class_names=("a", "b"))
    packages = tuple(replace(variant.packages[0], mode=f"mode-{n}", parity=parity) for n in range(4))
    tables = list(depth_tables(replace(result, variants=(replace(variant, packages=packages),))))
    accuracy, *recalls = tables
    assert "TensorFlow 100.0 [51.0, 100.0], 20.00 %" in accuracy.title
    assert accuracy.rows[0][:2] == ("mode-0", "75.0 [30.1, 95.4]")  # Wilson's intervals of 4 and 3 of 4
    assert accuracy.rows[0][2].startswith("+25.0 [")
    assert accuracy.rows[0][3] == "1"
    # The lost image was right with 0.9, and is wrong with 0.9: 0.9 off instead of 0.1. Others stay 0.2, 0.3, 0.2 off.
    assert accuracy.rows[0][5] == "40.00"
    assert accuracy.rows[0][6].startswith("+20.00 [")
    assert [table.columns[3:] for table in recalls] == [("mode-0", "mode-1", "mode-2"), ("mode-3",)]
    assert recalls[0].rows[0][:3] == ("a", "3", "100.0")
    assert recalls[0].rows[0][3].startswith("-33.3 [")
    assert recalls[0].rows[1][3].startswith("+0.0 [")
    for table in tables:
        widths = [max(map(len, cells)) for cells in zip(table.columns, *table.rows, strict=True)]
        assert sum(widths) + 2 * len(widths) <= 100, table.title


@pytest.mark.unit
def test_json_has_all_of_it() -> None:
    found = json.loads(json.dumps(to_json(deep_result())))["variants"][0]
    package = found["packages"][0]
    assert (len(package["robustness"]), len(package["drift"])) == (25, 4)
    assert package["robustness"][8]["accuracy"]["first_interval"].keys() == {"low", "high", "level"}
    assert package["drift"][2]["own_snr_db"] is None  # JSON knows no infinity.
    assert package["drift"][3]["covers"] == ["flat", "head"]
    assert found["pipelines"][0]["skipped"] == 1


@pytest.mark.parity
def test_drift_is_added_for_each_package_and_nothing_else_is_touched(bed: Bed) -> None:
    images = labelled_images([run_facts(bed.run).source], data=None, limit=6)
    made = made_results.result_of(8, 10)
    (variant,) = made.variants
    packages = tuple(replace(variant.packages[0], path=path) for path in bed.packages)
    result = replace(made, variants=(replace(variant, run=bed.run, packages=packages),))
    found = deepen(result, images, DepthOptions(trace_images=3))
    fine, coarse = found.variants[0].packages
    assert [one.layer for one in fine.drift] == [one.layer for one in coarse.drift]
    assert fine.drift[-1].snr_db is not None
    assert coarse.drift[-1].snr_db is not None
    assert fine.drift[-1].snr_db > coarse.drift[-1].snr_db + 20
    stripped = replace(found.variants[0], packages=tuple(replace(one, drift=()) for one in (fine, coarse)))
    assert to_json(replace(found, variants=(stripped,))) == to_json(result)
    assert to_json(deepen(result, images, DepthOptions())) == to_json(result)
