"""The Pareto front of a search as a picture: size against agreement, what was run, what was chosen."""

from pathlib import Path

from kewcore_export.search.record import SearchRecord

# The colours of Okabe & Ito, which the colour-blind can tell apart.
_KEPT, _MISSED, _CHOSEN = "#0072b2", "#a0a8b0", "#d55e00"


def plot_path(package: Path) -> Path:
    """Names the picture of a package's search."""
    return package.with_suffix(".search.png")


def draw_front(record: SearchRecord, size_bytes: int, path: Path) -> None:
    """Draws all mixes that a search ran.

    Args:
        record: The search.
        size_bytes: Of the package that was chosen.
        path: PNG file to write.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
        axes = figure.subplots()
        for misses, colour, label in ((False, _KEPT, "keeps the budget"), (True, _MISSED, "misses it")):
            shown = [one for one in record.tried if bool(one.misses) == misses]
            if not shown:
                continue
            agreement = [100 * one.ran.figures.agreement for one in shown]
            spread = [
                [100 * (one.ran.figures.agreement - one.ran.figures.agreement_interval.low) for one in shown],
                [100 * (one.ran.figures.agreement_interval.high - one.ran.figures.agreement) for one in shown],
            ]
            sizes = [one.ran.size_bytes / 1e6 for one in shown]
            axes.errorbar(sizes, agreement, yerr=spread, fmt="o", color=colour, elinewidth=0.8, capsize=2, label=label)
        unseen = record.unseen
        axes.errorbar(
            [size_bytes / 1e6],
            [100 * unseen.agreement],
            yerr=[
                [100 * (unseen.agreement - unseen.agreement_interval.low)],
                [100 * (unseen.agreement_interval.high - unseen.agreement)],
            ],
            fmt="D",
            color=_CHOSEN,
            elinewidth=1.2,
            capsize=3,
            label=f"chosen, on {unseen.images:,} images that the search has not seen",
        )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        axes.set_xlabel("size of the package, MB")
        axes.set_ylabel("top-1 agreement with TensorFlow, %")
        axes.set_title(f"Searched for: {record.budget}", loc="left", fontsize=10)
        axes.grid(alpha=0.2)
        axes.legend(frameon=False, loc="lower right")
        figure.savefig(path, format="png", metadata={"Software": None})
