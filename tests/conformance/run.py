"""Runs coremltools' own operator tests through kewcore's runtime, and prints what came of them by family of operations.

    python tests/conformance/run.py [--every N] [--executors reference,auto] [--record] [-- pytest's options]

The tests are those in the installed wheel. Exit code 1 when a case fails that is not known to fail (`expected.json`),
or when a family asks for fewer predictions than it did at the same `--every`; `--record` writes that file, and
docs/conformance.md when every case was run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"
DOCUMENT = HERE.parent.parent / "docs" / "conformance.md"
TESTS = Path("converters/mil/mil/ops/tests")
TIME_LIMIT_S = 2 * 3600
"""After which the tests with one executor are taken to hang."""
Cases = Mapping[str, Mapping[str, str]]


def main() -> int:
    """Runs the tests for each executor; returns the exit code."""
    options = _options()
    results = {name: run(name, options.every, options.pytest) for name in options.executors.split(",")}
    print(table(results), reasons(results), sep="\n\n")
    if options.record:
        _record(results, options.every)
        return 0
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    asked = {} if options.pytest else expected["asked"].get(str(options.every), {})  # of some files no family is whole
    found = problems(results, expected["failed"], asked)
    print("\n".join(["", *found] if found else ["", "As recorded in tests/conformance/expected.json."]))
    return 1 if found else 0


def run(executor: str, every: int, arguments: list[str]) -> Cases:
    """Runs the tests in processes of their own; returns what came of each case, by its id."""
    root = Path(_package_folder("coremltools"))
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(root), "-p", "conformance.plugin"]
        command += ["-p", "no:cacheprovider", "-p", "no:benchmark", "-W", "ignore", "-n", str(os.cpu_count() or 1)]
        command += ["-q", "--no-header", "--tb=short", "--no-summary", "--executor", executor, "--every", str(every)]
        command += ["--results", str(results), *_targets(arguments, root)]
        search = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": search, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
        environment["TMPDIR"] = folder  # coremltools leaves a package behind for every case
        log = Path(folder) / "log.txt"
        with log.open("w", encoding="utf-8") as sink:
            try:
                subprocess.run(
                    command, cwd=root, env=environment, stdout=sink, stderr=subprocess.STDOUT, timeout=TIME_LIMIT_S
                )
            except subprocess.TimeoutExpired:
                sys.exit(f"pytest did not end within {TIME_LIMIT_S} s:\n{log.read_text(encoding='utf-8')[-3000:]}")
        if not results.is_file():
            sys.exit(f"pytest wrote no results:\n{log.read_text(encoding='utf-8')[-3000:]}")
        cases: Cases = json.loads(results.read_text(encoding="utf-8"))
    return cases


def table(results: Mapping[str, Cases]) -> str:
    """Makes a Markdown table: for each family what was run, passed and left out, for each executor."""
    names = list(results)
    families = sorted({_family(case) for cases in results.values() for case in cases})
    lines = [
        "| family | cases | left out | asked to predict | " + " | ".join(f"passed by {name}" for name in names) + " |",
        "|---|---|---|---|" + "---|" * len(names),
    ]
    for family in [*families, "all"]:
        counts = {name: _counts(cases, family) for name, cases in results.items()}
        first = counts[names[0]]
        asked = first["passed"] + first["failed"]
        row = [family, sum(first.values()), first["left out"], asked]
        row += [_share(counts[name]["passed"], counts[name]["passed"] + counts[name]["failed"]) for name in names]
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def reasons(results: Mapping[str, Cases]) -> str:
    """Makes Markdown lists of why cases were left out, and of the cases that failed."""
    first = next(iter(results.values()))
    given = Counter(case["reason"] for case in first.values() if case["outcome"] == "left out")
    lines = ["Left out:", "", *(f"- {count}: {reason}" for reason, count in given.most_common())]
    for name, cases in results.items():
        failed = {key: case["reason"] for key, case in cases.items() if case["outcome"] == "failed"}
        lines += ["", f"Failed by {name}: {len(failed) or 'none'}"]
        lines += ["", *(f"- `{_short(key)}`: {reason}" for key, reason in failed.items())] if failed else []
    return "\n".join(lines)


def problems(results: Mapping[str, Cases], failed: Mapping[str, Sequence[str]], asked: Mapping[str, int]) -> list[str]:
    """Compares with what was recorded.

    Args:
        results: What came of each case, by executor and id.
        failed: The ids of those that failed, by executor.
        asked: How many cases asked to predict, by family; empty where that was not recorded.
    """
    found = []
    for name, cases in results.items():
        known = set(failed.get(name, ()))
        new = [key for key, case in cases.items() if case["outcome"] == "failed" and _short(key) not in known]
        found += [f"{name}: failed, but passed when it was recorded: {_short(key)}" for key in new]
        now = _asked(cases)
        found += [
            f"{name}: {now.get(family, 0)} cases of {family} asked to predict; recorded: {count}"
            for family, count in asked.items()
            if now.get(family, 0) < count
        ]
    return found


def _asked(cases: Cases) -> dict[str, int]:
    """Counts the cases that asked to predict, by family."""
    return dict(sorted(Counter(_family(key) for key, case in cases.items() if case["outcome"] != "left out").items()))


def _record(results: Mapping[str, Cases], every: int) -> None:
    kept = json.loads(EXPECTED.read_text(encoding="utf-8"))
    kept["asked"] |= {str(every): _asked(next(iter(results.values())))}
    if every > 1:
        EXPECTED.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return
    failed = {
        name: sorted(_short(key) for key, case in cases.items() if case["outcome"] == "failed")
        for name, cases in results.items()
    }
    EXPECTED.write_text(json.dumps(kept | {"failed": failed}, indent=1) + "\n", encoding="utf-8")
    torch = f"with PyTorch {version('torch')}" if find_spec("torch") else "without PyTorch"
    head = DOCUMENT.read_text(encoding="utf-8").split("<!-- figures -->")[0]
    note = f"coremltools {version('coremltools')}, {torch}; every case.\n\n"
    text = f"{head}<!-- figures -->\n{note}{table(results)}\n\n{reasons(results)}\n"
    DOCUMENT.write_text(text, encoding="utf-8")


def _targets(arguments: list[str], root: Path) -> list[str]:
    """Brings names such as `iOS16/test_conv.py` to their places; all of them where none is given."""
    files = [
        str(root / TESTS / argument) if argument.split("::")[0].endswith(".py") else argument for argument in arguments
    ]
    return files if any(".py" in argument for argument in files) else [*files, str(root / TESTS)]


def _counts(cases: Cases, family: str) -> Counter[str]:
    return Counter(case["outcome"] for key, case in cases.items() if family in {"all", _family(key)})


def _family(case: str) -> str:
    return Path(case.split("::")[0]).stem.removeprefix("test_")


def _short(case: str) -> str:
    return case.removeprefix(f"{TESTS.as_posix()}/")


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f} %)" if whole else "0"


def _package_folder(name: str) -> str:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"{name} is not installed")
    return spec.submodule_search_locations[0]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="run every N-th case")
    parser.add_argument("--executors", default="reference,auto", help="comma-separated")
    parser.add_argument("--record", action="store_true", help="write expected.json and docs/conformance.md")
    parser.add_argument("pytest", nargs="*", help="files and options for pytest, after --")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
