"""KewCNN's package beside TensorFlow and, where the extra `peers` is installed, tf2onnx and OpenVINO.

Every engine runs in a process of its own, in interleaved rounds; what is compared is the ratio within a round. The
figures that kewcore aims at stand in docs/bench.md with what was reached on which host; what is asserted here is what a
regression would break on any host.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.engines.peers import convert_with_tf2onnx
from kewcore_bench.engines.process import EngineProcess, running_engine
from kewcore_bench.timing.latency import LatencyOptions, measure, ratio

pytestmark = pytest.mark.slow
THREADS, IMAGES, SIDE = 2, 64, 500
KEWCNN_GFLOP = 2 * 1.12
"""Multiplications and additions of one image; 1.12 thousand million of each."""
FLOAT32_WEIGHTS_BYTES = 4 * 14_035_142
GEMM = """
import time, numpy as np
a = np.random.default_rng(0).random((2048, 2048), np.float32)
seconds = []
for _ in range(10):
    start = time.perf_counter(); a @ a; seconds.append(time.perf_counter() - start)
print(2 * 2048**3 / min(seconds) / 1e9)
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "pixels.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE), np.uint8))
    return path


@pytest.fixture(scope="module")
def engines(
    kewcnn: tuple[Path, dict[str, Path]], images: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, EngineProcess]]:
    """Running engines by name: kewcore's packages in fp16 and W8A8, TensorFlow, and the peers that are installed."""
    run, packages = kewcnn
    specs = {
        "kewcore": EngineSpec("package", packages["fp16"], "onnx", THREADS),
        "kewcore w8a8": EngineSpec("package", packages["w8a8"], "onnx", THREADS),
        "tensorflow": EngineSpec("tensorflow", run, "auto", THREADS),
    }
    if find_spec("tf2onnx") is not None:
        converted = convert_with_tf2onnx(run / "model.keras", tmp_path_factory.mktemp("peers") / "kewcnn.onnx")
        specs["tf2onnx"] = EngineSpec("onnxruntime", converted, "auto", THREADS)
        if find_spec("openvino") is not None:
            specs["openvino"] = EngineSpec("openvino", converted, "auto", THREADS)
    with ExitStack() as stack:
        yield {name: stack.enter_context(running_engine(spec, images)) for name, spec in specs.items()}


def test_one_image(benchmark: BenchmarkFixture, engines: dict[str, EngineProcess]) -> None:
    """Latency of one image on two threads, each engine's over kewcore's."""
    # pytest-benchmark's own figure: one image through the pipe to kewcore's process.
    benchmark.pedantic(engines["kewcore"].time, args=(0, 1), rounds=20, warmup_rounds=5)
    latencies = measure(engines, LatencyOptions(THREADS, rounds=30, predicts=5))
    gflops = float(subprocess.run([sys.executable, "-c", GEMM], capture_output=True, text=True, check=True).stdout)
    limit_ms = 1000 * KEWCNN_GFLOP / gflops
    share = limit_ms / latencies["kewcore"].median_ms
    print(f"\nsgemm {gflops:.0f} GFLOP/s: at least {limit_ms:.1f} ms for an image; kewcore reaches {share:.0%} of that")
    benchmark.extra_info |= {"gflops": gflops, "share_of_limit": share}
    for name, latency in latencies.items():
        compared = ratio(latency, latencies["kewcore"])
        interval = f"[{compared.interval.low:.2f}, {compared.interval.high:.2f}]"
        print(f"{name}, {latency.engine}: {latency.median_ms:.1f} ms, {compared.value:.2f} {interval} of kewcore's")
        benchmark.extra_info[f"{name}_ms"] = latency.median_ms
        benchmark.extra_info[f"{name}_over_kewcore"] = compared.value
    assert ratio(latencies["tensorflow"], latencies["kewcore"]).value >= 1
    for peer in {"tf2onnx", "openvino"} & set(latencies):
        assert ratio(latencies[peer], latencies["kewcore"]).value >= 1.05, peer


@pytest.mark.parametrize("package", ["kewcore", "kewcore w8a8"])
def test_many_images(benchmark: BenchmarkFixture, engines: dict[str, EngineProcess], package: str) -> None:
    """Images a second of an evaluation, kewcore's over Keras' `predict`, in turn."""
    seconds: dict[str, list[float]] = {package: [], "tensorflow": []}

    def classify(name: str) -> None:
        start = time.perf_counter()
        engines[name].probabilities(lambda _: None)
        seconds[name].append(time.perf_counter() - start)

    for name in seconds:  # the first makes sessions and traces
        classify(name)
    benchmark.pedantic(classify, args=(package,), setup=lambda: classify("tensorflow"), rounds=5)
    ratios = [a / b for a, b in zip(seconds["tensorflow"][1:], seconds[package][1:], strict=True)]
    rate = IMAGES / float(np.median(seconds[package][1:]))
    print(f"\n{package}: {rate:.0f} images a second, {np.median(ratios):.2f} times Keras' predict")
    benchmark.extra_info |= {"images_a_second": rate, "over_keras": float(np.median(ratios))}
    assert np.median(ratios) >= 1


@pytest.mark.parametrize("mode", ["fp16", "int8", "palette-4"])
def test_open_and_answer(
    benchmark: BenchmarkFixture, kewcnn: tuple[Path, dict[str, Path]], images: Path, mode: str
) -> None:
    """Opening a package and answering the first image, in a fresh process, libraries imported."""
    found: list[tuple[float, int]] = []

    def open_it() -> None:
        with running_engine(EngineSpec("package", kewcnn[1][mode], "onnx", THREADS), images) as engine:
            found.append((engine.load.load_ms + engine.load.first_predict_ms, engine.peak_memory_bytes()))

    benchmark.pedantic(open_it, rounds=3)
    opened_ms = float(np.median([row[0] for row in found]))
    memory = max(row[1] for row in found) / FLOAT32_WEIGHTS_BYTES
    print(f"\n{mode}: opened and answered in {opened_ms:.0f} ms; memory {memory:.1f} times the float32 weights")
    benchmark.extra_info |= {"opened_ms": opened_ms, "memory_over_float32_weights": memory}
    assert opened_ms <= (1500 if mode == "fp16" else 2500)
    assert memory <= 4
