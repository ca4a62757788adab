"""Small networks and runs of them."""

from typing import Any

CLASS_NAMES = ("leaf", "root", "seed")


def small_network(*, softmax: bool = True, channels: int = 1) -> Any:
    """KewCNN in small, with channel counts that 32 does not divide: 5, 7 and 13."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((40, 36, channels)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(5, 5, padding="same"),
            layers.LeakyReLU(negative_slope=0.1),
            layers.MaxPool2D(4),
            layers.Conv2D(7, 3, padding="same"),
            layers.LeakyReLU(negative_slope=0.1),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(96, kernel_initializer="he_uniform"),
            layers.LeakyReLU(negative_slope=0.1),
            layers.Dense(len(CLASS_NAMES), activation="softmax" if softmax else None),
        ]
    )
    # Biases of freshly made layers are zero, and the conversion would drop them.
    model.set_weights([w + 0.01 if w.ndim == 1 else w for w in model.get_weights()])
    return model


def repeating_network() -> Any:
    """A residual network that calls one of its layers twice: two paths lead past what is in between."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    image = keras.Input((40, 36, 1))
    value = layers.Conv2D(7, 5, padding="same")(layers.Rescaling(1 / 255)(image))
    value = layers.MaxPool2D(4)(layers.LeakyReLU(negative_slope=0.1)(value))
    repeated = layers.Conv2D(7, 3, padding="same", activation="relu")
    value = layers.Add()([value, layers.Conv2D(7, 3, padding="same")(repeated(repeated(value)))])
    value = layers.GlobalAveragePooling2D()(value)
    model = keras.Model(image, layers.Dense(len(CLASS_NAMES), activation="softmax")(value))
    model.set_weights([w + 0.01 if w.ndim == 1 else w for w in model.get_weights()])
    return model
