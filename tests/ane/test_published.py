"""The published networks against the numbers that their authors give, and how far off the estimates are."""

import re
import subprocess
import sys
from math import exp, log, prod
from pathlib import Path

import pytest

from kewcore.ane.chips import parse_chip
from kewcore.ane.published import (
    CHANNELS,
    accuracy,
    accuracy_for,
    checks,
    estimated_figure_ms,
    figures,
    fitted,
    published_layers,
    work_of,
)
from kewcore.ane.roofline import rooflines

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[2]

# Millions of multiply-adds and of parameters as the authors (or torchvision, timm, Hugging Face) give them.
GIVEN = {
    "MobileNetV2": (300, 3.5),
    "MobileNetV2 x1.4": (582, 6.1),
    "MobileNetV3-Small": (56, 2.54),
    "ResNet50": (4089, 25.6),
    "MobileOne-S0": (275, 2.1),
    "MobileOne-S1": (825, 4.8),
    "MobileOne-S2": (1299, 7.8),
    "MobileOne-S3": (1896, 10.1),
    "MobileOne-S4": (2978, 14.8),
    "FastViT-T8": (700, 4.03),
    "FastViT-T12": (1400, 7.55),
    "FastViT-S12": (1800, 9.47),
    "FastViT-SA12": (1900, 11.58),
    "FastViT-SA24": (3800, 21.55),
    "FastViT-SA36": (5600, 31.53),
    "FastViT-MA36": (7900, 44.07),
    "OPT-1.3B, 64 tokens": (64 * 1208 + 103, 1316),
}


@pytest.mark.parametrize("network", GIVEN)
def test_layers_add_up_to_what_the_authors_give(network: str) -> None:
    layers = published_layers()[network]
    multiply_adds, parameters = GIVEN[network]
    assert sum(row.count * row.multiply_adds for row in layers) / 1e6 == pytest.approx(multiply_adds, rel=0.025)
    assert sum(row.count * row.weights for row in layers) / 1e6 == pytest.approx(parameters, rel=0.03)


def test_every_figure_has_its_layers_and_its_chip() -> None:
    for figure in figures():
        assert figure.network in published_layers()
        assert figure.chip in rooflines()
        assert figure.source.url.startswith("https://")
    assert {figure.network for figure in figures()} == set(published_layers())


@pytest.mark.parametrize("script", ["published_networks.py", "cost_check.py"])
def test_what_scripts_wrote_is_what_they_would_write(script: str) -> None:
    done = subprocess.run([sys.executable, ROOT / "docs" / script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_estimate_by_hand() -> None:
    # One row of 8192 times a square matrix on the M2: 134 MB of fp16 at 51 GB/s, and the floor.
    by_name = {(figure.network, figure.form): figure for figure in figures()}
    plain = by_name["1x8192 times 8192x8192", "fp16"]
    assert estimated_figure_ms(plain) == pytest.approx(0.23 + 2 * 8192**2 / 51e9 * 1e3)
    small = by_name["1x8192 times 8192x8192", "int8"]
    assert estimated_figure_ms(small) == pytest.approx(0.23 + 2 * 8192**2 / 1.92 / 51e9 * 1e3)
    # 64 channels of 256x256 are 8.4 MB: they stream in and out at 24 GB/s, but multiplying takes longer at 4.8 TFLOP/s.
    layer = by_name["3x3 of 64 channels, 256x256", "fp16"]
    assert estimated_figure_ms(layer) == pytest.approx(0.23 + 2 * 64 * 64 * 9 * 256**2 / 4.8e12 * 1e3)


def test_bytes_of_a_form() -> None:
    stem = published_layers()["MobileNetV2"][3]  # 1x1 from 16 to 96 channels on 112x112: the largest result
    assert (stem.weights, stem.tensors) == (16 * 96, (16 * 112**2, 96 * 112**2))
    a16 = rooflines()["A16"]
    assert work_of(stem, "fp16", a16).activation_bytes == 2 * 96 * 112**2  # 2.3 MiB, over the 2 MiB
    assert work_of(stem, "w8a8", a16).activation_bytes == 0  # half of that
    stored = {"fp16": 3072, "int8": 1536, "w8a8": 1536, "palette-4": 768, "palette-6": 1152, "sparse-75": 960}
    assert {form: work_of(stem, form, a16).weight_bytes for form in stored} == stored


def test_the_constant_in_the_file_is_the_one_that_fits_and_no_network_decides_it_alone() -> None:
    networks = [figure for figure in figures() if figure.subject == "networks"]
    in_file = rooflines()["A14"].channels_at_a_time.value
    assert fitted(networks) == in_file
    assert in_file not in (CHANNELS[0], CHANNELS[-1])
    for left_out in {figure.network for figure in networks}:
        assert fitted(f for f in networks if f.network != left_out) == in_file


def test_accuracy_counts_every_network_once() -> None:
    rows = [check for check in checks() if check.figure.subject == "networks"]
    found = accuracy(rows)
    by_network: dict[str, list[float]] = {}
    for row in rows:
        ratio = row.unseen_ms / row.figure.latency_ms
        by_network.setdefault(row.figure.network, []).append(max(ratio, 1 / ratio))
    means = [prod(row) ** (1 / len(row)) for row in by_network.values()]
    assert found.typical_factor == pytest.approx(exp(sum(map(log, means)) / len(means)))
    assert found.worst_factor == max(max(row) for row in by_network.values())
    assert (found.networks, found.figures) == (18, len(rows))
    assert found.typical_factor < 1.3  # what docs/ane.md promises
    assert found.worst_factor < 2
    with pytest.raises(ValueError, match="no figures to sum up"):
        accuracy([])


def test_the_sentence_names_networks_for_phones_and_layers_for_macs() -> None:
    phone, mac = accuracy_for(parse_chip("A16")).text, accuracy_for(parse_chip("M4")).text
    assert re.fullmatch(
        r"estimated; on 18 published networks \(\d+ figures on A14, A15, A16, A17 Pro\) the estimate was off by a "
        r"factor of \d\.\d \(worst \d\.\d\)",
        phone,
    )
    assert mac.startswith("estimated; on 10 measured layers, for want of networks, (13 figures on M1, M2) the estimate")
