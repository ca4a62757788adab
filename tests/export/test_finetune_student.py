"""The program of a package in TensorFlow answers like the Keras model that it was converted from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_networks import CLASS_NAMES, small_network

from kewcore.errors import UnsupportedError
from kewcore_export.compressed_program import CompressedProgram, compress_program
from kewcore_export.compression import choose_forms
from kewcore_export.conversion import converted
from kewcore_export.finetune.opened import opened
from kewcore_export.forms import FLOAT16, WeightForm, parse_form
from kewcore_export.keras_graph import classifier_graph
from kewcore_export.rewrites.settings import AS_CONVERTED, RewriteSettings, rewrite_settings
from kewcore_export.targets import TARGETS

pytestmark = pytest.mark.parity

NOISE = np.random.default_rng(7).integers(0, 100, (3, 40, 36))
PIXELS = (NOISE + np.array([0, 80, 155])[:, None, None]).astype(np.uint8)  # dark, grey and bright


def compressed(model: Any, form: WeightForm = FLOAT16, rewrites: RewriteSettings = AS_CONVERTED) -> CompressedProgram:
    with converted(classifier_graph(model), CLASS_NAMES, TARGETS["iOS18"], rewrites) as conversion:
        program = conversion.by_float_bits[16]
        choices = choose_forms(program.constants, form)
        made = compress_program(program, conversion.float32, choices, TARGETS["iOS18"])
        return made if made.source is None else _detached(made)


def _detached(program: CompressedProgram) -> CompressedProgram:
    """Keeps what is stored, as the converted program's files go with the conversion."""
    from kewcore_export.compressed_program import with_stored
    from kewcore_export.quantizers.compressed import RoundedWeight

    plain = [plan.constant.name for plan in program.plans if plan.compressed is None]
    return with_stored(program, {name: RoundedWeight(program.float32[name].astype(np.float16)) for name in plain})


def mixed_network() -> Any:
    """Layers that KewCNN lacks: depthwise kernels, dilations, strides, branches, means, many activations."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(9)
    image = keras.Input((40, 36, 1))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6")(x)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="silu")(x)
    a = layers.Conv2D(8, 3, padding="same", activation="tanh")(x)
    b = layers.Conv2D(8, 3, dilation_rate=2, padding="same", activation="sigmoid")(x)
    x = layers.Concatenate()([layers.Add()([a, b]), layers.AveragePooling2D(3, 1, padding="same")(x)])
    x = layers.ZeroPadding2D(((1, 0), (0, 1)))(x)
    x = layers.MaxPool2D(2, padding="same")(x)
    x = layers.Conv2D(6, 1, activation="gelu")(x)
    x = layers.Multiply()([x, layers.Conv2D(6, 1, activation="softplus")(x)])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(7, activation="elu")(x)
    wide = keras.initializers.RandomNormal(stddev=5.0)
    return keras.Model(image, layers.Dense(3, activation="softmax", kernel_initializer=wide)(x))


@pytest.mark.parametrize("network", [small_network, mixed_network])
@pytest.mark.parametrize("rewrites", [AS_CONVERTED, rewrite_settings()], ids=["as converted", "rewritten"])
def test_it_answers_like_keras(network: Callable[[], Any], rewrites: RewriteSettings) -> None:
    import tensorflow as tf

    model = network()
    start = opened(compressed(model, rewrites=rewrites))
    answers = np.asarray(start.student.probabilities(start.weights, tf.constant(PIXELS)))
    wanted = np.asarray(model(PIXELS[..., None].astype(np.float32), training=False))
    assert wanted.std(axis=0).max() > 1e-3, "answers that are all alike prove nothing"
    np.testing.assert_allclose(answers, wanted, atol=3e-3)  # what rounding the weights to fp16 costs


def test_only_what_follows_a_coarse_weight_is_trained() -> None:
    form = parse_form("rank-4-palette-6")
    assert form is not None
    start = opened(compressed(small_network(), form, rewrite_settings()))
    originals = [name.removesuffix("_first").removesuffix("_second") for name in start.weights]
    coarse = start.coarse(originals)
    assert len(coarse) == 2, "the two factors of the large Dense layer"
    split = start.student.split(coarse)
    assert not split.whole
    assert len(split.given) == 1
    # Factors, the bias behind them, and the last layer: not the two convolutions in front.
    assert len(split.weights) == 5
    assert start.student.split(start.student.weights).whole


def test_the_two_parts_give_the_whole() -> None:
    import tensorflow as tf

    form = parse_form("palette-2")
    assert form is not None
    start = opened(compressed(small_network(), form, rewrite_settings()))
    split = start.student.split(start.coarse(list(start.weights)))
    given = start.student.values(start.weights, tf.constant(PIXELS), split.given)
    logits = start.student.logits(
        {name: start.weights[name] for name in split.weights}, dict(zip(split.given, given, strict=True))
    )
    whole = np.asarray(start.student.probabilities(start.weights, tf.constant(PIXELS)))
    np.testing.assert_allclose(np.asarray(tf.nn.softmax(logits)), whole, atol=1e-6)


def test_operations_without_a_counterpart_are_named() -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    image = keras.Input((40, 36, 1))
    x = layers.UpSampling2D(2)(layers.Conv2D(4, 3, strides=2)(image))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalMaxPooling2D()(x)))
    start = opened(compressed(model))
    with pytest.raises(UnsupportedError, match=r"op '.*' \(tile\) cannot be trained"):
        start.student.probabilities(start.weights, tf.constant(PIXELS))


def test_colour_images_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="only classifiers of one greyscale image can be trained"):
        opened(compressed(small_network(channels=3)))
