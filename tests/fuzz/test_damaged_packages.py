"""Damaged packages, a few hundred of what `make fuzz` tries by the thousand; and that the fuzzer sees what it must."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mutations import MODEL, Input, draw, mutated
from run import Worker, smallest, table, tried
from seeds import MADE
from trial import Bench

pytestmark = pytest.mark.runtime
INPUTS = 250
SEED = 11


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return Bench(tmp_path_factory.mktemp("seeds"), third_party=False).names


def test_only_results_and_kewcore_errors_come_out(tmp_path: Path, names: tuple[str, ...]) -> None:
    trials = tried([draw(SEED, number, names) for number in range(INPUTS)], tmp_path, 1, third_party=False)
    failing = {t.source.number: [f["result"] + "\n" + f["detail"] for f in t.failures] for t in trials if t.failures}
    assert not failing, f"repeat with: python tests/fuzz/run.py --own --seed {SEED} --only NUMBER\n{failing}"
    results = {outcome["result"] for trial in trials for outcome in trial.outcomes}
    assert results >= {"done", "PackageError", "UnsupportedError", "UsageError"}
    done = sum(outcome["result"] == "done" for trial in trials for outcome in trial.outcomes)
    assert INPUTS / 8 < done < INPUTS, "mutations either break everything or nothing"
    assert f"| {len(trials)} |" in table(trials)


def test_an_input_is_the_same_whenever_it_is_made(tmp_path: Path, names: tuple[str, ...]) -> None:
    once, again = (Bench(tmp_path / part, third_party=False) for part in "ab")
    for number in range(40):
        source = draw(3, number, names)
        assert source == draw(3, number, names)
        assert once.damaged(source) == again.damaged(source)


def test_steps_that_are_left_out_leave_the_others_as_they_are(tmp_path: Path, names: tuple[str, ...]) -> None:
    bench = Bench(tmp_path, third_party=False)
    source = Input(5, 1, "network", "specification bytes", ())
    assert bench.damaged(source)[MODEL] == bench.sound("network")[MODEL]
    one = mutated(Input(5, 1, "network", "specification bytes", (1,)), bench.sound("network"), lambda _: b"", names)
    both = mutated(Input(5, 1, "network", "specification bytes", (0, 1)), bench.sound("network"), lambda _: b"", names)
    assert one != both
    assert one[MODEL] != bench.sound("network")[MODEL]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed by SIGSEGV"),
        ("import time; time.sleep(60)", "hung for 1 s"),
        ("import sys; sys.exit(3)", "crashed with exit code 3"),
    ],
)
def test_what_must_not_happen_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, expected: str
) -> None:
    served = f"import sys\nprint('ready', flush=True)\nsys.stdin.readline()\n{code}\n"
    (tmp_path / "trial.py").write_text(served)
    monkeypatch.setattr("run.HERE", tmp_path)
    monkeypatch.setattr("run.TIME_LIMIT_S", 1.0)
    worker = Worker(tmp_path / "worker", third_party=False)
    try:
        trial = worker.run(Input(0, 0, "network", "manifest", (0,)))
    finally:
        worker.stop()
    assert [failure["result"] for failure in trial.failures] == [expected]


def test_a_failing_input_is_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that do not matter are left out: here all but the one that the stand-in trial looks for."""
    served = (
        "import json, sys\nprint('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    bad = 2 in json.loads(line)['steps']\n"
        "    result = 'escaped TypeError' if bad else 'done'\n"
        "    print(json.dumps([{'stage': 'opening', 'result': result, 'detail': ''}]), flush=True)\n"
    )
    (tmp_path / "trial.py").write_text(served)
    monkeypatch.setattr("run.HERE", tmp_path)
    source = Input(0, 0, "network", "manifest", (0, 1, 2, 3))
    (trial,) = tried([source], tmp_path / "first", 1, third_party=False)
    assert smallest(trial, tmp_path / "shrinking", third_party=False).source.steps == (2,)


@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
def test_seed_packages_are_sound(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    from trial import tried as tried_once

    assert [o.result for o in tried_once(make(tmp_path / "p.mlpackage"), 0)] == ["done", "done"]
