"""The original variant beside the synthetic-enhanced one: what synthetic images gain, and whether packages keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kewcore.data.prepare import Balance
from kewcore.parity.arrays import Floats, Integers
from kewcore.parity.classification import ClassificationMetrics, evaluate
from kewcore.parity.gain import GainChange, compare_gains
from kewcore.parity.intervals import Interval
from kewcore.parity.paired import compare_accuracy

KEPT_WITHIN_PP = 0.5
"""A gain counts as kept when surely no more of it than this is gone: the loss that `--quantize auto` allows too."""

Keeping = Literal["kept", "lost", "undecided"]


@dataclass(frozen=True)
class ClassGain:
    """One class in both variants.

    Attributes:
        name: The class.
        support: Images that truly are of the class.
        original_accuracy: Part of them that the original variant got right, 0…1.
        synthetic_accuracy: Part that the synthetic variant got right.
        gain_pp: Second minus first, in percentage points.
    """

    name: str
    support: int
    original_accuracy: float
    synthetic_accuracy: float
    gain_pp: float


@dataclass(frozen=True)
class Gain:
    """Both variants of one engine, on the same images.

    Attributes:
        mode: `TensorFlow` for the references, else the packages' mode.
        original_accuracy: 0…1.
        synthetic_accuracy: 0…1.
        original_weighted_f1: 0…1, averaged by support.
        synthetic_weighted_f1: 0…1.
        gain_pp: Accuracy of the synthetic variant minus that of the original one, in percentage points.
        gain_interval_pp: Its 95 % paired bootstrap interval.
        only_original_right: Images that the original variant alone got right.
        only_synthetic_right: Images that the synthetic variant alone got right.
        mcnemar_p: Two-sided p value of McNemar's exact test.
        per_class: One entry a class.
    """

    mode: str
    original_accuracy: float
    synthetic_accuracy: float
    original_weighted_f1: float
    synthetic_weighted_f1: float
    gain_pp: float
    gain_interval_pp: Interval
    only_original_right: int
    only_synthetic_right: int
    mcnemar_p: float
    per_class: tuple[ClassGain, ...]


@dataclass(frozen=True)
class PackageGain:
    """The packages of one mode, and whether they keep the references' gain.

    Attributes:
        gain: Both packages.
        change: Their gain minus the references'.
        keeping: `kept` when the change's interval lies above -`KEPT_WITHIN_PP`, else `lost` when it lies below 0, and
            else `undecided`: the images are too few to say.
    """

    gain: Gain
    change: GainChange
    keeping: Keeping


@dataclass(frozen=True)
class VariantComparison:
    """The original variant of a recipe beside its synthetic one.

    Attributes:
        recipe: Name of the recipe.
        images: Labelled images that everyone judged.
        reference: The TensorFlow models.
        packages: One entry for every mode that was benched of both variants.
        class_balance: Training images by class, without and with synthetic ones; empty where the bench ran on another
            dataset than the one that was trained on.
    """

    recipe: str
    images: int
    reference: Gain
    packages: tuple[PackageGain, ...]
    class_balance: tuple[Balance, ...]


@dataclass(frozen=True)
class VariantOpinions:
    """What the engines of one run said of the images.

    Attributes:
        recipe: Name of the run's recipe.
        variant: `original` or `synthetic`.
        dataset_fingerprint: Of what the run was trained on; None where that is not known.
        probabilities: `[N, C]` by engine: the reference's name, and the modes that one package alone has.
    """

    recipe: str
    variant: str
    dataset_fingerprint: str | None
    probabilities: Mapping[str, Floats]


def compare_pair(
    runs: Sequence[VariantOpinions],
    labels: Integers,
    class_names: Sequence[str],
    *,
    reference: str,
    dataset_fingerprint: str,
    class_balance: Sequence[Balance],
    seed: int = 0,
) -> VariantComparison | None:
    """Compares the first recipe of which one run of each variant was benched; None where there is none.

    Args:
        runs: All runs of the bench.
        labels: True classes, integer `[N]`.
        class_names: C names.
        reference: Name of the reference among the engines.
        dataset_fingerprint: Of the images' dataset.
        class_balance: Of that dataset: told only where both runs were trained on it.
        seed: Of the bootstraps.
    """
    for recipe in dict.fromkeys(one.recipe for one in runs):
        original, synthetic = (
            [one for one in runs if (one.recipe, one.variant) == (recipe, variant)]
            for variant in ("original", "synthetic")
        )
        if len(original) == len(synthetic) == 1:
            pair = (original[0], synthetic[0])
            trained_on_it = all(one.dataset_fingerprint == dataset_fingerprint for one in pair)
            return compare_variants(
                recipe,
                labels,
                class_names,
                *(one.probabilities for one in pair),
                reference=reference,
                class_balance=class_balance if trained_on_it else (),
                seed=seed,
            )
    return None


def compare_variants(
    recipe: str,
    labels: Integers,
    class_names: Sequence[str],
    original: Mapping[str, Floats],
    synthetic: Mapping[str, Floats],
    *,
    reference: str,
    class_balance: Sequence[Balance] = (),
    seed: int = 0,
) -> VariantComparison:
    """Compares two variants, engine by engine.

    Args:
        recipe: Name of the recipe.
        labels: True classes, integer `[N]`.
        class_names: C names.
        original: Probabilities `[N, C]` of the original variant by engine: the reference's name and packages' modes.
        synthetic: The same of the synthetic variant.
        reference: Name of the reference in both.
        class_balance: Training images by class.
        seed: Of the bootstraps.
    """
    right = [
        {name: table.argmax(axis=1) == labels for name, table in tables.items()} for tables in (original, synthetic)
    ]

    def gain(mode: str) -> Gain:
        metrics = [evaluate(labels, tables[mode], class_names) for tables in (original, synthetic)]
        paired = compare_accuracy(right[1][mode], right[0][mode], seed)  # a drop from synthetic to original is a gain
        return Gain(
            mode=mode,
            original_accuracy=paired.second_accuracy,
            synthetic_accuracy=paired.first_accuracy,
            original_weighted_f1=metrics[0].weighted.f1,
            synthetic_weighted_f1=metrics[1].weighted.f1,
            gain_pp=paired.drop_pp,
            gain_interval_pp=paired.drop_interval_pp,
            only_original_right=paired.only_second_right,
            only_synthetic_right=paired.only_first_right,
            mcnemar_p=paired.mcnemar_p,
            per_class=_per_class(*metrics),
        )

    def package(mode: str) -> PackageGain:
        change = compare_gains(right[0][reference], right[1][reference], right[0][mode], right[1][mode], seed=seed)
        return PackageGain(gain(mode), change, keeping(change))

    return VariantComparison(
        recipe=recipe,
        images=len(labels),
        reference=gain(reference),
        packages=tuple(package(mode) for mode in original if mode in synthetic and mode != reference),
        class_balance=tuple(class_balance),
    )


def keeping(change: GainChange) -> Keeping:
    """Says whether a gain was kept, as far as the interval of its change allows."""
    if change.interval_pp.low >= -KEPT_WITHIN_PP:
        return "kept"
    return "lost" if change.interval_pp.high < 0 else "undecided"


def _per_class(original: ClassificationMetrics, synthetic: ClassificationMetrics) -> tuple[ClassGain, ...]:
    return tuple(
        ClassGain(before.name, before.support, before.recall, after.recall, 100 * (after.recall - before.recall))
        for before, after in zip(original.per_class, synthetic.per_class, strict=True)
    )
