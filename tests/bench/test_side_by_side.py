"""Engines side by side on a small run: those that are here answer alike, the others are rows that say why not."""

import random
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from bench_bed import Bed

from kewcore.errors import ExportError, UsageError
from kewcore_bench.candidates import candidate
from kewcore_bench.engines.choice import DEFAULT_ENGINES, contenders, parse_engines
from kewcore_bench.engines.conversion import convert
from kewcore_bench.engines.load import EngineSpec, check_available, load_engine
from kewcore_bench.engines.peers import convert_with_tf2onnx
from kewcore_bench.engines.process import running_engine
from kewcore_bench.hosts import cores_for
from kewcore_bench.timing.latency import LatencyOptions, time_rounds
from kewcore_bench.timing.side_by_side import set_side_by_side


@pytest.fixture(scope="module")
def pixels(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of the run's size, which the engines need not get right."""
    side = candidate(bed.packages[0]).run.source.data.height
    path = tmp_path_factory.mktemp("images") / "pixels.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (5, side, side), np.uint8))
    return path


@pytest.mark.unit
def test_names_of_engines_are_read_in_the_order_of_the_rows() -> None:
    assert parse_engines("package, tensorflow") == DEFAULT_ENGINES
    assert parse_engines("coreml,litert") == ("tensorflow", "litert", "coreml")
    assert parse_engines("all") == (
        "tensorflow",
        "keras",
        "package",
        "litert",
        "onnxruntime",
        "openvino",
        "coreml",
    )
    with pytest.raises(
        UsageError, match="unknown engine 'tflite'; known: tensorflow, keras, package, litert,"
    ) as caught:
        parse_engines("keras,tflite")
    assert caught.value.hint == "or say --engines all"
    with pytest.raises(UsageError, match="--engines names no engine"):
        parse_engines(" , ")


@pytest.mark.parity
@pytest.mark.slow
def test_engines_side_by_side(bed: Bed, pixels: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one = candidate(bed.packages[0])
    broken = replace(one, path=bed.packages[0].parent / "gone.mlpackage")
    asked = contenders(one.run, [one, broken], parse_engines("all"), executor="auto", threads=1, cores=cores_for(1))
    rows = set_side_by_side(asked, pixels, LatencyOptions(1, rounds=5, predicts=2, starts=2, batch_sizes=(1, 4)))
    assert [row.engine for row in rows[:7]] == [
        *("tensorflow", "keras", "litert", "onnxruntime", "openvino", "package", "package"),
    ]
    assert [row.engine for row in rows[7:11]] == ["coreml-cpu", "coreml-cpu-gpu", "coreml-cpu-ne", "coreml-all"]
    assert {row.subject for row in rows[:5]} == {"TensorFlow reference"}
    by_engine = {row.engine: row for row in rows[:6]}
    for name in ("tensorflow", "keras", "litert", "package"):
        row = by_engine[name]
        assert row.failure is None
        assert row.latency is not None
        assert row.ratio is not None
        assert (row.latency.predicts, row.latency.starts, len(row.latency.round_medians_ms)) == (12, 2, 6)
        assert row.latency.median_ms <= row.latency.p95_ms <= row.latency.p99_ms
        assert min(row.latency.import_ms, row.latency.load_ms, row.latency.first_predict_ms) > 0
        assert [each.batch_size for each in row.throughput] == [1, 4]
        assert row.model_size_bytes
    assert by_engine["tensorflow"].ratio is not None
    assert by_engine["tensorflow"].ratio.round_ratios == (1.0,) * 6
    assert by_engine["litert"].label.startswith("LiteRT ")
    missing = rows[6]
    assert missing.latency is None
    assert missing.failure is not None
    assert "gone.mlpackage" in missing.failure
    if find_spec("tf2onnx") is None:
        assert by_engine["openvino"].failure == "tf2onnx is not installed; pip install 'kewcore[peers]'"
    if sys.platform != "darwin":
        assert rows[7].failure == "Core ML runs on macOS alone, and this is Linux; run this bench on a Mac"
        assert rows[7].label == "Core ML (CPU_ONLY)"
    assert "latency: " in capfd.readouterr().err  # the whole measurement is one bar


@pytest.mark.parity
def test_litert_answers_as_keras_does(bed: Bed, pixels: Path, tmp_path: Path) -> None:
    from kewcore_bench.engines.litert import convert_to_litert

    images = np.load(pixels)
    expected = load_engine(EngineSpec("tensorflow", bed.run, "auto", 1)).predict_batch(images)
    for engine in (
        load_engine(EngineSpec("litert", convert_to_litert(bed.run / "model.keras", tmp_path / "n.tflite"), "auto", 1)),
        load_engine(EngineSpec("keras", bed.run, "auto", 1)),
    ):
        np.testing.assert_allclose(engine.predict_batch(images), expected, atol=1e-5)
        np.testing.assert_allclose(engine.predict_one(images[3:4]), expected[3:4], atol=1e-5)


@pytest.fixture(scope="module")
def network(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bed's network as tf2onnx converts it."""
    pytest.importorskip("tf2onnx", reason="the extra 'peers' is not installed: tf2onnx")
    return convert_with_tf2onnx(bed.run / "model.keras", tmp_path_factory.mktemp("converted") / "network.onnx")


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["onnxruntime", "openvino"])
def test_peers_answer_as_keras_does(bed: Bed, pixels: Path, network: Path, kind: str) -> None:
    pytest.importorskip(kind, reason=f"the extra 'peers' is not installed: {kind}")
    images = np.load(pixels)
    expected = load_engine(EngineSpec("tensorflow", bed.run, "auto", 1)).predict_batch(images)
    engine = load_engine(EngineSpec(kind, network, "auto", 1))  # type: ignore[arg-type]
    np.testing.assert_allclose(engine.predict_batch(images), expected, atol=1e-5)
    np.testing.assert_allclose(engine.predict_one(images[3:4]), expected[3:4], atol=1e-5)


@pytest.mark.runtime
def test_an_engine_that_dies_on_the_way_is_left_out_and_the_others_go_on(bed: Bed, pixels: Path) -> None:
    spec = EngineSpec("package", bed.packages[0], "auto", 1)
    turns: list[int] = []
    with running_engine(spec, pixels) as well, running_engine(spec, pixels) as ill:

        def advance() -> None:
            turns.append(1)
            if len(turns) == 4:
                ill.channel.process.kill()

        found, failures = time_rounds({"well": well, "ill": ill}, 5, 2, random.Random(1), advance)
    assert len(turns) == 10
    assert found.keys() == {"well"}
    assert len(found["well"].rounds_ms) == 5
    assert "ended before it answered (killed by SIGKILL)" in failures["ill"].message


@pytest.mark.runtime
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_engine_is_halted_between_its_turns_and_ends_with_its_parent(bed: Bed, pixels: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN, str(bed.packages[0]), str(pixels)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    state = Path(f"/proc/{int(parent.stdout.readline())}/stat")
    assert state_within(state, {"T"})
    parent.kill()
    parent.communicate()
    assert state_within(state, {"", "Z"})


ORPHAN = """
import sys, time
from pathlib import Path
from kewcore_bench.engines.process import running_engine
from kewcore_bench.engines.load import EngineSpec
with running_engine(EngineSpec("package", Path(sys.argv[1]), "auto", 1), Path(sys.argv[2])) as engine:
    assert len(engine.time(1, 2)) == len(engine.time(1, 2)) == 2
    print(engine.channel.process.pid, flush=True)
    time.sleep(60)
"""


def state_within(state: Path, wanted: set[str], seconds: float = 10) -> bool:
    """Waits until a process is in one of some states; the empty one is that of a process that is gone."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (state.read_text().rpartition(")")[2].split()[0] if state.exists() else "") in wanted:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.runtime
def test_a_planted_slowdown_takes_its_part_of_the_time(bed: Bed, pixels: Path) -> None:
    spec = EngineSpec("package", bed.packages[0], "auto", 1)
    with running_engine(spec, pixels) as plain, running_engine(replace(spec, slowdown=2.0), pixels) as slowed:
        found, _ = time_rounds({"plain": plain, "slowed": slowed}, 15, 3, random.Random(0))
    plain_ms, slowed_ms = (np.median(found[name].rounds_ms) for name in ("plain", "slowed"))
    assert 2.0 < slowed_ms / plain_ms < 4.5  # three times as long, give or take a busy machine


@pytest.mark.unit
def test_a_converter_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"numpy failed on '.*model\.keras': ValueError: no such layer"):
        convert("raise ValueError('no such layer')", tmp_path / "model.keras", tmp_path / "out", "numpy")
    with pytest.raises(ExportError, match=r"failed on .*: exit 0"):
        convert("pass", tmp_path / "model.keras", tmp_path / "out", "numpy")


@pytest.mark.unit
@pytest.mark.skipif(not cores_for(1), reason="this system does not hold processes to cores")
def test_engines_are_held_to_as_many_cores_as_they_have_threads() -> None:
    import os

    usable = os.sched_getaffinity(0)
    assert len(cores_for(1)) == 1
    assert set(cores_for(len(usable))) == usable == set(cores_for(10_000))


@pytest.mark.unit
def test_what_runs_everywhere_is_available_everywhere(tmp_path: Path) -> None:
    for kind in ("tensorflow", "keras", "package", "litert", "onnxruntime", "openvino"):
        check_available(EngineSpec(kind, tmp_path, "auto", 1))  # type: ignore[arg-type]
