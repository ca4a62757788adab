"""Original beside synthetic-enhanced: accuracies, gains, and whether packages keep them."""

import numpy as np
import pytest

from kewcore.data.prepare import Balance
from kewcore.parity.gain import GainChange
from kewcore.parity.intervals import Interval
from kewcore_bench.variants.comparison import (
    VariantComparison,
    VariantOpinions,
    compare_pair,
    compare_variants,
    keeping,
)
from kewcore_bench.variants.tables import (
    GAIN_COLUMNS,
    balance_rows,
    class_columns,
    class_rows,
    comparison_notes,
    comparison_title,
    gain_rows,
)

pytestmark = pytest.mark.unit
NAMES = ("leaf", "stem")
LABELS = np.array([0, 0, 0, 1])


def table(*called: int) -> np.ndarray:
    """Probabilities of a classifier that calls the images so."""
    return np.where(np.arange(2) == np.array(called)[:, None], 0.9, 0.1).astype(np.float32)


def test_accuracy_f1_and_classes_of_both_variants() -> None:
    original = {"TensorFlow": table(0, 1, 1, 1), "int8": table(0, 1, 1, 1), "fp16": table(0, 1, 1, 1)}
    synthetic = {"TensorFlow": table(0, 0, 0, 1), "int8": table(0, 0, 1, 0), "int4": table(0, 0, 0, 0)}
    found = compare_variants("tiny", LABELS, NAMES, original, synthetic, reference="TensorFlow")
    gain = found.reference
    assert (found.recipe, found.images, gain.mode) == ("tiny", 4, "TensorFlow")
    assert (gain.original_accuracy, gain.synthetic_accuracy, gain.gain_pp) == (0.5, 1.0, 50.0)
    # leaf: precision 1, recall 1/3, F1 1/2; stem: precision 1/3, recall 1, F1 1/2.
    assert (gain.original_weighted_f1, gain.synthetic_weighted_f1) == (0.5, 1.0)
    assert (gain.only_original_right, gain.only_synthetic_right) == (0, 2)
    assert gain.mcnemar_p == 0.5  # two discordant images, both in favour of one: 2 * (1/2)**2
    leaf, stem = gain.per_class
    assert (leaf.name, leaf.support, leaf.original_accuracy, leaf.synthetic_accuracy) == ("leaf", 3, 1 / 3, 1.0)
    assert leaf.gain_pp == pytest.approx(200 / 3)
    assert stem.gain_pp == 0
    (package,) = found.packages  # the one mode that both variants have
    assert (package.gain.mode, package.gain.gain_pp, package.change.change_pp) == ("int8", 0.0, -50.0)
    assert package.keeping == "undecided"  # four images


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.5, 0.0, "kept"), (-0.51, 0.2, "undecided"), (-3.0, -0.1, "lost"), (-0.3, -0.1, "kept"), (0.1, 1.0, "kept")],
)
def test_a_gain_is_kept_only_where_the_interval_says_so(low: float, high: float, said: str) -> None:
    assert keeping(GainChange((low + high) / 2, Interval(low, high))) == said


BALANCE = (Balance("leaf", 30, 0), Balance("stem", 10, 20))


def opinions(variant: str, *called: int, recipe: str = "tiny", trained_on: str = "f00d") -> VariantOpinions:
    return VariantOpinions(recipe, variant, trained_on, {"TensorFlow": table(*called), "int8": table(*called)})


def pair(*runs: VariantOpinions) -> VariantComparison | None:
    return compare_pair(
        runs, LABELS, NAMES, reference="TensorFlow", dataset_fingerprint="f00d", class_balance=BALANCE, seed=1
    )


def test_a_pair_is_one_run_of_each_variant_of_a_recipe() -> None:
    original, synthetic = opinions("original", 0, 1, 1, 1), opinions("synthetic", 0, 0, 0, 1)
    assert pair(original) is None
    assert pair(synthetic, opinions("original", 0, 0, 0, 0, recipe="other")) is None
    assert pair(original, original, synthetic) is None
    found = pair(synthetic, original)  # in any order
    assert found is not None
    assert (found.reference.gain_pp, found.class_balance) == (50.0, BALANCE)
    elsewhere = pair(original, opinions("synthetic", 0, 0, 0, 1, trained_on="cafe"))
    assert elsewhere is not None
    assert elsewhere.class_balance == ()
    assert balance_rows(elsewhere) == []


def test_the_tables_say_what_was_found() -> None:
    found = pair(opinions("original", 0, 1, 1, 1), opinions("synthetic", 0, 0, 0, 1))
    assert found is not None
    assert comparison_title(found) == "tiny, synthetic-enhanced beside original: 4 images"
    reference, package = gain_rows(found)
    assert reference[:2] == ["TensorFlow", "50.0 → 100.0"]
    assert reference[2].startswith("+50.0 [")
    assert reference[3:] == ["0.500 → 1.000", "0.5", "–", "–"]
    assert package[0] == "int8"
    assert package[5].startswith("0.0 [-")
    assert package[6] == "undecided"
    assert len(reference) == len(package) == len(GAIN_COLUMNS)
    assert class_columns(found) == ("class", "images", "TensorFlow", "int8")
    assert class_rows(found) == [
        ["leaf", "3", "33.3 → 100.0 (+66.7)", "33.3 → 100.0 (+66.7)"],
        ["stem", "1", "100.0 → 100.0 (0.0)", "100.0 → 100.0 (0.0)"],
    ]
    assert balance_rows(found) == [
        ["leaf", "30", "0", "30", "+0 %"],
        ["stem", "10", "20", "30", "+200 %"],
        ["all", "40", "20", "60", "+50 %"],
    ]
    assert comparison_notes(found)[0] == (
        "The references' own gain is +50.0 points (McNemar's p 0.5): on these images no more than chance may bring."
    )


def test_a_gain_beyond_chance_and_a_loss_are_called_so() -> None:
    few, many = table(*[0, 1] * 50), table(*[0] * 100)
    labels = np.zeros(100, np.int64)
    gains = [{"TensorFlow": few}, {"TensorFlow": many}]
    better = compare_variants("tiny", labels, NAMES, *gains, reference="TensorFlow")
    worse = compare_variants("tiny", labels, NAMES, *reversed(gains), reference="TensorFlow")
    assert comparison_notes(better)[0].endswith("+50.0 points (McNemar's p 1.8e-15).")
    assert comparison_notes(worse)[0].endswith("-50.0 points (McNemar's p 1.8e-15): synthetic images made them worse.")
