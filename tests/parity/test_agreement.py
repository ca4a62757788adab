"""Parity of two tables of probabilities, and the intervals and tests behind its figures."""

import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore.errors import DataError, UsageError
from kewcore.parity.agreement import compare
from kewcore.parity.intervals import bootstrap, wilson
from kewcore.parity.paired import compare_accuracy, drop_interval_pp, mcnemar_exact
from kewcore.parity.snr import LEAST_SNR_DB, LOGIT_FLOOR, centred_logits, logit_snr_db, mean_kl_nats, snr_db

stats = pytest.importorskip("scipy.stats", reason="the second opinion on intervals and tests")

pytestmark = pytest.mark.unit


def test_two_rows_by_hand() -> None:
    reference = np.array([[0.75, 0.25], [0.5, 0.5]], np.float32)
    package = np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)
    found = compare(reference, package, np.array([0, 0]))
    assert found.n == 2
    assert found.top1_agreement == 0.5
    assert found.disagreements == (1,)
    assert found.max_abs_dp == found.mean_abs_dp == 0.25
    kl = (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5) + 0.5 * math.log(2) + 0.5 * math.log(2 / 3)) / 2
    assert found.mean_kl_nats == pytest.approx(kl, rel=1e-9)
    # Centred logits: ±ln(3)/2 and 0 against 0 and ∓ln(3)/2, so signal 2·(ln3/2)², noise twice that.
    assert found.logit_snr_db == pytest.approx(10 * math.log10(0.5))
    assert found.accuracy is not None
    assert (found.accuracy.first_accuracy, found.accuracy.second_accuracy, found.accuracy.drop_pp) == (1.0, 0.5, 50.0)


def test_equal_tables_agree_wholly_and_have_an_infinite_snr() -> None:
    table = np.array([[0.75, 0.25], [0.25, 0.75]], np.float32)
    found = compare(table, table)
    assert (found.top1_agreement, found.disagreements, found.max_abs_dp, found.mean_kl_nats) == (1.0, (), 0.0, 0.0)
    assert found.logit_snr_db == math.inf
    assert found.accuracy is None


def test_softmax_forgets_a_constant_and_centring_recovers_the_rest() -> None:
    logits = np.random.default_rng(1).normal(size=(40, 6))
    probabilities = np.exp(logits + 7) / np.exp(logits + 7).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        centred_logits(probabilities), logits - logits.mean(axis=1, keepdims=True), rtol=0, atol=1e-9
    )


def test_probabilities_below_the_floor_do_not_count() -> None:
    tiny = np.array([[1 - 1e-6, 1e-6]])
    assert logit_snr_db(tiny, np.array([[1.0, 0.0]])) > 100
    assert tiny[0, 1] < LOGIT_FLOOR


@given(st.floats(-60, 60))
def test_snr_of_noise_made_to_measure(wanted_db: float) -> None:
    signal = np.random.default_rng(0).normal(size=200)
    assert snr_db(signal, signal * (1 + 10 ** (-wanted_db / 20))) == pytest.approx(wanted_db, abs=1e-6)


def test_snr_of_silence() -> None:
    assert snr_db(np.zeros(3), np.ones(3)) == LEAST_SNR_DB
    for broken in (math.inf, math.nan):
        assert snr_db(np.ones(2), np.array([1.0, broken])) == LEAST_SNR_DB


@given(st.integers(2, 6), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_divergence_is_never_negative_and_equals_scipys(classes: int, images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(classes), images), rng.dirichlet(np.ones(classes), images)
    expected = np.mean([stats.entropy(a, b) for a, b in zip(np.maximum(p, 2**-24), np.maximum(q, 2**-24), strict=True)])
    assert mean_kl_nats(p, q) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert mean_kl_nats(p, p.astype(np.float32)) >= 0


@given(st.integers(1, 3000), st.data())
def test_wilson_interval_equals_scipys(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    found = wilson(successes, trials)
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))
    assert found.low <= successes / trials <= found.high


def test_wilson_needs_trials() -> None:
    with pytest.raises(UsageError, match="a proportion needs 0 ≤ successes ≤ trials and a trial, got 0 of 0"):
        wilson(0, 0)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_exact_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand_and_for_counts_beyond_float() -> None:
    assert mcnemar_exact(1, 5) == pytest.approx(2 * (1 + 6) / 64)
    assert mcnemar_exact(3000, 3000) == 1.0
    tail = sum(comb(2100, k) for k in range(951))
    assert mcnemar_exact(950, 1150) == pytest.approx(float(Fraction(2 * tail, 2**2100)))


def test_drop_interval_is_near_the_normal_one_for_a_large_sample() -> None:
    n, first, second = 10_000, 300, 200
    share = (first - second) / n
    spread = 1.959964 * math.sqrt(((first + second) / n - share**2) / n)
    found = drop_interval_pp(n, first, second)
    assert found.low == pytest.approx(100 * (share - spread), abs=0.03)
    assert found.high == pytest.approx(100 * (share + spread), abs=0.03)


def test_a_small_sample_without_discordant_pairs_is_no_guarantee() -> None:
    found = drop_interval_pp(50, 0, 0)
    assert found.low < 0 < found.high
    assert found.high >= 2.0  # One image of fifty.


def test_drop_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    n, first, second, trials = 400, 0.05, 0.03, 300
    tables = rng.multinomial(n, [first, second, 1 - first - second], size=trials)
    intervals = [drop_interval_pp(n, int(a), int(b)) for a, b, _ in tables]
    covered = sum(one.low <= 100 * (first - second) <= one.high for one in intervals)
    assert covered >= 0.91 * trials


def test_which_side_is_better_has_the_right_sign() -> None:
    first = np.array([True] * 9 + [False])
    second = np.array([True] * 5 + [False] * 5)
    found = compare_accuracy(first, second)
    assert found.drop_pp == pytest.approx(40.0)
    assert (found.only_first_right, found.only_second_right) == (4, 0)
    assert found.drop_interval_pp.low <= 40.0 <= found.drop_interval_pp.high


def test_bootstrap_of_a_mean_is_near_the_normal_interval_and_repeats() -> None:
    values = np.random.default_rng(5).normal(10, 2, 500)
    found = bootstrap(values)
    spread = 1.959964 * values.std() / math.sqrt(values.size)
    assert found.low == pytest.approx(values.mean() - spread, abs=0.02)
    assert found.high == pytest.approx(values.mean() + spread, abs=0.02)
    assert bootstrap(values) == found
    assert bootstrap(values, np.median, seed=1).low < np.median(values) < bootstrap(values, np.median, seed=1).high
    with pytest.raises(UsageError, match=r"a bootstrap needs at least one value on one axis, got shape \(0,\)"):
        bootstrap(np.zeros(0))


def test_tables_that_cannot_be_compared_are_refused() -> None:
    table = np.full((2, 4), 0.25)
    with pytest.raises(DataError, match=r"probabilities of different shapes: \(2, 4\) and \(1, 4\)"):
        compare(table, table[:1])
    with pytest.raises(DataError, match="the package's probabilities hold NaN or infinity in 2 of 2 rows"):
        compare(table, table * np.nan)
    with pytest.raises(DataError, match="labels must be from 0 to 3, got 0 to 9"):
        compare(table, table, np.array([0, 9]))
