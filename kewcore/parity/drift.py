"""Drift: where along the network a package leaves its reference."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerDrift:
    """One layer of the reference beside the package's value that stands for it.

    Attributes:
        layer: Name of the Keras layer.
        kind: Its class, such as `Conv2D`.
        shape: Of its output without the axis of images, layout as in Keras (NHWC).
        value: Name of the package's value; None where the package computes none that is the layer's output.
        merged_with: The layer whose row holds this one's share, where there is no value; None where there is one.
        snr_db: Package's value against the reference's, all images together: the noise of this layer and of all before
            it. Infinite where both are equal; None without a value.
        own_snr_db: The same, but against the Keras layer fed with what the package really had before it: the noise of
            this layer alone, and of those that are merged with it. None without a value.
        worst_channel: Index of the channel with the lowest own SNR; None without a value.
        worst_channel_snr_db: The layer's mean signal of a channel over the own noise of that channel; None without a
            value.
        covers: The layers whose noise `own_snr_db` holds: those merged with this one and itself, in order; empty
            without a value.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    value: str | None
    merged_with: str | None
    snr_db: float | None
    own_snr_db: float | None
    worst_channel: int | None
    worst_channel_snr_db: float | None
    covers: tuple[str, ...] = ()


def worst_first(layers: Iterable[LayerDrift]) -> tuple[LayerDrift, ...]:
    """Sorts layers by their own SNR, the lowest first; those without a value are left out."""
    found = [one for one in layers if one.own_snr_db is not None]
    return tuple(sorted(found, key=lambda one: one.own_snr_db if one.own_snr_db is not None else 0.0))
