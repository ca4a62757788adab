"""Keras networks converted by coremltools, in both executors, against TensorFlow on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kewcore.runtime import PackageClassifier, load

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]
NAMES = ["flower", "fruit", "leaf"]


def network() -> Any:
    """Small, but with the layers of the usual classifiers: strides, depthwise, batch norm, gates, pools, branches."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(14)
    image = keras.Input((33, 30, 1), name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 5, strides=2, padding="same")(x)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    y = layers.SeparableConv2D(8, 3, dilation_rate=2, padding="same", activation="swish")(y)
    gate = layers.Dense(8, activation="hard_sigmoid")(layers.GlobalAveragePooling2D()(y))
    y = layers.Multiply()([y, layers.Reshape((1, 1, 8))(gate)])
    x = layers.Add()([x, y])
    z = layers.Conv2D(4, (3, 1), activation="tanh")(layers.ZeroPadding2D(1)(x))
    z = layers.Cropping2D(((0, 0), (1, 1)))(z)
    z = layers.UpSampling2D(2)(layers.AveragePooling2D(2, padding="same")(z))
    z = layers.Conv2D(4, 3, strides=2, padding="same", activation="elu")(z)
    x = layers.Concatenate()([x, layers.Resizing(9, 8, interpolation="bilinear")(z)])
    x = layers.Conv2D(6, 3, activation="softplus")(x)
    x = layers.LayerNormalization()(x)
    x = layers.Concatenate()([layers.Flatten()(x), layers.GlobalMaxPooling2D()(x)])
    x = layers.PReLU()(layers.Dense(16)(x)[:, None, :])[:, 0]
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.Dropout(0.5)(x)))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    """A folder with a package a precision, images, and TensorFlow's probabilities."""
    ct = pytest.importorskip("coremltools")
    model, folder = network(), tmp_path_factory.mktemp("keras")
    rng = np.random.default_rng(15)
    for variable in model.variables:
        if variable.path.endswith(("gamma", "moving_variance")):
            variable.assign(rng.uniform(0.7, 1.4, variable.shape))
        elif variable.path.endswith(("beta", "bias", "moving_mean")):
            variable.assign(rng.normal(0, 0.2, variable.shape))
    pixels = rng.integers(0, 256, (4, 33, 30)).astype(np.uint8)
    expected = np.asarray(model(pixels[..., None].astype(np.float32), training=False))
    for name, precision in (("fp16", ct.precision.FLOAT16), ("fp32", ct.precision.FLOAT32)):
        converted = ct.convert(
            model,
            source="tensorflow",
            convert_to="mlprogram",
            inputs=[ct.ImageType(name="image", shape=(1, 33, 30, 1), color_layout=ct.colorlayout.GRAYSCALE)],
            classifier_config=ct.ClassifierConfig(NAMES),
            minimum_deployment_target=ct.target.iOS16,
            compute_precision=precision,
        )
        converted.save(str(folder / f"{name}.mlpackage"))
    return folder, pixels, expected


@pytest.mark.parametrize("executor", ["reference", "onnx"])
@pytest.mark.parametrize(("name", "tolerance"), [("fp32", 1e-5), ("fp16", 5e-3)])
def test_probabilities_are_those_of_tensorflow(judged: Any, name: str, tolerance: float, executor: Any) -> None:
    folder, pixels, expected = judged
    assert float(np.ptp(expected, axis=0).min()) > 10 * 1e-5, "the network must tell the images apart"
    classifier = PackageClassifier(folder / f"{name}.mlpackage", executor)
    assert classifier.class_names == tuple(NAMES)
    np.testing.assert_allclose(classifier.probabilities(pixels), expected, rtol=0, atol=tolerance)


def test_nothing_falls_back_but_classify(judged: Any) -> None:
    for name in ("fp16", "fp32"):
        model = load(judged[0] / f"{name}.mlpackage", "onnx")
        assert [p.operation.type for p in model.placements if p.executor == "reference"] == ["classify"]


def test_every_traced_value_agrees_between_executors(judged: Any) -> None:
    folder, pixels, _ = judged
    traces = [
        load(folder / "fp32.mlpackage", executor).trace({"image": pixels[0]}) for executor in ("reference", "onnx")
    ]
    assert list(traces[0]) == list(traces[1])
    for name, value in traces[0].items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            np.testing.assert_allclose(traces[1][name], value, rtol=1e-4, atol=1e-5, err_msg=name)
