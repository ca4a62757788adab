"""Whether TensorFlow computes right on every device that it offers.

tensorflow-metal has given wrong numbers: in graph mode, MatMul, BiasAdd and ReLU fused into one kernel came out tens
of units off where eager mode and the CPU were right (Apple developer forums). These checks run that case and those
that KewCNN trains with, in graph mode, against NumPy in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.models.tensorflow import import_tensorflow

Array = NDArray[np.float64]
_BOUND = 1e-3  # relative to the largest value; float32 sums of 4,096 products stay below 1e-5


@dataclass(frozen=True)
class DeviceCheck:
    """One computation on one device.

    Attributes:
        device: TensorFlow's name, such as `/GPU:0`.
        check: What was computed.
        max_error: Largest difference to NumPy, relative to the largest value.
        bound: Most that is let pass.
    """

    device: str
    check: str
    max_error: float
    bound: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the bound; NaN is not."""
        return bool(self.max_error <= self.bound)

    @property
    def verdict(self) -> str:
        """`right` or `WRONG`."""
        return "right" if self.passed else "WRONG"


def check_devices() -> list[DeviceCheck]:
    """Runs all checks on the CPU and on every GPU that TensorFlow lists."""
    tf = import_tensorflow()
    devices = [f"/{device.device_type}:{device.name.rpartition(':')[2]}" for device in tf.config.list_logical_devices()]
    checks: list[tuple[str, Callable[[Any], tuple[Any, Array]]]] = [
        ("MatMul + BiasAdd + ReLU", _dense),
        ("Conv2D + MaxPool", _convolution),
        ("gradient of Conv2D", _gradient),
        ("softmax cross-entropy", _cross_entropy),
    ]
    found = []
    for device in devices:
        for name, compute in checks:
            with tf.device(device):
                got, expected = compute(tf)
            scale = float(np.abs(expected).max())
            error = float(np.abs(np.asarray(got, np.float64) - expected).max()) / scale
            found.append(DeviceCheck(device, name, error, _BOUND))
    return found


def _dense(tf: Any) -> tuple[Any, Array]:
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(64, 4096)), rng.normal(size=(4096, 320)), rng.normal(size=320)
    function = tf.function(lambda x, w, b: tf.nn.relu(tf.nn.bias_add(tf.matmul(x, w), b)))
    got = function(*(tf.constant(a, tf.float32) for a in (x, w, b)))
    return got, np.maximum(x @ w + b, 0)


def _convolution(tf: Any) -> tuple[Any, Array]:
    x, k = _image_and_kernel()
    function = tf.function(lambda x, k: tf.nn.max_pool2d(tf.nn.conv2d(x, k, 1, "VALID"), 4, 4, "VALID"))
    got = function(tf.constant(x, tf.float32), tf.constant(k, tf.float32))
    out = _correlate(x, k)
    n, h, w, c = out.shape
    return got, out.reshape(n, h // 4, 4, w // 4, 4, c).max(axis=(2, 4))


def _gradient(tf: Any) -> tuple[Any, Array]:
    x, k = _image_and_kernel()

    @tf.function  # type: ignore[untyped-decorator]
    def function(x: Any, k: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(k)
            total = tf.reduce_sum(tf.square(tf.nn.conv2d(x, k, 1, "VALID")))
        return tape.gradient(total, k)

    got = function(tf.constant(x, tf.float32), tf.constant(k, tf.float32))
    out = _correlate(x, k)
    size = out.shape[1]
    rows = [
        [2 * np.einsum("nhwi,nhwo->io", x[:, i : i + size, j : j + size], out) for j in range(k.shape[1])]
        for i in range(k.shape[0])
    ]
    return got, np.array(rows)


def _cross_entropy(tf: Any) -> tuple[Any, Array]:
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(32, 6)) * 10, rng.integers(0, 6, 32)
    function = tf.function(tf.nn.sparse_softmax_cross_entropy_with_logits)
    got = function(labels=tf.constant(labels), logits=tf.constant(logits, tf.float32))
    return got, np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(32), labels]


def _image_and_kernel() -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(2, 36, 36, 8)), rng.normal(size=(5, 5, 8, 48))


def _correlate(x: Array, k: Array) -> Array:
    """A valid convolution as machine learning means it: `[N, H, W, C_in]` with `[kH, kW, C_in, C_out]`."""
    rows, columns = x.shape[1] - k.shape[0] + 1, x.shape[2] - k.shape[1] + 1
    out = np.zeros((x.shape[0], rows, columns, k.shape[3]))
    for i in range(k.shape[0]):
        for j in range(k.shape[1]):
            out += x[:, i : i + rows, j : j + columns] @ k[i, j]
    return out
