"""Random flips, rotations, shifts and zooms of training images, as one interpolation.

The four changes are composed into one projective transform an image, so that pixels are interpolated once and not
three times. Their ranges mean what Keras' RandomFlip, RandomRotation, RandomTranslation and RandomZoom mean.
"""

import numpy as np
from numpy.typing import NDArray

from kewcore.models.tensorflow import import_tensorflow
from kewcore.recipes import Augmentation


def random_transforms(
    count: int, height: int, width: int, augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draws one transform an image.

    Args:
        count: Number of images, N.
        height: Rows of an image, in pixels.
        width: Columns of an image, in pixels.
        augmentation: Ranges; every value is drawn uniformly.
        rng: Where the numbers come from.

    Returns:
        float32 `[N, 8]`: rows `a0 a1 a2 b0 b1 b2 0 0`, by which output pixel (x, y) takes the input at
        (a0 x + a1 y + a2, b0 x + b1 y + b2). Source: tf.raw_ops.ImageProjectiveTransformV3.
    """
    angle = rng.uniform(-1, 1, count) * augmentation.rotation * 2 * np.pi
    shift_y = rng.uniform(-1, 1, count) * augmentation.translation * height
    shift_x = rng.uniform(-1, 1, count) * augmentation.translation * width
    zoom = 1 + rng.uniform(-1, 1, count) * augmentation.zoom
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0) if augmentation.horizontal_flip else np.ones(count)
    a0, a1 = zoom * np.cos(angle) * mirror, -zoom * np.sin(angle)
    b0, b1 = zoom * np.sin(angle) * mirror, zoom * np.cos(angle)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    a2 = centre_x + shift_x - a0 * centre_x - a1 * centre_y
    b2 = centre_y + shift_y - b0 * centre_x - b1 * centre_y
    zero = np.zeros(count)
    return np.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1, dtype=np.float32, casting="same_kind")


def apply_transforms(images: NDArray[np.uint8], transforms: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Transforms images with bilinear interpolation; what lies outside is the mirrored image.

    Args:
        images: uint8 `[N, H, W]`.
        transforms: float32 `[N, 8]`; see `random_transforms`.

    Returns:
        uint8 `[N, H, W]`.
    """
    tf = import_tensorflow()
    with tf.device("/CPU:0"):
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.constant(images[..., np.newaxis]),
            transforms=tf.constant(transforms),
            output_shape=tf.constant(images.shape[1:3], tf.int32),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )
    pixels: NDArray[np.uint8] = moved.numpy()
    return pixels[..., 0]
