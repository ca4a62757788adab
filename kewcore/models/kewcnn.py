"""KewCNN: three convolutions, one large Dense layer, six classes, 14,035,142 parameters at 500x500.

The network exists twice, with the same weights. `build_kewcnn` is the Keras model that is saved, evaluated and
exported. `kewcnn_logits` is what training runs: the same function, in an order that touches fewer values.
"""

from collections.abc import Sequence
from typing import Any

from kewcore.models.tensorflow import import_tensorflow

#: (filters, kernel side, pool side) of the three blocks.
BLOCKS = ((48, 5, 4), (96, 3, 4), (192, 3, 2))
DENSE_UNITS = 320
DROPOUT_RATE = 0.4
LEAK = 0.1


def build_kewcnn(height: int, width: int, classes: int) -> Any:
    """Builds KewCNN as a Keras Functional model.

    Args:
        height: Rows of an image.
        width: Columns of an image.
        classes: Number of classes.

    Returns:
        `keras.Model` from `image` float32 `[N, H, W, 1]`, 0…255, NHWC, to softmax probabilities `[N, classes]`.
    """
    import_tensorflow()
    from keras import Input, Model, layers

    image = Input((height, width, 1), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    for number, (filters, kernel, pool) in enumerate(BLOCKS, start=1):
        x = layers.Conv2D(filters, kernel, padding="same", kernel_initializer="he_uniform", name=f"conv_{number}")(x)
        x = layers.LeakyReLU(negative_slope=LEAK, name=f"leaky_relu_{number}")(x)
        x = layers.MaxPooling2D(pool, name=f"max_pool_{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(DENSE_UNITS, kernel_initializer="he_uniform", name="dense")(x)
    x = layers.LeakyReLU(negative_slope=LEAK, name="leaky_relu_dense")(x)
    x = layers.Dropout(DROPOUT_RATE, name="dropout")(x)
    x = layers.Dense(classes, kernel_initializer="he_uniform", activation="softmax", name="probabilities")(x)
    return Model(image, x, name="kewcnn")


def kewcnn_logits(weights: Sequence[Any], image: Any, dropout_seed: Any | None) -> Any:
    """KewCNN as training runs it: pooling before bias and activation.

    Adding a bias and LeakyReLU are both increasing in every channel, so the maximum of a window may be taken first:
    max f(x) = f(max x). Forward the numbers are the same but for the rounding of one addition; backward they can
    differ only where two values of a window are equal. A sixteenth of the values is then left for bias and activation.

    Args:
        weights: Kernel and bias of the three convolutions (`[kH, kW, C_in, C_out]`), of Dense and of the output
            (`[in, out]`), in the order of `model.trainable_variables`.
        image: float32 `[N, H, W, 1]`, 0…255, NHWC.
        dropout_seed: int32 `[2]` for the stateless dropout; None for no dropout.

    Returns:
        Logits, float32 `[N, classes]`.
    """
    tf = import_tensorflow()
    x = image * (1 / 255)
    for block, (_, _, pool) in enumerate(BLOCKS):
        kernel, bias = weights[2 * block], weights[2 * block + 1]
        x = tf.nn.max_pool2d(tf.nn.conv2d(x, kernel, strides=1, padding="SAME"), pool, pool, padding="VALID")
        x = tf.nn.leaky_relu(x + bias, LEAK)
    kernel, bias, output_kernel, output_bias = weights[2 * len(BLOCKS) :]
    x = tf.reshape(x, [-1, kernel.shape[0]])
    x = tf.nn.leaky_relu(tf.matmul(x, kernel) + bias, LEAK)
    if dropout_seed is not None:
        x = tf.nn.experimental.stateless_dropout(x, DROPOUT_RATE, seed=dropout_seed)
    return tf.matmul(x, output_kernel) + output_bias
