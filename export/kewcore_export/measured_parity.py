"""Parity of a package as measured by a bench, with what it was measured on."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from kewcore.parity.agreement import ParityMetrics


@dataclass(frozen=True)
class MeasuredParity:
    """Parity of a package with its TensorFlow original, and what it was measured on.

    Attributes:
        measured: Date and time, ISO 8601, UTC.
        kewcore_version: What measured.
        split: Part of the dataset.
        dataset_fingerprint: Of the dataset.
        stand_in: True where that only stands in for the real data set.
        metrics: The figures.
    """

    measured: str
    kewcore_version: str
    split: str
    dataset_fingerprint: str
    stand_in: bool
    metrics: ParityMetrics


def parity_json(parity: MeasuredParity) -> dict[str, Any]:
    """Gives the JSON object of measured parity in a sidecar."""
    facts = asdict(parity)
    metrics = facts.pop("metrics")
    del metrics["disagreements"]  # Indices mean nothing without the order of the images; bench.json names the files.
    if not math.isfinite(metrics["logit_snr_db"]):
        metrics["logit_snr_db"] = None  # JSON knows no infinity: the outputs are equal.
    return {**facts, "images": parity.metrics.n, **metrics}
