"""A bench result made from known tables, for tests of what is done with one."""

from pathlib import Path

import numpy as np

from kewcore.parity.agreement import compare
from kewcore.parity.classification import evaluate
from kewcore_bench.gallery import samples
from kewcore_bench.hosts import HostFacts
from kewcore_bench.images import LabelledImages
from kewcore_bench.result import BenchResult, DatasetFacts, PackageResult, VariantResult
from kewcore_bench.timing import latency
from kewcore_bench.timing.latency import Latency, LatencyOptions

NAMES = ("a<b", "c_d")


def latency_of(engine: str, rounds: tuple[float, ...]) -> Latency:
    """A latency whose rounds are given, in milliseconds."""
    median = float(np.median(rounds))
    return Latency(
        engine, 2, 100.0, 10.0, 2 * median, median, max(rounds), max(rounds), 0.1, rounds, 5 * len(rounds), 10**8
    )


def result_of(agree: int, of: int, *, stand_in: bool = True) -> BenchResult:
    """One package of 2 MB, at half the latency, that disagrees on all images from `agree` on.

    The reference is right but for the last image, which the package puts right; so the package gets
    `of - agree - 2` images fewer right.
    """
    labels = np.arange(of) % 2
    reference = np.where(np.arange(2) == labels[:, None], 0.75, 0.25).astype(np.float32)
    reference[-1] = reference[-1][::-1]
    package = reference.copy()
    package[agree:] = package[agree:, ::-1]
    facts = DatasetFacts(Path("data"), "f" * 64, "test", of, of, stand_in, dict.fromkeys(NAMES, of // 2))
    images = LabelledImages(
        np.zeros((of, 8, 8), np.uint8), labels, tuple(Path(f"{index}.png") for index in range(of)), NAMES, facts
    )
    parity = compare(reference, package, labels)
    slow, fast = latency_of("TensorFlow 2", (10.0, 12.0, 11.0)), latency_of("fast", (5.0, 6.0, 5.5))
    one = PackageResult(
        name="Tiny-original-int8",
        path=Path("packages/Tiny-original-int8.mlpackage"),
        sha256="a" * 64,
        mode="int8",
        size_bytes=2_000_000,
        float32_ratio=0.25,
        metrics=evaluate(labels, package, NAMES),
        parity=parity,
        disagreement_files=tuple(images.files[index] for index in parity.disagreements),
        latency=fast,
        latency_ratio=latency.ratio(fast, slow),
    )
    variant = VariantResult(
        recipe="tiny",
        variant="original",
        run=Path("runs/tiny/original"),
        model_sha256="b" * 64,
        float32_bytes=8_000_000,
        metrics=evaluate(labels, reference, NAMES),
        latency=slow,
        packages=(one,),
        gallery=samples(images, {"TensorFlow": reference, "int8": package}),
        history={"epoch": (1.0, 2.0), "loss": (1.0, 0.5), "val_loss": (1.1, 0.7)},
    )
    host = HostFacts("Linux", "6", "x86_64", "A <Processor>", 2, 4 * 10**9, 0.4, "3.11.7", {"numpy": "2.0.2"})
    return BenchResult("2026-01-02T03:04:05+00:00", "0.1.0", host, facts, LatencyOptions(2, 3, 5), (variant,))
