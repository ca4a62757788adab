"""Calibration: the float package runs on real images, and what its activations were decides on their ranges."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kewcore.console import progress
from kewcore.runtime.package import Interface
from kewcore.runtime.program import Function
from kewcore_export.activations.execution import Image, Watched, over_images
from kewcore_export.activations.histogram import Distribution, Histogram, united
from kewcore_export.activations.placement import Placement
from kewcore_export.activations.ranges import LEVELS, SMALLEST_SCALE, ActivationRange, Method, chosen_range


@dataclass(frozen=True)
class CalibratedRanges:
    """Ranges of a placement's values.

    Attributes:
        ranges: By the names of values; those of a group have the same.
        unusable: Values that have no range, and why.
    """

    ranges: Mapping[str, ActivationRange]
    unusable: Mapping[str, str]


def distributions(
    function: Function, interface: Interface, values: frozenset[str], images: Iterable[Image], count: int
) -> dict[str, Distribution]:
    """Measures how often each number occurs in activations, over all images.

    Args:
        function: Of the float package.
        interface: Its inputs.
        values: Names of the activations.
        images: uint8 `[H, W]` each.
        count: How many they are, for the progress line.

    Raises:
        ExportError: An activation holds NaN or infinity.
    """
    names = tuple(sorted(values))
    histograms = {name: Histogram() for name in names}
    if not names:
        return {}
    watched = Watched(function, interface, names)
    with progress("calibrating", count) as advance:
        for one in over_images(watched, images):
            for name in names:
                histograms[name].add(one[name])
            advance()
    return {name: histogram.distribution() for name, histogram in histograms.items()}


def calibrated_ranges(
    placed: Placement, measured: Mapping[str, Distribution], method: Method, *, symmetric: bool
) -> CalibratedRanges:
    """Chooses one range for each group of values.

    Args:
        placed: What takes bytes.
        measured: Distributions of at least `placed.measured`.
        method: How ranges follow from them.
        symmetric: Whether zero points are 0.
    """
    ranges: dict[str, ActivationRange] = {}
    unusable: dict[str, str] = {}
    for group in placed.groups:
        known = [placed.exact[value] for value in group if value in placed.exact]
        deciding = tuple(measured[value] for value in group if value in placed.measured)
        found = known[0] if known else chosen_range(united(deciding), method, symmetric=symmetric)
        if found is not None:
            ranges.update(dict.fromkeys(group, found))
            continue
        unusable.update(dict.fromkeys(group, _why_unusable(deciding, method)))
    return CalibratedRanges(ranges, unusable)


def _why_unusable(parts: tuple[Distribution, ...], method: Method) -> str:
    largest = max(max(-one.low, one.high) for one in parts)
    if largest == 0:
        return "zero on all calibration images"
    if largest < SMALLEST_SCALE * LEVELS:
        return f"at most {largest:.1g}: fp16 has no scale"
    return f"next to zero but for a few values, up to {largest:.3g}: '{method}' finds no range"
