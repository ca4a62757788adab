"""Charts by class: recall of reference and packages, and their ROC curves."""

from collections.abc import Sequence

from kewcore.parity.classification import ClassificationMetrics
from kewcore.parity.roc import RocCurve
from kewcore_bench.labels import REFERENCE
from kewcore_bench.report.drawing import Chart, colour, figure, legend_above, svg
from kewcore_bench.report.series import classifiers, plain, shown_labels, slug
from kewcore_bench.result import VariantResult

_ENDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_ALL_BUT_SURE = 0.995
_MOST_CLASSES = 12


def recall_chart(variant: VariantResult) -> Chart:
    """Draws each class's recall, reference and packages beside one another."""
    seen = [place for place, one in enumerate(variant.metrics.per_class) if one.support]
    names = [plain(variant.metrics.class_names[place]) for place in seen]
    series = classifiers(variant)
    with figure(0.9 + len(names) * (0.12 + 0.13 * len(series))) as drawn:
        axes = drawn.subplots()
        height = 0.82 / len(series)
        for index, (label, metrics) in enumerate(series):
            places = [place - 0.41 + (index + 0.5) * height for place in range(len(names))]
            shares = [100 * metrics.per_class[place].recall for place in seen]
            axes.barh(places, shares, height * 0.88, label=label, color=colour(index))
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 100)
        axes.invert_yaxis()
        axes.set_xlabel("recall, %")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        legend_above(drawn, len(series))
        drawing = svg(drawn, f"recall-{slug(variant)}")
    told = "; ".join(f"{label}: {_recalls(metrics)}" for label, metrics in series)
    absent = [plain(one.name) for one in variant.metrics.per_class if not one.support]
    note = f"No image shows {', '.join(absent)}." if absent else ""
    return Chart("Recall by class", f"Bars of the recall of every class. {told}.", drawing, note)


def roc_chart(variant: VariantResult) -> Chart | None:
    """Draws the ROC curves of every class; None where the result carries none.

    The axis of false positives ends where all curves have all but reached the top, or nothing could be told apart.
    """
    packages = zip(shown_labels(variant), variant.packages, strict=True)
    curves = [(REFERENCE, variant.roc), *((label, one.roc) for label, one in packages)]
    names = _shown(variant)
    if not names:
        return None
    end = _end([curve for _, each in curves for curve in each])
    rows = -(-len(names) // 2)
    with figure(0.8 + 1.75 * rows) as drawn:
        grid = drawn.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
        for place, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
            for index, (label, each) in enumerate(curves):
                for curve in each:
                    if curve.name == name:
                        width = 3.2 if index == 0 else 1.3
                        style = "-" if index == 0 else (0, (4 + index, 1 + index))
                        axes.plot(
                            [100 * x for x in curve.false_positive_rate],
                            [100 * y for y in curve.true_positive_rate],
                            color=colour(index),
                            linewidth=width,
                            linestyle=style,
                            label=label,
                        )
            axes.set_title(plain(name), fontsize=10, loc="left")
            axes.set_xlim(-2 * end, 100 * end)
            axes.set_ylim(0, 103)
            axes.grid()
            if place >= len(names) - 2:
                axes.tick_params(labelbottom=True)
        for axes in grid.flat[len(names) :]:
            axes.set_visible(False)
        drawn.supxlabel("false positives, %", fontsize=10)
        drawn.supylabel("true positives, %", fontsize=10)
        legend_above(drawn, len(curves))
        drawing = svg(drawn, f"roc-{slug(variant)}")
    told = "; ".join(f"{label}: {_areas(metrics)}" for label, metrics in classifiers(variant))
    notes = [f"The axis of false positives ends at {100 * end:g} %: beyond it all curves are at the top."] * (end < 1)
    notes += [f"The {len(names)} of {len(variant.roc)} classes with the smallest areas."] * (
        len(names) < len(variant.roc)
    )
    return Chart("ROC, one class against the rest", f"Areas under the curves. {told}.", drawing, " ".join(notes))


def _shown(variant: VariantResult) -> list[str]:
    """Chooses the classes that are drawn: all, or those that the reference tells apart worst."""
    names = [one.name for one in variant.roc]
    if len(names) <= _MOST_CLASSES:
        return names
    areas = {one.name: one.roc_auc for one in variant.metrics.per_class if one.roc_auc is not None}
    worst = sorted(names, key=lambda name: areas.get(name, 1.0))[:_MOST_CLASSES]
    return [name for name in names if name in worst]


def _recalls(metrics: ClassificationMetrics) -> str:
    return ", ".join(f"{plain(one.name)} {100 * one.recall:.1f} %" for one in metrics.per_class if one.support)


def _areas(metrics: ClassificationMetrics) -> str:
    return ", ".join(f"{plain(one.name)} {one.roc_auc:.3f}" for one in metrics.per_class if one.roc_auc is not None)


def _end(curves: Sequence[RocCurve]) -> float:
    """Finds the first of `_ENDS` by which every curve is all but at the top."""

    def reached(curve: RocCurve, end: float) -> bool:
        rates = zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)
        return max((y for x, y in rates if x <= end), default=0.0) >= _ALL_BUT_SURE

    return next((end for end in _ENDS if all(reached(curve, end) for curve in curves)), 1.0)
