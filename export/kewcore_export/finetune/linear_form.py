"""Integers and scales that are learned together.

Source: S. K. Esser et al., "Learned Step Size Quantization", ICLR 2020, for the gradient of a scale. The scale is
learned as the logarithm of its growth, after S. R. Jain et al., "Trained Quantization Thresholds for Accurate and
Efficient Fixed-Point Inference of Deep Neural Networks", MLSys 2020, so that it stays positive and one rate fits all
scales. The factor that LSQ gives the gradient is left out: in Adam it would cancel.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.models.tensorflow import import_tensorflow
from kewcore_export.finetune.parameters import Tensors, Values, half, step_unit
from kewcore_export.quantizers.blocks import spread
from kewcore_export.quantizers.compressed import LinearWeight, StoredWeight

_INSIDE = 0.49
"""How far from its integer, in steps, a value may start: rounding must give the integer that is stored."""


@dataclass(frozen=True)
class LinearForm:
    """Latent values that are divided by a scale and rounded to integers.

    Attributes:
        weight: As stored before training.
        float32: The values before rounding.
    """

    weight: LinearWeight
    float32: NDArray[np.float32]

    @property
    def initial(self) -> tuple[Values, ...]:
        """The values before rounding, where they round to what is stored, and no growth of the scales."""
        step = spread(self.weight.scale.astype(np.float32), self.float32.shape)
        levels = self.weight.values.astype(np.float32)
        latent = np.clip(self.float32, (levels - _INSIDE) * step, (levels + _INSIDE) * step)
        return latent.astype(np.float32), np.zeros(self.weight.scale.shape, np.float32)

    @property
    def units(self) -> tuple[float, ...]:
        """The values', and 1: a scale that grows changes its whole channel by as much."""
        return step_unit(self.float32), 1.0

    def dense(self, variables: Tensors) -> Any:
        """Integer times scale, rounded to fp16 as the decoder rounds it."""
        levels, scale, _ = self._parts(variables)
        return self._joined(half(levels * scale))

    def gradients(self, variables: Tensors, gradient: Any) -> list[Any]:
        """Straight through where nothing was clipped, and the scale's by LSQ."""
        tf = import_tensorflow()
        levels, scale, ratio = self._parts(variables)
        split = tf.reshape(gradient, self._split_shape)
        inside = tf.cast(tf.abs(ratio) <= self._largest, tf.float32)
        by_scale = tf.reduce_sum(split * (levels - inside * ratio), axis=self._within, keepdims=True)
        return [self._joined(split * inside), tf.reshape(by_scale * scale, self.weight.scale.shape)]

    def stored(self, variables: Tensors) -> StoredWeight:
        """As `LinearWeight`."""
        levels, scale, _ = self._parts([import_tensorflow().constant(one) for one in variables])
        return LinearWeight(
            self._joined(levels).numpy().astype(np.int8),
            scale.numpy().astype(np.float16).reshape(self.weight.scale.shape),
            self.weight.bits,
        )

    @property
    def _largest(self) -> float:
        return float(2 ** (self.weight.bits - 1) - 1)

    @property
    def _split_shape(self) -> tuple[int, ...]:
        """The weight's shape with each axis cut in two: blocks, and elements of a block."""
        pairs = zip(self.float32.shape, self.weight.scale.shape, strict=True)
        return tuple(part for n, blocks in pairs for part in (blocks, n // blocks))

    @property
    def _within(self) -> tuple[int, ...]:
        return tuple(range(1, 2 * self.float32.ndim, 2))

    def _joined(self, split: Any) -> Any:
        return import_tensorflow().reshape(split, self.float32.shape)

    def _parts(self, variables: Tensors) -> tuple[Any, Any, Any]:
        """Gives integers, scales, and what was rounded to integers, each axis cut in blocks."""
        tf = import_tensorflow()
        latent, growth = variables
        per_block = tuple(part for blocks in self.weight.scale.shape for part in (blocks, 1))
        scale = half(self.weight.scale.astype(np.float32) * tf.exp(growth))
        # A scale that fp16 rounds to nothing would divide by zero.
        scale = tf.reshape(tf.maximum(scale, np.float32(np.finfo(np.float16).smallest_subnormal)), per_block)
        ratio = tf.reshape(latent, self._split_shape) / scale
        return tf.clip_by_value(tf.round(ratio), -self._largest, self._largest), scale, ratio
