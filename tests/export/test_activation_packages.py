"""W8A8 packages of a small network: made, read by coremltools, run as integers, recorded, and refused with a reason."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import bench_bed
import numpy as np
import pytest
from made_runs import write_run

from kewcore.data.dataset import open_dataset
from kewcore.errors import DataError, ExportError, UnsupportedError
from kewcore.parity.agreement import compare
from kewcore.recipes import ExportRecipe, load_recipe
from kewcore_export.activations.images import calibration_images
from kewcore_export.activations.settings import CalibrationSettings
from kewcore_export.model_card import model_card
from kewcore_export.modes import parse_mode
from kewcore_export.package import WEIGHTS_FILE
from kewcore_export.sidecar import load_sidecar
from kewcore_export.verification import verify_package

pytestmark = pytest.mark.parity

SIDE, NAMES = bench_bed.SIDE, bench_bed.CLASS_NAMES
SETTINGS = CalibrationSettings(images=24)


def network(*, dead: bool = False, channels: int = 1) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((SIDE, SIDE, channels))
    value = layers.Rescaling(1 / 255)(image)
    value = layers.Conv2D(8, 3, padding="same", name="first")(value)
    value = layers.LeakyReLU(negative_slope=0.1)(value)
    value = layers.MaxPooling2D(4)(value)
    side = layers.Conv2D(8, 3, padding="same", activation="relu", name="second")(value)
    value = layers.Add()([value, side])
    value = layers.Concatenate()([value, layers.Conv2D(4, 1, activation="relu", name="third")(value)])
    value = layers.Flatten()(value)
    value = layers.Dense(16, activation="relu", name="hidden")(value)
    value = layers.Dense(64, activation="relu", name="tail")(value)
    model = keras.Model(image, layers.Dense(len(NAMES), activation="softmax", name="head")(value))
    first = model.get_layer("first")
    # Channels of very different size, as training leaves them.
    first.set_weights([w * np.geomspace(1, 0.05, 8) for w in first.get_weights()])
    if dead:
        hidden = model.get_layer("hidden")
        hidden.set_weights([hidden.get_weights()[0], np.full(16, -1e3)])
    return model


def taking(record: Any) -> dict[str, str]:
    """What the layers take, by their names in Keras."""
    names = ("first", "second", "third", "hidden", "tail", "head")
    return {name: one.takes for one in record.operations for name in names if name in one.name and one.type == "conv"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "patterns"
    bench_bed.write_dataset(root)
    return root


def run_of(folder: Path, data: Path, model: Any) -> Path:
    recipe = replace(load_recipe("kewcnn").data, classes=NAMES, height=SIDE, width=SIDE)
    fingerprint = open_dataset(data, recipe).fingerprint
    return write_run(folder, model, NAMES, size=(SIDE, SIDE), dataset=data, fingerprint=fingerprint)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("run") / "original", data, network())


@pytest.fixture(scope="module")
def packages(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from kewcore_export.export import export_run

    out = tmp_path_factory.mktemp("packages")
    modes = [parse_mode("fp16"), parse_mode("w8a8")]
    return {p.sidecar.mode: p for p in export_run(run, modes, out, calibration=SETTINGS)}


def test_the_card_says_how_activations_were_calibrated(packages: dict[str, Any]) -> None:
    record = packages["w8a8"].sidecar.activations
    card = packages["w8a8"].path.with_suffix(".md").read_text(encoding="utf-8")
    assert f"calibrated on {record.images} images (fingerprint `{record.images_sha256}`) by\n`mse`." in card
    assert f"of the logits {record.logits_snr_db:.1f}, in the table" in card
    tensors = {tensor.name: tensor for tensor in record.tensors}
    taking = [one for one in record.operations if one.takes == "int8"]
    assert taking
    for one in taking:
        tensor = tensors[one.input]
        assert f"| `{one.name}` | {one.type} | {tensor.dtype}, {tensor.low:.3g} to {tensor.high:.3g} | " in card
    kept = replace(taking[0], takes="float", together_db=None, reason="as asked")
    sidecar = replace(packages["w8a8"].sidecar, activations=replace(record, operations=(kept,)))
    about = ExportRecipe("nobody", "MIT", "1.0", "Tells patterns apart.")
    assert f"| `{kept.name}` | conv | float | exact | as asked |" in model_card(sidecar, about, 1)
    assert "Activations of 8 bits" not in packages["fp16"].path.with_suffix(".md").read_text(encoding="utf-8")


def exported(run: Path, out: Path, settings: CalibrationSettings = SETTINGS, **options: Any) -> Any:
    from kewcore_export.export import export_run

    return export_run(run, [parse_mode("w8a8")], out, calibration=settings, **options)[0]


def pixels_of(data: Path, part: str) -> np.ndarray:
    offset = {"test": 200, "train": 0}[part]
    return np.stack([bench_bed.draw(label, offset + index) for label in range(3) for index in range(10)])


def test_coremltools_reads_the_package(packages: dict[str, Any]) -> None:
    from kewcore.quiet import silenced_stderr
    from kewcore_export.coremltools_import import import_coremltools

    package = packages["w8a8"].path
    ct = import_coremltools()
    with silenced_stderr():
        from coremltools.converters.mil.frontend.milproto.load import load as load_mil

        spec = ct.models.MLModel(str(package), skip_model_load=True).get_spec()
        program = load_mil(spec, spec.specificationVersion, str(package / "Data/com.apple.CoreML/weights"))
    by_type: dict[str, list[Any]] = {}
    for op in program.functions["main"].operations:
        by_type.setdefault(op.op_type, []).append(op)
    record = packages["w8a8"].sidecar.activations
    assert spec.specificationVersion == 8
    assert len(by_type["quantize"]) == len(by_type["dequantize"]) == len(record.tensors)
    for op in by_type["dequantize"]:
        tensor = next(t for t in record.tensors if f"{t.name}_dequantized" == op.outputs[0].name)
        assert float(op.scale.val) == tensor.scale
        assert int(op.zero_point.val) == tensor.zero_point
    layers = by_type["conv"] + by_type.get("linear", [])
    assert all(op.x.op.op_type == "dequantize" for op in layers)
    assert all(op.weight.op.op_type.startswith("constexpr_") for op in layers if op.weight.val is None)
    (addition,) = by_type["add"]
    assert addition.x.op.op_type == addition.y.op.op_type == "dequantize"
    assert float(addition.x.op.scale.val) == float(addition.y.op.scale.val)


def test_it_answers_like_the_float_package_in_both_executors(packages: dict[str, Any], data: Path) -> None:
    from kewcore.runtime import PackageClassifier

    pixels = pixels_of(data, "test")
    exact = PackageClassifier(packages["fp16"].path).probabilities(pixels)
    for executor in ("onnx", "reference"):
        found = PackageClassifier(packages["w8a8"].path, executor).probabilities(pixels)  # type: ignore[arg-type]
        assert compare(exact, found).logit_snr_db > 25
        assert np.abs(found - exact).max() < 0.05


def test_products_are_integers(packages: dict[str, Any]) -> None:
    import onnx

    from kewcore.runtime.onnx_file import onnx_model

    kinds = [node.op_type for node in onnx.load_from_string(onnx_model(packages["w8a8"].path)).graph.node]
    assert kinds.count("ConvInteger") + kinds.count("MatMulInteger") >= 2


def test_the_package_is_sound_and_says_how_it_came_about(packages: dict[str, Any], run: Path) -> None:
    package = packages["w8a8"]
    assert verify_package(package.path).problems == ()
    assert load_sidecar(package.path) == package.sidecar
    record = package.sidecar.activations
    assert (record.method, record.images, record.symmetric, record.keep_float) == ("mse", 24, False, 0)
    assert taking(record) == dict.fromkeys(("first", "second", "third", "hidden", "tail", "head"), "int8")
    assert record.logits_snr_db > 25
    image = record.tensors[0]
    assert (image.dtype, image.zero_point, image.clipped) == ("uint8", 0, 0)
    assert "activations" not in json.loads(packages["fp16"].path.with_suffix(".json").read_text())
    assert package.sidecar.deployment_target == "iOS17"
    assert any("first" in name for name in record.equalized) is False  # an addition reads it too


def test_a_second_export_changes_nothing(packages: dict[str, Any], run: Path, tmp_path: Path) -> None:
    out = tmp_path / "packages"
    shutil.copytree(packages["w8a8"].path.parent, out)
    # The path from packages to run is no input.
    assert exported(run, out).unchanged
    again = exported(run, out, force=True)
    # Names of constants that the conversion made up may differ; ranges, costs and weights may not.
    weights = WEIGHTS_FILE.as_posix()
    assert again.sidecar.files[weights] == packages["w8a8"].sidecar.files[weights]
    assert again.sidecar.activations == packages["w8a8"].sidecar.activations
    assert not exported(run, out, replace(SETTINGS, method="min-max", symmetric=True, keep_float=2)).unchanged
    changed = load_sidecar(again.path).activations
    assert changed is not None
    assert sum(one.takes == "float" for one in changed.operations) >= 2
    assert {t.zero_point for t in changed.tensors} == {0}


def test_a_dead_layer_stays_float(data: Path, tmp_path: Path) -> None:
    package = exported(run_of(tmp_path / "run", data, network(dead=True)), tmp_path / "out")
    (tail,) = [one for one in package.sidecar.activations.operations if "tail" in one.name]
    assert tail.takes == "float"
    assert tail.reason.endswith("is zero on all calibration images")


def test_what_is_left_of_a_shared_range_may_be_dead(data: Path, tmp_path: Path) -> None:
    """An addition lends the dead layer a range; once it takes floats, what reads that layer has none."""
    model = network_with_a_dead_branch()
    package = exported(run_of(tmp_path / "run", data, model), tmp_path / "out", replace(SETTINGS, keep_float=5))
    operations = {one.name: one for one in package.sidecar.activations.operations}
    (addition,) = [one for one in operations.values() if one.type == "add"]
    (behind,) = [one for name, one in operations.items() if "behind" in name and one.type == "conv"]
    assert addition.reason == "one of the 5 that cost most, as asked"
    assert behind.takes == "float"
    assert behind.alone_db is None  # inf, as it was judged with the range of the addition
    assert behind.reason == f"its input '{behind.input}' is zero on all calibration images"


def network_with_a_dead_branch() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(4)
    image = keras.Input((SIDE, SIDE, 1))
    value = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(layers.Rescaling(1 / 255)(image))
    value = layers.MaxPooling2D(4)(value)
    dead = layers.Conv2D(8, 3, padding="same", activation="relu", name="dead")(value)
    beside = layers.Conv2D(8, 3, padding="same", activation="relu", name="beside")(layers.Add()([value, dead]))
    behind = layers.Conv2D(8, 3, padding="same", activation="relu", name="behind")(dead)
    value = layers.Flatten()(layers.Concatenate()([beside, behind]))
    value = layers.Dense(16, activation="relu", name="tail")(value)
    model = keras.Model(image, layers.Dense(len(NAMES), activation="softmax", name="head")(value))
    layer = model.get_layer("dead")
    layer.set_weights([layer.get_weights()[0], np.full(8, -1e3)])
    return model


def test_data_that_is_gone_or_changed_is_refused(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    run = run_of(tmp_path / "run", copy, network())
    (copy / "train" / "grey" / "0.png").unlink()
    with pytest.raises(DataError, match="has changed since the run") as changed:
        exported(run, tmp_path / "out")
    assert "--calibration" in (changed.value.hint or "")
    shutil.rmtree(copy)
    with pytest.raises(DataError, match="which is no longer there") as gone:
        exported(run, tmp_path / "out")
    assert gone.value.hint == "give a folder of images with --calibration DIR"
    assert not list((tmp_path / "out").glob("*.mlpackage"))
    assert exported(run, tmp_path / "out", replace(SETTINGS, folder=data)).sidecar.activations.folder == str(data)


def test_too_few_images_and_missing_classes_are_refused(run: Path, data: Path, tmp_path: Path) -> None:
    for count in (4, 1000):
        with pytest.raises(DataError, match=f"at most the 48 of the training part .* asked for {count}"):
            exported(run, tmp_path / "out", CalibrationSettings(images=count))
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    shutil.rmtree(copy / "train" / "grey")
    with pytest.raises(DataError, match="grey"):
        exported(run, tmp_path / "out", CalibrationSettings(folder=copy, images=24))


def test_images_are_stratified_and_never_of_the_test_part(run: Path, data: Path) -> None:
    from kewcore.training.run import load_run

    found = calibration_images(load_run(run), CalibrationSettings(images=11))
    assert sorted(np.bincount([item.class_index for item in found.items])) == [3, 4, 4]
    assert all(item.path.parent.parent.name == "train" for item in found.items)
    assert found.items == calibration_images(load_run(run), CalibrationSettings(images=11)).items
    other = calibration_images(load_run(run), CalibrationSettings(images=11, seed=1))
    assert other.fingerprint != found.fingerprint
    assert len(found.some(4).items) == 4


def test_activations_that_are_not_finite_are_refused(data: Path, tmp_path: Path) -> None:
    model = network()
    hidden = model.get_layer("hidden")
    hidden.set_weights([hidden.get_weights()[0] * 7e5, hidden.get_weights()[1]])
    with pytest.raises(ExportError, match="holds NaN or infinity for calibration image 1"):
        exported(run_of(tmp_path / "run", data, model), tmp_path / "out")


def test_colour_models_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="greyscale images only"):
        exported(run_of(tmp_path / "run", data, network(channels=3)), tmp_path / "out")


def test_older_targets_are_refused(run: Path, tmp_path: Path) -> None:
    from kewcore_export.targets import TARGETS

    with pytest.raises(ExportError, match="mode w8a8 needs deployment target iOS17, got iOS16"):
        exported(run, tmp_path, deployment_target=TARGETS["iOS16"])
