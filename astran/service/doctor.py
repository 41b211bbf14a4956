"""Try each outside part that ASTRAN depends on, and say cause and cure.

No examination changes anything, but for the mail folders that the first mail would make anyway,
and the test mail that is asked for. None can hang: each has a time limit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from astran.base.clock import Clock
from astran.base.errors import AstranError, ConfigError
from astran.config.load import load_site, site_path
from astran.service import doctor_mail, doctor_place, doctor_replies, doctor_work
from astran.service.findings import Examination, Finding, Patient, fail, failed_by, ok


@dataclass(frozen=True, slots=True)
class Check:
    """One examination and its time limit [s]."""

    part: str
    examine: Examination
    limit: float


CHECKS = (
    Check("workdir", doctor_place.workdir, 60),
    Check("modes", doctor_place.modes, 60),
    Check("disk", doctor_place.disk, 60),
    Check("database", doctor_place.database, 90),
    Check("python", doctor_place.python, 180),
    Check("mail", doctor_mail.settings, 10),
    Check("secrets", doctor_mail.secrets, 90),
    Check("imap", doctor_mail.imap, 120),
    Check("smtp", doctor_mail.smtp, 120),
    Check("test mail", doctor_replies.test_mail, 240),
    Check("scheduler", doctor_work.scheduler, 300),
    Check("outage", doctor_work.outage, 60),
    Check("lstchain", doctor_work.environments, 1200),
    Check("data", doctor_work.data, 120),
    Check("launcher", doctor_place.launcher, 30),
)
"""Every examination, in the order in which one would set a site up."""


def examine(
    site_file: str | Path | None,
    clock: Clock,
    python: str,
    send_test: str = "",
    checks: Sequence[Check] = CHECKS,
) -> Iterator[Finding]:
    """Findings as they come. A site configuration that cannot be used is the only finding.

    Parameters
    ----------
    site_file : as on the command line; None: its usual places
    send_test : address to which a test mail is sent; empty: none
    """
    try:
        path = site_path(site_file)
        site = load_site(path)
    except ConfigError as error:
        cure = "Correct the file; `astran init --output FILE` writes a fresh one to compare with."
        yield failed_by("site", error, cure)
        return
    yield ok("site", f"{site.site}: {path}")
    patient = Patient(site, clock, python, send_test)
    for check in checks:
        yield from bounded(check, patient)


def bounded(check: Check, patient: Patient) -> list[Finding]:
    """The findings of one check; one that takes too long is left behind, and that is a finding.

    A file system or server that hangs can hold a system call for ever. So the check gets a thread
    that does not keep the process alive.
    """
    found: list[Finding] = []
    broken: list[BaseException] = []

    def work() -> None:
        try:
            found.extend(_caught(check, patient))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            broken.append(error)

    thread = threading.Thread(target=work, name=f"doctor {check.part}", daemon=True)
    thread.start()
    thread.join(check.limit)
    if thread.is_alive():
        return [
            *found,
            fail(
                check.part,
                f"There was no answer within {check.limit:g} s.",
                "Look for a file system or server that hangs.",
            ),
        ]
    if broken:
        raise broken[0]
    return found


def _caught(check: Check, patient: Patient) -> Iterator[Finding]:
    try:
        yield from check.examine(patient)
    except (AstranError, OSError) as error:
        yield failed_by(check.part, error, "Correct the site configuration.")
