"""Original beside synthetic-enhanced: accuracies, gains, and whether packages keep them."""

import numpy as np
import pytest

from kewcore.parity.gain import GainChange
from kewcore.parity.intervals import Interval
from kewcore_bench.variant_comparison import compare_variants, keeping

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
