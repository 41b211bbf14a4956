"""A part of a letter or page that fails is left out and said; the rest goes out."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from letters.letter_samples import (
    THREAD,
    html_of,
    make_letters,
    make_partial,
    make_report,
    text_of,
)
from pages.page_samples import HEALTH, make_sheet, stamps

from astran.mail.letters import report_parts
from astran.report import model, tables
from astran.report.model import Report
from astran.report.pages import analysis_page, site_builder
from astran.report.pages.page_data import PageData
from astran.report.pages.site_builder import build_site
from astran.report.tables import number_rows
from astran.results.codec import results_from_json

WORD = "injected"
TITLES = {
    "number_rows": "The list of numbers",
    "night_tables": "The table of nights",
    "run_table": "The table of runs",
    "stage_table": "The table of stages",
    "time_rows": "The list of times",
}


def fail(*values: Any, **named: Any) -> Any:
    raise KeyError(WORD)


def letter(report: Report) -> EmailMessage:
    message = make_letters().report(THREAD, report)
    assert "Crab 2023-12-07" in str(message["Subject"])
    return message


def attached(message: EmailMessage) -> list[str]:
    return [str(part.get_filename()) for part in message.walk() if part.get_filename()]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    path = tmp_path / "results.json"
    path.write_text("{}")
    return replace(make_partial(tmp_path), attachments=(path,))


def test_every_table_of_a_report_has_its_title() -> None:
    assert set(TITLES) == set(model.TABLES)


@pytest.mark.parametrize("name", model.TABLES)
def test_a_table_of_the_letter_that_fails_is_left_out(
    report: Report, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(tables, name, fail)
    message = letter(report)
    for text in (text_of(message), html_of(message)):
        assert TITLES[name] in " ".join(text.split())
        assert WORD in text
    assert {"theta2.png", "map.png", "cum.png", "results.json"} <= set(attached(message))
    others = {
        "number_rows": "Livetime",
        "run_table": "15864",
        "stage_table": "6.2 GB",
        "time_rows": "From mail to result",
    }
    for other, shown in others.items():
        assert (shown in text_of(message)) is (other != name) or other == "number_rows"


def test_a_verdict_that_fails_is_left_out(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "make_verdict", fail)
    message = letter(report)
    assert message["Subject"] == "SIMULATED partial: Crab 2023-12-07 [A12]"
    text = text_of(message)
    assert text.startswith("Crab, 2023-12-07: 24.3 sigma in 1.02 h, 2 of 3 runs\n")
    assert "The verdict is left out" in " ".join(text.split()) and WORD in text


@pytest.mark.parametrize("name", report_parts.SECTIONS)
def test_a_section_of_the_letter_that_fails_is_left_out(
    report: Report, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    title = report_parts.SECTIONS[name][0]
    monkeypatch.setitem(report_parts.SECTIONS, name, (title, fail))
    message = letter(report)
    for text in (text_of(message), html_of(message)):
        assert title in " ".join(text.split())
        assert WORD in text
    assert "861" in text_of(message)
    assert {"theta2.png", "map.png", "cum.png", "results.json"} <= set(attached(message))


@pytest.mark.parametrize("name", ["theta2.png", "map.png", "cum.png", "results.json"])
def test_a_file_of_the_letter_that_fails_is_left_out(
    report: Report, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    read = report_parts._read

    def read_or_fail(path: Path, limit: int) -> bytes | str:
        return fail() if path.name == name else read(path, limit)

    monkeypatch.setattr(report_parts, "_read", read_or_fail)
    message = letter(report)
    every = {"theta2.png", "map.png", "cum.png", "results.json"}
    assert every & set(attached(message)) == every - {name}
    assert f"{name} (KeyError: '{WORD}')" in " ".join(text_of(message).split())


def build_pages(folder: Path, sheets: list[PageData], **values: Any) -> site_builder.PagesUpdate:
    by_id = {sheet.id: sheet for sheet in sheets}
    return build_site(folder, "LST-1", stamps(sheets), by_id.get, HEALTH, **values)


def page(folder: Path, number: int = 1) -> str:
    return " ".join((folder / f"analyses/A{number}/index.html").read_text().split())


@pytest.mark.parametrize("name", model.TABLES)
def test_a_table_of_the_page_that_fails_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(tables, name, fail)
    outcome = build_pages(tmp_path / "site", [make_sheet(tmp_path / "made", 1)])
    assert outcome.failed == ()
    text = page(tmp_path / "site")
    assert TITLES[name] in text and WORD in text
    assert text.count("<img") == 2


@pytest.mark.parametrize("name", ["_picture", "_task"])
def test_a_part_of_the_page_that_fails_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(analysis_page, name, fail)
    outcome = build_pages(tmp_path / "site", [make_sheet(tmp_path / "made", 1)])
    assert outcome.failed == ()
    text = page(tmp_path / "site")
    assert "is left out" in text and WORD in text
    assert "861" in text and "Configuration" in text
    assert text.count("<img") == (0 if name == "_picture" else 2)


def test_a_page_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there of it stays, and it is made the next time."""
    sheets = [make_sheet(tmp_path / "made", number) for number in (1, 2, 3)]
    site = tmp_path / "site"
    build_pages(site, sheets)
    before = page(site, 2)
    write = site_builder.write_analysis

    def write_or_fail(publisher: Any, name: str, sheet: PageData) -> list[str]:
        return fail() if sheet.id == 2 else write(publisher, name, sheet)

    monkeypatch.setattr(site_builder, "write_analysis", write_or_fail)
    outcome = build_pages(site, sheets, anew=True)
    assert (outcome.analyses, outcome.made) == (3, 2)
    (said,) = outcome.failed
    assert said == f"The page of analysis 2 is left out: KeyError: '{WORD}'."
    assert page(site, 2) == before
    assert "A3" in page(site, 3)
    monkeypatch.setattr(site_builder, "write_analysis", write)
    assert build_pages(site, sheets).made == 1


def test_a_report_without_faults_says_nothing(tmp_path: Path) -> None:
    assert make_report(tmp_path).remarks == ()


@pytest.mark.parametrize("limit", [None, 0.0, -0.01])
def test_no_limit_at_or_below_zero_is_printed(tmp_path: Path, limit: float | None) -> None:
    """Such as results of older versions may hold."""
    crab = {"value": -0.02, "error": 0.01, "is_limit": True, "upper_limit": limit}
    spectrum = {"energy_min_tev": 0.1, "energy_max_tev": 10.0, "crab": crab}
    report = make_report(tmp_path)
    rows = number_rows(results_from_json({"spectrum": spectrum})[0], report.config)
    (flux,) = (row.value for row in rows if row.label == "Flux")
    assert flux == "no upper limit, from 0.1 to 10 TeV"
