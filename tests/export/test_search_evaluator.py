"""Weights run alone: by the tail of the network behind them, or by all of it where other paths lead past them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_networks import CLASS_NAMES, repeating_network, small_network

from kewcore.ane.chips import parse_chip
from kewcore_export.conversion import converted
from kewcore_export.forms import parse_form
from kewcore_export.keras_graph import classifier_graph
from kewcore_export.search.evaluator import Evaluator, LabelledImages
from kewcore_export.targets import TARGETS

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("network", [small_network, repeating_network])
def test_what_a_weight_costs_alone_is_what_the_package_shows(network: Callable[[], Any]) -> None:
    model = network()
    pixels = np.random.default_rng(2).integers(0, 256, (48, 40, 36)).astype(np.uint8)
    reference = np.asarray(model(pixels[..., None].astype(np.float32), training=False))
    images = LabelledImages(pixels[:24], np.zeros(24, np.int64), reference[:24])
    form, target = parse_form("palette-2"), TARGETS["iOS18"]
    assert form is not None
    with converted(classifier_graph(model), CLASS_NAMES, target) as found:
        program = found.by_float_bits[16]
        evaluator = Evaluator(program, found.float32, target, parse_chip("A14"), images, pixels[24:])
        for weight in [one for one in program.constants if one.channel_axis is not None][:-1]:
            size_bytes, loss = evaluator.alone(weight, form)
            candidate = evaluator.candidate({weight.name: form})
            assert loss == pytest.approx(evaluator.run(candidate).figures.mean_kl_nats, rel=0.1, abs=1e-6)
            (plan,) = (plan for plan in candidate.plans if plan.constant.name == weight.name)
            assert size_bytes == plan.size_bytes
