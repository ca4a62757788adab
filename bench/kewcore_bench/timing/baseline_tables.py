"""Comparisons with a baseline, and what a bench could have seen, as rows of text."""

from collections.abc import Iterable

from kewcore_bench.timing.baseline import Comparison, DetectableSlowdown

BASELINE_COLUMNS = ("model", "engine", "ratio", "then", "now / then [95 %]", "detectable", "verdict")
BASELINE_WORDS = (0, 1, 6)
DETECTABLE_COLUMNS = ("model", "engine", "ratio [95 %]", "allowed", "detectable")
DETECTABLE_WORDS = (0, 1)


def baseline_rows(comparisons: Iterable[Comparison]) -> list[list[str]]:
    """Writes comparisons as rows; columns are `BASELINE_COLUMNS`."""
    return [
        [
            one.subject,
            one.engine,
            f"{one.ratio:.3f}",
            f"{one.ratio_then:.3f}",
            f"{one.change:.3f} [{one.interval.low:.3f}, {one.interval.high:.3f}]",
            f"+{100 * one.detectable:.1f} %",
            "REGRESSION" if one.regressed else "no regression",
        ]
        for one in comparisons
    ]


def detectable_rows(slowdowns: Iterable[DetectableSlowdown]) -> list[list[str]]:
    """Says of every ratio what slowdown a later bench as noisy as this one would call; see `DETECTABLE_COLUMNS`."""
    return [
        [
            one.subject,
            one.engine,
            f"{one.ratio.value:.3f} [{one.ratio.interval.low:.3f}, {one.ratio.interval.high:.3f}]",
            f"{1 + one.max_slowdown:.3f}",
            f"+{100 * one.detectable:.1f} %",
        ]
        for one in slowdowns
    ]
