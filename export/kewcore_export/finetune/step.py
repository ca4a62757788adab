"""One step of distillation: the student's answers are drawn towards the reference's, and its variables updated.

Gradients of the weights that the network computes with are gathered over micro-batches, and only then turned into
gradients of the variables behind them, so that rounding costs once an update.

Source: G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015, for the loss;
D. P. Kingma and J. Ba, "Adam", ICLR 2015.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kewcore.models.tensorflow import import_tensorflow
from kewcore.training.step import BETA_1, BETA_2, MICRO_BATCH_SIZE, TrainingState
from kewcore_export.finetune.examples import Examples
from kewcore_export.finetune.parameters import TrainableForm, Values
from kewcore_export.finetune.student import Split, Student

_EPSILON = 1e-12
"""Of Adam; far below Keras' 1e-7, which gradients of single weights of a network that is nearly right do not reach."""

_FEATURES_AT_ONCE = 64


def first_state(forms: Mapping[str, TrainableForm]) -> TrainingState:
    """Gives the variables of all forms before training, one form after the other, with empty moments."""
    variables = [one for form in forms.values() for one in form.initial]
    first, second = ([np.zeros(one.shape, np.float32) for one in variables] for _ in range(2))
    return TrainingState(variables, first, second, 0)


class DistillationStep:
    """The trained part of a student, as compiled functions on the CPU.

    Args:
        student: The network.
        split: Where its trained part begins.
        forms: How each weight of that part is learned.
        state: Where to start; see `first_state`.
        temperature: Of the comparison.
    """

    def __init__(
        self,
        student: Student,
        split: Split,
        forms: Mapping[str, TrainableForm],
        state: TrainingState,
        temperature: float,
    ) -> None:
        tf = self._tf = import_tensorflow()
        self._student, self._split, self._forms = student, split, forms
        self._temperature = temperature
        self.steps = state.steps
        self._units = [one for form in forms.values() for one in form.units]
        self._variables = [tf.Variable(one) for one in state.weights]
        self._first = [tf.Variable(one) for one in state.first_moments]
        self._second = [tf.Variable(one) for one in state.second_moments]
        self._dense = [tf.Variable(one) for one in self._decoded()]
        self._gradients = [tf.Variable(tf.zeros_like(one)) for one in self._dense]
        self._accumulate = tf.function(self._accumulate_eager, reduce_retracing=True, autograph=False)
        self._answer = tf.function(self._answer_eager, reduce_retracing=True, autograph=False)
        number = tf.TensorSpec([], tf.float32)
        self._update = tf.function(self._update_eager, input_signature=[number] * 3, autograph=False)
        self._decode = tf.function(self._decode_eager, input_signature=[], autograph=False)

    def state(self) -> TrainingState:
        """Copies the state out of TensorFlow."""
        groups = ([one.numpy() for one in group] for group in (self._variables, self._first, self._second))
        variables, first, second = groups
        return TrainingState(variables, first, second, self.steps)

    def dense(self) -> dict[str, Values]:
        """Copies the weights that the network computes with out of TensorFlow."""
        return {name: one.numpy() for name, one in zip(self._forms, self._dense, strict=True)}

    def train_batch(self, examples: Examples, rate: float) -> float:
        """Takes one step.

        Args:
            examples: What to learn from.
            rate: Learning rate, in units of each variable; see `TrainableForm.units`.

        Returns:
            The loss before the update, in nats: the squared temperature times the mean Kullback-Leibler divergence.
        """
        tf, loss, count = self._tf, 0.0, len(examples.wanted)
        for start, given, wanted in self._micro_batches(examples):
            loss += float(self._accumulate(given, wanted, tf.constant(1 / count), tf.constant(float(start > 0))))
        self.steps += 1
        self._update(rate, BETA_1**self.steps, BETA_2**self.steps)
        self._decode()
        return loss

    def answers(self, examples: Examples) -> Values:
        """Computes the student's probabilities, float32 `[N, C]`."""
        parts = [self._answer(given).numpy() for _, given, _ in self._micro_batches(examples)]
        return np.concatenate(parts)

    def _micro_batches(self, examples: Examples) -> Iterator[tuple[int, list[Any], Any]]:
        """Cuts examples into parts whose activations take little memory: few images, or more of what follows them."""
        count = len(examples.wanted)
        size = MICRO_BATCH_SIZE if self._split.whole else _FEATURES_AT_ONCE
        for start in range(0, count, size):
            part = slice(start, start + size)
            given = [self._tf.constant(one[part]) for one in examples.given]
            yield start, given, self._tf.constant(examples.wanted[part])

    def _logits(self, weights: Sequence[Any], given: Sequence[Any]) -> Any:
        values = {
            name: self._tf.cast(one, self._tf.float32) for name, one in zip(self._split.given, given, strict=True)
        }
        return self._student.logits(dict(zip(self._forms, weights, strict=True)), values)

    def _accumulate_eager(self, given: Any, wanted: Any, share: Any, carried: Any) -> Any:
        tf = self._tf
        wanted = tf.nn.log_softmax(wanted / self._temperature)
        weights = [one.read_value() for one in self._dense]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            found = tf.nn.log_softmax(self._logits(weights, given) / self._temperature)
            loss = self._temperature**2 * share * tf.reduce_sum(tf.exp(wanted) * (wanted - found))
        for total, gradient in zip(self._gradients, tape.gradient(loss, weights), strict=True):
            total.assign(carried * total + gradient)
        return loss

    def _update_eager(self, rate: Any, beta_1_power: Any, beta_2_power: Any) -> None:
        found = [
            one
            for (form, variables), gradient in zip(self._by_form(self._variables), self._gradients, strict=True)
            for one in form.gradients([variable.read_value() for variable in variables], gradient.read_value())
        ]
        rows = zip(self._variables, self._first, self._second, found, self._units, strict=True)
        for variable, first, second, gradient, unit in rows:
            self._tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=beta_1_power,
                beta2_power=beta_2_power,
                lr=rate * unit,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=_EPSILON,
                grad=gradient,
                use_locking=False,
                use_nesterov=False,
            )

    def _decode_eager(self) -> None:
        for one, value in zip(self._dense, self._decoded(), strict=True):
            one.assign(value)

    def _answer_eager(self, given: Any) -> Any:
        return self._tf.nn.softmax(self._logits([one.read_value() for one in self._dense], given))

    def _decoded(self) -> list[Any]:
        return [form.dense([one.read_value() for one in own]) for form, own in self._by_form(self._variables)]

    def _by_form(self, variables: Sequence[Any]) -> list[tuple[TrainableForm, Sequence[Any]]]:
        return by_form(self._forms, variables)


def by_form(forms: Mapping[str, TrainableForm], variables: Sequence[Any]) -> list[tuple[TrainableForm, Sequence[Any]]]:
    """Hands each form its part of all variables."""
    found, start = [], 0
    for form in forms.values():
        count = len(form.units)
        found.append((form, variables[start : start + count]))
        start += count
    return found
