"""The training step against Keras' own `fit`, and against itself."""

from dataclasses import replace

import numpy as np
import pytest

from kewcore.models.networks import find_network
from kewcore.recipes import load_recipe
from kewcore.training.step import MICRO_BATCH_SIZE, TrainingStep, initial_state, learning_rate

pytestmark = pytest.mark.parity
SIDE, BATCH, STEPS = 64, 20, 20


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Stripes whose width tells the class, under noise: something to learn, so that rounding is not blown up."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, BATCH * STEPS)
    columns = np.arange(SIDE) + rng.integers(0, 32, (len(labels), 1, 1))
    stripes = 100 + 60 * np.sin(columns * 2 * np.pi / (3 + 3 * labels[:, np.newaxis, np.newaxis]))
    return (stripes + rng.normal(0, 20, (len(labels), SIDE, SIDE))).clip(0, 255).astype(np.uint8), labels


def test_losses_follow_keras_fit_for_twenty_steps_with_class_weights_and_decay() -> None:
    import keras

    pixels, labels = arrays()
    schedule = replace(load_recipe("kewcnn").training, decay_steps=5)
    class_weights = np.array([0.5, 2.0, 1.0, 0.7, 1.3, 1.0], np.float32)
    keras.utils.set_random_seed(1)
    model = find_network("kewcnn").build(SIDE, SIDE, 6)
    model.get_layer("dropout").rate = 0.0
    step = TrainingStep(find_network("kewcnn"), initial_state([v.numpy() for v in model.trainable_variables]), None)

    losses: list[float] = []

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
            losses.append(logs["loss"])

    decay = keras.optimizers.schedules.ExponentialDecay(1e-3, decay_steps=5, decay_rate=0.88, staircase=True)
    model.compile(keras.optimizers.Adam(decay), "sparse_categorical_crossentropy")
    model.fit(
        pixels[..., np.newaxis].astype(np.float32),
        labels,
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
        callbacks=[Record()],
        class_weight=dict(enumerate(class_weights.tolist())),
    )
    ours = []
    for start in range(0, len(labels), BATCH):
        part = slice(start, start + BATCH)
        rate = learning_rate(step.steps, schedule)
        ours.append(step.train_batch(pixels[part], labels[part], class_weights, rate)[0])
    # Keras logs the mean over the epoch so far.
    np.testing.assert_allclose(np.cumsum(ours) / np.arange(1, STEPS + 1), losses, atol=1e-4)


def test_micro_batches_give_the_sum_of_the_whole_batch() -> None:
    pixels, labels = arrays()
    network = find_network("kewcnn")
    model = network.build(SIDE, SIDE, 6)
    state = initial_state([v.numpy() for v in model.trainable_variables])
    whole = TrainingStep(network, state, None)
    ones = np.ones(6, np.float32)
    assert BATCH % MICRO_BATCH_SIZE
    loss, right = whole.train_batch(pixels[:BATCH], labels[:BATCH], ones, 1e-3)
    probabilities = np.asarray(model(pixels[:BATCH, ..., np.newaxis].astype(np.float32), training=False))
    by_hand = -np.log(probabilities[np.arange(BATCH), labels[:BATCH]]).mean()
    assert loss == pytest.approx(by_hand, abs=1e-4)
    assert right == int((probabilities.argmax(1) == labels[:BATCH]).sum())
    assert whole.steps == 1


def test_dropout_depends_on_the_seed_and_the_step_alone() -> None:
    pixels, labels = arrays()
    network = find_network("kewcnn")
    model = network.build(SIDE, SIDE, 6)
    state = initial_state([v.numpy() for v in model.trainable_variables])
    ones = np.ones(6, np.float32)

    def two_losses(seed: int) -> list[float]:
        step = TrainingStep(network, state, seed)
        return [step.train_batch(pixels[:BATCH], labels[:BATCH], ones, 1e-9)[0] for _ in range(2)]

    assert two_losses(1) == two_losses(1)
    assert two_losses(1) != two_losses(2)
    assert len(set(two_losses(1))) == 2


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 1e-3), (1349, 1e-3), (1350, 0.88e-3), (2699, 0.88e-3), (2700, 0.7744e-3)]
)
def test_the_learning_rate_falls_in_stairs(step: int, rate: float) -> None:
    assert learning_rate(step, load_recipe("kewcnn").training) == pytest.approx(rate)
