"""Keras classifiers of many kinds convert and answer alike; those that cannot are refused by name."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import write_run
from small_networks import CLASS_NAMES, small_network

from kewcore.errors import ExportError, UnsupportedError
from kewcore_export.conversion import converted
from kewcore_export.export import export_run
from kewcore_export.exported_package import ExportedPackage
from kewcore_export.keras_graph import classifier_graph
from kewcore_export.modes import parse_modes
from kewcore_export.targets import TARGETS

pytestmark = pytest.mark.parity


def exported(run: Path, mode: str = "fp32") -> ExportedPackage:
    (package,) = export_run(run, parse_modes([mode]), run.parent / "packages")
    return package


def assert_alike(package: ExportedPackage, bound: float) -> None:
    for case in package.sidecar.golden:
        np.testing.assert_allclose(case.package, case.reference, atol=bound)
        assert sum(case.package) == pytest.approx(1, abs=5e-3)


def functional(*layers: Any, shape: tuple[int, ...] = (32, 32, 3)) -> Any:
    import keras

    image = keras.Input(shape)
    output = image
    for layer in layers:
        output = layer(output)
    return keras.Model(image, output)


def test_logits_get_a_softmax_and_the_sidecar_says_so(run_of: Callable[..., Path]) -> None:
    package = exported(run_of(small_network(softmax=False)))
    assert package.sidecar.softmax_added
    assert_alike(package, 1e-5)


def test_colour_images(run_of: Callable[..., Path]) -> None:
    package = exported(run_of(small_network(channels=3)), "int8")
    assert (package.sidecar.input.colour, package.sidecar.input.channels) == ("rgb", 3)
    assert_alike(package, 1e-2)


@pytest.mark.slow
def test_mobilenet_v2(run_of: Callable[..., Path]) -> None:
    import keras

    keras.utils.set_random_seed(3)
    model = keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, weights=None, classes=3)
    package = exported(run_of(model), "int8")
    assert_alike(package, 2e-2)
    kinds = {w.op_type for w in package.sidecar.weights if w.form == "linear"}
    assert "conv" in kinds


def test_batch_normalisation_and_exact_gelu(run_of: Callable[..., Path]) -> None:
    from keras import layers

    model = functional(
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.Conv2D(8, 3, strides=2, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("gelu"),
        layers.DepthwiseConv2D(3),
        layers.LayerNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    )
    generator = np.random.default_rng(0)
    model.set_weights([w + np.abs(generator.normal(0, 0.1, w.shape)) for w in model.get_weights()])
    assert_alike(exported(run_of(model)), 1e-5)


def test_random_layers_that_are_active_at_inference_are_refused_by_name() -> None:
    import keras
    from keras import layers

    model = functional(
        layers.Lambda(lambda x: x + keras.random.uniform((32, 32, 3)), name="shake"),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    )
    with pytest.raises(UnsupportedError, match=r"the model draws random numbers at inference, in shake") as caught:
        classifier_graph(model)
    assert caught.value.hint is not None
    assert "training=True" in caught.value.hint


@pytest.mark.parametrize("training", [None, True])
def test_augmentation_layers_leave_no_trace(training: bool | None, run_of: Callable[..., Path]) -> None:
    import keras
    from keras import layers

    image = keras.Input((16, 16, 1))
    shaken = layers.RandomRotation(0.5)(layers.RandomFlip()(image, training=training), training=training)
    model = keras.Model(image, layers.Dense(3, activation="softmax")(layers.Flatten()(shaken)))
    package = exported(run_of(model))
    assert_alike(package, 1e-5)
    assert_alike(exported(package.path.parent.parent / "run"), 1e-5)


def test_what_is_no_classifier_is_refused_with_the_reason(tmp_path: Path) -> None:
    import keras
    from keras import layers

    cases: list[tuple[Any, type[Exception], str]] = [
        (
            functional(layers.Flatten(), layers.Dense(3, activation="sigmoid")),
            UnsupportedError,
            "the model ends in a sigmoid",
        ),
        (functional(layers.Conv2D(3, 3)), UnsupportedError, "a classifier must have one output [N, classes]"),
        (
            functional(layers.GlobalAveragePooling2D(), layers.Dense(3), shape=(None, None, 3)),
            UnsupportedError,
            "the model's input must be images [N, H, W, 1 or 3] of fixed size, got shape [None, None, None, 3]",
        ),
        (functional(layers.Dense(3), shape=(7,)), UnsupportedError, "the model's input must be images"),
        (
            functional(layers.Flatten(), layers.Dense(4)),
            ExportError,
            "the model has 4 outputs, but the run names 3 classes",
        ),
    ]
    left, right = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    two = keras.Model([left, right], layers.Dense(3)(layers.Flatten()(left + right)))
    cases.append((two, UnsupportedError, "a classifier must have one input, the image; this model has 2"))
    for number, (model, kind, message) in enumerate(cases):
        run = write_run(tmp_path / str(number) / "run", model, CLASS_NAMES)
        with pytest.raises(kind, match=re.escape(message)):
            exported(run)


def test_an_operation_without_counterpart_is_named() -> None:
    from keras import layers, ops

    model = functional(
        layers.Flatten(),
        layers.Dense(3),
        layers.Lambda(ops.erfinv, output_shape=(3,)),
        layers.Softmax(),
        shape=(8, 8, 1),
    )
    with (
        pytest.raises(UnsupportedError, match=r"coremltools cannot convert this model: .*Erfinv"),
        converted(classifier_graph(model), CLASS_NAMES, TARGETS["iOS15"]),
    ):
        pass


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(value: float, run_of: Callable[..., Path]) -> None:
    model = small_network()
    weights = model.get_weights()
    weights[4][:2, 0] = value
    model.set_weights(weights)
    run = run_of(model)
    with pytest.raises(
        ExportError, match=r"weight '.*dense.*/kernel' \[630, 96\] holds 2 values that are NaN or"
    ) as caught:
        exported(run, "int8")
    assert "the training has diverged" in str(caught.value.hint)
    assert list((run.parent / "packages").glob("*")) == []


def test_weights_beyond_fp16_need_fp32(run_of: Callable[..., Path]) -> None:
    model = small_network()
    weights = model.get_weights()
    weights[4][0, 0] = 1e6
    model.set_weights(weights)
    run = run_of(model)
    for mode in ("fp16", "int8"):
        with pytest.raises(ExportError, match=f"holds 1e\\+06, but mode {mode} computes in fp16, which ends at 65504"):
            exported(run, mode)
    assert exported(run, "fp32").sidecar.weights[4].snr_db is None
