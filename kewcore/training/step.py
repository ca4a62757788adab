"""The training step in TensorFlow: gradients gathered over micro-batches, then one fused Adam update.

A batch of 32 images of 500x500 would hold 3 GB of activations and their gradients; micro-batches of 8 hold a quarter
of that and give the same sum. Together with pooling before the activation (`kewcore.models.kewcnn`) and the fused
update, a step takes about half the time of Keras' `fit` on a CPU; bench/suites/test_train_step.py measures it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.models.networks import Network
from kewcore.models.tensorflow import import_tensorflow
from kewcore.recipes import TrainingRecipe

MICRO_BATCH_SIZE = 8
# Adam's constants as in Keras (Kingma & Ba 2015, with Keras' epsilon).
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True)
class TrainingState:
    """All that training carries from one step to the next, as arrays.

    Attributes:
        weights: float32, in the order of `model.trainable_variables`.
        first_moments: Adam's m, shaped as the weights.
        second_moments: Adam's v, shaped as the weights.
        steps: Updates so far.
    """

    weights: list[NDArray[np.float32]]
    first_moments: list[NDArray[np.float32]]
    second_moments: list[NDArray[np.float32]]
    steps: int


def initial_state(weights: list[NDArray[np.float32]]) -> TrainingState:
    """Starts from given weights with empty moments."""
    return TrainingState(weights, [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights], 0)


def learning_rate(step: int, recipe: TrainingRecipe) -> float:
    """Staircase exponential decay: the rate of update `step`, counted from 0."""
    return recipe.learning_rate * recipe.decay_rate ** (step // recipe.decay_steps)


class TrainingStep:
    """One network's training on the default device: gradient, update and validation as compiled functions."""

    def __init__(self, network: Network, state: TrainingState, seed: int | None) -> None:
        """Puts the state into TensorFlow variables and prepares the functions.

        Args:
            network: What to train.
            state: Where to start.
            seed: Seed of the dropout, whose masks depend on seed, step and place in the batch only; None trains
                without dropout.
        """
        tf = self._tf = import_tensorflow()
        self._network = network
        self._seed = seed
        self._steps = state.steps
        self._weights = [tf.Variable(w, dtype=tf.float32) for w in state.weights]
        self._first = [tf.Variable(m, dtype=tf.float32) for m in state.first_moments]
        self._second = [tf.Variable(v, dtype=tf.float32) for v in state.second_moments]
        self._gradients = [tf.Variable(tf.zeros_like(w)) for w in self._weights]
        pixels = tf.TensorSpec([None, None, None], tf.uint8)
        labels = tf.TensorSpec([None], tf.int64)
        factors = tf.TensorSpec([None], tf.float32)
        self._accumulate = tf.function(
            self._accumulate_eager,
            input_signature=[pixels, labels, factors, tf.TensorSpec([2], tf.int32), tf.TensorSpec([], tf.bool)],
        )
        self._update = tf.function(self._update_eager, input_signature=[tf.TensorSpec([], tf.float32)] * 3)
        self._score = tf.function(self._score_eager, input_signature=[pixels, labels])

    @property
    def steps(self) -> int:
        """Updates so far."""
        return self._steps

    def state(self) -> TrainingState:
        """Copies the state out of TensorFlow."""
        return TrainingState(
            [w.numpy() for w in self._weights],
            [m.numpy() for m in self._first],
            [v.numpy() for v in self._second],
            self._steps,
        )

    def train_batch(
        self,
        pixels: NDArray[np.uint8],
        labels: NDArray[np.int64],
        weights: NDArray[np.float32],
        rate: float,
    ) -> tuple[float, int]:
        """Takes one step.

        Args:
            pixels: uint8 `[B, H, W]`.
            labels: int64 `[B]`.
            weights: float32 `[C]`, factor on the loss by class.
            rate: Learning rate.

        Returns:
            Loss (the weighted cross-entropies' sum over B, as Keras' `fit` with class_weight) and how many answers
            were right, both before the update.
        """
        tf = self._tf
        loss, right = 0.0, 0
        factors = weights[labels] / np.float32(len(labels))
        for start in range(0, len(labels), MICRO_BATCH_SIZE):
            part = slice(start, start + MICRO_BATCH_SIZE)
            part_loss, part_right = self._accumulate(
                tf.constant(pixels[part]),
                tf.constant(labels[part]),
                tf.constant(factors[part]),
                tf.constant([self._seed or 0, self._steps * 4096 + start], tf.int32),
                tf.constant(start == 0),
            )
            loss += float(part_loss)
            right += int(part_right)
        self._steps += 1
        self._update(rate, BETA_1**self._steps, BETA_2**self._steps)
        return loss, right

    def score_batch(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[float, int]:
        """Returns the sum of the cross-entropies and the number of right answers, without dropout and weights."""
        loss, right = self._score(self._tf.constant(pixels), self._tf.constant(labels))
        return float(loss), int(right)

    def _accumulate_eager(self, pixels: Any, labels: Any, factors: Any, dropout_seed: Any, first: Any) -> Any:
        tf = self._tf
        image = tf.cast(pixels, tf.float32)[..., tf.newaxis]
        with tf.GradientTape() as tape:
            logits = self._network.logits(self._weights, image, None if self._seed is None else dropout_seed)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses * factors)
        found = tape.gradient(loss, self._weights)
        for total, gradient in zip(self._gradients, found, strict=True):
            if first:
                total.assign(gradient)
            else:
                total.assign_add(gradient)
        return loss, tf.math.count_nonzero(tf.argmax(logits, axis=1) == labels)

    def _update_eager(self, rate: Any, beta_1_power: Any, beta_2_power: Any) -> None:
        tf = self._tf
        for weight, first, second, gradient in zip(
            self._weights, self._first, self._second, self._gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=beta_1_power,
                beta2_power=beta_2_power,
                lr=rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=gradient,
                use_locking=False,
                use_nesterov=False,
            )

    def _score_eager(self, pixels: Any, labels: Any) -> Any:
        tf = self._tf
        logits = self._network.logits(self._weights, tf.cast(pixels, tf.float32)[..., tf.newaxis], None)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_sum(losses), tf.math.count_nonzero(tf.argmax(logits, axis=1) == labels)
