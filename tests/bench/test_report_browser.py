"""The report in headless Chromium, where there is one: nothing sticks out at three widths, and every picture shows."""

import html
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from made_full_result import full_page

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (360, 820, 1280)
MEASURE = """
onload = () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    const seen = element => element.getClientRects().length > 0;
    const outside = [...page.querySelectorAll("main *, header *")].filter(element =>
      seen(element) && !element.closest(".scroll, svg") &&
      element.getBoundingClientRect().right > root.clientWidth + 1);
    const small = [...page.querySelectorAll(".chart svg text")].map(text => text.getBoundingClientRect().height);
    return {
      width: root.scrollWidth,
      outside: outside.map(element => element.tagName + "." + element.className),
      broken: [...page.images].filter(image => image.complete && !image.naturalWidth).length,
      images: page.images.length,
      letters: Math.min(...small.filter(height => height > 0)),
      focusable: [...page.querySelectorAll("a[href], [tabindex='0'], summary")].filter(e => e.tabIndex === 0).length,
    };
  });
  document.body.textContent = JSON.stringify(found);
};
"""


def chromium(*arguments: str) -> str:
    """Runs Chromium without a window, and returns what it prints."""
    if CHROMIUM is None:
        pytest.skip("needs chromium, chromium-browser or google-chrome on PATH")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [CHROMIUM, "--headless", "--disable-gpu", "--virtual-time-budget=20000", *sandbox, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(page: str, folder: Path) -> list[dict[str, Any]]:
    """Lays the page out in frames of `WIDTHS` and measures each."""
    frames = "".join(f'<iframe width="{width}" height="900" srcdoc="{html.escape(page)}"></iframe>' for width in WIDTHS)
    wrapper = folder / "frames.html"
    wrapper.write_text(
        f"<!doctype html><style>iframe {{ border: 0 }}</style>{frames}<script>{MEASURE}</script>", encoding="utf-8"
    )
    dumped = chromium("--dump-dom", wrapper.as_uri())
    found: list[dict[str, Any]] = json.loads(html.unescape(dumped.partition("<body>")[2].partition("</body>")[0]))
    return found


def test_nothing_sticks_out_at_three_widths_and_every_picture_shows(tmp_path: Path) -> None:
    page = full_page()
    found = measured(page, tmp_path)
    for width, one in zip(WIDTHS, found, strict=True):
        assert one["width"] <= width, one
        assert one["outside"] == []
        assert (one["broken"], one["images"]) == (0, page.count("<img"))
        assert one["letters"] >= 8  # CSS pixels of a line of letters in a chart
        assert one["focusable"] == page.count("<a ") + page.count('tabindex="0"') + page.count("<summary")


def test_it_prints(tmp_path: Path) -> None:
    page, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(full_page(), encoding="utf-8")
    chromium(f"--print-to-pdf={printed}", page.as_uri())
    assert printed.read_bytes().startswith(b"%PDF-")
    assert printed.stat().st_size > 50_000
