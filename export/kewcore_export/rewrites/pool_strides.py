"""Pools with a large stride become several with strides that the engine takes at full speed."""

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.mil import again, constant, replace, spatial_pads


def factored_pools(steps: tuple[int, ...]) -> Callable[[Any, Chip], list[str]]:
    """Makes the pass that factors pools whose windows do not overlap into pools with the given strides.

    Proof, on one axis, for windows of n = a·b that follow each other without padding: the inner pool has
    `z[j] = max x[a·j ... a·j + a-1]`, the outer one `y[i] = max z[b·i ... b·i + b-1]`, together the maximum over
    `x[n·i ... n·i + n-1]`. Rests fall off alike: there are floor(size / a) inner windows and floor(floor(size / a) / b)
    outer ones, and `floor(floor(m / a) / b) = floor(m / (a·b))` for whole numbers: 125 rows give 62, then 31, as they
    give 31 at once. The mean of means of equal windows is the mean of all, so average pools are factored likewise,
    exactly but for the rounding between the two. A maximum has none.

    Left as they are: strides with another prime factor, which would stay however often the rest is divided; windows
    that overlap or leave gaps; padding, which a second pool would see as elements; `ceil_mode`.

    Args:
        steps: Strides that need no factoring, the largest first.
    """

    def apply(block: Any, chip: Chip) -> list[str]:
        places = []
        for pool in list(block.operations):
            factors = _factors_of(pool, steps) if pool.op_type in ("max_pool", "avg_pool") else []
            if len(factors) < 2:
                continue
            name, value = pool.outputs[0].name, pool.x
            for number, sizes in enumerate(factors, start=1):
                own = name if number == len(factors) else f"{name}_{number}_of_{len(factors)}"
                value = again(pool, value, before=pool, name=own, kernel_sizes=list(sizes), strides=list(sizes))
            replace(pool, value)
            places.append(f"{name}: {' then '.join('x'.join(map(str, sizes)) for sizes in factors)}")
        return places

    return apply


def _factors_of(pool: Any, steps: tuple[int, ...]) -> list[tuple[int, ...]]:
    sizes = [int(size) for size in constant(pool.kernel_sizes)]
    pads = spatial_pads(pool, tuple(sizes))
    if sizes != [int(step) for step in constant(pool.strides)] or constant(pool.ceil_mode):
        return []
    if pads is None or any(any(pair) for pair in pads):
        return []
    by_axis = [factors for size in sizes if (factors := _factors(size, steps)) is not None]
    return list(zip_longest(*by_axis, fillvalue=1)) if len(by_axis) == len(sizes) else []


def _factors(size: int, steps: tuple[int, ...]) -> list[int] | None:
    """Divides by the largest step that goes, again and again; None where a rest stays."""
    factors = []
    while size > 1:
        step = next((step for step in steps if size % step == 0), None)
        if step is None:
            return None
        factors.append(step)
        size //= step
    return factors
