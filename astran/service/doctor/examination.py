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
from astran.base.findings import Finding, fail, failed_by, ok
from astran.config.yaml_files import load_site, site_path
from astran.service.doctor import machine, mail, scheduler_and_data, test_mail
from astran.service.doctor.doctor_context import DoctorContext, Examination


@dataclass(frozen=True, slots=True)
class Probe:
    """One examination and its time limit [s]."""

    part: str
    examine: Examination
    limit: float


CHECKS = (
    Probe("workdir", machine.probe_workdir, 60),
    Probe("modes", machine.modes, 60),
    Probe("disk", machine.probe_disk, 60),
    Probe("database", machine.probe_database, 90),
    Probe("python", machine.probe_python, 180),
    Probe("mail", mail.probe_mail_settings, 10),
    Probe("secrets", mail.probe_secrets, 90),
    Probe("imap", mail.probe_imap, 120),
    Probe("smtp", mail.probe_smtp, 120),
    Probe("test mail", test_mail.test_mail, 240),
    Probe("scheduler", scheduler_and_data.probe_scheduler, 300),
    Probe("outage", scheduler_and_data.probe_outage, 60),
    Probe("software", scheduler_and_data.probe_software, 1200),
    Probe("data", scheduler_and_data.probe_data, 120),
    Probe("launcher", machine.probe_launcher, 30),
)
"""Every examination, in the order in which one would set a site up."""


def run_probes(
    site_file: str | Path | None,
    clock: Clock,
    python: str,
    send_test: str = "",
    checks: Sequence[Probe] = CHECKS,
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
    patient = DoctorContext(site, clock, python, send_test)
    for check in checks:
        yield from run_bounded(check, patient)


def run_bounded(check: Probe, patient: DoctorContext) -> list[Finding]:
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


def _caught(check: Probe, patient: DoctorContext) -> Iterator[Finding]:
    try:
        yield from check.examine(patient)
    except (AstranError, OSError) as error:
        yield failed_by(check.part, error, "Correct the site configuration.")
