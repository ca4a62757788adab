"""What CI servers get of the verdicts: JSON by its schema, JUnit XML by its, Markdown that fits."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from made_results import result_of

from kewcore.artefacts import write_text
from kewcore_bench.gates.gate_file import GateFile, Gates
from kewcore_bench.gates.gate_reports import GATES_SCHEMA, gates_object, write_gate_reports
from kewcore_bench.gates.job_summary import MOST_CHARACTERS, summary
from kewcore_bench.gates.judging import Verdict, judge
from kewcore_bench.gates.junit import junit_xml
from kewcore_bench.report.page import render
from kewcore_bench.result import BenchResult
from kewcore_bench.schema import json_text
from kewcore_bench.stored_result import read_result, stored_object

pytestmark = pytest.mark.unit
GATES = GateFile(Path("gates.toml"), Gates(min_agreement=0.99, max_latency_ratio=0.9, max_size_mb=3.0))


@pytest.fixture
def result() -> BenchResult:
    return result_of(agree=97, of=100)


@pytest.fixture
def verdicts(result: BenchResult) -> tuple[Verdict, ...]:
    return judge(GATES, result)


def test_three_files_are_written(result: BenchResult, verdicts: tuple[Verdict, ...], tmp_path: Path) -> None:
    written = write_gate_reports(verdicts, GATES, result, tmp_path)
    assert [one.path.name for one in written] == ["gates.json", "gates-junit.xml", "gates.md"]
    assert all(one.path.parent == tmp_path for one in written)
    assert json.loads((tmp_path / "gates.json").read_text()) == gates_object(verdicts, GATES, result)
    assert (tmp_path / "gates-junit.xml").read_text() == junit_xml(verdicts, result)


def test_the_json_is_as_its_schema_says(result: BenchResult, verdicts: tuple[Verdict, ...]) -> None:
    schema = json.loads(GATES_SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    found = json.loads(json.dumps(gates_object(verdicts, GATES, result)))
    check.validate(found)
    assert (found["held"], [one["held"] for one in found["verdicts"]]) == (False, [False, True, True])
    assert found["verdicts"][2] == {
        "package": "Tiny-original-int8",
        "gate": "max_size_mb",
        "threshold": 3.0,
        "value": 2.0,
        "interval": None,
        "held": True,
        "certain": True,
        "reason": None,
    }
    for spoilt in (
        {"held": "no"},
        {"schema_version": 2},
        {"verdicts": [{**found["verdicts"][0], "gate": "min_size"}]},
        {"verdicts": [{**found["verdicts"][0], "interval": {"low": 1}}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            check.validate({**found, **spoilt})


def test_a_gate_without_a_value_is_a_failure_with_its_reason(result: BenchResult, tmp_path: Path) -> None:
    (variant,) = result.variants
    failed = replace(variant.packages[0], load_failure="it died <at> once")
    result = replace(result, variants=(replace(variant, packages=(failed,)),))
    gates = GateFile(Path("gates.toml"), Gates(max_load_ms=10.0))
    verdicts = judge(gates, result)
    found = json.loads(json.dumps(gates_object(verdicts, gates, result)))
    jsonschema.Draft202012Validator(json.loads(GATES_SCHEMA.read_text())).validate(found)
    assert (found["held"], found["verdicts"][0]["value"]) == (False, None)
    assert found["verdicts"][0]["reason"] == "could not be loaded: it died <at> once"
    root = ElementTree.fromstring(junit_xml(verdicts, result))
    check_junit(root)
    (failure,) = root.iter("failure")
    assert failure.attrib["message"].endswith("missed, could not be loaded: it died <at> once")
    assert "| MISSED: could not be loaded: it died &lt;at> once |" in summary(verdicts, result)
    assert "could not be loaded: it died &lt;at&gt; once" in render(result, verdicts)
    write_text(tmp_path / "bench.json", json_text(stored_object(result, verdicts)))
    assert read_result(tmp_path / "bench.json").verdicts == verdicts


def test_the_schema_knows_every_gate_and_every_field() -> None:
    verdict = json.loads(GATES_SCHEMA.read_text())["$defs"]["verdict"]
    assert verdict["properties"]["gate"]["enum"] == list(Gates.__dataclass_fields__)
    assert set(verdict["properties"]) == set(verdict["required"]) == set(Verdict.__dataclass_fields__)


JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "errors", "disabled"}, set(), {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package", "file"},
        {"name", "tests"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name", "classname", "time", "file", "line", "assertions", "status"},
        {"name", "classname"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"message", "type"}, {"message"}, set()),
    "system-out": (set(), set(), set()),
}
"""By element: attributes that it may and must have, and elements below it, as in junit-10.xsd of Jenkins' xUnit."""


def check_junit(element: ElementTree.Element) -> None:
    allowed, required, below = JUNIT[element.tag]
    assert required <= set(element.attrib) <= allowed
    for counted in {"tests", "failures", "errors", "skipped"} & set(element.attrib):
        assert int(element.attrib[counted]) >= 0
    if "tests" in element.attrib:
        cases = list(element.iter("testcase"))
        assert int(element.attrib["tests"]) == len(cases)
        assert int(element.attrib["failures"]) == sum(case.find("failure") is not None for case in cases)
    for child in element:
        assert child.tag in below
        check_junit(child)


def test_the_junit_xml_has_a_case_a_gate(result: BenchResult, verdicts: tuple[Verdict, ...]) -> None:
    root = ElementTree.fromstring(junit_xml(verdicts, result))
    check_junit(root)
    cases = list(root.iter("testcase"))
    assert [case.attrib["name"] for case in cases] == ["min_agreement", "max_latency_ratio", "max_size_mb"]
    assert {case.attrib["classname"] for case in cases} == {"kewcore.gates.Tiny-original-int8"}
    (failure,) = root.iter("failure")
    assert failure.attrib["message"].startswith("Tiny-original-int8: gate min_agreement = 0.99 missed, measured 0.97 (")
    assert root.attrib["failures"] == "1"
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.attrib["timestamp"] == "2026-01-02T03:04:05"


def test_names_cannot_break_the_xml_or_the_table(result: BenchResult, verdicts: tuple[Verdict, ...]) -> None:
    hostile = tuple(replace(one, package="a<b>&\"'\x1b[2J\ud800|]]>\nc") for one in verdicts)
    root = ElementTree.fromstring(junit_xml(hostile, result))
    check_junit(root)
    assert root[0].attrib["name"].startswith("a<b>&\"'\ufffd[2J\ufffd|]]>")
    text = summary(hostile, result)
    assert "<b>" not in text
    assert "\x1b" not in text
    (row,) = [line for line in text.splitlines() if "| max_size_mb |" in line]
    assert row.replace("\\|", "").count("|") == 7


def test_the_summary_puts_first_what_was_missed(result: BenchResult, verdicts: tuple[Verdict, ...]) -> None:
    text = summary((*verdicts[1:], verdicts[0]), result)
    assert text.startswith("## kewcore bench: 1 of 3 gates missed\n\n| package | gate | threshold | value |")
    rows = [line for line in text.splitlines() if line.startswith("| Tiny-original-int8 |")]
    assert rows[0] == ("| Tiny-original-int8 | min_agreement | 0.99 | 0.97 | 0.9155 … 0.9897 | MISSED |")
    assert rows[2] == "| Tiny-original-int8 | max_size_mb | 3 | 2 | – | held |"
    assert "<details><summary>Figures of all packages</summary>" in text
    assert "not a device figure" in text
    assert summary(verdicts[1:], result).startswith("## kewcore bench: all 2 gates held\n")
    slower = summary(verdicts[1:], result, ["Tiny is 20 % slower beside <TensorFlow>"])
    assert slower.startswith(
        "## kewcore bench: all 2 gates held, 1 slower than in the baseline\n\n"
        "- Tiny is 20 % slower beside &lt;TensorFlow>\n\n| "
    )


def test_a_long_summary_is_cut_from_its_end(result: BenchResult, verdicts: tuple[Verdict, ...]) -> None:
    many = tuple(replace(verdicts[index % 3], package=f"Package-{index:05}") for index in range(2000))
    text = summary(many, result)
    assert 0.8 * MOST_CHARACTERS < len(text) <= MOST_CHARACTERS
    shown = sum(line.startswith("| Package-") for line in text.splitlines())
    assert f"{2000 - shown} more rows stand in gates.json." in text
    assert text.count("MISSED") == 667  # all that were missed, and some that were held
    assert shown > 667
    assert text.startswith("## kewcore bench: 667 of 2000 gates missed\n")
    assert len(summary(verdicts, result, most_characters=700)) <= 700
