"""`kewcore report`: from a stored result to a page, to Markdown, to a browser."""

import json
import os
import webbrowser
from pathlib import Path

import pytest
from made_results import result_of
from typer.testing import CliRunner

from kewcore.cli.app import app
from kewcore_bench.schema import json_text
from kewcore_bench.stored_result import stored_object

pytestmark = pytest.mark.cli


def write_result(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_text(stored_object(result_of(agree=97, of=100), ())), encoding="utf-8")
    return path


def test_the_newest_result_becomes_a_page_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    older, newer = Path("reports/bench.json"), Path("reports/nightly/bench.json")
    for age, path in enumerate((newer, older)):
        write_result(path)
        os.utime(path, (10**9 - age, 10**9 - age))
    done = CliRunner().invoke(app, ["report"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "reports/nightly/bench.html\n"
    assert "the newest result: reports/nightly/bench.json" in done.stderr
    assert "wrote reports/nightly/bench.html" in done.stderr
    assert "</html>" in newer.with_suffix(".html").read_text(encoding="utf-8")
    assert not older.with_suffix(".html").exists()


def test_markdown_goes_to_stdout_and_no_file_is_written(tmp_path: Path) -> None:
    path = write_result(tmp_path / "other.json")
    done = CliRunner().invoke(app, ["report", str(path), "--md"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("# kewcore bench, 2026-01-02")
    assert "| Tiny-original-int8 | 2.0 MB |" in done.stdout
    assert [one.name for one in tmp_path.iterdir()] == ["other.json"]
    refused = CliRunner().invoke(app, ["report", str(path), "--md", "--open"])
    assert str(refused.exception) == "--md prints text and writes no file"


@pytest.mark.parametrize("found", [True, False])
def test_open_shows_the_page_or_says_that_there_is_no_browser(
    found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def browser(url: str) -> bool:
        asked.append(url)
        return found

    monkeypatch.setattr(webbrowser, "open", browser)  # A real one would open a window in the middle of the tests.
    path = write_result(tmp_path / "bench.json")
    done = CliRunner().invoke(app, ["report", str(path), "--open", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.stderr
    page = tmp_path / "out" / "bench.html"
    assert asked == [page.as_uri()]
    assert ("no browser was found" in done.stderr) is not found
    assert found or f"open {page} yourself" in done.stderr


def test_no_result_and_gone_photographs_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    none = CliRunner().invoke(app, ["report"])
    assert str(none.exception) == "there is no bench.json in 'reports'"
    path = write_result(tmp_path / "bench.json")
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**value, "dataset": {**value["dataset"], "height": 8, "width": 8, "resize": "fill"}}))
    done = CliRunner().invoke(app, ["report", str(path)])
    assert done.exit_code == 0
    assert "and 17 more: cannot be read: No such file or directory" in done.stderr
