"""Modes and targets are read as documented, and misspelt ones are answered with a list."""

import pytest

from kewcore.errors import UsageError
from kewcore_export.modes import all_modes, mode_names, parse_mode, parse_modes
from kewcore_export.targets import TARGETS, parse_target

pytestmark = pytest.mark.unit


def test_every_listed_mode_reads_back_as_itself() -> None:
    assert [parse_mode(name).name for name in mode_names()] == list(mode_names())
    assert set(mode_names()) >= {"fp32", "fp16", "int8", "int8-tensor", "int4", "prune-50", "prune-75"}
    assert len(all_modes()) == 14


@pytest.mark.parametrize(
    "name, form, bits, sparsity, target",
    [
        ("fp16", "float", 16, 0.0, "iOS15"),
        ("int8", "linear", 8, 0.0, "iOS16"),
        ("int4", "linear", 4, 0.0, "iOS18"),
        ("palette-3", "palette", 3, 0.0, "iOS18"),
        ("prune-62", "sparse", 16, 0.62, "iOS16"),
        ("prune-75-palette-4", "sparse-palette", 4, 0.75, "iOS18"),
        ("palette-6-group-16", "palette", 6, 0.0, "iOS18"),
        ("palette-8-vector-4", "vector-palette", 8, 0.0, "iOS18"),
        ("rank-32-int8", "linear", 8, 0.0, "iOS16"),
        ("rank-96x64-palette-6", "palette", 6, 0.0, "iOS16"),
        ("rank-8-palette-3", "palette", 3, 0.0, "iOS18"),
    ],
)
def test_modes_mean_what_their_names_say(name: str, form: str, bits: int, sparsity: float, target: str) -> None:
    mode = parse_mode(name)
    weights = mode.weights
    assert (weights.kind, weights.bits, weights.sparsity, mode.lowest_target.name) == (form, bits, sparsity, target)
    assert str(weights) == name


def test_commas_and_repeats() -> None:
    assert [mode.name for mode in parse_modes(["int8,palette-4", "int8", "fp16"])] == ["int8", "palette-4", "fp16"]


@pytest.mark.parametrize(
    "name",
    [
        "palette-5",
        "int7",
        "prune-0",
        "prune-100",
        "prune-75-palette-5",
        "",
        "INT8 ",
        "rank-0-int8",
        "rank-4-rank-2-int8",
        "palette-4-vector-3",
        "palette-4-group-0",
        "rank-8",
        "palette-08",
        "prune-050",
        "palette-٤",
        "palette-" + "9" * 5000,
        "rank-2-" * 2000 + "int8",
    ],
    ids=lambda name: name[:20],
)
def test_an_unknown_mode_is_answered_with_the_list(name: str) -> None:
    with pytest.raises(UsageError, match=f"there is no compression mode '{name}'") as caught:
        parse_mode(name)
    assert caught.value.hint is not None
    assert "palette-4" in caught.value.hint
    assert "prune-N-palette-M" in caught.value.hint


def test_targets_by_either_name_and_in_order() -> None:
    assert parse_target("ios16") is parse_target("macOS13") is TARGETS["iOS16"]
    assert sorted(TARGETS.values()) == [TARGETS[f"iOS{n}"] for n in (15, 16, 17, 18)]
    with pytest.raises(UsageError, match="there is no deployment target 'iOS14'") as caught:
        parse_target("iOS14")
    assert caught.value.hint == ("targets: iOS15 (= macOS12), iOS16 (= macOS13), iOS17 (= macOS14), iOS18 (= macOS15)")
