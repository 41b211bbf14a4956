"""Letters in a real browser: from a phone to a desktop, light and dark."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from email.message import EmailMessage
from html import escape, unescape
from pathlib import Path

import letter_samples as samples
import pytest
from conftest import require

from astran.report.pages import eml_to_html

WIDTHS = (360, 768, 1280)
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
# each letter in a frame of each width; what the frames look like goes into the title
MEASURE = """
<script>
addEventListener("load", () => {
  const seen = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement;
    const style = (selector) => {
      const found = page.querySelector(selector);
      return found ? frame.contentWindow.getComputedStyle(found) : null;
    };
    seen[frame.id] = {
      scroll: root.scrollWidth,
      paper: style("table.card").backgroundColor,
      ink: style("h1").color,
      images: [...page.images].map((image) => image.naturalWidth),
      h1: page.querySelector("h1").innerText,
    };
  }
  document.title = JSON.stringify(seen);
});
</script>
"""


def wide_letter(folder: Path) -> EmailMessage:
    """Words without a place to break them, wherever words from outside are shown."""
    long = "x" * 250
    report = replace(
        samples.make_partial(folder),
        runs=(samples.RUNS[0], replace(samples.BAD_RUN, reason=long, telling=(long,), stage=long)),
        notes=(long,),
        warnings=(long,),
        errors=(long,),
        folder=long,
        requester=long,
        stages=(replace(samples.STAGES[0], stage="a-stage-of-many-words-and-no-space"),),
    )
    return samples.make_letters().report(samples.THREAD, report)


@pytest.fixture(scope="module", params=["light", "dark"])
def measured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, dict[str, object]]]:
    require(BROWSER, "Chromium", "Install it, for example with: apt-get install chromium")
    assert BROWSER
    folder = tmp_path_factory.mktemp("browser")
    frames = []
    for kind, message in [*samples.every_letter(folder).items(), ("wide", wide_letter(folder))]:
        page = escape(eml_to_html(message.as_bytes()))
        frames += [
            f'<iframe id="{kind}-{width}" style="width:{width}px;height:900px;border:0"'
            f' srcdoc="{page}"></iframe>'
            for width in WIDTHS
        ]
    gallery = folder / "gallery.html"
    gallery.write_text("<!DOCTYPE html><title></title>" + MEASURE + "".join(frames))
    words = [
        *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=30000"),
        f"--blink-settings=preferredColorScheme={0 if request.param == 'dark' else 1}",
        *("--dump-dom", gallery.as_uri()),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.S)
    assert title and title[1], "the browser did not load the letters"
    return request.param, json.loads(unescape(title[1]))


def luminance(colour: object) -> float:
    """Relative luminance of `rgb(r, g, b)` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", str(colour))[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_no_letter_scrolls_sideways(
    measured: tuple[str, dict[str, dict[str, object]]], tmp_path: Path
) -> None:
    _, frames = measured
    assert len(frames) == len(WIDTHS) * (len(samples.every_letter(tmp_path)) + 1)
    for name, frame in frames.items():
        assert frame["scroll"] <= int(name.rpartition("-")[2]), name


def test_colours_follow_the_reader(
    measured: tuple[str, dict[str, dict[str, object]]],
) -> None:
    scheme, frames = measured
    for name, frame in frames.items():
        paper, ink = luminance(frame["paper"]), luminance(frame["ink"])
        assert (paper < 0.05) == (scheme == "dark"), name
        # WCAG 2.2, contrast at level AAA
        contrast = (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05)
        assert contrast > 7, name


def test_plots_are_seen(measured: tuple[str, dict[str, dict[str, object]]]) -> None:
    _, frames = measured
    assert frames["result-360"]["images"] == [4, 4, 4]
    assert frames["failed-360"]["images"] == []


def test_the_answer_is_the_heading(measured: tuple[str, dict[str, dict[str, object]]]) -> None:
    _, frames = measured
    assert frames["result-768"]["h1"] == "Crab, 2023-12-07: 24.3 sigma in 1.02 h, 3 of 3 runs"
