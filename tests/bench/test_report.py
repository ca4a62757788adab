"""Tables, JSON and the HTML report, made from a known result."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_results import result_of

from kewcore.cli.output import print_table
from kewcore_bench.gates.gate_file import GateFile, Gates
from kewcore_bench.gates.judging import judge
from kewcore_bench.labels import REFERENCE_SUBJECT
from kewcore_bench.report.page import render, write_report
from kewcore_bench.schema import to_json, to_object
from kewcore_bench.tables import (
    COLUMNS,
    TERMINAL_COLUMNS,
    decibels,
    markdown,
    megabytes,
    notes,
    percent,
    rows,
    terminal_rows,
    title,
)
from kewcore_bench.timing import engine_table
from kewcore_bench.timing.engine_result import EngineResult, Throughput

pytestmark = pytest.mark.unit


def bounds(**thresholds: float) -> GateFile:
    return GateFile(Path("gates.toml"), Gates(**thresholds))


def test_the_table_has_the_reference_first_and_the_figures_of_each_package() -> None:
    reference, package = rows(result_of(agree=97, of=100).variants[0])
    assert reference[:4] == ["TensorFlow reference", "8.0 MB", "1.000", "99.0 %"]
    assert reference[-2:] == ["11.0 (12.0)", "1.00"]
    assert dict(zip(COLUMNS, package, strict=True)) == {
        "package": "Tiny-original-int8",
        "size": "2.0 MB",
        "of float32": "0.250",
        "accuracy": "98.0 %",
        "agreement [95 %]": "97.0 % [91.5, 99.0]",
        "max (mean) |Δp|": "5.0e-01 (1.5e-02)",  # Half, in 3 of 100 rows.
        "logit SNR": "9.2 dB",  # Three of a hundred rows turned round: noise is 4 × 3/100 of the signal.
        "latency, ms (p95)": "5.5 (6.0)",
        "latency ratio [95 %]": "0.50 [0.50, 0.50]",
    }


def test_the_table_of_a_terminal_fits_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    (variant,) = result_of(agree=100, of=100).variants
    large = replace(variant.packages[0], mode="rank-96x64-palette-6", size_bytes=140_600_000)
    latency = replace(variant.latency, median_ms=123.4) if variant.latency else None
    variant = replace(variant, packages=(large,), latency=latency, float32_bytes=562_000_000)
    assert terminal_rows(variant) == [
        ["TensorFlow", "562", "99.0 %", "–", "–", "123.4", "1.00"],
        ["rank-96x64-palette-6", "141", "99.0 %", "100.0 % [96.3, 100.0]", "0.0e+00", "5.5", "0.50 [0.50, 0.50]"],
    ]
    print_table("", TERMINAL_COLUMNS, terminal_rows(variant))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_engines_on_a_terminal_fit_100_columns_and_failures_stand_apart(capsys: pytest.CaptureFixture[str]) -> None:
    (variant,) = result_of(agree=100, of=100).variants
    (package,) = variant.packages
    throughput = (Throughput(1, 70.0), Throughput(8, 95.0), Throughput(32, 101.4))
    own = EngineResult("package", package.name, package.path, "int8", "kewcore", None, package.latency, None)
    own_ratio = package.latency_ratio
    engines = (
        replace(own, engine="tensorflow", subject=REFERENCE_SUBJECT, ratio=own_ratio, throughput=throughput),
        replace(own, ratio=own_ratio),
        replace(own, engine="coreml-all", label="Core ML (ALL) on iPhone15,2, iOS 18.1"),
        replace(own, engine="coreml-cpu-gpu", label="Core ML", failure="no Mac", latency=None),
    )
    variant = replace(variant, engines=engines)
    assert engine_table.terminal_rows(variant) == [
        ["tensorflow", "–", "5.5", "6.0", "6.0", "0.50 [0.50, 0.50]", "1: 70, 8: 95, 32: 101"],
        ["package", "int8", "5.5", "6.0", "6.0", "0.50 [0.50, 0.50]", "–"],
        ["Core ML (ALL) on iPhone15,2, iOS 18.1", "int8", "5.5", "6.0", "6.0", "–", "–"],
    ]
    assert engine_table.failure_rows(variant) == [["coreml-cpu-gpu", "int8", "no Mac"]]
    here = engine_table.terminal_rows(variant)[:2]
    print_table("", engine_table.TERMINAL_COLUMNS, here, left=engine_table.SHORT_WORDS)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_figures_in_words() -> None:
    assert (megabytes(28_100_000), megabytes(6_476)) == ("28.1 MB", "6.5 kB")
    assert (percent(1.0), percent(0.9996), percent(0.994)) == ("100.0 %", ">99.9 %", "99.4 %")
    assert (decibels(12.34), decibels(math.inf)) == ("12.3 dB", "equal")


def test_a_stand_in_is_called_one_and_a_latency_names_its_host() -> None:
    result = result_of(agree=97, of=100)
    assert title(result, result.variants[0]) == (
        "tiny original: 100 test images of the built-in sample set, a stand-in for real photographs"
    )
    said = " ".join(notes(result))
    assert "latency on this host (Linux, x86_64, A <Processor>, 2 cores), not a device figure" in said
    assert "say nothing about real photographs" in said
    real = replace(result, dataset=replace(result.dataset, stand_in=False, available=400), latency_options=None)
    assert title(real, real.variants[0]) == "tiny original: 100 test images"
    assert not any("stand-in" in note or "Latency is" in note for note in notes(real))
    assert "100 of 400 images were used." in notes(real)


def test_markdown_holds_every_row_and_escapes_bars() -> None:
    result = result_of(agree=97, of=100)
    text = markdown(result, judge(bounds(max_size_mb=1), result))
    assert "| Tiny-original-int8 | 2.0 MB | 0.250 |" in text
    assert "max (mean) \\|Δp\\|" in text
    assert "| Tiny-original-int8 | max_size_mb | 1 | 2 | – | MISSED |" in text


def test_json_holds_the_figures_but_no_pictures_and_no_infinity() -> None:
    result = result_of(agree=100, of=100)
    found = json.loads(json.dumps(to_object(result), allow_nan=False))
    package = found["variants"][0]["packages"][0]
    assert package["parity"]["logit_snr_db"] is None
    assert package["parity"]["top1_agreement"] == 1.0
    assert package["path"] == "packages/Tiny-original-int8.mlpackage"
    assert "thumbnail" not in found["variants"][0]["gallery"][0]
    assert found["dataset"]["class_counts"] == {"a<b": 50, "c_d": 50}
    with pytest.raises(TypeError, match="a result cannot hold complex"):
        to_json(1j)
    with pytest.raises(TypeError, match="int is not an object"):
        to_object(3)


class Page(HTMLParser):
    """Gathers what a report refers to, and checks that its elements close."""

    void = frozenset({"meta", "img", "br", "link", "path", "use"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.alt: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.references += [str(v) for k, v in attrs if k in {"src", "href", "xlink:href", "clip-path"}]
        self.alt += [values.get("alt")] if tag == "img" else []
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_needs_nothing_beside_it_and_is_well_formed() -> None:
    result = result_of(agree=97, of=100)
    twice = replace(result, variants=(result.variants[0], replace(result.variants[0], variant="synthetic")))
    text = render(twice, judge(bounds(min_agreement=0.9, max_size_mb=1), twice))
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    outside = [one for one in page.references if not one.startswith(("#", "data:image/", "data:,", "url(#"))]
    assert outside == []
    inside = {one.removeprefix("url(").strip("#)") for one in page.references if "#" in one[:5]}
    assert inside <= set(page.ids)
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", text)
    assert page.alt
    assert all(page.alt)


def test_the_report_shows_names_as_text_figures_and_the_stand_in() -> None:
    text = render(result_of(agree=97, of=100))
    assert "a&lt;b" in text
    assert "<b class" not in text
    assert "a<b" not in text
    words = " ".join(" ".join(Page(text).text).split())
    for expected in (
        "Stand-in data.",
        "97.0 % [91.5, 99.0]",
        "2.0 MB",
        "A <Processor>, 2 cores",
        "not a device figure",
        "disputed",
        "f" * 64,
    ):
        assert expected in words
    assert "Stand-in data." not in render(result_of(agree=97, of=100, stand_in=False))


def test_the_report_says_which_gates_were_missed() -> None:
    result = result_of(agree=97, of=100)
    text = render(result, judge(bounds(min_agreement=0.9, max_size_mb=1), result))
    assert "Gates missed: 1 of 2: max_size_mb of Tiny-original-int8." in text
    assert "Gates held: 1 of 1." in render(result, judge(bounds(min_agreement=0.9), result))


def test_a_run_without_history_or_latency_has_no_such_sections() -> None:
    result = result_of(agree=97, of=100)
    variant = replace(result.variants[0], history={}, latency=None)
    package = replace(variant.packages[0], latency=None, latency_ratio=None)
    bare = replace(result, variants=(replace(variant, packages=(package,)),), latency_options=None)
    text = render(bare)
    assert "<h3>Training</h3>" not in text
    assert "<h3>Latency</h3>" not in text
    assert "<h3>Training</h3>" in render(result)


def test_the_report_is_written_whole_and_always_the_same(tmp_path: Path) -> None:
    result = result_of(agree=97, of=100)
    first = write_report(result, tmp_path / "a.html")
    assert first.size_bytes == (tmp_path / "a.html").stat().st_size
    assert write_report(result, tmp_path / "b.html").sha256 == first.sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]
