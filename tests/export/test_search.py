"""The search by hand: budgets, figures, the front against brute force, the journal after a cut, the last layer."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore.errors import UsageError
from kewcore.parity.intervals import Interval
from kewcore_export.forms import FLOAT16, WeightForm, parse_form
from kewcore_export.program import StoredConstant
from kewcore_export.search.budget import Budget, Miss, budget_of
from kewcore_export.search.candidates import form_families
from kewcore_export.search.evaluator import Ran
from kewcore_export.search.figures import Figures, measured_figures
from kewcore_export.search.frontier import Mix, Option, pareto_front
from kewcore_export.search.head import fitted_head, softmax
from kewcore_export.search.journal import Journal
from kewcore_export.search.learning import LearningOutcome, better_by_learning
from kewcore_export.search.search import Measured, Outcome, search, search_space
from kewcore_export.targets import TARGETS

pytestmark = pytest.mark.unit


def test_budgets_as_they_are_written() -> None:
    assert budget_of(None, None, None) == Budget(0.5, None, None)
    assert budget_of("0.25pp", 0.99, "4MB") == Budget(0.25, 0.99, 4_000_000)
    assert budget_of("1", None, "900 kB") == Budget(1.0, None, 900_000)
    assert budget_of(None, None, "1234") == Budget(None, None, 1234)
    assert str(budget_of("0.5", 0.99, "4MB")) == (
        "drop of at most 0.5 pp, agreement of at least 99.00%, size of at most 4,000,000 bytes"
    )


class Laboratory:
    """Stands in for packages: forms have known sizes and losses, and answers follow from the losses."""

    overhead_bytes = 40

    def __init__(self) -> None:
        self.runs = 0

    def alone(self, weight: StoredConstant, form: WeightForm) -> tuple[int, float]:
        self.runs += 1
        size = weight.size * (form.bits or 16) // 8 // max(1, form.rank and 40 // form.rank)
        return size, weight.size / size / 1000

    def candidate(self, forms: dict[str, WeightForm]) -> dict[str, WeightForm]:
        return forms

    def run(self, forms: dict[str, WeightForm]) -> Ran:
        self.runs += 1
        rows = [self.alone(WEIGHTS[name], form) for name, form in forms.items() if form.bits < 16]
        self.runs -= len(rows)
        size = sum(row[0] for row in rows) + sum(2 * WEIGHTS[n].size for n, form in forms.items() if form.bits == 16)
        loss = sum(row[1] for row in rows)
        same, wide = 1 - loss, Interval(-1, 1)
        figures = Figures(100, same, wide, same, 0.9, 0.9, 0.0, wide, 50 * loss, 100 * loss, loss, wide)
        return Ran(figures, size + self.overhead_bytes, None)


WEIGHTS = {
    name: StoredConstant(name, 0, (32, size // 32), name, "linear", "weight", 0)
    for name, size in (("large", 32000), ("small", 320))
}


def searched(budget: Budget, tmp_path: Path, time_limit_s: float = 100.0) -> tuple[Outcome, Laboratory]:
    laboratory = Laboratory()
    space = search_space(list(WEIGHTS.values()), TARGETS["iOS18"], "small")
    journal = Journal(tmp_path / "journal.jsonl", {})
    outcome = search(space, laboratory, budget, journal, time_limit_s, lambda *_: None)  # type: ignore[arg-type]
    return outcome, laboratory


@pytest.mark.parametrize("drop", ["0.05", "0.3", "1", "5"])
def test_bisection_finds_the_smallest_that_keeps_a_drop(drop: str, tmp_path: Path) -> None:
    budget = budget_of(drop, None, None)
    outcome, laboratory = searched(budget, tmp_path)
    assert outcome.chosen is not None
    keeping = [mix for mix in outcome.front if not budget.misses(laboratory.run(dict(mix.forms)).figures)]
    assert outcome.chosen.ran.size_bytes == min(mix.size_bytes for mix in keeping) + Laboratory.overhead_bytes
    assert len(outcome.measured) < 14  # of a front of many


@pytest.mark.parametrize("size", [500, 2_000, 20_000, 64_000, 10**7])
def test_with_a_size_alone_the_best_that_fits_is_taken(size: int, tmp_path: Path) -> None:
    outcome, laboratory = searched(budget_of(None, None, str(size)), tmp_path)
    fitting = [mix for mix in outcome.front if mix.size_bytes + laboratory.overhead_bytes <= size]
    assert (outcome.chosen is None) == (not fitting)
    if outcome.chosen is not None:
        assert outcome.chosen.mix == min(fitting, key=lambda mix: mix.loss)
        assert outcome.chosen.ran.size_bytes <= size


def test_a_drop_and_a_size_that_do_not_go_together(tmp_path: Path) -> None:
    outcome, _ = searched(budget_of("0.05", None, "500"), tmp_path)
    assert outcome.chosen is None
    assert all(one.misses for one in outcome.measured)


def test_a_search_that_is_out_of_time_still_runs_one_mix_and_goes_on_later(tmp_path: Path) -> None:
    budget = budget_of("1", None, None)
    outcome, laboratory = searched(budget, tmp_path, time_limit_s=0.0)
    assert outcome.stopped
    assert len(outcome.measured) == 1
    first = laboratory.runs
    whole, laboratory = searched(budget, tmp_path)
    again, idle = searched(budget, tmp_path)
    assert not whole.stopped
    assert laboratory.runs > first
    assert idle.runs == 0
    assert again.chosen == whole.chosen


@dataclass(frozen=True)
class Pupil:
    """What stands in for a trained network: its mix, and the attempt under whose name it learned."""

    program: Mix
    attempt: str


class School:
    """Stands in for packages: trained mixes of at least so many bytes lose nothing, smaller ones everything."""

    def __init__(self, smallest_bytes: int, divergence_nats: float = 0.0) -> None:
        self.smallest_bytes, self.divergence_nats = smallest_bytes, divergence_nats

    def candidate(self, forms: dict[str, int]) -> Mix:
        (size,) = forms.values()
        return Mix(forms, size, 0.0)  # type: ignore[arg-type]

    def run(self, program: Mix) -> Ran:
        lost = 0.0 if program.size_bytes >= self.smallest_bytes else 100.0
        zero = Interval(0, 0)
        figures = Figures(10, 1.0, zero, 1.0, 1.0, 1.0, lost, zero, lost, lost, self.divergence_nats, zero)
        return Ran(figures, program.size_bytes, None)


# Of 1000 bytes, at most 900, 700, 500 and 350: the largest mixes of these sizes are 890, 690, 500 and 350.
FRONT = [Mix({"w": size}, size, 0.0) for size in (1200, 1000, 890, 720, 690, 510, 500, 350, 340, 9)]  # type: ignore[dict-item]


def bettered(school: School, chosen: Measured, budget: Budget, time_limit_s: float = 100) -> LearningOutcome[Pupil]:
    return better_by_learning(FRONT, chosen, school, Pupil, budget, time_limit_s)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("smallest", "tried", "taken"),
    [
        (0, [890, 690, 500, 350], 350),  # all keep the budget: the smallest
        (400, [890, 690, 500, 350], 500),  # the last one misses it
        (600, [890, 690, 500], 690),  # what is smaller than a miss is not trained
        (1000, [890], None),
    ],
)
def test_smaller_mixes_are_trained_until_one_misses(smallest: int, tried: list[int], taken: int | None) -> None:
    school, budget = School(smallest), budget_of("0.5", None, None)
    chosen = Measured(FRONT[1], school.run(FRONT[1]), ())
    found = bettered(school, chosen, budget)
    assert [one.mix.size_bytes for one in found.trained] == tried
    assert [bool(one.misses) for one in found.trained] == [size < smallest for size in tried]
    assert not found.stopped
    if taken is None:
        assert (found.learned, found.chosen) == (None, chosen)
    else:
        assert found.learned == Pupil(school.candidate({"w": taken}), str(taken))
        assert found.chosen.mix.size_bytes == taken
    assert bettered(school, chosen, budget, time_limit_s=0) == LearningOutcome(chosen, None, (), stopped=True)


@pytest.mark.parametrize(("before", "after", "kept"), [(0.5, 0.25, True), (0.25, 0.25, False), (0.25, 0.5, False)])
def test_with_a_size_alone_the_best_of_that_size_is_trained(before: float, after: float, kept: bool) -> None:
    """A smaller mix would be no better: nothing but the size is asked, and all of them keep it."""
    chosen = Measured(FRONT[1], School(0, before).run(FRONT[1]), ())
    found = bettered(School(0, after), chosen, budget_of(None, None, "1100"))
    assert [(one.mix.size_bytes, one.ran.figures.mean_kl_nats, one.misses) for one in found.trained] == [
        (1000, after, ())
    ]
    assert (found.learned is not None) == kept
    assert found.chosen == (found.trained[0] if kept else chosen)


def test_a_mix_of_floats_has_nothing_to_learn_at_its_size() -> None:
    mix = Mix({"w": FLOAT16}, 1000, 0.0)
    chosen = Measured(mix, School(0).run(mix), ())
    assert bettered(School(0), chosen, budget_of(None, None, "1100")) == LearningOutcome(chosen, None, ())


@pytest.mark.parametrize(
    ("drop", "agreement", "size", "message"),
    [
        ("half", None, None, "--max-drop must be percentage points such as 0.5pp, got 'half'"),
        ("-1", None, None, "--max-drop must be percentage points such as 0.5pp, got '-1'"),
        ("nan", None, None, "--max-drop must be"),
        (None, 1.5, None, "--min-agreement must lie between 0 and 1, got 1.5"),
        (None, 1.0, None, "--min-agreement must lie between 0 and 1, got 1"),
        (None, None, "4 miles", "--max-size must be a size such as 4MB or 900kB, got '4 miles'"),
        (None, None, "0MB", "--max-size must be a size"),
    ],
)
def test_budgets_that_make_no_sense(drop: str | None, agreement: float | None, size: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        budget_of(drop, agreement, size)


def test_figures_by_hand() -> None:
    reference = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.55, 0.45]], np.float32)
    candidate = np.array([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.45, 0.55]], np.float32)
    figures = measured_figures(reference, candidate, np.array([0, 0, 1, 1]))
    assert figures.agreement == 0.5
    assert (figures.reference_accuracy, figures.accuracy, figures.drop_pp) == (0.75, 0.75, 0.0)
    # Three of four right: the score interval's ends are the roots of (p - 0.75)^2 = z^2 p (1 - p) / 4.
    z = 1.959964
    ends = np.sort(np.roots([1 + z**2 / 4, -(1.5 + z**2 / 4), 0.5625]))
    assert (figures.accuracy_interval.low, figures.accuracy_interval.high) == pytest.approx(ends, abs=1e-6)
    # Images 2 and 4 change class: 0.6 - 0.4 and 0.55 - 0.45, over four images.
    likely = 0.3 / 4
    # One lost and one won: a mean of 0 with a variance of (1 + 1 + 1) / 16; the prior has a deviation of 0.5 / 2.
    weight = 0.25**2 / (0.25**2 + 3 / 16)
    expected = 100 * (1 - weight) * likely
    deviation = 100 * np.sqrt(weight * 3 / 16)
    assert figures.estimated_drop_pp == pytest.approx(expected, abs=1e-3)
    assert figures.estimated_drop_upper_pp == pytest.approx(expected + 2 * deviation, abs=1e-3)
    assert Budget(60.0, None, None).misses(figures) == ()
    assert Budget(20.0, 0.4, None).misses(figures) == (
        Miss("drop", f"a drop of up to {expected + 2 * deviation:.2f} pp estimated, more than 20 pp"),
        Miss("agreement", "an agreement of down to 0.00% estimated, less than 40.00%"),
    )
    assert Budget(0.0, 0.4, None).missed_on_unseen(figures) == ()
    assert Budget(-1.0, 0.6, None).missed_on_unseen(figures) == (
        Miss("drop", "a drop of 0.00 pp, more than -1 pp"),
        Miss("agreement", "an agreement of 50.00%, less than 60.00%"),
    )


def test_views_of_an_image_count_as_one_image() -> None:
    reference = np.array([[0.9, 0.1], [0.6, 0.4]], np.float32)
    candidate = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    labels = np.array([0, 0])
    once = measured_figures(reference, candidate, labels)
    thrice = measured_figures(np.tile(reference, (3, 1)), np.tile(candidate, (3, 1)), np.tile(labels, 3), views=3)
    assert thrice.images == 2
    assert thrice.agreement_interval == once.agreement_interval
    assert thrice.drop_pp == once.drop_pp == 50.0
    # Three equal views say no more than one, but for the one answer that is counted besides: 1 or 1/3.
    weight = 0.25**2 / (0.25**2 + (1 + 1 / 9) / 4)
    assert thrice.estimated_drop_pp == pytest.approx(100 * (weight * 0.5 + (1 - weight) * 0.1), abs=1e-3)


def test_an_agreement_is_judged_two_standard_deviations_lower() -> None:
    """Of 100 images in two views, one view of one image changes class: halves of 1 and of 1 more, squared."""
    reference = np.tile(np.array([[0.9, 0.1]], np.float32), (200, 1))
    candidate = reference.copy()
    candidate[7] = 0.1, 0.9
    figures = measured_figures(reference, candidate, np.zeros(200, np.int64), views=2)
    assert figures.agreement == pytest.approx(0.995)
    assert figures.agreement_lower == pytest.approx(0.995 - 2 * np.sqrt(0.25 + 0.25) / 100)
    assert Budget(None, 0.98, None).misses(figures) == ()
    assert [miss.bound for miss in Budget(None, 0.99, None).misses(figures)] == ["agreement"]
    equal = measured_figures(reference, reference, np.zeros(200, np.int64), views=2)
    assert equal.agreement_lower == pytest.approx(1 - 2 * 0.5 / 100)


def test_equal_answers_lose_nothing() -> None:
    answers = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    figures = measured_figures(answers, answers, np.array([0, 0]))
    assert (figures.estimated_drop_pp, figures.estimated_drop_upper_pp) == (0.0, 0.0)


def test_what_is_tried_for_small_and_large_weights() -> None:
    small = StoredConstant("a", 0, (48, 1, 5, 5), "conv_a", "conv", "weight", 0)
    large = StoredConstant("b", 0, (320, 192, 15, 15), "conv_b", "conv", "weight", 0)
    total = small.size + large.size
    assert [[str(form) for form in row] for row in form_families(small, total, TARGETS["iOS18"])] == [
        ["int8", "int4"],
        ["palette-6", "palette-4"],
    ]
    names = [str(form) for row in form_families(large, total, TARGETS["iOS18"]) for form in row]
    assert {"int8", "palette-1", "palette-4-group-8", "palette-8-vector-4", "prune-75-palette-4"} <= set(names)
    assert {"rank-96x64-int8", "rank-16x24-palette-4"} <= set(names)
    dense = StoredConstant("c", 0, (320, 43200), "dense", "linear", "weight", 0)
    ranks = [str(form) for row in form_families(dense, dense.size, TARGETS["iOS18"]) for form in row]
    assert {"rank-128-int8", "rank-4-palette-6"} <= set(ranks)
    assert "rank-192-int8" not in ranks  # two factors with more than half the elements
    older = [form for row in form_families(large, total, TARGETS["iOS16"]) for form in row]
    assert older
    assert all(form.lowest_target <= TARGETS["iOS16"] for form in older)


def test_the_last_layer_is_never_cut_to_a_rank() -> None:
    """It is fitted anew, and its bias with it; factors would keep the old values behind the new bias."""
    hidden, head = (StoredConstant(name, 0, (400, 400), name, "linear", "weight", 0) for name in ("hidden", "head"))
    space = search_space([hidden, head], TARGETS["iOS18"], "head")
    ranks = {name: {str(form) for row in rows for form in row if form.rank} for name, rows in space.families.items()}
    assert "rank-64-int8" in ranks["hidden"]
    assert ranks["head"] == set()
    assert [form for row in space.families["hidden"] for form in row if not form.rank] == [
        form for row in space.families["head"] for form in row
    ]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=4), min_size=1, max_size=4
    )
)
def test_the_front_is_that_of_all_mixes(rows: list[list[tuple[int, int]]]) -> None:
    form = parse_form("int8")
    assert form is not None
    options = {str(i): [Option(form, size, float(loss)) for size, loss in row] for i, row in enumerate(rows)}
    every = {(sum(s for s, _ in mix), float(sum(x for _, x in mix))) for mix in itertools.product(*rows)}
    best = {one for one in every if not any(o != one and o[0] <= one[0] and o[1] <= one[1] for o in every)}
    front = pareto_front(options)
    assert {(mix.size_bytes, mix.loss) for mix in front} == best
    assert [mix.size_bytes for mix in front] == sorted((mix.size_bytes for mix in front), reverse=True)


def test_a_large_front_is_thinned_but_keeps_its_ends() -> None:
    form = parse_form("int4")
    assert form is not None
    options = {name: [Option(form, 2**i, float(100 - i)) for i in range(40)] for name in "abc"}
    front = pareto_front(options, most=30)
    assert len(front) == 30
    assert (front[0].size_bytes, front[-1].size_bytes) == (3 * 2**39, 3)


def test_a_journal_goes_on_after_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "journal.jsonl"
    first = Journal(path, {"run": "a"})
    first.put("x", {"size": 1})
    first.put("y", {"size": 2})
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    second = Journal(path, {"run": "a"})
    assert (second.get("x"), second.get("y")) == ({"size": 1}, None)
    second.put("y", {"size": 3})
    assert Journal(path, {"run": "a"}).get("y") == {"size": 3}
    assert Journal(path, {"run": "b"}).get("x") is None
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[0])["inputs_sha256"]


@pytest.mark.parametrize(
    "damage",
    [b'{"key": "y\xff"}', b'{"key": "y"}', b'{"key": ["y"], "result": 1}', b'{"result": 1}', b'"y"', b"\xff\xfe", b"{"],
)
def test_damaged_lines_of_a_journal_are_passed_over(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, {"run": "a"}).put("x", 1)
    path.write_bytes(path.read_bytes() + damage + b"\n")
    journal = Journal(path, {"run": "a"})
    journal.put("y", 2)
    again = Journal(path, {"run": "a"})
    assert (journal.get("x"), again.get("x"), again.get("y")) == (1, 1, 2)


def test_a_journal_that_is_another_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(np.random.default_rng(0).bytes(2000))
    Journal(path, {"run": "a"}).put("x", 1)
    assert Journal(path, {"run": "a"}).get("x") == 1


@given(st.integers(0, 2**32 - 1))
def test_the_last_layer_takes_out_what_shifts_and_scales_its_features(seed: int) -> None:
    generator = np.random.default_rng(seed)
    weight, bias = generator.standard_normal((3, 5)).astype(np.float32), np.array([0.5, -1, 2], np.float32)
    features = generator.standard_normal((400, 5)).astype(np.float32)
    logits = features @ weight.T + bias
    damaged = features * 0.9 + generator.standard_normal(5).astype(np.float32)
    new_weight, new_bias = fitted_head(weight, bias, damaged, logits)
    before = np.abs(damaged @ weight.T + bias - logits).mean()
    after = np.abs(damaged @ new_weight.T + new_bias - logits).mean()
    assert after < 0.3 * before
    # The mean over all images is met exactly, whatever the pull towards the trained weights.
    assert (damaged @ new_weight.T + new_bias).mean(axis=0) == pytest.approx(logits.mean(axis=0), abs=1e-4)


def test_undamaged_features_leave_the_last_layer_as_it_was() -> None:
    generator = np.random.default_rng(1)
    weight, bias = generator.standard_normal((3, 5)).astype(np.float32), np.zeros(3, np.float32)
    features = generator.standard_normal((50, 5)).astype(np.float32)
    new_weight, new_bias = fitted_head(weight, bias, features, features @ weight.T + bias)
    assert new_weight == pytest.approx(weight, abs=1e-5)
    assert new_bias == pytest.approx(bias, abs=1e-5)


def test_features_that_never_change_leave_the_last_layer_but_for_its_bias() -> None:
    weight, bias = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    new_weight, new_bias = fitted_head(weight, bias, np.zeros((9, 3), np.float32), np.full((9, 2), 5, np.float32))
    assert np.array_equal(new_weight, weight)
    assert new_bias == pytest.approx([5, 5])


def test_softmax_of_large_logits() -> None:
    assert softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]], np.float32)) == pytest.approx(
        np.array([[0.5, 0.5], [0.25, 0.75]]), abs=1e-6
    )
