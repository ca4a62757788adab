"""What every engine comes down to once it is loaded: a name and three ways to ask it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Predict: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Ask: TypeAlias = Callable[[NDArray[np.uint8]], object]


@dataclass(frozen=True)
class Engine:
    """A loaded engine.

    Attributes:
        label: Name with version, such as `TensorFlow 2.18.1 (tf.function, CPU)`.
        class_names: Labels in the order of the probability columns; empty where the model does not hold them.
        predict: uint8 `[N, H, W]` → float32 `[N, C]`, in batches as the engine likes them; None of engines that are
            timed alone.
        predict_one: uint8 `[1, H, W]` → the answer as the engine gives it: what a latency is measured on.
        predict_batch: uint8 `[B, H, W]` → the answer, all images in one call: what a throughput is measured on.
    """

    label: str
    class_names: tuple[str, ...]
    predict: Predict | None
    predict_one: Ask
    predict_batch: Ask
