"""The chart of a run's training: loss and accuracy by epoch."""

from kewcore_bench.report.drawing import Chart, colour, figure, svg
from kewcore_bench.report.series import slug
from kewcore_bench.result import VariantResult

_PANELS = (("loss", "loss", 1.0), ("accuracy", "accuracy, %", 100.0))
_FEW_EPOCHS = 16


def training_chart(variant: VariantResult) -> Chart | None:
    """Draws loss and accuracy by epoch; None where the run has no history."""
    history = variant.history
    shown = [panel for panel in _PANELS if history.get(panel[0])]
    if not shown:
        return None
    with figure(0.4 + 1.9 * len(shown)) as drawn:
        panels = drawn.subplots(len(shown), 1, squeeze=False, sharex=True)
        for axes, (column, label, scale) in zip(panels[:, 0], shown, strict=True):
            for name, legend, series in ((column, "training", 0), (f"val_{column}", "validation", 1)):
                values = [scale * value for value in history.get(name, ())]
                if values:
                    dot = "o" if len(values) < _FEW_EPOCHS else None
                    axes.plot(
                        range(1, len(values) + 1),
                        values,
                        label=legend,
                        color=colour(series),
                        marker=dot,
                        markersize=3.5,
                    )
            axes.set_ylabel(label)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid()
            axes.legend(loc="best")
        panels[-1, 0].set_xlabel("epoch")
        drawing = svg(drawn, f"training-{slug(variant)}")
    told = ", ".join(f"{name.replace('_', ' ')} {values[-1]:.3g}" for name, values in history.items() if values)
    return Chart("Training", f"Loss and accuracy by epoch. At the end: {told}.", drawing)
