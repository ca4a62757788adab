"""The roofline by hand, and the data file's constants against the other places that know them."""

import tomllib
from importlib.resources import files

import pytest

from kewcore.ane.chips import CHIPS, parse_chip
from kewcore.ane.evidence import Mark
from kewcore.ane.residency import DISPATCH_MS
from kewcore.ane.roofline import Bound, Work, roofline_of, rooflines, streamed_bytes, time_of
from kewcore.ane.weight_forms import WeightForm

pytestmark = pytest.mark.unit
M1, M2, A17 = (roofline_of(parse_chip(name)) for name in ("M1", "M2", "A17 Pro"))


def test_each_bound_holds_in_its_turn() -> None:
    # On the M1: 4.8e12 operations, 24e9 bytes of activations, 51e9 bytes of weights a second.
    compute = time_of(Work(multiply_adds=2_400_000_000, activation_bytes=12_000_000, weight_bytes=25_500_000), M1)
    assert compute.compute_ms == pytest.approx(1.0)
    assert compute.activation_ms == pytest.approx(0.5)
    assert compute.weight_ms == pytest.approx(0.5)
    assert (compute.estimated_ms, compute.bound) == (compute.compute_ms, Bound.COMPUTE)
    assert time_of(Work(activation_bytes=24_000_000, weight_bytes=1), M1).bound is Bound.ACTIVATIONS
    assert time_of(Work(multiply_adds=1, weight_bytes=1_000), M1).bound is Bound.WEIGHTS
    assert time_of(Work(), M1).bound is Bound.DISPATCH


@pytest.mark.parametrize(
    ("chip", "group_channels", "int8", "expected_ms"),
    [
        ("M1", None, False, 1.0),
        ("M1", 1, False, 8.0),  # one channel of eight
        ("M1", 4, False, 2.0),
        ("M1", 32, False, 1.0),
        ("M1", None, True, 1.0),  # bytes are multiplied no faster
        ("A17 Pro", None, False, 4.8 / 7.6),
        ("A17 Pro", None, True, 2.4 / 7.6),
    ],
)
def test_compute(chip: str, group_channels: int | None, int8: bool, expected_ms: float) -> None:
    work = Work(multiply_adds=2_400_000_000, group_channels=group_channels, int8_products=int8)
    assert time_of(work, roofline_of(parse_chip(chip))).compute_ms == pytest.approx(expected_ms)


@pytest.mark.parametrize(
    ("form", "stored", "by_chip"),
    [
        (None, 2000, {"M1": 2000, "A17 Pro": 2000}),
        (WeightForm(8), 1004, {"M1": 2000, "A14": 1004, "M2": 2000 / 1.92, "A17 Pro": 1004}),
        (WeightForm(4), 504, {"M1": 2000, "A14": 504}),
        (WeightForm(4, palette=True), 532, {"M1": 2000 / 2.37, "A14": 532, "M5": 2000 / 1.8}),
        (WeightForm(8, palette=True), 1512, {"M1": 1512}),
        (WeightForm(16, sparse=True), 625, {"M1": 2000 / 1.64, "A14": 625, "M2": 2000 / 1.85}),
        (WeightForm(8, sparse=True), 375, {"M1": 2000, "A14": 375}),
        (WeightForm(4, palette=True, sparse=True), 250, {"M1": 2000 / 2.37, "A13": 2000 / 2.37, "A15": 250}),
        (WeightForm(4, blocks=True), 600, {"M1": 2000, "A14": 2000, "A15": 600}),
    ],
)
def test_forms_fold_or_stream(form: WeightForm | None, stored: int, by_chip: dict[str, float]) -> None:
    for chip, expected in by_chip.items():
        assert streamed_bytes(1000, stored, form, roofline_of(parse_chip(chip))) == round(expected), chip


def test_the_file_has_every_chip_and_agrees_with_the_limits() -> None:
    assert list(rooflines()) == [chip.name for chip in CHIPS]
    for chip in CHIPS:
        roofline = roofline_of(chip)
        assert roofline.on_chip_bytes.value == chip.on_chip_bytes.value
        assert (roofline.generation >= roofline.streams_from["linear"].value) is chip.int8_weights_stream.value
        assert (roofline.generation >= roofline.streams_from["blockwise"].value) is chip.blockwise_weights_stream.value
        assert (roofline.int8_speedup.value > 1) is chip.int8_products.value
    assert M1.dispatch_floor_ms.value == DISPATCH_MS


def test_derived_constants_are_what_they_say() -> None:
    document = tomllib.loads(files("kewcore.ane").joinpath("rooflines.toml").read_text())
    share = document["shared"]["sustained_share"]["value"]
    assert share == pytest.approx(4.8 / 11, abs=5e-4)
    for chip, roofline in rooflines().items():
        rows = (
            roofline.fp16_tflops,
            roofline.weight_gb_per_s,
            roofline.activation_gb_per_s,
            roofline.dispatch_floor_ms,
        )
        for row in rows:
            if row.how.startswith(("as the ", "sustained_share")):
                assert row.mark is Mark.RUMOUR, chip
            if row.how.startswith("sustained_share"):
                assert roofline.peak_tops is not None
                half = 0.5 if roofline.int8_speedup.value > 1 else 1
                assert row.value == pytest.approx(share * half * roofline.peak_tops.value, abs=0.06), chip
        for name in ("weight_gb_per_s", "activation_gb_per_s", "dispatch_floor_ms"):
            how = getattr(roofline, name).how
            if how.startswith("as the "):
                other = getattr(rooflines()[how.removeprefix("as the ")], name)
                assert getattr(roofline, name).value == other.value, (chip, name)
                assert other.mark is Mark.REPORTED, (chip, name)
