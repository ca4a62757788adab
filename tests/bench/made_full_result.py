"""A bench result with every section that a report can have, made from random tables of the size of a real bench."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from made_results import latency_of
from numpy.typing import NDArray

from kewcore.data.prepare import Balance
from kewcore.parity.agreement import compare
from kewcore.parity.classification import evaluate
from kewcore.parity.drift import LayerDrift
from kewcore.parity.intervals import Interval
from kewcore.parity.paired import compare_accuracy
from kewcore.parity.pipeline import PipelineParity
from kewcore.parity.robustness import compare_corrupted
from kewcore.parity.roc import roc_curves
from kewcore_bench.depth.occlusion_result import OcclusionMap, OcclusionSample
from kewcore_bench.gallery import samples
from kewcore_bench.gates.gate_file import GateFile, Gates
from kewcore_bench.gates.judging import judge
from kewcore_bench.hosts import HostFacts
from kewcore_bench.images import LabelledImages
from kewcore_bench.report.page import render
from kewcore_bench.result import BenchResult, DatasetFacts, PackageResult, VariantResult
from kewcore_bench.timing import latency
from kewcore_bench.timing.engine_result import EngineResult, Throughput
from kewcore_bench.timing.latency import LatencyOptions
from kewcore_bench.variants.comparison import VariantOpinions, compare_pair

NAMES = ("flower", "fruit", "leaf", "plant_tag", "stem", "whole_plant")
MODES = ("fp16", "int8", "palette-4", "w8a8")
LAYERS = ("conv2d", "leaky_re_lu", "max_pooling2d", "conv2d_1", "leaky_re_lu_1", "flatten", "dense", "dense_1")


@cache
def full_result(images: int = 1000, occluded: int = 6) -> BenchResult:
    """Two variants with four packages each, on `images` images of noise, with every kind of figure."""
    rng = np.random.default_rng(20)
    labels = np.sort(np.arange(images) % len(NAMES))
    pixels = rng.integers(0, 256, (images, 96, 96), np.uint8)
    balance = tuple(Balance(name, 300 + 40 * i, 200 - 30 * i) for i, name in enumerate(NAMES))
    facts = DatasetFacts(
        Path("/data/kew"), "f" * 64, "test", images, images, False, dict.fromkeys(NAMES, images // 6), balance
    )
    files = tuple(Path(f"/data/kew/test/{NAMES[label]}/{i:04}.jpg") for i, label in enumerate(labels))
    labelled = LabelledImages(pixels, labels, files, NAMES, facts)
    variants, opinions = [], []
    for name, skill in (("original", 2.6), ("synthetic", 3.1)):
        logits = rng.normal(0, 1, (images, len(NAMES)))
        logits[np.arange(images), labels] += skill
        tables = {"TensorFlow": softmax(logits)} | {
            mode: softmax(logits + rng.normal(0, 0.03 * 2**i, logits.shape)) for i, mode in enumerate(MODES)
        }
        variants.append(_variant(name, labelled, tables, occluded))
        opinions.append(VariantOpinions("kewcnn", name, "f" * 64, tables))
    host = HostFacts("Linux", "6.1", "x86_64", "A Processor", 2, 4 * 10**9, 0.4, "3.11.7", {"numpy": "2.0.2"})
    return BenchResult(
        "2026-01-02T03:04:05+00:00",
        "0.1.0",
        host,
        facts,
        LatencyOptions(2, 15, 5),
        tuple(variants),
        compare_pair(
            opinions, labels, NAMES, reference="TensorFlow", dataset_fingerprint="f" * 64, class_balance=balance
        ),
    )


@cache
def full_page() -> str:
    """The report of `full_result` over 1,000 images, with gates that some packages miss."""
    result = full_result()
    gates = GateFile(Path("gates.toml"), Gates(min_agreement=0.96, max_size_mb=20))
    return render(result, judge(gates, result))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Turns logits `[N, C]` into probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def _variant(name: str, images: LabelledImages, tables: dict[str, NDArray[np.float32]], occluded: int) -> VariantResult:
    reference = tables["TensorFlow"]
    rounds = tuple(30 + np.sin(np.arange(15)) + (np.arange(15) % 7 == 0) * 6)
    slow = latency_of("TensorFlow 2.18.1", rounds)
    packages = tuple(_package(i, mode, name, images, reference, tables[mode], slow) for i, mode in enumerate(MODES))
    return VariantResult(
        recipe="kewcnn",
        variant=name,
        run=Path(f"/runs/kewcnn/{name}"),
        model_sha256="b" * 64,
        float32_bytes=56_100_000,
        metrics=evaluate(images.labels, reference, NAMES),
        latency=slow,
        packages=packages,
        gallery=samples(images, tables),
        history={
            "epoch": tuple(map(float, range(1, 21))),
            "loss": tuple(2 / i for i in range(1, 21)),
            "val_loss": tuple(2 / i + 0.1 for i in range(1, 21)),
            "accuracy": tuple(1 - 0.7 / i for i in range(1, 21)),
            "val_accuracy": tuple(0.9 - 0.6 / i for i in range(1, 21)),
        },
        engines=(
            EngineResult("tensorflow", "TensorFlow reference", Path("runs"), "", "TensorFlow 2.18.1", None, slow, None),
            *(_engine(one) for one in packages),
            EngineResult(
                "coreml-all",
                packages[0].name,
                packages[0].path,
                MODES[0],
                "coreml-all",
                "Core ML runs on a Mac",
                None,
                None,
            ),
        ),
        pipelines=tuple(_pipeline(kind, reference, images) for kind in ("tensorflow", "vimage")),
        roc=roc_curves(images.labels, reference, NAMES),
        occlusion=tuple(_occlusion(index, images, tables) for index in range(occluded)),
    )


def _package(
    place: int,
    mode: str,
    variant: str,
    images: LabelledImages,
    reference: NDArray[np.float32],
    table: NDArray[np.float32],
    slow: latency.Latency,
) -> PackageResult:
    parity = compare(reference, table, images.labels, class_names=NAMES)
    fast = latency_of("package", tuple(value * (0.7 + 0.1 * place) for value in slow.round_medians_ms))
    one = compare_corrupted("blur", 1, "sigma 0.8 px", reference, table, images.labels)
    size_bytes = (28_100_000, 14_100_000, 7_200_000, 14_300_000)[place]
    return PackageResult(
        name=f"KewCNN-{variant}-{mode}",
        path=Path(f"packages/KewCNN-{variant}-{mode}.mlpackage"),
        sha256="a" * 64,
        mode=mode,
        size_bytes=size_bytes,
        float32_ratio=size_bytes / 56_100_000,
        metrics=evaluate(images.labels, table, NAMES),
        parity=parity,
        disagreement_files=tuple(images.files[index] for index in parity.disagreements),
        latency=fast,
        latency_ratio=latency.ratio(fast, slow),
        robustness=tuple(
            replace(one, corruption=kind, strength=strength, amount=f"{strength} px")
            for kind in ("blur", "noise", "brightness", "rotation", "jpeg")
            for strength in range(1, 6)
        ),
        drift=tuple(
            LayerDrift(layer, "Conv2D", (61, 61, 32), layer, None, 60.0 - 4 * i, 62.0 - 5 * i + place, i, 50.0 - 5 * i)
            for i, layer in enumerate(LAYERS)
        ),
        roc=roc_curves(images.labels, table, NAMES),
    )


def _engine(one: PackageResult) -> EngineResult:
    throughput = (Throughput(1, 33.0), Throughput(8, 41.5))
    label = "kewcore on ONNX Runtime"
    return EngineResult(
        "package", one.name, one.path, one.mode, label, None, one.latency, one.latency_ratio, throughput, one.size_bytes
    )


def _pipeline(kind: str, reference: NDArray[np.float32], images: LabelledImages) -> PipelineParity:
    right = reference.argmax(axis=1) == images.labels
    return PipelineParity(
        pipeline=kind,
        description=f"Decoded and resized by {kind}.",
        n=len(right),
        skipped=0,
        mean_abs_pixel=0.4,
        max_abs_pixel=9,
        pixels_equal=0.7,
        top1_agreement=0.998,
        top1_agreement_interval=Interval(0.99, 0.9995),
        max_abs_dp=0.03,
        mean_abs_dp=0.001,
        accuracy=compare_accuracy(right, right),
    )


def _occlusion(index: int, images: LabelledImages, tables: dict[str, NDArray[np.float32]]) -> OcclusionSample:
    rows, columns = np.mgrid[:19, :19]
    bump = 0.6 * np.exp(-((rows - 3 * index) ** 2 + (columns - 9) ** 2) / 12) - 0.05
    maps = tuple(
        OcclusionMap(name, 0.8, tuple(tuple(map(float, row)) for row in (bump + 0.01 * place).round(4)))
        for place, name in enumerate(tables)
    )
    thumbnail = np.array(images.pixels[index])
    return OcclusionSample(images.files[index], NAMES[index % len(NAMES)], 50, 25, maps, thumbnail)
