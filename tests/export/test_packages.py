"""Packages of a small network in every mode: read by coremltools, run by kewcore, equal when made twice."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kewcore.artefacts import sha256_file, sha256_tree
from kewcore.errors import ExportError
from kewcore_export.modes import mode_names, parse_modes
from kewcore_export.sidecar import card_path, golden_folder, load_sidecar
from kewcore_export.targets import TARGETS
from kewcore_export.verification import verify_package

pytestmark = pytest.mark.parity

LOWEST_TARGETS = {
    **dict.fromkeys(("fp32", "fp16"), "iOS15"),
    **dict.fromkeys(("int8", "int8-tensor", "prune-50", "prune-75"), "iOS16"),
    **{f"palette-{bits}": "iOS16" for bits in (8, 6, 4, 2, 1)},
}
# Least dB of the largest weight, a Dense of 43,200 in KewCNN and of 6,048 x 96 here, with normal values.
LEAST_SNR_DB = {
    "fp16": 65, "int8": 38, "int8-tensor": 36, "int4": 19, "palette-8": 38, "palette-6": 28, "palette-4": 18,
    "palette-3": 13, "palette-2": 8, "palette-1": 4,
}  # fmt: skip


def weights_by_coremltools(package: Path) -> dict[tuple[int, ...], np.ndarray]:
    """Loads a package with coremltools and lets it decompress every weight; an oracle for our encoder and decoder."""
    from kewcore.quiet import silenced_stderr
    from kewcore_export.coremltools_import import import_coremltools

    ct = import_coremltools()
    with silenced_stderr():
        from coremltools.converters.mil.frontend.milproto.load import load as load_mil

        spec = ct.utils.load_spec(str(package))
        program = load_mil(
            spec,
            specification_version=spec.specificationVersion,
            file_weights_dir=str(package / "Data/com.apple.CoreML/weights"),
        )
    found = {}
    for op in program.functions["main"].operations:
        if op.op_type in ("conv", "linear", "matmul"):
            var = op.inputs["y" if op.op_type == "matmul" else "weight"]
            values = var.val if var.op.op_type == "const" else var.op.materialized_val_inference()
            found[values.shape] = np.asarray(values)
    return found


def keras_weights(run: Path) -> dict[tuple[int, ...], np.ndarray]:
    import keras

    kernels = [w for w in keras.models.load_model(run / "model.keras", compile=False).get_weights() if w.ndim > 1]
    # Dense layers are convolutions in the package: the first over the map of 10x9 that was flattened, the last 1x1.
    large, last = kernels[-2:]
    kernels[-2:] = [large.reshape(10, 9, 7, 96), last[None, None]]
    turned = [w.transpose(3, 2, 0, 1) for w in kernels]
    return {w.shape: w for w in turned}


@pytest.mark.parametrize("mode", mode_names())
def test_coremltools_decompresses_the_same_weights(mode: str, packages: dict[str, Any], small_run: Path) -> None:
    package = packages[mode]
    exact = keras_weights(small_run)
    stored = weights_by_coremltools(package.path)
    assert set(stored) == set(exact)
    records = {record.shape: record for record in package.sidecar.weights if len(record.shape) > 1}
    assert set(records) == set(exact)
    for shape, weight in exact.items():
        noise = ((stored[shape].astype(np.float64) - weight) ** 2).sum()
        if records[shape].snr_db is None:
            assert noise == 0
        else:
            assert records[shape].snr_db == pytest.approx(10 * np.log10((weight**2).sum() / noise), abs=0.02)
        assert records[shape].sparsity == pytest.approx(np.mean(stored[shape] == 0), abs=1e-5)


@pytest.mark.parametrize("mode", mode_names())
def test_every_package_is_sound_and_for_the_lowest_target(mode: str, packages: dict[str, Any]) -> None:
    package = packages[mode]
    assert verify_package(package.path).problems == ()
    assert package.sidecar.deployment_target == LOWEST_TARGETS.get(mode, "iOS18")
    assert load_sidecar(package.path) == package.sidecar
    assert card_path(package.path).read_text().startswith(f"# KewCNN-original-{mode}\n")
    assert "stand-in" in card_path(package.path).read_text()


@pytest.mark.parametrize("mode", LEAST_SNR_DB)
def test_no_weight_is_left_out(mode: str, packages: dict[str, Any]) -> None:
    weights = [w for w in packages[mode].sidecar.weights if len(w.shape) > 1]
    assert len(weights) == 4
    largest = max(weights, key=lambda w: np.prod(w.shape))
    assert largest.snr_db > LEAST_SNR_DB[mode]
    if mode != "fp16":
        # What stays floating point is listed with the reason.
        assert all(w.form != "float" or w.reason for w in packages[mode].sidecar.weights)
        assert all(w.form in ("linear", "palette") for w in weights if np.prod(w.shape) > 1000)


@pytest.mark.parametrize("mode, percent", [("prune-50", 0.5), ("prune-75", 0.75), ("prune-75-palette-4", 0.75)])
def test_pruned_weights_are_as_sparse_as_asked(mode: str, percent: float, packages: dict[str, Any]) -> None:
    for weight in packages[mode].sidecar.weights:
        if len(weight.shape) > 1 and not weight.reason:
            assert weight.sparsity == pytest.approx(percent, abs=0.001)


@pytest.mark.parametrize("mode, bound", [("fp32", 1e-5), ("fp16", 2e-3), ("int8", 5e-3), ("palette-6", 2e-2)])
def test_packages_answer_like_tensorflow(mode: str, bound: float, packages: dict[str, Any]) -> None:
    for case in packages[mode].sidecar.golden:
        np.testing.assert_allclose(case.package, case.reference, atol=bound)
        assert sum(case.reference) == pytest.approx(1, abs=1e-5)


def test_interface_and_metadata(packages: dict[str, Any]) -> None:
    from kewcore.runtime import load

    package = packages["int8"]
    model = load(package.path)
    assert [feature.name for feature in model.inputs] == ["image"]
    assert model.inputs[0].colour_space == "GRAYSCALE"
    assert [feature.name for feature in model.outputs] == ["classLabel", "classLabel_probs"]
    assert model.class_labels == ("leaf", "root", "seed")
    metadata = model.metadata
    assert (metadata.author, metadata.license) == ("nobody", "MIT")
    entries = dict(metadata.user_defined)
    assert entries["com.apple.coreml.model.preview.type"] == "imageClassifier"
    assert entries["kewcore.resize"] == "centre-crop"
    assert entries["kewcore.dataset_is_stand_in"] == "true"
    assert not any("date" in key for key in entries)


SCRIPT = """
import sys
from pathlib import Path
from kewcore_export.export import export_run
from kewcore_export.modes import parse_modes
export_run(Path(sys.argv[1]), parse_modes(["fp16,int8,palette-4"]), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_exporting_in_another_process_gives_the_same_bytes(
    packages: dict[str, Any], small_run: Path, tmp_path: Path
) -> None:
    out = packages["fp16"].path.parent.with_name("again")
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", SCRIPT, small_run, out], check=True, env=environment, capture_output=True)
    for mode in ("fp16", "int8", "palette-4"):
        first = packages[mode].path
        second = out / first.name
        assert sha256_tree(second) == sha256_tree(first)
        assert sha256_file(second.with_suffix(".json")) == sha256_file(first.with_suffix(".json"))
        assert sha256_file(second.with_suffix(".md")) == sha256_file(first.with_suffix(".md"))


def test_an_unchanged_package_is_left_alone(packages: dict[str, Any], small_run: Path) -> None:
    from kewcore_export.export import export_run

    package = packages["int8"]
    before = package.path.stat().st_mtime_ns
    (again,) = export_run(small_run, parse_modes(["int8"]), package.path.parent)
    assert again.unchanged
    assert package.path.stat().st_mtime_ns == before


def test_a_target_that_a_mode_cannot_serve_is_refused(small_run: Path, tmp_path: Path) -> None:
    from kewcore_export.export import export_run

    with pytest.raises(ExportError, match="mode int4 needs deployment target iOS18, got iOS16"):
        export_run(small_run, parse_modes(["int4"]), tmp_path / "out", deployment_target=TARGETS["iOS16"])
    assert not (tmp_path / "out").exists()


def test_damage_is_found_and_named(packages: dict[str, Any], tmp_path: Path) -> None:
    package = copied(packages["palette-4"].path, tmp_path)
    weights = package / "Data/com.apple.CoreML/weights/weight.bin"
    content = bytearray(weights.read_bytes())
    content[2000] ^= 1
    weights.write_bytes(bytes(content))
    (package / "extra").write_text("x")
    (golden_folder(package) / "KewCNN-original-palette-4-golden-00.png").unlink()
    problems = verify_package(package).problems
    assert problems[0] == "extra was not exported"
    assert problems[1].startswith("Data/com.apple.CoreML/weights/weight.bin has changed: sha256 ")
    assert problems[2] == "KewCNN-original-palette-4.golden/KewCNN-original-palette-4-golden-00.png is missing"


def copied(package: Path, folder: Path) -> Path:
    """Copies a package with its sidecar and golden cases."""
    for path in (package, package.with_suffix(".json"), golden_folder(package)):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    return folder / package.name


def change_class_name(value: dict[str, Any]) -> None:
    value["class_names"][0] = "bud"


def change_answer(value: dict[str, Any]) -> None:
    value["golden"][0]["package"][0] += 0.01


def drop_answer(value: dict[str, Any]) -> None:
    del value["golden"][1]["package"][0]


def rename_input(value: dict[str, Any]) -> None:
    value["input"]["name"] = "photo"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (change_answer, "golden probabilities differ by 0.01, more than 0.002"),
        (drop_answer, "the package gives 3 probabilities, the sidecar records another number"),
        (change_class_name, "the package has the labels leaf, root, seed, not bud, root, seed"),
        (rename_input, "no input is called 'photo'; inputs: 'image' (image GRAYSCALE 40x36)"),
    ],
)
def test_the_program_is_held_against_its_sidecar(
    change: Callable[[dict[str, Any]], None], problem: str, packages: dict[str, Any], tmp_path: Path
) -> None:
    package = copied(packages["fp16"].path, tmp_path)
    value = json.loads(package.with_suffix(".json").read_text())
    change(value)
    package.with_suffix(".json").write_text(json.dumps(value))
    assert verify_package(package).problems == (problem,)


def test_a_newer_target_gets_one_palette_a_channel_and_less_noise(
    packages: dict[str, Any], small_run: Path, tmp_path: Path
) -> None:
    from kewcore_export.export import export_run

    (newer,) = export_run(small_run, parse_modes(["palette-4"]), tmp_path, deployment_target=TARGETS["iOS18"])
    before, after = (
        max(package.sidecar.weights, key=lambda w: np.prod(w.shape)) for package in (packages["palette-4"], newer)
    )
    assert (before.granularity, after.granularity) == ("tensor", "channel")
    assert after.snr_db > before.snr_db
    assert verify_package(newer.path).problems == ()
