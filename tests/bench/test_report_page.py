"""The report as a page: structure, contrast and size, computed from the HTML and the style sheets themselves."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from made_full_result import MODES, full_page
from made_results import result_of

from kewcore_bench.report import page as report
from kewcore_bench.report.page import render

pytestmark = pytest.mark.unit

MEGABYTE = 10**6
TEMPLATES = Path(report.__file__).parent / "templates"
VOID = frozenset({"meta", "img", "br", "link", "path", "use"})


@pytest.fixture(scope="module")
def page() -> str:
    return full_page()


class Outline(HTMLParser):
    """Gathers headings, attributes and the path of elements to each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.elements: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}, tuple(self.open)))
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}, tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]


def test_headings_come_in_order_and_landmarks_are_there(page: str) -> None:
    outline = Outline(page)
    assert outline.open == []
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(outline.levels))
    assert [len(outline.of(tag)) for tag in ("header", "main", "nav")] == [1, 1, 1]
    assert outline.of("html") == [{"lang": "en"}]
    links = [one["href"] for one in outline.of("a")]
    assert links[0] == "#main"  # the skip link is what the keyboard reaches first
    ids = [attributes["id"] for _, attributes, _ in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links} <= set(ids)
    labelled = [one["aria-labelledby"] for one in outline.of("section")]
    assert set(labelled) <= set(ids)


def test_every_picture_is_told_in_words_and_every_table_has_a_name(page: str) -> None:
    outline = Outline(page)
    assert all(one.get("alt") for one in outline.of("img"))
    drawings = [attributes for tag, attributes, _ in outline.elements if attributes.get("role") == "img"]
    assert len(drawings) == len(re.findall("<svg", page)) == 2 * 9
    assert all(len(one["aria-label"]) > 40 for one in drawings)
    assert all(one.get("aria-hidden") == "true" for one in outline.of("svg"))
    tables = len(outline.of("table"))
    assert tables == len(outline.of("caption")) + sum("aria-label" in one for one in outline.of("table"))
    scrolling = [one for one in outline.of("div") if one.get("class") == "scroll"]
    assert scrolling
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in scrolling)
    headings = [attributes for tag, attributes, _ in outline.elements if tag == "th"]
    assert all(one.get("scope") in {"col", "row"} for one in headings)


def test_nothing_comes_from_outside_and_browsers_are_told_to_see_to_it(page: str) -> None:
    outline = Outline(page)
    policy = next(one["content"] for one in outline.of("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    for _, attributes, _ in outline.elements:
        for key in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(key, "#").startswith(("#", "data:"))
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)
    assert not outline.of("script")


def test_every_section_is_there_and_says_what_was_found(page: str) -> None:
    words = unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))
    for expected in (
        "8 packages agree with TensorFlow on",
        "Gates missed: 3 of 16: ",
        "lowest agreement with TensorFlow",
        "Size against accuracy",
        "Size against agreement",
        "Engines, the fastest first",
        "coreml-all (KewCNN-original-fp16): Core ML runs on a Mac",
        "Recall by class",
        "ROC, one class against the rest",
        "Drift along the layers",
        "Accuracy on corrupted images",
        "maps differ from TensorFlow's by at most 0.040 in probability",
        "Original and synthetic-enhanced",
        "Training images by class",
        "answers on pixels of other input pipelines",
    ):
        assert expected in words, expected
    assert words.count("largest difference 0.0100") == 2 * 6


def test_sections_without_figures_do_not_appear() -> None:
    result = result_of(agree=100, of=100, stand_in=False)
    variant = result.variants[0]
    package = replace(variant.packages[0], latency=None, latency_ratio=None)
    bare = replace(variant, packages=(package,), history={}, latency=None, gallery=())
    text = render(replace(result, variants=(bare,), latency_options=None))
    headings = re.findall(r"<h[23][^>]*>([^<]+)</h[23]>", text)
    assert headings == ["tiny, original", "What size costs", "Confusion matrices", "Class by class", "Environment"]
    assert "The package agrees with TensorFlow on every one of 100 test images" in text


def test_a_report_over_a_thousand_images_is_small(page: str) -> None:
    assert len(MODES) == 4
    assert len(page.encode()) < 3 * MEGABYTE  # 10 MB is the bound; twice the packages and larger photographs fit too


Colour = tuple[float, float, float]


def variables(dark: bool) -> dict[str, Colour]:
    """Reads the colours of `:root`, those of the dark scheme over those of the light one."""
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    light, night = re.findall(r":root \{([^}]*)\}", css)
    found = re.findall(r"--([\w-]+): #([0-9a-f]{6})", light + night if dark else light)
    return {name: tuple(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)) for name, digits in found}  # type: ignore[misc]


def luminance(colour: Colour) -> float:
    """Relative luminance. Source: WCAG 2.2, definition of relative luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio, 1 to 21. Source: WCAG 2.2, definition of contrast ratio."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_letters_and_lines_can_be_told_from_what_they_stand_on(dark: bool) -> None:
    colour = variables(dark)
    for ink in ("ink", "soft", "accent", "bad", "good"):
        for ground in ("paper", "card"):
            assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
    assert contrast(colour["warn"], colour["warn-paper"]) >= 4.5
    assert contrast(colour["warn"], colour["paper"]) >= 4.5  # the word `disputed`
    assert contrast(colour["accent-ink"], colour["accent"]) >= 4.5  # the skip link
    for index in range(7):
        assert contrast(colour[f"series-{index}"], colour["paper"]) >= 3, index
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    most = float(re.findall(r"var\(--shade\) calc\(var\(--share\) \* (\d+)%\)", css)[0]) / 100
    for share in (0, 0.25, 0.5, 0.75, 1):  # of the row: the shade behind a count
        shade = tuple(
            most * share * a + (1 - most * share) * b for a, b in zip(colour["shade"], colour["card"], strict=True)
        )
        assert contrast(colour["ink"], (shade[0], shade[1], shade[2])) >= 4.5, share
