"""Drift is located: layers and values are lined up in rewritten packages of any mode, and a fault is named."""

import gc
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bench_bed
import numpy as np
import pytest
from bench_bed import CLASS_NAMES, SIDE, Bed
from made_runs import write_run

from kewcore.data.dataset import open_dataset
from kewcore.parity.drift import LayerDrift, worst_first
from kewcore.recipes import load_recipe
from kewcore_bench.depth.channel_gains import channel_gain
from kewcore_bench.depth.drift import measure_drift
from kewcore_export.activations.settings import CalibrationSettings
from kewcore_export.rewrites.settings import AS_CONVERTED

pytestmark = pytest.mark.parity

Export = Callable[..., dict[str, Path]]


def network(fault: str | None = None, *, at: tuple[Any, ...] = (), factor: float = 1.5) -> Any:
    """Layers that exports merge, move, fuse and leave out; the weights `at` of one layer may be scaled."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((SIDE, SIDE, 1))
    value = layers.Rescaling(1 / 255, name="scale")(image)
    value = layers.Conv2D(8, 3, padding="same", name="first")(value)
    value = layers.BatchNormalization(name="norm")(value)
    value = layers.LeakyReLU(negative_slope=0.1, name="leak")(value)
    value = layers.MaxPooling2D(4, name="pool")(value)
    side = layers.Conv2D(8, 3, padding="same", activation="relu", name="second")(value)
    value = layers.Add(name="sum")([value, side])
    value = layers.Flatten(name="flat")(value)
    value = layers.Dense(64, name="hidden")(value)
    value = layers.Dropout(0.5, name="drop")(value)
    value = layers.ReLU(name="bend")(value)
    value = layers.Dense(64, activation="relu", name="tail")(value)
    model = keras.Model(image, layers.Dense(len(CLASS_NAMES), activation="softmax", name="head")(value))
    rng = np.random.default_rng(2)
    model.set_weights([w + rng.normal(0.05, 0.02, w.shape) if w.ndim == 1 else w for w in model.get_weights()])
    if fault is not None:
        layer = model.get_layer(fault)
        weights = layer.get_weights()
        weights[0][at] *= factor
        layer.set_weights(weights)
    return model


@pytest.fixture(scope="module")
def export(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Exports a network, and gives its packages by mode; under `run` the folder of its run."""
    from kewcore_export.export import export_run
    from kewcore_export.modes import parse_modes

    recipe = replace(load_recipe("kewcnn").data, classes=CLASS_NAMES, height=SIDE, width=SIDE)
    fingerprint = open_dataset(bed.data, recipe).fingerprint

    def exported(model: Any, modes: str, **options: Any) -> dict[str, Path]:
        root = tmp_path_factory.mktemp("drift")
        run = write_run(root / "run", model, CLASS_NAMES, size=(SIDE, SIDE), dataset=bed.data, fingerprint=fingerprint)
        if "w8a8" in modes:
            options["calibration"] = CalibrationSettings(images=24)
        with warnings.catch_warnings():
            # coremltools leaves the removal of its temporary folders to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            packages = export_run(run, parse_modes([modes]), root / "packages", **options)
            gc.collect()
        return {"run": run} | {one.sidecar.mode: one.path for one in packages}

    return exported


@pytest.fixture(scope="module")
def clean(export: Export) -> dict[str, Path]:
    return export(network(), "fp16,w8a8")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.stack([bench_bed.draw(index % 3, index) for index in range(4)])


def by_name(rows: tuple[LayerDrift, ...]) -> dict[str, LayerDrift]:
    return {one.layer: one for one in rows}


def test_layers_are_lined_up_with_what_the_rewritten_package_computes(
    clean: dict[str, Path], pixels: np.ndarray
) -> None:
    rows = measure_drift(clean["run"], clean["fp16"], pixels)
    names = [
        "scale",
        "first",
        "norm",
        "leak",
        "pool",
        "second",
        "sum",
        "flat",
        "hidden",
        "drop",
        "bend",
        "tail",
        "head",
    ]
    assert [one.layer for one in rows] == names
    found = by_name(rows)
    # The convolution takes up the normalisation; pooling comes before LeakyReLU; Dense over a map flattens nothing.
    merged = {one.layer: one.merged_with for one in rows if one.value is None}
    assert merged == {"first": "norm", "leak": "pool", "flat": "hidden", "drop": "bend"}
    assert found["norm"].covers == ("first", "norm")
    assert (found["second"].kind, found["second"].shape) == ("Conv2D", (8, 8, 8))
    assert "second_1_Relu" in str(found["second"].value)
    assert "hidden_1_BiasAdd" in str(found["hidden"].value)
    for one in rows:
        if one.value is not None:
            assert one.own_snr_db is not None
            assert one.own_snr_db > 55  # fp16 rounds with about 74 dB.
            assert one.snr_db is not None
            assert one.worst_channel_snr_db is not None
            assert one.worst_channel_snr_db <= one.own_snr_db


def test_the_last_layer_has_the_snr_of_the_probabilities(clean: dict[str, Path], pixels: np.ndarray) -> None:
    from kewcore.models.reference import KerasClassifier
    from kewcore.runtime import PackageClassifier

    wanted = KerasClassifier(clean["run"]).probabilities(pixels).astype(float)
    got = PackageClassifier(clean["fp16"], "reference").probabilities(pixels)
    expected = 10 * np.log10((wanted**2).sum() / ((wanted - got) ** 2).sum())
    found = by_name(measure_drift(clean["run"], clean["fp16"], pixels, executor="reference"))
    assert found["head"].snr_db == pytest.approx(expected, abs=0.5)


def test_scaled_channels_of_w8a8_are_no_drift(clean: dict[str, Path], pixels: np.ndarray) -> None:
    rows = measure_drift(clean["run"], clean["w8a8"], pixels)
    assert all(one.own_snr_db > 30 for one in rows if one.own_snr_db is not None)


@pytest.mark.parametrize(("fault", "modes"), [("second", "int8,palette-4"), ("hidden", "w8a8,rank-60-int8")])
def test_a_planted_fault_is_named_by_its_layer(
    clean: dict[str, Path], export: Export, pixels: np.ndarray, fault: str, modes: str
) -> None:
    packages = export(network(fault), modes)
    for mode in modes.split(","):
        worst, second_worst, *_ = worst_first(measure_drift(clean["run"], packages[mode], pixels))
        assert fault in worst.covers, mode
        assert worst.own_snr_db is not None
        assert worst.own_snr_db == pytest.approx(7, abs=2)  # 1 / 0.5² is 6 dB; bias and activation add to it.
        assert second_worst.own_snr_db is not None
        assert second_worst.own_snr_db > worst.own_snr_db + 6, mode


def test_a_single_wrong_weight_is_named_with_its_channel(
    clean: dict[str, Path], export: Export, pixels: np.ndarray
) -> None:
    largest = np.abs(network().get_layer("second").get_weights()[0][..., 5]).argmax()
    at = (*np.unravel_index(largest, (3, 3, 8)), 5)
    packages = export(network("second", at=at), "fp16")
    worst = worst_first(measure_drift(clean["run"], packages["fp16"], pixels))[0]
    assert (worst.layer, worst.worst_channel) == ("second", 5)


def test_packages_as_converted_are_lined_up_too(export: Export, pixels: np.ndarray) -> None:
    packages = export(network(), "fp16", rewrites=AS_CONVERTED)
    rows = measure_drift(packages["run"], packages["fp16"], pixels)
    assert all(one.own_snr_db > 55 for one in rows if one.own_snr_db is not None)
    assert by_name(rows)["hidden"].value is not None
    assert by_name(rows)["leak"].value is not None or by_name(rows)["leak"].merged_with == "pool"


def test_gains_are_read_from_biases_and_where_there_is_none_from_maps() -> None:
    factors = np.array([0.25, 3.0, 1.5], np.float32)
    bias = np.array([0.5, -0.125, 0.0], np.float32)
    expected = np.random.default_rng(0).normal(size=(1, 9, 9, 3)).astype(np.float32)
    found = channel_gain(bias, bias * factors, 2 * expected * factors, expected)
    assert found is not None
    # A fault that doubles all weights does not change what the biases say; the last channel has no bias to tell by.
    np.testing.assert_allclose(found, [0.25, 3.0, 3.0], rtol=1e-6)
    found = channel_gain(None, None, expected * factors, expected)
    assert found is not None
    np.testing.assert_allclose(found, factors, rtol=1e-6)
    assert channel_gain(None, None, expected[:, 0, 0] * factors, expected[:, 0, 0]) is None


def test_layers_called_twice_and_models_inside_are_lined_up(export: Export, pixels: np.ndarray) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    body = keras.Sequential(
        [keras.Input((SIDE, SIDE, 1)), layers.Conv2D(6, 3), layers.ReLU(), layers.GlobalAveragePooling2D()], name="body"
    )
    image = keras.Input((SIDE, SIDE, 1))
    twice = layers.Dense(6, activation="relu", name="twice")
    value = twice(twice(body(layers.Rescaling(1 / 255, name="scale")(image))))
    model = keras.Model(image, layers.Dense(len(CLASS_NAMES), name="head")(value))  # Exports add the softmax.
    packages = export(model, "fp16")
    rows = measure_drift(packages["run"], packages["fp16"], pixels)
    assert [one.layer for one in rows] == ["scale", "body", "twice", "twice#2", "head"]
    assert all(one.own_snr_db is not None and one.own_snr_db > 50 for one in rows)
