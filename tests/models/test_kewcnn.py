"""KewCNN: its published size, and the training order against the Keras layers."""

import numpy as np
import pytest

from kewcore.errors import UsageError
from kewcore.models.kewcnn import build_kewcnn, kewcnn_logits
from kewcore.models.networks import find_network
from kewcore.models.tensorflow import import_tensorflow

pytestmark = pytest.mark.parity


def test_kewcnn_has_the_published_layers_and_parameters() -> None:
    model = build_kewcnn(500, 500, 6)
    assert model.count_params() == 14_035_142
    assert model.get_layer("flatten").output.shape == (None, 43_200)
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["Conv2D", "LeakyReLU", "MaxPooling2D"]
    tail = ["Flatten", "Dense", "LeakyReLU", "Dropout", "Dense"]
    assert kinds == ["InputLayer", "Rescaling", *block, *block, *block, *tail]
    assert model.get_layer("dropout").rate == 0.4
    assert model.get_layer("rescale").scale == 1 / 255
    convolutions = [model.get_layer(f"conv_{n}") for n in (1, 2, 3)]
    assert [(c.filters, c.kernel_size, c.padding) for c in convolutions] == [
        (48, (5, 5), "same"),
        (96, (3, 3), "same"),
        (192, (3, 3), "same"),
    ]
    assert {type(layer.kernel_initializer).__name__ for layer in convolutions} == {"HeUniform"}


def test_the_training_order_gives_the_probabilities_of_the_layers() -> None:
    tf = import_tensorflow()
    model = build_kewcnn(100, 132, 6)
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 100, 132, 1)).astype(np.float32)
    logits = kewcnn_logits(model.trainable_variables, tf.constant(pixels), None)
    np.testing.assert_allclose(tf.nn.softmax(logits), model(pixels, training=False), atol=1e-6)


def test_an_unknown_network_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no network 'resnet'; there are: kewcnn"):
        find_network("resnet")
