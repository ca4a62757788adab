"""What a sidecar says of quantised activations."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TensorRecord:
    """One activation that becomes bytes.

    Attributes:
        name: Of the value in the program.
        dtype: `int8` or `uint8`.
        scale: What a step stands for.
        zero_point: The byte that stands for 0.
        low: What the least byte stands for.
        high: What the largest byte stands for.
        clipped: Part of the elements that lay outside, over the calibration images; None where another value of the
            same range was measured instead.
        snr_db: Signal-to-noise ratio behind the pair; None where nothing was lost, or another value was measured.
    """

    name: str
    dtype: str
    scale: float
    zero_point: int
    low: float
    high: float
    clipped: float | None
    snr_db: float | None


@dataclass(frozen=True)
class OperationRecord:
    """One operation that could take bytes.

    Attributes:
        name: Of its result in the program.
        type: Such as `conv`.
        input: Name of its activation, of the first where it has several.
        takes: `int8` or `float`.
        alone_db: SNR of the logits if only this operation took bytes; None where that is exact, or was not measured.
        together_db: SNR of its input behind the pair in the finished package, with all that came before; None where
            that is exact.
        reason: Why it takes floats; empty where it takes bytes.
    """

    name: str
    type: str
    input: str
    takes: str
    alone_db: float | None
    together_db: float | None
    reason: str


@dataclass(frozen=True)
class ActivationRecord:
    """How activations were calibrated, and what their quantisation costs.

    Attributes:
        method: How ranges follow from what occurred.
        symmetric: Whether zero points are 0.
        folder: Dataset of the calibration images.
        images: How many.
        images_sha256: Fingerprint of them.
        seed: Of their choice.
        keep_float: How many operations were to take floats in any case.
        excluded_below_db: An operation whose bytes alone leave less SNR in the logits takes floats.
        equalized: Layers whose channels were scaled.
        cost_images: How many of the images the costs were measured on.
        logits_snr_db: SNR of the finished package's logits against the float package.
        operations: In program order.
        tensors: In program order.
    """

    method: str
    symmetric: bool
    folder: str
    images: int
    images_sha256: str
    seed: int
    keep_float: int
    excluded_below_db: float
    equalized: tuple[str, ...]
    cost_images: int
    logits_snr_db: float | None
    operations: tuple[OperationRecord, ...]
    tensors: tuple[TensorRecord, ...]


def recorded_db(ratio_db: float) -> float | None:
    """Rounds a ratio for a record, in which JSON has no infinities: None where nothing was lost."""
    return None if ratio_db == math.inf else round(ratio_db, 2)
