"""What charts are drawn from, and the sentences and figures at the top of the report."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_full_result import full_result
from made_results import result_of

from kewcore.parity.drift import LayerDrift
from kewcore_bench.report import class_charts, depth_charts, latency_charts, size_charts, summary
from kewcore_bench.report.drawing import COLOURS, INK, colour, marker
from kewcore_bench.report.page import render
from kewcore_bench.report.series import shown_labels
from kewcore_bench.schema import json_text, to_object
from kewcore_bench.stored_result import from_json

pytestmark = pytest.mark.unit


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), max_size=8))
def test_the_front_holds_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    front = size_charts.pareto_front([float(size) for size, _ in points], [float(share) for _, share in points])
    unbeaten = {
        (size, share)
        for size, share in points
        if not any((s <= size and a > share) or (s < size and a >= share) for s, a in points)
    }
    assert [points[index] for index in front] == sorted(unbeaten)


def test_forty_two_packages_look_unlike_one_another() -> None:
    looks = {(colour(index), marker(index)) for index in range(43)}
    assert len(looks) == 43


def test_a_class_that_no_image_shows_has_no_recall() -> None:
    variant = full_result(120, 0).variants[0]
    first, *others = variant.metrics.per_class
    metrics = replace(variant.metrics, per_class=(replace(first, support=0, recall=0.0), *others))
    chart = class_charts.recall_chart(replace(variant, metrics=metrics, packages=()))
    assert chart.note == f"No image shows {first.name}."
    assert f"{first.name} 0.0 %" not in chart.description
    assert f">{first.name}<" not in chart.svg


def test_charts_take_their_colours_from_the_page_and_tell_their_figures() -> None:
    variant = full_result(120, 0).variants[0]
    agreement = size_charts.agreement_by_size(variant)
    fp16 = variant.packages[0]
    assert f"fp16: 28.1 MB, {100 * fp16.parity.top1_agreement:.1f} % (" in agreement.description
    latency = latency_charts.latency_chart(variant)
    assert latency is not None
    assert "TensorFlow: median 30.4 ms, 95th percentile 37.0 ms" in latency.description
    engines = latency_charts.engines_chart(variant)
    assert engines is not None
    assert re.findall(r"package ([\w-]+): median", engines.description) == ["fp16", "int8", "palette-4", "w8a8"]
    for chart in (agreement, latency, engines):
        assert "currentColor" in chart.svg
        assert "var(--series-" in chart.svg
        assert not any(stand_in in chart.svg for stand_in in (INK, *COLOURS))
    assert latency_charts.latency_chart(replace(variant, latency=None, packages=())) is None


def test_the_axis_of_false_positives_ends_where_nothing_is_left_to_see() -> None:
    variant = result_of(agree=97, of=100).variants[0]
    assert class_charts.roc_chart(variant) is None  # a result of an older kewcore carries none
    full = full_result(120, 0).variants[0]
    perfect = tuple(
        replace(one, false_positive_rate=(0.0, 0.0, 1.0), true_positive_rate=(0.0, 1.0, 1.0)) for one in full.roc
    )
    packages = tuple(replace(one, roc=perfect) for one in full.packages)
    chart = class_charts.roc_chart(replace(full, roc=perfect, packages=packages))
    assert chart is not None
    assert chart.note == "The axis of false positives ends at 2 %: beyond it all curves are at the top."


def test_layers_that_are_equal_or_were_read_back_are_drawn_at_the_top_of_the_scale() -> None:
    variant = result_of(agree=97, of=100).variants[0]
    assert depth_charts.drift_chart(variant) is None
    assert depth_charts.robustness_chart(variant) is None
    rows = (
        LayerDrift("conv", "Conv2D", (8, 8, 4), "conv", None, 40.0, 41.5, 0, 30.0),
        LayerDrift("relu", "ReLU", (8, 8, 4), "relu", None, None, None, 0, None),  # infinite before it was stored
        LayerDrift("drop", "Dropout", (8, 8, 4), None, "conv", None, None, None, None),
    )
    traced = replace(variant, packages=(replace(variant.packages[0], drift=rows),))
    chart = depth_charts.drift_chart(traced)
    assert chart is not None
    assert "Worst layers: int8: conv 41.5 dB." in chart.description
    assert ">relu<" in chart.svg
    assert ">drop<" not in chart.svg


def test_the_sentence_says_how_close_and_how_sure() -> None:
    assert summary.sentence(result_of(agree=97, of=100)) == (
        "The package agrees with TensorFlow on 97.0 % of 100 test images: at least 91.5 % (95 % interval)."
    )
    assert summary.sentence(result_of(agree=100, of=100)) == (
        "The package agrees with TensorFlow on every one of 100 test images; where more are seen, on at least 96.3 % "
        "(95 % interval)."
    )
    result = result_of(agree=97, of=100)
    nothing = replace(result, variants=(replace(result.variants[0], packages=()),))
    assert summary.sentence(nothing) == "No package was measured on the 100 test images."
    assert [tile.label for tile in summary.tiles(nothing)] == ["accuracy of TensorFlow, original"]


def test_tiles_name_the_worst_and_the_best_with_their_intervals() -> None:
    found = {tile.label: (tile.value, tile.whose, tile.sure) for tile in summary.tiles(result_of(agree=97, of=100))}
    assert found["lowest agreement with TensorFlow"] == ("97.0 %", "Tiny-original-int8", "95 %: 91.5 to 99.0 %")
    assert found["largest drop of accuracy"][:2] == ("1.0 points", "Tiny-original-int8")
    assert found["smallest package"] == ("2.0 MB", "Tiny-original-int8", "0.250 of float32")
    fast = found["latency of the fastest, over TensorFlow's on this host"]
    assert fast == ("0.50 ×", "Tiny-original-int8", "95 %: 0.50 to 0.50 ×")


def test_hostile_and_unusual_names_are_drawn_as_they_are() -> None:
    result = full_result(120, 0)
    names = ("a$\\frac$", "<b>&", "葉", "x\x1b[31m", "$", "__")
    odd = dict(zip((one.name for one in result.variants[0].metrics.per_class), names, strict=True))
    text = json_text(to_object(result))
    for before, after in odd.items():
        text = text.replace(f'"{before}"', json.dumps(after))
    found = from_json(type(result), json.loads(text))
    page = render(found)
    for shown in ("a$\\frac$", "&lt;b&gt;&amp;", "葉", "x\\x1b[31m"):
        assert f">{shown}</text>" in page or f">{shown}</th>" in page, shown
        assert re.search(rf"<text[^>]*>{re.escape(shown)}</text>", page), shown
    assert "<b>&" not in page


def test_packages_of_one_mode_and_runs_of_one_variant_are_told_apart() -> None:
    result = result_of(agree=97, of=100)
    variant = result.variants[0]
    first = variant.packages[0]
    twins = (first, replace(first, path=first.path.with_name("other.mlpackage"), name="other"))
    assert shown_labels(variant) == ["int8"]
    assert shown_labels(replace(variant, packages=twins)) == ["Tiny-original-int8", "other"]
    same = (first, replace(first, path=first.path.parent / "deeper" / first.path.name))
    assert shown_labels(replace(variant, packages=same))[1] == "packages/deeper/Tiny-original-int8.mlpackage"
    again = replace(variant, run=variant.run.with_name("again"))
    page = render(replace(result, variants=(variant, again)))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[\w.-]+", one) for one in ids)


def test_of_many_classes_only_the_hardest_have_a_curve() -> None:
    variant = full_result(120, 0).variants[0]
    metrics = variant.metrics
    rocs = tuple(replace(metrics.per_class[0], name=f"c{i}", roc_auc=0.5 + i / 100) for i in range(20))
    many = replace(
        variant,
        metrics=replace(metrics, per_class=rocs),
        roc=tuple(replace(variant.roc[0], name=f"c{i}") for i in range(20)),
        packages=(),
    )
    chart = class_charts.roc_chart(many)
    assert chart is not None
    assert chart.note.endswith("The 12 of 20 classes with the smallest areas.")
    assert ">c11<" in chart.svg
    assert ">c12<" not in chart.svg


def test_colours_go_round_but_the_references_stays_its_own() -> None:
    assert [colour(index) for index in range(7)] == list(COLOURS)
    assert [colour(7), colour(12), colour(13)] == [COLOURS[1], COLOURS[6], COLOURS[1]]
