"""Padding and output sizes of convolutions and pools, shared by kernels, verifier and lowering."""

from collections.abc import Sequence
from typing import Any

Pads = tuple[tuple[int, int], ...]
"""Elements to add before and behind each spatial axis."""


def window_pads(
    pad_type: str,
    pad: Sequence[Any] | None,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Pads:
    """Returns the padding of a sliding window.

    Args:
        pad_type: `valid`, `same` (the odd element goes behind), `same_lower` (before) or `custom`.
        pad: For `custom`: before and behind, axis by axis.
        sizes: Input sizes of the spatial axes.
        kernel: Window sizes.
        strides: Steps.
        dilations: Distances between two taps of the window.

    Raises:
        ValueError: `pad_type` is none of these, or `pad` has the wrong length.

    Source: TensorFlow's `SAME`: an output of ceil(size / stride), and as little padding as that takes.
    """
    rank = len(sizes)
    if pad_type == "valid":
        return ((0, 0),) * rank
    if pad_type == "custom":
        values = [0] * (2 * rank) if pad is None else [int(value) for value in pad]
        if len(values) != 2 * rank:
            raise ValueError(f"pad must have {2 * rank} elements for {rank} spatial axes, got {len(values)}")
        return tuple((values[2 * i], values[2 * i + 1]) for i in range(rank))
    if pad_type not in {"same", "same_lower"}:
        raise ValueError(f"pad_type must be valid, same, same_lower or custom, got '{pad_type}'")
    pads = []
    for size, window, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        extent = (window - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        less = total // 2
        pads.append((less, total - less) if pad_type == "same" else (total - less, less))
    return tuple(pads)


def window_count(size: int, extent: int, stride: int, pads: tuple[int, int], ceil_mode: bool = False) -> int:
    """Returns how many windows fit along one axis.

    Args:
        size: Input size.
        extent: Window size with dilation.
        stride: Step.
        pads: Padding before and behind.
        ceil_mode: Whether a last window that hangs over the end counts, if it starts inside input or leading padding.

    Raises:
        ValueError: Not a single window fits.

    Source: the description of `ceil_mode` at coremltools' `avg_pool`.
    """
    room = size + sum(pads) - extent
    if room < 0 or stride < 1:
        raise ValueError(f"a window of {extent} with stride {stride} does not fit into {size} + {sum(pads)} elements")
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + pads[0] else count
