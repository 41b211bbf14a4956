"""`astran doctor` tells who could read what, and what would remember the store."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from doctor_patient import FixedClock

from astran.base.findings import Finding, Result
from astran.base.permissions import private_umask
from astran.cli.common import make_context
from astran.config.yaml_files import load_site
from astran.service.doctor import machine
from astran.service.doctor.doctor_context import DoctorContext


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """As most accounts have it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yml"
    path.write_text(f"site: T\nworkdir: {tmp_path / 'work'}\nscheduler: {{kind: local}}\n")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def opened(site: Path, tmp_path: Path) -> tuple[Path, ...]:
    """A site as it was made before: readable for all."""
    make_context(load_site(site), lambda text: None).db.close()
    work = tmp_path / "work"
    journal = work / "astran.sqlite-wal"
    journal.touch()
    for path, wide in ((work, 0o755), (work / "astran.sqlite", 0o644), (journal, 0o664)):
        path.chmod(wide)
    return work, work / "astran.sqlite", journal


def findings(site: Path) -> list[Finding]:
    return list(machine.modes(DoctorContext(load_site(site), FixedClock(), sys.executable)))


def test_the_doctor_finds_what_is_open(site: Path, tmp_path: Path) -> None:
    places = opened(site, tmp_path)
    with private_umask():
        found = findings(site)
    assert [finding.result for finding in found] == [Result.WARN] * 3
    for place, finding in zip(places, found, strict=True):
        assert str(place) in finding.message
        assert f"{place}" in finding.cure
        assert "chmod" in finding.cure
    # nothing is changed by looking
    assert mode(places[1]) == 0o644


def test_the_doctor_finds_a_wide_umask(site: Path) -> None:
    (finding,) = findings(site)
    assert finding.result is Result.WARN
    assert "0022" in finding.message
    assert "umask 0027" in finding.cure
    with private_umask():
        assert [finding.result for finding in findings(site)] == [Result.OK]


def test_the_doctor_tells_where_nothing_can_remember(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *args: False)
    assert any("remember" in finding.message for finding in findings(site))
