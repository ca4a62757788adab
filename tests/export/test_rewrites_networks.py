"""Networks as Keras users have them, exported for the Neural Engine and as they are: equal answers, other forms."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_programs import answer, applied, kinds, program
from small_networks import small_network

from kewcore.ane.chips import Chip
from kewcore.errors import ExportError
from kewcore.runtime import load
from kewcore_export.conversion import mil_program
from kewcore_export.export import export_run
from kewcore_export.golden import reference_probabilities
from kewcore_export.keras_graph import classifier_graph
from kewcore_export.modes import parse_modes
from kewcore_export.rewrites import rewriting
from kewcore_export.rewrites.catalogue import REWRITES
from kewcore_export.rewrites.rewriting import rewritten
from kewcore_export.rewrites.settings import rewrite_settings
from kewcore_export.sidecar import load_sidecar
from kewcore_export.targets import TARGETS

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("mil")]

FALLS_OFF = {"linear", "matmul", "transpose", "reshape"}
"""What the rules send elsewhere, or what they say is slow."""


def sequential(shape: tuple[int, ...], *stack: Any) -> Any:
    import keras

    keras.utils.set_random_seed(8)
    model = keras.Sequential([keras.Input(shape), *stack])
    generator = np.random.default_rng(0)
    # Biases and statistics of freshly made layers say nothing: they are zero and one.
    model.set_weights(
        [w + np.abs(generator.normal(0, 0.1, w.shape)) if w.ndim == 1 else w for w in model.get_weights()]
    )
    return model


def vgg_like() -> Any:
    from keras import layers

    return sequential(
        (37, 29, 3),
        layers.Rescaling(1 / 255),
        layers.Conv2D(6, 3, padding="same", activation="relu"),
        layers.Conv2D(6, 3, padding="same", activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(20, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10, activation="relu"),
        layers.Dense(3, activation="softmax"),
    )


def global_average() -> Any:
    from keras import layers

    return sequential(
        (31, 33, 3),
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.Conv2D(8, 3, strides=2, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPool2D(3, 2, padding="same"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.Dense(3),
    )


def perceptron() -> Any:
    from keras import layers

    return sequential(
        (19, 23, 1),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(12, activation="gelu"),
        layers.Dense(7, activation="tanh"),
        layers.Dense(3, activation="softmax"),
    )


def dense_on_maps() -> Any:
    from keras import layers

    return sequential(
        (20, 17, 2 + 1),
        layers.Rescaling(1 / 255),
        layers.Conv2D(5, 3),
        layers.Dense(6, activation="relu"),
        layers.Dense(4, activation="sigmoid"),
        layers.MaxPool2D(8),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    )


def squeeze_and_excitation() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(8)
    image = keras.Input((24, 24, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(image))
    gate = layers.Dense(8, activation="sigmoid")(layers.Dense(4, activation="relu")(layers.GlobalMaxPooling2D()(x)))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 8))(gate)])
    head = layers.GlobalAveragePooling2D()(x)
    joined = layers.Concatenate()([head, layers.Dense(5)(head)])
    return keras.Model(image, layers.Dense(3, activation="softmax")(joined))


NETWORKS: dict[str, Callable[[], Any]] = {
    "kewcnn": small_network,
    "vgg": vgg_like,
    "global average": global_average,
    "perceptron": perceptron,
    "dense on maps": dense_on_maps,
    "squeeze and excitation": squeeze_and_excitation,
}


def assert_alike(model: Any, **settings: Any) -> None:
    """Converts a network once, and compares what it answers before and after."""
    graph = classifier_graph(model)
    before = mil_program(graph, TARGETS["iOS15"])
    after, _ = rewritten(before, rewrite_settings(**settings))
    assert set(kinds(before)) & FALLS_OFF
    assert not set(kinds(after)) & FALLS_OFF
    assert kinds(after)[-2:] == ["softmax", "squeeze"]
    image = np.random.default_rng(0).integers(0, 256, (1, graph.channels, graph.height, graph.width))
    image = image.astype(np.float32)
    np.testing.assert_allclose(answer(after, image), answer(before, image), atol=2e-6)
    expected = reference_probabilities(graph, [image[0].transpose(1, 2, 0).astype(np.uint8)])
    np.testing.assert_allclose(answer(after, image, "onnx"), expected, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_answer_alike(name: str) -> None:
    assert_alike(NETWORKS[name]())


@pytest.mark.slow
def test_mobilenet_v2_answers_alike() -> None:
    import keras

    keras.utils.set_random_seed(3)
    assert_alike(keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, weights=None, classes=3))


def test_everything_at_once_for_the_oldest_chip() -> None:
    assert_alike(vgg_like(), min_chip="M1", enable=["strips,pool-strides-of-2"], disable=["pool-before-activation"])


def test_compressed_convolutions_have_their_channels_in_front(small_run: Path, tmp_path: Path) -> None:
    modes = parse_modes(["int8", "palette-4", "prune-50", "int4", "prune-75-palette-4"])
    image = np.random.default_rng(0).integers(0, 256, (40, 36), np.uint8)
    for package in export_run(small_run, modes, tmp_path, deployment_target=TARGETS["iOS18"]):
        large = next(weight for weight in package.sidecar.weights if weight.shape == (96, 7, 10, 9))
        assert large.op_type == "conv"
        assert large.form != "float"
        first, second = (
            load(package.path, executor).predict({"image": image})["classLabel_probs"]
            for executor in ("reference", "onnx")
        )
        assert list(first.values()) == pytest.approx(list(second.values()), abs=2e-3)


def test_sidecar_metadata_and_card_say_what_was_applied(small_run: Path, tmp_path: Path) -> None:
    (as_converted,) = export_run(small_run, parse_modes(["fp16"]), tmp_path / "any", rewrites=rewrite_settings("any"))
    settings = rewrite_settings(min_chip="a15")
    (package,) = export_run(small_run, parse_modes(["fp16"]), tmp_path / "ane", rewrites=settings)
    engine = load_sidecar(package.path).engine
    assert engine is not None
    assert (engine.target, engine.min_chip) == ("ane", "A15")
    names = "channels-first,dense-over-map,dense-as-conv,channel-layout,pool-before-activation"
    assert list(engine.rewrites) == names.split(",")
    assert engine.rewrites["dense-over-map"][0].endswith("96 kernels of 10x9 over [1, 7, 10, 9]")
    facts = load(package.path).metadata.user_defined
    assert (facts["kewcore.target"], facts["kewcore.min_chip"], facts["kewcore.rewrites"]) == ("ane", "A15", names)
    card = package.path.with_suffix(".md").read_text(encoding="utf-8")
    assert f"from A15 on, exactly but for the rounding of fp16: {', '.join(engine.rewrites)}." in card
    assert as_converted.sidecar.engine is not None
    assert as_converted.sidecar.engine.rewrites == {}
    assert load(as_converted.path).metadata.user_defined["kewcore.target"] == "any"
    differences = [
        np.subtract(case.package, other.package)
        for case, other in zip(package.sidecar.golden, as_converted.sidecar.golden, strict=True)
    ]
    assert np.abs(differences).max() <= 2e-3  # the rounding of fp16
    assert "rewritten" not in as_converted.path.with_suffix(".md").read_text(encoding="utf-8")


def test_other_settings_make_another_package(small_run: Path, tmp_path: Path) -> None:
    modes = parse_modes(["fp16"])
    default, other = rewrite_settings(), rewrite_settings(disable=["dense-as-conv"])
    assert not export_run(small_run, modes, tmp_path)[0].unchanged
    assert export_run(small_run, modes, tmp_path, rewrites=default)[0].unchanged
    assert not export_run(small_run, modes, tmp_path, rewrites=other)[0].unchanged


def test_rewrites_that_find_no_end_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def restless(block: Any, chip: Chip) -> list[str]:
        return [f"again for {chip.name}"]

    monkeypatch.setattr(rewriting, "REWRITES", (*REWRITES, replace(REWRITES[0], name="endless", apply=restless)))
    relu = program((1, 3, 8, 8), lambda b, x: b.relu(x=x))
    with pytest.raises(ExportError, match="rounds of rewrites over the graph, endless still found places") as caught:
        applied(relu, "pool-strides", "endless")
    assert str(caught.value.hint).endswith("--disable-rewrite endless")
