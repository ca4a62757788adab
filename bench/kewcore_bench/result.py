"""What a bench found, as frozen values: the report, the tables, the gates and the JSON are made from these alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.data.prepare import Balance
from kewcore.parity.agreement import ParityMetrics
from kewcore.parity.classification import ClassificationMetrics
from kewcore.parity.drift import LayerDrift
from kewcore.parity.pipeline import PipelineParity
from kewcore.parity.robustness import CorruptionParity
from kewcore.parity.roc import RocCurve
from kewcore_bench.depth.occlusion_result import OcclusionSample
from kewcore_bench.gates.resident import ResidentShare
from kewcore_bench.hosts import HostFacts
from kewcore_bench.timing.engine_result import EngineResult
from kewcore_bench.timing.latency import Latency, LatencyOptions, LatencyRatio
from kewcore_bench.timing.load_time import LoadTime
from kewcore_bench.variants.comparison import VariantComparison

PICTURE: Mapping[str, bool] = {"picture": True}
"""Metadata of fields that hold pictures: they are no part of the JSON, and are read again from the photographs."""


@dataclass(frozen=True)
class DatasetFacts:
    """The images of a bench.

    Attributes:
        path: Folder of the dataset.
        fingerprint: SHA-256 over its files, classes and split.
        split: Part that was used.
        images: How many of its images were used.
        available: How many it has.
        stand_in: True for the built-in sample set, whose figures say nothing about real photographs.
        class_counts: Images used, by class.
        class_balance: Training images by class, without and with synthetic ones.
        height: Rows of an image as the models take it; 0 where that is not known.
        width: Columns of it.
        resize: How photographs are brought to that size; empty where that is not known.
    """

    path: Path
    fingerprint: str
    split: str
    images: int
    available: int
    stand_in: bool
    class_counts: Mapping[str, int]
    class_balance: tuple[Balance, ...] = ()
    height: int = 0
    width: int = 0
    resize: str = ""


@dataclass(frozen=True)
class Opinion:
    """What one classifier thinks of one image.

    Attributes:
        name: `TensorFlow`, or what `kewcore_bench.labels` calls the package.
        class_name: Its top class.
        probability: Of that class.
    """

    name: str
    class_name: str
    probability: float


@dataclass(frozen=True)
class Sample:
    """An image of the gallery.

    Attributes:
        file: Its file.
        label: Its true class.
        opinions: The reference's first, then the packages'.
        thumbnail: uint8 `[h, w]`, for the report; not part of the JSON. None where the file is gone.
    """

    file: Path
    label: str
    opinions: tuple[Opinion, ...]
    thumbnail: NDArray[np.uint8] | None = field(repr=False, compare=False, default=None, metadata=PICTURE)


@dataclass(frozen=True)
class PackageResult:
    """One package beside its reference.

    Attributes:
        name: Folder name without `.mlpackage`.
        path: The package.
        sha256: Of its tree of files.
        mode: Such as `int8`.
        size_bytes: All its files.
        float32_ratio: Size over that of the float32 weights.
        metrics: On the labelled images.
        parity: With the reference on the same images.
        disagreement_files: The images behind `parity.disagreements`.
        latency: On this host; None when it was not measured.
        latency_ratio: Over the reference's latency, paired by round.
        resident: What of it can run on the Neural Engine, chip by chip, told by rules.
        load_time: Of several loads on this host; None where they were not asked for, or one failed.
        robustness: Parity on corrupted images, one entry a corruption and strength; empty where it was not measured.
        drift: The reference's layers in order, each beside the package's value; empty where it was not traced.
        roc: Its ROC curves, class by class.
        load_failure: Why there is no load time although it was asked for; otherwise None.
    """

    name: str
    path: Path
    sha256: str
    mode: str
    size_bytes: int
    float32_ratio: float
    metrics: ClassificationMetrics
    parity: ParityMetrics
    disagreement_files: tuple[Path, ...]
    latency: Latency | None
    latency_ratio: LatencyRatio | None
    resident: tuple[ResidentShare, ...] = ()
    load_time: LoadTime | None = None
    robustness: tuple[CorruptionParity, ...] = ()
    drift: tuple[LayerDrift, ...] = ()
    roc: tuple[RocCurve, ...] = ()
    load_failure: str | None = None


@dataclass(frozen=True)
class VariantResult:
    """The packages of one run.

    Attributes:
        recipe: Name of the run's recipe.
        variant: `original` or `synthetic`.
        run: Folder of the run.
        model_sha256: Of its `model.keras`.
        float32_bytes: Size of its weights in float32.
        metrics: The reference on the labelled images.
        latency: Of the reference on this host; None when it was not measured.
        packages: In the order asked for.
        gallery: Images with everyone's opinion, disagreements first.
        history: Columns of the run's `history.csv`, by name; empty where there is none.
        engines: One row for each engine and model that was asked for, failures included, the reference's first.
        pipelines: What other input pipelines change in the reference's answers; empty where it was not measured.
        roc: The reference's ROC curves, class by class.
        occlusion: Images with everyone's occlusion map; empty where none was asked for.
    """

    recipe: str
    variant: str
    run: Path
    model_sha256: str
    float32_bytes: int
    metrics: ClassificationMetrics
    latency: Latency | None
    packages: tuple[PackageResult, ...]
    gallery: tuple[Sample, ...]
    history: Mapping[str, tuple[float, ...]]
    engines: tuple[EngineResult, ...] = ()
    pipelines: tuple[PipelineParity, ...] = ()
    roc: tuple[RocCurve, ...] = ()
    occlusion: tuple[OcclusionSample, ...] = ()


@dataclass(frozen=True)
class BenchResult:
    """Everything that one `kewcore bench` found.

    Attributes:
        created: Date and time of the measurement, ISO 8601, UTC.
        kewcore_version: What measured.
        host: Where.
        dataset: On what.
        latency_options: How latency was measured; None when it was not.
        variants: One entry a run.
        comparison: Original beside synthetic, where both variants of a recipe were benched; otherwise None.
    """

    created: str
    kewcore_version: str
    host: HostFacts
    dataset: DatasetFacts
    latency_options: LatencyOptions | None
    variants: tuple[VariantResult, ...]
    comparison: VariantComparison | None = None
