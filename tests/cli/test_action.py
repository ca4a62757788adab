"""action.yml and the example workflow: the commands of their steps, run here as GitHub's runner would run them."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.cli
ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
EXAMPLE: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "examples" / "bench.yml").read_text())
FAKE_GH = """#!/bin/bash
# Stands for GitHub's gh: notes each call, keeps the body, and lists the comment that $EARLIER names.
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
  *--paginate*) printf '%s' "$EARLIER" ;;
  *body=@*) for last; do :; done; cp "${last#body=@}" "$CALLS.body" ;;
esac
"""


def step(steps: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [one for one in steps if one.get("name") == name]
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """Puts values in the place of `${{ … }}`, as the runner does before it starts a shell."""
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], text)


def run_step(
    found: Mapping[str, Any], folder: Path, values: Mapping[str, str], more: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs a step's commands in a folder: `bash -e`, with its variables."""
    own = {name: filled(str(value), values) for name, value in found.get("env", {}).items()}
    environment = {**os.environ, "NO_COLOR": "1", **own, **(more or {})}
    assert "${{" not in found["run"], "what users give must reach the shell as variables"
    return subprocess.run(
        ["bash", "-e", "-c", found["run"]], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def inputs(**given: str) -> dict[str, str]:
    defaults = {name: one["default"] for name, one in ACTION["inputs"].items()}
    return {f"inputs.{name}": value for name, value in ({**defaults, "python": sys.executable} | given).items()}


def bench(folder: Path, **given: str) -> tuple["subprocess.CompletedProcess[str]", dict[str, str], str]:
    """Runs the action's bench step; gives what it printed, its outputs and the job's summary."""
    paths = {name: folder / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in paths.values():
        path.write_text("")
    found = step(ACTION["runs"]["steps"], "Bench with gates")
    done = run_step(found, folder, inputs(**given), {name: str(path) for name, path in paths.items()})
    outputs = dict(line.split("=", 1) for line in paths["GITHUB_OUTPUT"].read_text().splitlines())
    return done, outputs, paths["GITHUB_STEP_SUMMARY"].read_text()


@pytest.mark.unit
def test_every_input_and_output_is_used_and_known() -> None:
    steps = ACTION["runs"]["steps"]
    used = set(re.findall(r"inputs\.([a-z]+)", yaml.safe_dump(steps)))
    assert used == set(ACTION["inputs"])
    written = set(re.findall(r'echo "([a-z]+)=', step(steps, "Bench with gates")["run"]))
    assert written == set(ACTION["outputs"])
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.bench.outputs.{name} }}}}"
    assert all(one["shell"] == "bash" for one in steps if "run" in one)
    assert all(one["description"] for one in [*ACTION["inputs"].values(), *ACTION["outputs"].values()])


@pytest.mark.unit
def test_the_example_uses_the_action_as_it_is() -> None:
    steps = EXAMPLE["jobs"]["bench"]["steps"]
    (gate,) = [one for one in steps if one.get("id") == "gate"]
    assert set(gate["with"]) <= set(ACTION["inputs"])
    used = set(re.findall(r"steps\.gate\.outputs\.([a-z]+)", yaml.safe_dump(steps)))
    assert used <= set(ACTION["outputs"])
    assert EXAMPLE["permissions"] == {"contents": "read", "pull-requests": "write"}


@pytest.mark.slow
def test_the_install_step_installs_all_that_a_bench_needs(tmp_path: Path) -> None:
    """Installs a copy of the checkout into an environment of its own, without the libraries, which are here already."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    checkout = tmp_path / "checkout"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "swift_demo/")):
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, checkout / name)
    venv.create(tmp_path / "env", with_pip=True)
    values = inputs(python=str(tmp_path / "env" / "bin" / "python")) | {"github.action_path": str(checkout)}
    done = run_step(step(ACTION["runs"]["steps"], "Install kewcore"), tmp_path, values, {"PIP_NO_DEPS": "1"})
    if "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("setuptools, which builds kewcore, cannot be fetched from here")
    assert done.returncode == 0, done.stderr
    (installed,) = (tmp_path / "env" / "lib").glob("*/site-packages/kewcore_bench")
    assert (installed / "gates" / "schemas" / "gates.schema.json").is_file()
    assert (installed / "report" / "templates" / "report.html.j2").is_file()
    assert (installed.parent / "kewcore" / "cli" / "bare_gate.py").is_file()


@pytest.mark.parity
def test_the_bench_step_fails_with_the_table_when_a_gate_is_missed(folder: Path) -> None:
    (folder / "strict.toml").write_text("[gates]\nmax_size_mb = 0.0001\n")
    done, outputs, summary = bench(
        folder, gates="strict.toml", packages="packages/*-fp16.mlpackage", args="--no-latency --no-html --limit 6"
    )
    assert done.returncode == 1, done.stderr
    assert outputs == {
        "held": "false",
        "summary": "reports/gates.md",
        "json": "reports/gates.json",
        "junit": "reports/gates-junit.xml",
    }
    assert all((folder / path).is_file() for name, path in outputs.items() if name != "held")
    assert summary.startswith("## kewcore bench: 1 of 1 gates missed\n")
    assert "| tiny-original-fp16 | max_size_mb | 0.0001 |" in summary
    verdicts = json.loads((folder / "reports" / "gates.json").read_text())["verdicts"]
    assert [one["package"] for one in verdicts] == ["tiny-original-fp16"]

    (folder / "strict.toml").write_text("[gates]\nmax_size = 1\n")
    done, outputs, summary = bench(folder, gates="strict.toml", args="--no-latency")
    assert (done.returncode, outputs, summary) == (2, {}, ""), "verdicts of an earlier step must not be told again"
    assert "unknown key 'max_size'" in done.stderr


@pytest.mark.parity
def test_the_bench_step_takes_data_and_pyproject(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.kewcore.gates]\nmax_size_mb = 1\n")
    done, outputs, summary = bench(folder, data="data", out="told", args="--no-latency --no-html --limit 6")
    assert done.returncode == 0, done.stderr
    assert (outputs["held"], outputs["summary"]) == ("true", "told/gates.md")
    assert summary.startswith("## kewcore bench: all 2 gates held\n")


@pytest.mark.parametrize(
    ("earlier", "method"), [("", "POST repos/o/r/issues/7/comments"), ("41", "PATCH repos/o/r/issues/comments/41")]
)
def test_the_example_comments_the_table_once(tmp_path: Path, earlier: str, method: str) -> None:
    (tmp_path / "gates.md").write_text("## kewcore bench: all 2 gates held\n\n| `$(touch harm)` |\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(FAKE_GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    values = {
        "github.token": "secret",
        "github.event.pull_request.number": "7",
        "steps.gate.outputs.summary": "gates.md",
    }
    more = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "EARLIER": earlier,
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_REPOSITORY": "o/r",
    }
    done = run_step(step(EXAMPLE["jobs"]["bench"]["steps"], "Comment the table"), tmp_path, values, more)
    assert done.returncode == 0, done.stderr
    look, write = (tmp_path / "calls").read_text().splitlines()
    assert look.startswith("api --paginate repos/o/r/issues/7/comments --jq ")
    assert "<!-- kewcore bench -->" in look
    assert write == f"api --method {method} --field body=@{tmp_path}/comment.md"
    said = (tmp_path / "calls.body").read_text()
    assert said == "<!-- kewcore bench -->\n## kewcore bench: all 2 gates held\n\n| `$(touch harm)` |\n"
    assert not (tmp_path / "harm").exists()
