"""Reports on whole networks: segments, shares, and packages that other people made."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from mlbuilder import Op
from one_op import program, zeros

from kewcore.ane.chips import CHIPS, parse_chip
from kewcore.ane.residency import Residency, Verdict, residency
from kewcore.ane.rules import Effect
from kewcore.ane.wording import chip_groups, count_text, names_text, numbers_text, statements, verdict_text
from kewcore.errors import PackageError
from kewcore.runtime import load

F16 = "fp16"
LONG = 16385


def flattened_dense(path: Path, chips: str = "M1 M5") -> Residency:
    """A product that is too long before the A16, between a convolution and an activation."""
    ops = [
        Op("conv", {"x": "x", "weight": zeros(LONG, 1, 1, 1), "pad_type": "'valid'"}, {"a": (F16, (1, LONG, 1, 1))}),
        Op("reshape", {"x": "a", "shape": np.array([1, LONG], np.int32)}, {"b": (F16, (1, LONG))}),
        Op("linear", {"x": "b", "weight": zeros(4, LONG)}, {"c": (F16, (1, 4))}),
        Op("relu", {"x": "c"}, {"y": (F16, (1, 4))}),
    ]
    model = program(path, ops, {"x": (F16, (1, 1, 1, 1))}, ["y"])
    return residency(model, [parse_chip(name) for name in chips.split()])


@pytest.mark.unit
def test_a_fallback_cuts_the_network_in_three(tmp_path: Path) -> None:
    old, new = flattened_dense(tmp_path).chips
    assert [judgement.verdict.value for judgement in old.judgements] == ["on", "off", "off", "on"]
    assert [(s.on_engine, [call.number for call in s.calls], s.received_bytes) for s in old.segments] == [
        (True, [1], 0),
        (False, [2, 3], 2 * LONG),
        (True, [4], 2 * 4),
    ]
    assert old.switches == 2
    assert old.resident_ops == 0.5
    assert old.resident_multiply_adds == LONG / (LONG + 4 * LONG)
    assert (new.switches, new.resident_ops, new.resident_multiply_adds) == (0, 1.0, 1.0)
    assert [judgement.rule for judgement in old.judgements] == [None, 12, 12, None]


@pytest.mark.unit
def test_branches_share_a_fallback(tmp_path: Path) -> None:
    # x → relu → mod → add: two branches whose fallbacks can run in one go, whatever the order they are written in.
    ops = [
        Op("relu", {"x": "x"}, {"a": (F16, (32,))}),
        Op("mod", {"x": "a", "y": "x"}, {"b": (F16, (32,))}),
        Op("sigmoid", {"x": "x"}, {"c": (F16, (32,))}),
        Op("mod", {"x": "c", "y": "x"}, {"d": (F16, (32,))}),
        Op("add", {"x": "b", "y": "d"}, {"y": (F16, (32,))}),
    ]
    report = residency(program(tmp_path, ops, {"x": (F16, (32,))}, ["y"]), [parse_chip("M5")]).chips[0]
    assert [([call.number for call in s.calls], dict(s.received)) for s in report.segments] == [
        ([1, 3], {}),
        ([2, 4], {"a": 64, "c": 64}),
        ([5], {"b": 64, "d": 64}),
    ]


@pytest.mark.unit
def test_a_network_that_starts_off_the_engine_has_no_empty_segment(tmp_path: Path) -> None:
    ops = [
        Op("mod", {"x": "x", "y": "x"}, {"a": (F16, (32,))}),
        Op("relu", {"x": "a"}, {"y": (F16, (32,))}),
    ]
    report = residency(program(tmp_path, ops, {"x": (F16, (32,))}, ["y"]), [parse_chip("M1")]).chips[0]
    assert [segment.on_engine for segment in report.segments] == [False, True]
    # Nothing multiplies here, so operations are counted.
    assert report.resident_multiply_adds == report.resident_ops == 0.5


@pytest.mark.unit
def test_chips_that_judge_alike_are_told_together(tmp_path: Path) -> None:
    report = flattened_dense(tmp_path, "A13 M1 A14 A15 A16 M5")
    assert [group.label for group in chip_groups(report)] == ["A13 … A15", "A16, M5"]
    said = statements(report, (Effect.OFF, Effect.UNCLEAR))
    assert [(one.rule.number, one.text, one.operations, one.chips) for one in said] == [
        (12, "axis of 16,385 in [1, 16385, 1, 1], at most 16,384", (2,), ("A13", "M1", "A14", "A15")),
        (12, "contraction axis of 16,385, at most 16,384", (3,), ("A13", "M1", "A14", "A15")),
    ]
    everywhere = [one for one in statements(report, (Effect.REMARK,)) if one.rule.number == 8]
    assert [one.chips for one in everywhere] == [(), ()]
    assert [verdict_text(one) for one in report.chips[0].judgements] == ["on", "off 12", "off 12", "on"]


@pytest.mark.unit
def test_words() -> None:
    assert names_text(["A13"]) == "A13"
    assert names_text(["A13", "M1"]) == "A13, M1"
    assert names_text(["A13", "M1", "A14"]) == "A13 … A14"
    assert numbers_text([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert [count_text(n) for n in (0, 7, 999, 1000, 13_824_000, 300_000_000, 1_121_244_288)] == [
        "", "7", "999", "1.0 k", "13.8 M", "300 M", "1.1 G",
    ]  # fmt: skip


# Shares of the multiply-adds on M1 and M5, and what keeps the rest off: read off the networks by hand.
THIRD_PARTY = {
    "asd_audio_encoder": (0.0, 0.0, {3}),  # frames vary
    "basic_pitch_nmp_fp32": (0.0, 0.0, {2}),
    "ironmill_mnist_base": (0.0, 0.0, {2}),
    "mnist_mlp_classifier": (1.0, 1.0, {2}),  # the image's scale is in fp32
    "mobilefacenet_fp16": (1.0, 1.0, set()),
    "pose_cnn1d": (1.0, 1.0, set()),
    # All but the dense layers is in a loop of 30 rounds: 2,112 of 2,112 + 30 · 18,688 multiply-adds.
    "pose_lstm": (2112 / (2112 + 30 * 18688), 2112 / (2112 + 30 * 18688), {2, 16}),
    "screendoc_mobilenetv3": (1.0, 1.0, set()),
    "situp_conv1d": (1.0, 1.0, set()),
    "speech_emotion_lstm": (62208 / (62208 + 162 * 16640), 62208 / (62208 + 162 * 16640), {2, 16}),
    "u2netp_saliency": (1.0, 1.0, {16}),  # upsampling is unclear on M1
    "yolo11n_face_pal8_nms_pipeline": (1.0, 1.0, {2, 16}),
    "yolo11n_pal8": (1.0, 1.0, {2, 16}),
}


@pytest.mark.runtime
@pytest.mark.parametrize("name", THIRD_PARTY)
def test_packages_of_other_people(third_party: Path, name: str) -> None:
    (path,) = (third_party / name).glob("*.mlpackage")
    report = residency(load(path, "reference"), CHIPS)
    first, last, rules = THIRD_PARTY[name]
    by_name = {one.chip.name: one for one in report.chips}
    assert by_name["M1"].resident_multiply_adds == pytest.approx(first, abs=5e-4)
    assert by_name["M5"].resident_multiply_adds == pytest.approx(last, abs=5e-4)
    deciding = {judgement.rule for one in report.chips for judgement in one.judgements}
    assert deciding - {None} == rules
    for one in report.chips:
        assert len(one.judgements) == len(report.calls)
        assert all(judgement.source for judgement in one.judgements if judgement.verdict is not Verdict.OUTSIDE)
        counted = [call.number for segment in one.segments for call in segment.calls]
        assert len(counted) == len(set(counted)) == len(report.calls) - one.count(Verdict.OUTSIDE)
        sides = [segment.on_engine for segment in one.segments]
        assert all(left != right for left, right in pairwise(sides))


@pytest.mark.runtime
def test_every_third_party_package_is_covered(third_party: Path) -> None:
    folders = {path.parent.name for path in third_party.glob("*/*.mlpackage")}
    assert folders - set(THIRD_PARTY) == {"ironmill_mnist_pal"}  # malformed, which loading says
    with pytest.raises(PackageError):
        load(next((third_party / "ironmill_mnist_pal").glob("*.mlpackage")))
