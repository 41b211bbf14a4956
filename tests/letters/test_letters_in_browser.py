"""Letters in a real browser: from a phone to a desktop, light and dark, by a screen reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import letter_samples as samples
import pytest
from conftest import require
from services import browser as browsers
from services.browser import Browser

from astran.report.mail_page import eml_to_html

WIDTHS = (360, 768, 1280)
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
STYLE = "getComputedStyle(document.querySelector('{}')).{}"


def wide_letter(folder: Path) -> EmailMessage:
    """Words without a place to break them, wherever words from outside are shown."""
    long = "x" * 250
    report = replace(
        samples.make_partial(folder),
        runs=(
            samples.RUNS[0],
            replace(samples.BAD_RUN, reason=long, log_excerpt=(long,), stage=long),
        ),
        notes=(long,),
        warnings=(long,),
        errors=(long,),
        folder=long,
        requester=long,
        stages=(replace(samples.STAGES[0], stage="a-stage-of-many-words-and-no-space"),),
    )
    return samples.make_letters().report(samples.THREAD, report)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require(browsers.PROGRAM, "Chromium", browsers.HOW)
    require(browsers.axe_core(), "axe-core", "Install astran[test].")
    with Browser() as found:
        yield found


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each kind of letter as a page on disk."""
    folder = tmp_path_factory.mktemp("letters")
    pages = {}
    for kind, message in [*samples.every_letter(folder).items(), ("wide", wide_letter(folder))]:
        pages[kind] = folder / f"{kind}.html"
        pages[kind].write_text(eml_to_html(message.as_bytes()))
    return pages


def luminance(colour: object) -> float:
    """Relative luminance of `rgb(r, g, b)` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", str(colour))[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("kind", [*samples.KINDS, "wide"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_letter_is_sound_on_every_screen(
    browser: Browser, letters: dict[str, Path], kind: str, dark: bool
) -> None:
    for width in WIDTHS:
        seen = browser.visit(letters[kind].as_uri(), width, dark)
        assert seen.scroll_width <= width, width
        assert seen.errors == []
        assert seen.requests == [letters[kind].as_uri()]
        colours = "dark" if dark else "light"
        browser.screenshot(SCREENSHOTS / f"mail-{kind}-{width}-{colours}.png")
        if width == 360:
            assert browser.audit() == []
            paper = luminance(browser.evaluate(STYLE.format("table.card", "backgroundColor")))
            ink = luminance(browser.evaluate(STYLE.format("h1", "color")))
            assert (paper < 0.05) == dark
            # WCAG 2.2, contrast at level AAA
            assert (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) > 7


def test_plots_are_seen(browser: Browser, letters: dict[str, Path]) -> None:
    images = "[...document.images].map((image) => image.naturalWidth)"
    browser.visit(letters["result"].as_uri(), 360)
    assert browser.evaluate(images) == [4, 4, 4]
    browser.visit(letters["failed"].as_uri(), 360)
    assert browser.evaluate(images) == []


def test_the_answer_is_the_heading(browser: Browser, letters: dict[str, Path]) -> None:
    browser.visit(letters["result"].as_uri(), 768)
    heading = browser.evaluate("document.querySelector('h1').innerText")
    assert heading == "Crab is detected on 2023-12-07: 24.3 sigma in 1.02 h, one trial."


def test_a_phone_shows_the_answer_on_its_first_screen(
    browser: Browser, letters: dict[str, Path]
) -> None:
    browser.visit(letters["result"].as_uri(), 360, height=640)
    # the page begins with the headers of the mail, which a mail program shows elsewhere
    top = browser.evaluate("document.querySelector('main').getBoundingClientRect().top")
    rows = "[...document.querySelectorAll('th[scope=row]')].slice(0, 3)"
    ends = browser.evaluate(f"{rows}.map((row) => row.getBoundingClientRect().bottom)")
    assert len(ends) == 3 and max(ends) - top < 640
    table = "document.querySelector('table.runs')"
    column = f"[...{table}.tHead.rows[0].cells].find((cell) => cell.innerText === 'Li&Ma')"
    sides = browser.evaluate(
        f"(({{left, right}}) => [left, right])({column}.getBoundingClientRect())"
    )
    assert 0 <= sides[0] < sides[1] <= 360
    size = browser.evaluate(
        f"parseFloat(getComputedStyle({table}.tBodies[0].rows[0].cells[1]).fontSize)"
    )
    assert size >= 12
