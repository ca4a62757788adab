"""Tables on stdout: at full width in a file, and readable on a terminal that is too narrow for them."""

import re
import sys
from typing import Any

import pytest

from kewcore.cli.output import print_table

pytestmark = pytest.mark.unit
COLUMNS = ("package", "size", "agreement [95 %]", "max |Δp|", "latency, ms (p95)")
ROWS = (
    ("TensorFlow reference", "56.1 MB", "–", "–", "30.2 (31.6)"),
    ("KewCNN-synthetic-prune-75-palette-4-for-a-small-telephone", "3.7 MB", "98.3 % [91.1, 99.7]", "1.3e-02", ""),
)


def on_a_terminal(capsys: pytest.CaptureFixture[str], *arguments: Any, **keywords: Any) -> str:
    """Prints a table while stdout passes for a terminal of 80 columns; returns it without styles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        patch.setattr(sys.stdout, "isatty", lambda: True)
        print_table(*arguments, **keywords)
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


def test_a_file_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Bench", COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "Bench"
    assert any(ROWS[1][0] in line and "98.3 % [91.1, 99.7]" in line for line in lines)


def test_a_title_longer_than_its_table_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Synthetic images (drawings, a stand-in)", ("class", "drawn"), [("leaf", "3")])
    assert capsys.readouterr().out.splitlines()[0] == "Synthetic images (drawings, a stand-in)"


def test_words_stand_left_and_figures_right_wherever_their_columns_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        "", ("package", "files", "verdict"), [("a", "7", "sound"), ("b", "12", "weight.bin has changed")], left=(0, 2)
    )
    lines = capsys.readouterr().out.splitlines()
    first, second = (next(line for line in lines if line.startswith(f" {name} ")) for name in "ab")
    assert first.index("sound") == second.index("weight.bin")
    assert first.index("7") == second.index("12") + 1


def test_a_heading_of_two_lines_is_one_where_rows_are_stacked(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ("class", "images", "→\nplant_tag", "→\nleaf")
    assert "  → plant_tag  7\n  → leaf       1" in on_a_terminal(
        capsys, "", columns, [("a_long_name" * 9, "8", "7", "1")]
    )
    heading = on_a_terminal(capsys, "", columns, [("plant_tag", "8", "7", "1")]).splitlines()[2]
    assert heading.split() == ["class", "images", "plant_tag", "leaf"]


def test_words_too_wide_for_the_terminal_are_stacked_and_not_torn(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_a_terminal(capsys, "[Bench]", COLUMNS, ROWS) == (
        "[Bench]\n\n"
        "TensorFlow reference\n"
        "  size               56.1 MB\n"
        "  agreement [95 %]   –\n"
        "  max |Δp|           –\n"
        "  latency, ms (p95)  30.2 (31.6)\n\n"
        "KewCNN-synthetic-prune-75-palette-4-for-a-small-telephone\n"
        "  size               3.7 MB\n"
        "  agreement [95 %]   98.3 % [91.1, 99.7]\n"
        "  max |Δp|           1.3e-02\n\n"
    )


def test_long_sentences_are_folded_instead(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("classify", "its results are a label and a dictionary, which are no tensors, " * 2, "1", "0", "1")]
    columns = ("operation", "why not the fast executor", "count", "fast", "reference")
    lines = on_a_terminal(capsys, "", columns, rows, left=2).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("classify" in line for line in lines) == 1
    assert len(lines) > 4
