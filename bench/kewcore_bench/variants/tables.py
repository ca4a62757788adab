"""Original beside synthetic-enhanced, as rows of text: the same on the terminal, in Markdown and in the report."""

from kewcore.data.prepare import Balance
from kewcore.parity.intervals import Interval
from kewcore_bench.variants.comparison import KEPT_WITHIN_PP, Gain, PackageGain, VariantComparison

GAIN_COLUMNS = (
    "engine",
    "accuracy, %",
    "gain, pp [95 %]",
    "weighted F1",
    "p",
    "change, pp [95 %]",
    "gain is",
)
BALANCE_COLUMNS = ("class", "training images", "synthetic added", "of both", "growth")
_NONE = "–"


def comparison_title(comparison: VariantComparison) -> str:
    """Names the table of gains."""
    return f"{comparison.recipe}, synthetic-enhanced beside original: {comparison.images} images"


def gain_rows(comparison: VariantComparison) -> list[list[str]]:
    """Writes the references first, then the packages mode by mode; columns are `GAIN_COLUMNS`."""
    return [[*_gain_cells(comparison.reference), _NONE, _NONE], *map(_package_row, comparison.packages)]


def class_columns(comparison: VariantComparison) -> tuple[str, ...]:
    """Headings of `class_rows`: one column an engine."""
    return ("class", "images", *(gain.mode for gain in _gains(comparison)))


def class_rows(comparison: VariantComparison) -> list[list[str]]:
    """Writes, class by class, the accuracy of both variants and its change in percentage points."""
    rows = [[one.name, str(one.support)] for one in comparison.reference.per_class]
    for gain in _gains(comparison):
        for row, one in zip(rows, gain.per_class, strict=True):
            accuracies = f"{100 * one.original_accuracy:.1f} → {100 * one.synthetic_accuracy:.1f}"
            row.append(f"{accuracies} ({_signed(one.gain_pp)})" if one.support else _NONE)
    return rows


def balance_rows(comparison: VariantComparison) -> list[list[str]]:
    """Writes the training images of each class and of all; columns are `BALANCE_COLUMNS`. Empty where not known."""
    balance = comparison.class_balance
    if not balance:
        return []
    total = Balance("all", sum(one.original for one in balance), sum(one.added for one in balance))
    return [
        [one.class_name, str(one.original), str(one.added), str(one.total), f"{one.change_percent:+.0f} %"]
        for one in (*balance, total)
    ]


def comparison_notes(comparison: VariantComparison) -> list[str]:
    """Sentences that belong under the tables: whether there is a gain at all, and what `kept` means."""
    gain = comparison.reference
    interval = gain.gain_interval_pp
    said = f"The references' own gain is {_signed(gain.gain_pp)} points (McNemar's p {gain.mcnemar_p:.2g})"
    if interval.low > 0:
        said += "."
    elif interval.high < 0:
        said += ": synthetic images made them worse."
    else:
        said += ": on these images no more than chance may bring."
    return [
        said,
        f"A gain is kept where the 95 % interval of its change, over images that all four classifiers saw, stays above "
        f"-{KEPT_WITHIN_PP:g} points; lost where it lies below 0; otherwise the images are too few to say.",
        "Accuracy and F1 are those of the original variant, then of the synthetic one; p is McNemar's. Accuracies are "
        "in percent, changes in points.",
    ]


def _gains(comparison: VariantComparison) -> list[Gain]:
    return [comparison.reference, *(one.gain for one in comparison.packages)]


def _package_row(package: PackageGain) -> list[str]:
    change = package.change
    return [*_gain_cells(package.gain), _with_interval(change.change_pp, change.interval_pp), package.keeping]


def _gain_cells(gain: Gain) -> list[str]:
    return [
        gain.mode,
        f"{100 * gain.original_accuracy:.1f} → {100 * gain.synthetic_accuracy:.1f}",
        _with_interval(gain.gain_pp, gain.gain_interval_pp),
        f"{gain.original_weighted_f1:.3f} → {gain.synthetic_weighted_f1:.3f}",
        f"{gain.mcnemar_p:.2g}",
    ]


def _with_interval(value_pp: float, interval: Interval) -> str:
    return f"{_signed(value_pp)} [{_signed(interval.low)}, {_signed(interval.high)}]"


def _signed(value_pp: float) -> str:
    text = f"{value_pp:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text
