"""The site as files: what is on it, what is rewritten, what vanishes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import html5lib
import pytest
from pages.page_samples import HEALTH, HOSTILE, TELLING, hostile_sheet, make_sheet, stamps

from astran.base.states import AnalysisState
from astran.report.pages.entry import page_name
from astran.report.pages.page_data import PageData
from astran.report.pages.publish import MANIFEST, Publisher
from astran.report.pages.site_builder import PagesUpdate, build_site

SITE = "LST-1, La Palma"


def build(output: Path, sheets: Sequence[PageData], *, anew: bool = False) -> PagesUpdate:
    by_id = {sheet.id: sheet for sheet in sheets}
    return build_site(output, SITE, stamps(list(sheets)), by_id.get, HEALTH, anew=anew)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def times(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each file: both change when a file is written."""
    found = {name: (folder / name).stat() for name in files(folder)}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


class Links(HTMLParser):
    """All references of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)


@pytest.fixture
def sheets(tmp_path: Path) -> list[PageData]:
    data = tmp_path / "data"
    return [
        make_sheet(data, 1, night="20231205", sigma=12.1),
        make_sheet(data, 2, night="20231206", target="Mrk 421", state=AnalysisState.FAILED),
        make_sheet(data, 3, state=AnalysisState.PARTIAL),
        make_sheet(data, 4, target="1ES 1959+650", state=AnalysisState.RUNNING),
    ]


@pytest.fixture
def site(tmp_path: Path, sheets: list[PageData]) -> Path:
    output = tmp_path / "site"
    outcome = build(output, sheets)
    assert (outcome.analyses, outcome.made, outcome.removed) == (4, 4, 0)
    return output


def test_every_page_is_there(site: Path) -> None:
    expected = {"index.html", "service.html", "nights/index.html", "targets/index.html"}
    expected |= {"nights/20231205.html", "targets/crab.html", "targets/crab.csv"}
    expected |= {"analyses/index.html", "analyses/2023.html", "analyses/A3/index.html"}
    expected |= {f"analyses/A3/{name}" for name in ("theta2.png", "theta2.pdf", "results.json")}
    expected |= {"analyses/A3/config_Crab20231207.yml", "analyses/A3/logs/dl3-15866.txt"}
    assert expected <= files(site)


def test_every_link_leads_somewhere_within(site: Path) -> None:
    for page in site.rglob("*.html"):
        for link in Links(page.read_text()).found:
            if link.startswith("#"):
                continue
            assert ":" not in link and not link.startswith("/"), (page, link)
            target = (page.parent / unquote(link)).resolve()
            assert target.is_file() and target.is_relative_to(site.resolve()), (page, link)


def test_pages_are_valid_html_and_allow_no_script_of_others(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        html5lib.HTMLParser(strict=True).parse(text)
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
        assert policy and "default-src 'none'" in policy[1]
        assert "unsafe" not in policy[1] and "http" not in policy[1]
        assert Links(text).tags.count("h1") == 1


def test_an_analysis_tells_all(site: Path) -> None:
    text = (site / "analyses/A3/index.html").read_text()
    for words in (
        "24.3 sigma in 1.02 h, 2 of 3 runs",
        "Run 15866: the DL2 file is damaged",
        "astran --config-analysis config_Crab20231207.yml --submit",
        "lstchain_create_dl3_file --input-dl2 dl2.h5",
        "0.12.3",
        "b" * 64,
        "theta2: 861 events of excess.",
        f"<mark>{TELLING.replace('&', '&amp;')}</mark>",
    ):
        assert words in text, words
    assert "shifter@institute.example" not in text


def test_a_live_analysis_says_how_long_it_will_take(site: Path) -> None:
    text = (site / "analyses/A4/index.html").read_text()
    assert "about 12 min left" in text
    assert "A4" in (site / "service.html").read_text()


def test_nothing_is_rewritten_without_need(site: Path, sheets: list[PageData]) -> None:
    before = times(site)
    outcome = build(site, sheets)
    assert (outcome.made, outcome.written, outcome.removed) == (0, 0, 0)
    assert times(site) == before


def test_only_what_changed_is_rewritten(site: Path, sheets: list[PageData], tmp_path: Path) -> None:
    before = times(site)
    ended = make_sheet(tmp_path / "data", 4, target="1ES 1959+650")
    assert build(site, [*sheets[:3], ended]).made == 1
    after = times(site)
    changed = {name for name in before if after.get(name) != before[name]}
    page = f"targets/{page_name('1ES 1959+650')}"
    assert {"index.html", "analyses/A4/index.html", f"{page}.html"} <= changed
    untouched = {"analyses/A1/index.html", "targets/crab.html", "nights/20231205.html"}
    assert not changed & untouched
    assert not any(name.startswith(("analyses/A1/", "assets/")) for name in changed)


def test_what_is_gone_vanishes(site: Path, sheets: list[PageData]) -> None:
    mine = site / "targets" / "mine.html"
    mine.write_text("not of ASTRAN")
    outcome = build(site, [sheet for sheet in sheets if sheet.id != 2])
    left = files(site)
    assert outcome.removed > 0
    assert not any("A2/" in name or "mrk" in name or "20231206" in name for name in left)
    assert not any("Mrk" in (site / name).read_text(errors="replace") for name in left)
    assert not (site / "analyses" / "A2").exists()
    assert mine.exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"files": 3, "analyses": {"1": {}}}'])
def test_what_is_gone_vanishes_without_a_manifest(
    site: Path, sheets: list[PageData], damage: str
) -> None:
    (site / MANIFEST).write_text(damage)
    build(site, [sheet for sheet in sheets if sheet.id != 2])
    assert not (site / "analyses" / "A2").exists()
    assert not (site / "nights" / "20231206.html").exists()
    assert not list((site / "targets").glob("mrk*"))


def test_a_manifest_cannot_remove_files_elsewhere(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "site").mkdir()
    publisher = Publisher(tmp_path / "site")
    for path in ("../victim", str(victim), "a/../../victim", ""):
        publisher.remove(path)
    assert victim.exists()


def test_hostile_text_is_shown_and_does_nothing(tmp_path: Path) -> None:
    output = tmp_path / "site"
    build(output, [hostile_sheet(tmp_path / "data", 1)])
    for name in files(output):
        if not name.endswith((".html", ".txt", ".csv", ".yml")):
            continue
        text = (output / name).read_text()
        assert len(text) < 300_000, name
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), name
        if name.endswith(".html"):
            html5lib.HTMLParser(strict=True).parse(text)
            tags = Links(text).tags
            assert tags.count("script") == (2 if name in ("index.html", "service.html") else 1)
            assert not any(link.startswith("x") for link in Links(text).found)
    page = (output / "analyses/A1/index.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{7*7}}" in page or "7*7" in page
    assert HOSTILE not in page


def test_a_page_bears_thousands_of_tasks(tmp_path: Path) -> None:
    output = tmp_path / "site"
    sheet = make_sheet(tmp_path / "data", 1, state=AnalysisState.PARTIAL)
    done, failed = sheet.tasks
    many = [replace(failed if n % 4 == 0 else done, key=f"dl2-{n}") for n in range(4000)]
    build(output, [replace(sheet, tasks=tuple(many))])
    text = (output / "analyses/A1/index.html").read_text()
    assert len(text) < 1_000_000
    assert len(list((output / "analyses/A1/logs").iterdir())) == 300
    assert text.count("<mark>") == 50
    assert "And 3700 more" in text


def test_names_of_targets_make_different_files() -> None:
    names = [
        "Crab",
        "Crab!",
        "M 1",
        "M1",
        "1ES 1959+650",
        "1ES 1959-650",
        "../../x",
        "Mrk 421",
        "β",
    ]
    pages = [page_name(name) for name in names]
    assert len(set(pages)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", page) for page in pages)
    assert page_name("CRAB") == page_name("crab")


def test_a_light_curve_holds_the_newest_analysis_of_each_night(tmp_path: Path) -> None:
    data = tmp_path / "data"
    output = tmp_path / "site"
    build(
        output,
        [
            make_sheet(data, 1, night="20231205"),
            make_sheet(data, 2, night="20231205", sigma=9.9),
            make_sheet(data, 3, night="20231207"),
        ],
    )
    rows = (output / "targets/crab.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["2023-12-05", "A2"], ["2023-12-07", "A3"]]
    text = (output / "targets/crab.html").read_text()
    assert "2 nights from 2023-12-05 to 2023-12-07" in text
    assert text.count("<circle") == 2 * 2 * 2  # nights, curves, sizes


def test_the_manifest_names_nobody(site: Path) -> None:
    text = (site / MANIFEST).read_text()
    assert "@" not in text
    assert set(json.loads(text)) == {"edition", "site", "analyses", "pages", "files"}
