"""Examinations of what does the work: scheduler, software, data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from astran.base.findings import Finding, Result, fail, ok, warn
from astran.base.tasks import Resources
from astran.base.text import count_noun, duration
from astran.config.scheduler_kinds import AUTO
from astran.config.site import SiteConfig
from astran.database.connection import Database
from astran.scheduler.registry import explain_choice, make_scheduler
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.doctor.machine import file_system
from astran.service.jobs import scheduler_outages
from astran.telescopes.chain import TelescopeChain
from astran.telescopes.registry import find_chain, register_chains

_OF_ONE_MACHINE = frozenset(("btrfs", "ext3", "ext4", "overlay", "tmpfs", "xfs", "zfs"))


def probe_scheduler(patient: DoctorContext) -> Iterator[Finding]:
    """The one that the site names, or that `auto` finds."""
    site = patient.site
    if site.scheduler.kind == AUTO:
        yield ok("scheduler", explain_choice())
    scheduler = make_scheduler(site.scheduler, site.workdir, patient.clock)
    resources = {
        str(stage): Resources(wanted.cpus, wanted.memory_mb, wanted.time_min)
        for stage, wanted in site.scheduler.resources.items()
    }
    findings = list(scheduler.probe(resources))
    yield from findings
    if not scheduler.runs_elsewhere or findings[0].result is not Result.OK:
        return
    if (kind := file_system(site.workdir)) in _OF_ONE_MACHINE:
        yield warn(
            f"{scheduler.name} workdir",
            f"{site.workdir} lies on a file system of this machine ({kind}).",
            "The nodes must see it under the same path: move `workdir` to a shared file system, "
            "unless jobs run on this machine alone.",
        )


def probe_outage(patient: DoctorContext) -> Iterator[Finding]:
    """Whether the scheduler has kept ASTRAN waiting, by what the ticks have noted."""
    # sqlalchemy is imported where it is needed
    store = Database.existing(patient.site.database_url)
    if store is None:
        return  # the examination of the database gives the reason
    try:
        with store.begin() as db:
            outage = scheduler_outages.get_outage(db)
    finally:
        store.close()
    if outage is None:
        yield ok("outage", "At the last poll the scheduler answered, or there was nothing to ask.")
        return
    length = patient.clock.now() - outage.since
    finding = fail if length >= scheduler_outages.PATIENCE else warn
    yield finding(
        "outage",
        f"The scheduler has not answered since {outage.since:%Y-%m-%d %H:%M} UTC, for "
        f"{duration(length.total_seconds())} ({count_noun(outage.polls, 'poll')}): "
        f"{outage.reason}",
        "No job counts as failed because of that. The examination of the scheduler shows whether "
        "it answers now; if it does, the next tick goes on by itself.",
    )


def probe_software(patient: DoctorContext) -> Iterator[Finding]:
    """The software of each telescope's chain."""
    for chain in _chains(patient.site):
        yield from chain.probe_software(patient.site)


def probe_data(patient: DoctorContext) -> Iterator[Finding]:
    """The data of each telescope, and what belongs to them."""
    for chain in _chains(patient.site):
        yield from chain.probe_data(patient.site)


def _chains(site: SiteConfig) -> Iterator[TelescopeChain[Any]]:
    register_chains(site.chains)
    for telescope in dict.fromkeys((site.telescope, *site.telescopes)):
        yield find_chain(telescope)
