"""The one protocol that TensorFlow models, packages and ONNX files answer to."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Classifier(Protocol):
    """Something that turns images into class probabilities."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Labels in the order of the probability columns."""
        ...

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classifies images.

        Args:
            pixels: Greyscale images, uint8 `[N, H, W]`, 0…255, already at the model's size.

        Returns:
            float32 `[N, C]`, rows sum to 1, columns in the order of `class_names`.
        """
        ...
