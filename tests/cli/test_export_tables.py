"""Tables of `kewcore export` for packages whose making is told in their sidecars."""

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from kewcore.cli.export_activations import print_activations
from kewcore.cli.export_search import missed_budgets, print_search
from kewcore_export.activations.record import ActivationRecord, OperationRecord, TensorRecord

pytestmark = pytest.mark.cli


def on_a_terminal(capsys: pytest.CaptureFixture[str], columns: int, show: Callable[[], None]) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys.stdout, "isatty", lambda: True)
        show()
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()


def figures(agreement: float, drop: float) -> dict[str, Any]:
    return {
        "images": 293,
        "agreement": agreement,
        "agreement_interval": {"low": agreement - 0.02, "high": agreement},
        "agreement_lower": agreement - 0.004,
        "accuracy": 0.888 - drop / 100,
        "accuracy_interval": {"low": 0.85 - drop / 100, "high": 0.92 - drop / 100},
        "reference_accuracy": 0.888,
        "drop_pp": drop,
        "drop_interval_pp": {"low": drop - 2.5, "high": drop + 3.5},
        "estimated_drop_pp": drop,
        "estimated_drop_upper_pp": drop + 0.25,
        "mean_kl_nats": 0.01,
    }


def tried(size: int, answers: dict[str, Any], *bounds: str, trained: bool = False) -> dict[str, Any]:
    ran = {"figures": answers, "size_bytes": size, "estimated_ms": 12.345}
    misses = [{"bound": bound, "text": f"the {bound} is not kept"} for bound in bounds]
    return {"forms": {"conv": f"form-of-{size}"}, "ran": ran, "misses": misses, "trained": trained}


LARGE, SMALL, LEARNED = tried(9_876_543, figures(1.0, 0.0)), tried(870_123, figures(0.997, 0.2)), figures(0.995, 0.2)
TRIED = [
    LARGE,
    tried(2_000_000, figures(0.997, 0.2)),  # answers as the chosen one, in another form
    SMALL,
    tried(400_000, figures(0.7, 30.0), "drop", "agreement"),
    tried(600_000, LEARNED, trained=True),
]


def record(chosen: dict[str, Any], *misses: dict[str, Any]) -> dict[str, Any]:
    return {
        "budget": "drop of at most 0.5 pp, agreement of at least 99.00%",
        "chip": "A17 Pro",
        "estimate_accuracy": "estimated; on 18 networks the estimate was off by a factor of 1.3 (worst 2.6)",
        "images": 293,
        "forms": chosen["forms"],
        "found": chosen["ran"]["figures"],
        "unseen": figures(0.991, 0.1),
        "misses": list(misses),
        "tried": TRIED,
    }


def test_a_search_fits_a_terminal_of_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    lines = on_a_terminal(capsys, 100, lambda: print_search("KewCNN-original-auto", 870_500, record(SMALL)))
    rows = [line for line in lines if not line.startswith("KewCNN")]
    assert max(map(len, rows)) <= 100
    assert [line.split()[-1] for line in rows if "none" in line] == ["none", "none", "chosen", "none", "none"]
    (chosen,) = [line.split() for line in rows if "chosen" in line]
    assert chosen == ["870.1", "kB", "12.35", "88.6", "[84.8,", "91.8]", "+0.2", "[-2.3,", "3.7]", "0.45",
                      "99.7", "(99.3)", "none,", "chosen"]  # fmt: skip
    (worst,) = [line.split() for line in rows if "400.0 kB" in line]
    assert worst == ["400.0", "kB", "12.35", "58.8", "[55.0,", "62.0]", "+30.0", "[27.5,", "33.5]", "30.25",
                     "70.0", "(69.6)", "drop,", "agreement"]  # fmt: skip


def test_how_far_off_estimates_were_stands_below_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    lines = on_a_terminal(capsys, 100, lambda: print_search("p", 870_500, record(SMALL)))
    assert lines.count("ms, estimated; on 18 networks the estimate was off by a factor of 1.3 (worst 2.6).") == 1
    older = record(SMALL)
    del older["estimate_accuracy"]  # as in sidecars from before these were written
    older["unseen"] = {key: value for key, value in older["unseen"].items() if key != "accuracy_interval"}
    print_search("p", 870_500, older)
    assert "ms, estimated" not in capsys.readouterr().out


def test_what_learned_stands_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    print_search("p", 600_100, record(TRIED[-1]))
    out = capsys.readouterr().out
    assert out.index("p: mixes that were run") < out.index("400.0 kB") < out.index("p: mixes that learned")
    (chosen,) = [line for line in out.splitlines() if "chosen" in line]
    assert chosen.startswith(" 600.0 kB")


def test_a_budget_that_is_missed_on_unseen_images(capsys: pytest.CaptureFixture[str]) -> None:
    found = record(SMALL, {"bound": "drop", "text": "a drop of 0.71 pp, more than 0.5 pp"})
    print_search("p", 870_500, found)
    assert re.search(r"870\.5 kB .* drop$", capsys.readouterr().out.rstrip(), re.MULTILINE)
    assert missed_budgets({"p": found, "q": record(SMALL)}) == [
        "p: a drop of 0.71 pp, more than 0.5 pp, on images that the search has not seen"
    ]


def test_an_operation_takes_floats_where_another_takes_the_same_value_as_bytes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shared = TensorRecord("x", "uint8", 0.1, 0, 0.0, 25.5, 0.01, 40.0)
    operations = (
        OperationRecord("first", "conv", "x", "int8", 30.0, 29.0, ""),
        OperationRecord("second", "conv", "x", "float", 12.0, 29.0, "12.0 dB alone, less than 20 dB"),
    )
    made = ActivationRecord("mse", False, "data", 128, "f00d", 42, 0, 20.0, (), 16, 31.0, operations, (shared,))
    print_activations("p", made)
    first, second = (line for line in capsys.readouterr().out.splitlines() if "conv" in line)
    assert first.split() == ["first", "conv", "uint8", "0", "…", "25.5", "1.000%", "30.0", "dB", "29.0", "dB"]
    assert second.split()[:6] == ["second", "conv", "float", "12.0", "dB", "29.0"]
