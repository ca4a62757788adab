"""What is learned from: what reaches the trained part of a network for each image, and what the reference says of it.

The part in front of it is the same in every pass, so it runs once an image and not once an update.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.models.tensorflow import import_tensorflow
from kewcore.training.step import MICRO_BATCH_SIZE
from kewcore_export.finetune.parameters import Values
from kewcore_export.finetune.student import Split, Student

Reference = Callable[[Any], Any]
"""From pixels uint8 `[N, H, W]` to the logarithms of probabilities, float32 `[N, C]`, both tensors."""


@dataclass(frozen=True)
class Examples:
    """Images as the trained part of a network meets them.

    Attributes:
        given: For each name of `Split.given`, fp16 `[N, ...]`, as the package rounds it.
        wanted: Logarithms of the reference's probabilities, float32 `[N, C]`.
    """

    given: tuple[NDArray[np.float16], ...]
    wanted: Values

    @property
    def image_bytes(self) -> int:
        """What one image takes."""
        return sum(one[0].nbytes for one in self.given)

    def rows(self, rows: NDArray[np.int64]) -> "Examples":
        """Picks some of them."""
        return Examples(tuple(one[rows] for one in self.given), self.wanted[rows])


def joined(parts: Sequence[Examples]) -> Examples:
    """Puts examples one behind the other."""
    given = zip(*(part.given for part in parts), strict=True)
    return Examples(tuple(map(np.concatenate, given)), np.concatenate([part.wanted for part in parts]))


class ExampleSource:
    """Makes examples of images.

    Args:
        student: The network.
        weights: Its weights, those that are not trained among them.
        split: Where its trained part begins.
        reference: What is to be learned.
    """

    def __init__(self, student: Student, weights: Mapping[str, Values], split: Split, reference: Reference) -> None:
        tf = import_tensorflow()
        fixed = {name: tf.constant(values) for name, values in weights.items()}

        def make(pixels: Any) -> Any:
            given = student.values(fixed, pixels, split.given)
            return [tf.cast(one, tf.float16) for one in given], reference(pixels)

        self._make = compiled(make)

    def of(self, pixels: NDArray[np.uint8]) -> Examples:
        """Makes the examples of images, uint8 `[N, H, W]`."""
        parts = []
        for start in range(0, len(pixels), MICRO_BATCH_SIZE):
            part = np.asarray(pixels[start : start + MICRO_BATCH_SIZE])
            given, wanted = self._make(import_tensorflow().constant(part))
            parts.append(Examples(tuple(one.numpy() for one in given), wanted.numpy()))
        return joined(parts)


def compiled(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Compiles a function of uint8 `[N, H, W]`."""
    tf = import_tensorflow()
    function: Callable[[Any], Any] = tf.function(
        answer, input_signature=[tf.TensorSpec([None, None, None], tf.uint8)], autograph=False
    )
    return function


def over_batches(answer: Callable[[Any], Any], pixels: NDArray[np.uint8]) -> Values:
    """Applies a function of tensors to images, a micro-batch at a time.

    Args:
        answer: From uint8 `[N, H, W]` to float32 `[N, C]`.
        pixels: uint8 `[N, H, W]`.
    """
    tf = import_tensorflow()
    starts = range(0, len(pixels), MICRO_BATCH_SIZE)
    parts = [answer(tf.constant(np.asarray(pixels[start : start + MICRO_BATCH_SIZE]))).numpy() for start in starts]
    return np.concatenate(parts)
