"""`astran report`: a report to read, as text, page or PDF, whether it was mailed or not."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import html5lib
import pytest
from conftest import require
from services import browser as browsers

from astran.base.states import AnalysisState
from astran.cli.main import main
from astran.config.analysis import Target
from astran.database import analyses
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.report import pdf
from astran.telescopes.lst.settings import LstConfig

HOSTILE = "<script>alert(1)</script>\x1b[31mred\x1b]0;t\x07 \u202egnp " + "x" * 1_000_000


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site without mailbox: A1 has failed, A2 is under way."""
    path = tmp_path / "site.yml"
    path.write_text(f"site: Test\nworkdir: {tmp_path}\nscheduler: {{kind: local}}\n")
    db = Database.open(f"sqlite:///{tmp_path / 'astran.sqlite'}")
    now = datetime(2023, 12, 8, 9, tzinfo=UTC)
    config = LstConfig(target=Target(name=HOSTILE[:60], ra=83.6, dec=22.0), date="20231207")
    with db.begin() as connection:
        for ends in (True, False):
            made = analyses.create_analysis(
                connection, now, RequestOrigin(), config.label, config.plain(), tmp_path, ""
            )
            if ends:
                assert analyses.move_analysis(
                    connection, now, made, AnalysisState.FAILED, reason=HOSTILE
                )
    db.close()
    return path


def test_text(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "A1", "--site", str(site)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("<script>alert(1)</script>red")
    assert "failed: <script>alert(1)</script>red" in " ".join(text.split())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert len(text) < 20_000
    assert "ASTRAN-LIST" not in text  # nobody would read that mail


def test_page(site: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert main(["report", "A1", "--site", str(site), "--html", str(page)]) == 0
    text = page.read_text()
    html5lib.HTMLParser(strict=True).parse(text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;red" in text
    assert "<script" not in text


def test_pdf_by_a_browser(site: Path, tmp_path: Path) -> None:
    require(browsers.PROGRAM, "Chromium", browsers.HOW)
    printed = tmp_path / "report.pdf"
    assert main(["report", "A1", "--site", str(site), "--pdf", str(printed)]) == 0
    assert printed.read_bytes().startswith(b"%PDF")


def test_without_any_means_the_cure_is_named(
    site: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    printed = tmp_path / "report.pdf"
    assert main(["report", "A1", "--site", str(site), "--pdf", str(printed)]) == 2
    assert "pip install 'astran[pdf]'" in capsys.readouterr().err
    assert not printed.exists()


def test_no_report_before_the_end(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "A2", "--site", str(site)]) == 2
    assert "still under way" in capsys.readouterr().err


def test_a_file_that_cannot_be_written(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = str(site / "report.html")
    assert main(["report", "A1", "--site", str(site), "--html", wrong]) == 2
    assert "cannot be written" in capsys.readouterr().err
