"""The device check must fail a device that computes wrongly."""

import math

import numpy as np
import pytest

from kewcore.models import device_check
from kewcore.models.device_check import DeviceCheck, check_devices

pytestmark = pytest.mark.parity


def test_a_wrong_result_and_a_nan_are_called_wrong() -> None:
    assert DeviceCheck("/GPU:0", "x", 1e-4, 1e-3).verdict == "right"
    assert DeviceCheck("/GPU:0", "x", 2e-3, 1e-3).verdict == "WRONG"
    assert DeviceCheck("/GPU:0", "x", math.nan, 1e-3).verdict == "WRONG"


def test_a_device_that_adds_the_bias_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tf = device_check.import_tensorflow()
    plain = tf.nn.bias_add
    monkeypatch.setattr(tf.nn, "bias_add", lambda x, b: plain(plain(x, b), b))
    wrong = [check.check for check in check_devices() if not check.passed]
    assert wrong == ["MatMul + BiasAdd + ReLU"]


def test_numpy_side_agrees_with_a_loop() -> None:
    x, k = np.random.default_rng(0).normal(size=(1, 4, 5, 2)), np.random.default_rng(1).normal(size=(2, 3, 2, 3))
    by_hand = np.array([
        [[(x[0, i : i + 2, j : j + 3, :, None] * k).sum(axis=(0, 1, 2)) for j in range(3)] for i in range(3)]
    ])  # fmt: skip
    np.testing.assert_allclose(device_check._correlate(x, k), by_hand)
