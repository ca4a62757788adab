"""Large intermediates are computed in strips of rows that fit the engine's on-chip memory, with halos."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.mil import again, constant, replace, shown, sole_reader, spatial_pads

_WINDOWS = frozenset({"conv", "max_pool", "avg_pool"})
_ELEMENTWISE = frozenset(
    {
        "clip",
        "elu",
        "gelu",
        "leaky_relu",
        "linear_activation",
        "prelu",
        "relu",
        "relu6",
        "sigmoid",
        "sigmoid_hard",
        "silu",
        "softplus",
        "softsign",
        "tanh",
    }
)
_BYTES = 2  # of an fp16 element
_MOST_STRIPS = 64
"""More would cost more in dispatched operations than the memory saves; then the chain stays whole."""


@dataclass(frozen=True)
class _Rows:
    """Which rows of its input an operation needs for some rows of its result, and the padding left around them."""

    start: int
    stop: int
    top: int
    bottom: int


@dataclass(frozen=True)
class _Strips:
    """How a chain is cut: rows of its result by strip, and the most that a strip keeps on chip."""

    bounds: tuple[int, ...]
    peak_bytes: int
    computed_rows: int


def strips_on_chip(block: Any, chip: Chip) -> list[str]:
    """Cuts chains of convolutions, pools and activations with a result beyond the chip's on-chip memory into strips.

    Proof: row i of a window operation reads the rows `i·stride - pad ... i·stride - pad + kernel - 1` of its input, so
    rows a to b of the chain's result need a range of rows of its input, found backwards through the chain. Rows of the
    range that lie outside the input are padding in the whole computation, and become the strip's own padding. Each
    strip so sums the same products over the same elements; the strips behind each other are the whole result.

    A chain starts at an operation whose result is too large and goes on to its sole reader while results are too
    large. Rows that two strips need are computed twice. Off by default: whether the compiler would not cut by itself,
    as it is reported to, no one has shown.
    """
    from coremltools.converters.mil.mil import Builder

    places = []
    done: set[Any] = set()
    limit = chip.on_chip_bytes.value
    for operation in list(block.operations):
        chain = [] if operation in done else _chain(operation, limit)
        strips = _plan(chain, limit) if len(chain) > 1 else None
        if strips is None:
            continue
        done.update(chain)
        end, name = chain[-1], chain[-1].outputs[0].name
        parts = [_strip(chain, a, b, f"{name}_strip_{number}") for number, (a, b) in enumerate(pairwise(strips.bounds))]
        replace(end, Builder.concat(values=parts, axis=2, before_op=end, name=name))
        for whole in reversed(chain[:-1]):
            block.remove_ops([whole])
        places.append(_effect(chain, strips))
    return places


def _chain(first: Any, limit: int) -> list[Any]:
    chain: list[Any] = []
    operation: Any | None = first
    while operation is not None and _is_cuttable(operation):
        chain.append(operation)
        if _bytes(operation.outputs[0].shape) <= limit:
            break
        operation = sole_reader(operation.outputs[0])
    return chain if chain and _bytes(chain[0].outputs[0].shape) > limit else []


def _is_cuttable(operation: Any) -> bool:
    if operation.op_type not in _WINDOWS | _ELEMENTWISE or len(operation.outputs[0].shape) != 4:
        return False
    if operation.op_type in _ELEMENTWISE:
        return operation.x.val is None
    if operation.op_type == "conv":
        return constant(operation.weight) is not None and _pads(operation) is not None
    return not constant(operation.ceil_mode) and _pads(operation) is not None and not _averages_padding(operation)


def _averages_padding(pool: Any) -> bool:
    # How many elements a window of an average pool has depends on where the whole map ends.
    return pool.op_type == "avg_pool" and any(any(pair) for pair in _pads(pool) or ())


def _kernel(operation: Any) -> tuple[int, ...]:
    if operation.op_type == "conv":
        return tuple(operation.weight.shape[2:])
    return tuple(int(size) for size in constant(operation.kernel_sizes))


def _pads(operation: Any) -> tuple[tuple[int, int], ...] | None:
    return spatial_pads(operation, _kernel(operation))


def _rows(operation: Any, start: int, stop: int) -> _Rows:
    """Goes back through one operation, from rows of its result to rows of its input."""
    if operation.op_type in _ELEMENTWISE:
        return _Rows(start, stop, 0, 0)
    height, stride = operation.x.shape[2], int(constant(operation.strides)[0])
    dilation = int(constant(operation.dilations)[0]) if operation.op_type == "conv" else 1
    top = (_pads(operation) or ((0, 0),))[0][0]
    first = start * stride - top
    last = (stop - 1) * stride - top + (_kernel(operation)[0] - 1) * dilation + 1
    return _Rows(max(first, 0), min(last, height), max(-first, 0), max(last - height, 0))


def _ranges(chain: list[Any], start: int, stop: int) -> list[_Rows]:
    """Gives what each operation of a chain reads for some rows of the chain's result, in the chain's order."""
    ranges = []
    for operation in reversed(chain):
        ranges.append(_rows(operation, start, stop))
        start, stop = ranges[-1].start, ranges[-1].stop
    return ranges[::-1]


def _plan(chain: list[Any], limit: int) -> _Strips | None:
    """Finds the fewest strips that fit; None where even single rows do not, or where there would be too many."""
    height = chain[-1].outputs[0].shape[2]
    largest = max(_bytes(operation.outputs[0].shape) for operation in chain)
    for count in range(-(-largest // limit), min(height, _MOST_STRIPS) + 1):
        bounds = tuple(np.linspace(0, height, count + 1).round().astype(int).tolist())
        held, computed = zip(*(_held(chain, start, stop) for start, stop in pairwise(bounds)), strict=True)
        if max(held) <= limit:
            return _Strips(bounds, max(held), sum(computed))
    return None


def _held(chain: list[Any], start: int, stop: int) -> tuple[int, int]:
    """Gives the bytes of a strip's largest value, and the rows of the first operation's result that it computes."""
    ranges = _ranges(chain, start, stop)
    made = [(rows.start, rows.stop) for rows in ranges[1:]] + [(start, stop)]
    largest = 0
    for operation, (first, last) in zip(chain, made, strict=True):
        batch, channels, _, width = operation.outputs[0].shape
        largest = max(largest, _bytes((batch, channels, last - first, width)))
    return largest, made[0][1] - made[0][0]


def _strip(chain: list[Any], start: int, stop: int, name: str) -> Any:
    from coremltools.converters.mil.mil import Builder

    before = chain[-1]
    ranges = _ranges(chain, start, stop)
    value = Builder.slice_by_index(
        x=chain[0].x,
        begin=[0, 0, ranges[0].start, 0],
        end=[0, 0, ranges[0].stop, 0],
        begin_mask=[True, True, False, True],
        end_mask=[True, True, False, True],
        before_op=before,
        name=f"{name}_rows",
    )
    for number, (operation, rows) in enumerate(zip(chain, ranges, strict=True)):
        own = f"{name}_{number}"
        if operation.op_type in _ELEMENTWISE:
            value = again(operation, value, before=before, name=own)
        else:
            across = (_pads(operation) or ((0, 0),) * 2)[1]
            pad = [rows.top, rows.bottom, *across]
            value = again(operation, value, before=before, name=own, pad_type="custom", pad=pad)
    return value


def _effect(chain: list[Any], strips: _Strips) -> str:
    largest = max(_bytes(operation.outputs[0].shape) for operation in chain)
    whole_rows = chain[0].outputs[0].shape[2]
    twice = max(0.0, strips.computed_rows / whole_rows - 1)  # a pool may leave the last rows unread
    first, last = chain[0].outputs[0], chain[-1].outputs[0]
    return (
        f"{first.name} to {last.name}: {shown(first.shape)} in {len(strips.bounds) - 1} strips, "
        f"{strips.peak_bytes:,} bytes at a time instead of {largest:,}; {twice:.1%} of rows twice"
    )


def _bytes(shape: tuple[int, ...]) -> int:
    return _BYTES * int(np.prod(shape))
