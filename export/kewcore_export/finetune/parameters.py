"""Stored forms of weights that can be trained: what is learned, what the network sees of it, what is stored at the end.

Each form holds float32 variables, gives the values that the network computes with (those that a package with them would
decode, bit for bit), turns the gradient of these values into gradients of its variables, and gives the stored form.
Rounding has no slope, so its gradient is passed straight through.

Source: Y. Bengio, N. Leonard and A. Courville, "Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation", 2013, on the straight-through estimator; further sources stand at each form.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kewcore.models.tensorflow import import_tensorflow
from kewcore_export.quantizers.compressed import RoundedWeight, StoredWeight

Values = NDArray[np.float32]
Tensors = Sequence[Any]


class TrainableForm(Protocol):
    """A weight that is learned in the form in which it is stored."""

    @property
    def initial(self) -> tuple[Values, ...]:
        """The variables before training: those that give the values of the untrained package."""
        ...

    @property
    def units(self) -> tuple[float, ...]:
        """By what each variable changes in a step at a learning rate of 1; see `step_unit`."""
        ...

    def dense(self, variables: Tensors) -> Any:
        """Gives what the network computes with: float32 in the weight's shape, all values those of fp16 numbers."""
        ...

    def gradients(self, variables: Tensors, gradient: Any) -> list[Any]:
        """Gives the gradient of each variable.

        Args:
            variables: Their values.
            gradient: Of the loss by `dense`.
        """
        ...

    def stored(self, variables: Tensors) -> StoredWeight:
        """Gives the stored form, which decodes to `dense`."""
        ...


def step_unit(weight: Values) -> float:
    """Gives the step of a weight's values that may change what its layer computes by as much as that is.

    Adam moves all values of a weight by about the same amount. Where their n products are all moved in one direction,
    the sum changes by sqrt(n) times as much as its own magnitude; so the step is the values' root mean square over
    sqrt(n). Values that are added, such as biases, have n = 1; those that are all zero are taken for 0.1.

    Source: G. Yang et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer",
    2022: under Adam the rate of a weight falls with its inputs.

    Args:
        weight: float32 `[outputs, ...]`.
    """
    root_mean_square = float(np.sqrt(np.mean(np.square(weight, dtype=np.float64)))) or 0.1
    return root_mean_square / math.sqrt(max(1, weight.size // len(weight)))


def half(values: Any) -> Any:
    """Rounds to fp16, and gives float32."""
    tf = import_tensorflow()
    return tf.cast(tf.cast(values, tf.float16), tf.float32)


@dataclass(frozen=True)
class FloatForm:
    """Values that stay fp16.

    Attributes:
        values: fp16, as stored before training.
    """

    values: NDArray[np.float16]

    @property
    def initial(self) -> tuple[Values, ...]:
        """The values."""
        return (self.values.astype(np.float32),)

    @property
    def units(self) -> tuple[float, ...]:
        """The values'."""
        return (step_unit(self.initial[0]),)

    def dense(self, variables: Tensors) -> Any:
        """The values, rounded to fp16."""
        return half(variables[0])

    def gradients(self, variables: Tensors, gradient: Any) -> list[Any]:
        """Straight through."""
        return [gradient]

    def stored(self, variables: Tensors) -> StoredWeight:
        """As `RoundedWeight`."""
        return RoundedWeight(np.asarray(variables[0]).astype(np.float16))
