"""What the tests of the doctor share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astran.base.findings import Finding, Result
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.service.doctor.doctor_context import DoctorContext, Examination
from astran.service.doctor.examination import Probe, run_bounded

NOW = datetime(2023, 12, 8, 12, tzinfo=UTC)
Make = Callable[..., DoctorContext]


class FixedClock:
    """It is always NOW."""

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("the doctor does not wait")


def make_patient(tmp_path: Path, python: str = sys.executable) -> Make:
    """A maker of patients: keys of the site configuration, and `send_test`."""

    def make(send_test: str = "", **site: Any) -> DoctorContext:
        data = {"site": "Test", "workdir": str(tmp_path / "work"), **site}
        return DoctorContext(
            build_settings(SiteConfig, data, "site"), FixedClock(), python, send_test
        )

    return make


def found(examination: Examination, patient: DoctorContext) -> dict[str, Finding]:
    """Findings by part, the worst where a part has several; what is wrong must have a cure."""
    order = list(Result)
    findings: dict[str, Finding] = {}
    for finding in run_bounded(Probe("?", examination, 60), patient):
        if finding.result is not Result.OK:
            assert finding.cure, f"no cure: {finding.message}"
        known = findings.get(finding.part)
        if known is None or order.index(finding.result) > order.index(known.result):
            findings[finding.part] = finding
    return findings
