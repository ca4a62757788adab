"""Verdicts as JUnit XML, which GitHub's test reporters, GitLab and Jenkins read: a suite a package, a case a gate."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from kewcore_bench.gates.judging import Verdict, describe
from kewcore_bench.result import BenchResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold. Source: W3C, Extensible Markup Language (XML) 1.0, section 2.2."""


def junit_xml(verdicts: Sequence[Verdict], result: BenchResult) -> str:
    """Writes verdicts as a JUnit document.

    A case is called by its gate alone, without the threshold, so that its history goes on when a bound is moved.

    Source: the elements and attributes of junit-10.xsd of the Jenkins xUnit plugin, which GitLab's parser takes too.
    """
    by_package: dict[str, list[Verdict]] = {}
    for one in verdicts:
        by_package.setdefault(one.package, []).append(one)
    root = ElementTree.Element("testsuites", {"name": "kewcore gates", "time": "0", **_counts(verdicts)})
    for package, own in by_package.items():
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            {"name": _clean(package), "timestamp": result.created[:19], "time": "0", "skipped": "0", **_counts(own)},
        )
        for one in own:
            _add_case(suite, one)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ElementTree.Element, verdict: Verdict) -> None:
    attributes = {"classname": _clean(f"kewcore.gates.{verdict.package}"), "name": verdict.gate, "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    said = _clean(describe(verdict))
    if not verdict.held:
        ElementTree.SubElement(case, "failure", {"message": said, "type": "GateMissed"}).text = said
    ElementTree.SubElement(case, "system-out").text = said


def _counts(verdicts: Sequence[Verdict]) -> dict[str, str]:
    missed = sum(not one.held for one in verdicts)
    return {"tests": str(len(verdicts)), "failures": str(missed), "errors": "0"}


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
