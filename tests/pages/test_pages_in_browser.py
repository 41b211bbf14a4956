"""The pages in a real browser: from a phone to a desktop, light and dark, by keyboard, on paper."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import require
from pages.page_samples import HEALTH, hostile_sheet, make_sheet, stamps
from services import browser as browsers
from services.browser import Browser

from astran.base.states import AnalysisState
from astran.report.pages.site_builder import build_site
from astran.report.pages.tick_script import TICK_SCRIPT, tick_script

WIDTHS = (360, 768, 1280)
PAGES = {
    "front": "index.html",
    "nights": "nights/index.html",
    "night": "nights/20231207.html",
    "targets": "targets/index.html",
    "target": "targets/crab.html",
    "analyses": "analyses/index.html",
    "year": "analyses/2023.html",
    "result": "analyses/A1/index.html",
    "partial": "analyses/A3/index.html",
    "failed": "analyses/A2/index.html",
    "live": "analyses/A4/index.html",
    "hostile": "analyses/A5/index.html",
    "service": "service.html",
}
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require(browsers.PROGRAM, "Chromium", browsers.HOW)
    require(browsers.axe_core(), "axe-core", "Install astran[test].")
    with Browser() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    data = folder / "data"
    sheets = [
        make_sheet(data, 1, night="20231205", sigma=12.1),
        make_sheet(data, 2, night="20231206", target="Mrk 421", state=AnalysisState.FAILED),
        make_sheet(data, 3, state=AnalysisState.PARTIAL),
        make_sheet(data, 4, target="1ES 1959+650", state=AnalysisState.RUNNING),
        hostile_sheet(data, 5),
        make_sheet(data, 6, night="20231112", sigma=2.1),
    ]
    by_id = {sheet.id: sheet for sheet in sheets}
    build_site(folder / "site", "LST-1, La Palma", stamps(sheets), by_id.get, HEALTH)
    return folder / "site"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_is_sound_on_every_screen(
    browser: Browser, site: Path, name: str, dark: bool
) -> None:
    for width in WIDTHS:
        seen = browser.visit((site / PAGES[name]).as_uri(), width, dark)
        assert seen.scroll_width <= width, width
        assert seen.errors == []
        assert all(url.startswith(site.as_uri()) for url in seen.requests)
        if width == 360 or (width == 1280 and not dark):
            assert browser.audit() == []
        colours = "dark" if dark else "light"
        browser.screenshot(SCREENSHOTS / f"page-{name}-{width}-{colours}.png")


def test_hostile_text_runs_nothing(browser: Browser, site: Path) -> None:
    browser.visit((site / PAGES["hostile"]).as_uri(), 1280)
    assert browser.evaluate("document.scripts.length") == 1
    assert browser.evaluate("document.querySelectorAll('img[src=x], [onerror]').length") == 0
    assert "<script>alert(1)</script>" in browser.evaluate("document.body.textContent")


def test_tables_sort_by_keyboard(browser: Browser, site: Path) -> None:
    browser.visit((site / PAGES["analyses"]).as_uri(), 1280)
    head = "[...document.querySelectorAll('thead th')].find((t) => t.textContent.includes('Li&Ma'))"
    column = "[...document.querySelectorAll('tbody tr')].map((r) => r.cells[2].textContent)"
    browser.evaluate(f"{head}.querySelector('button').focus()")
    browser.press("Enter")
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "descending"
    assert browser.evaluate(column) == ["24.3", "24.3", "12.1", "2.1", "–", "–"]
    browser.press("Enter")
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "ascending"
    assert browser.evaluate(column) == ["2.1", "12.1", "24.3", "24.3", "–", "–"]
    assert browser.audit() == []


def test_plots_open_large_by_keyboard(browser: Browser, site: Path) -> None:
    browser.visit((site / PAGES["result"]).as_uri(), 768)
    browser.evaluate("document.querySelector('a.zoom').focus()")
    browser.press("Enter")
    assert browser.evaluate("document.querySelector('dialog').open")
    assert browser.evaluate("document.querySelector('dialog img').naturalWidth") == 640
    assert browser.audit() == []
    browser.evaluate("document.querySelector('dialog button').click()")
    wide = browser.evaluate("document.querySelector('dialog img').getBoundingClientRect().width")
    assert wide > 768
    browser.press("Escape")
    assert not browser.evaluate("document.querySelector('dialog').open")
    assert browser.evaluate("document.activeElement.className") == "zoom"


def test_the_first_tab_leads_to_the_content(browser: Browser, site: Path) -> None:
    browser.visit((site / PAGES["front"]).as_uri(), 1280)
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.className") == "skip"
    browser.press("Enter")
    assert browser.evaluate("location.hash") == "#main"


def test_paper_shows_what_is_folded_on_screen(browser: Browser, site: Path) -> None:
    browser.visit((site / PAGES["partial"]).as_uri(), 1280)
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert browser.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    browser.evaluate("dispatchEvent(new Event('afterprint'))")
    assert browser.evaluate("document.querySelectorAll('details[open]').length") == 0
    printed = base64.b64decode(browser.call("Page.printToPDF", printBackground=True)["data"])
    assert printed.startswith(b"%PDF")
    (SCREENSHOTS / "page-partial-print.pdf").write_bytes(printed)


def test_a_web_server_will_do(browser: Browser, site: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            top = f"http://127.0.0.1:{server.server_port}/"
            seen = browser.visit(f"{top}analyses/A1/", 768)
        finally:
            server.shutdown()
    assert seen.errors == []
    assert {f"{top}assets/style.css", f"{top}assets/pages.js"} <= set(seen.requests)
    assert all(url.startswith(top) for url in seen.requests)


@pytest.mark.parametrize("name", ["front", "service"])
@pytest.mark.parametrize(("minutes", "hidden"), [(2, True), (45, False), (600, False)])
def test_a_page_tells_by_itself_that_no_tick_came(
    browser: Browser, site: Path, name: str, minutes: int, hidden: bool
) -> None:
    last = datetime.now(UTC) - timedelta(minutes=minutes)
    (site / TICK_SCRIPT).write_text(tick_script(last))
    seen = browser.visit((site / PAGES[name]).as_uri(), 360)
    assert seen.errors == []
    said = browser.evaluate("document.getElementById('quiet').innerText")
    assert browser.evaluate("document.getElementById('quiet').hidden") is hidden
    if not hidden:
        assert said.startswith(f"No tick of the launcher since {last:%Y-%m-%d %H:%M} UTC, for ")
        assert browser.audit() == []
