"""Examinations of what does the work: scheduler, software, data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astran.base.findings import Finding, Result, fail, ok, warn
from astran.base.text import count_noun, duration
from astran.config.site import SchedulerKind, SiteConfig
from astran.database.connection import Database
from astran.scheduler.local.controller import LocalScheduler
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.doctor.machine import file_system
from astran.service.doctor.slurm_probe import probe_slurm
from astran.service.jobs import scheduler_outages
from astran.telescopes.chain import TelescopeChain
from astran.telescopes.registry import find_chain, register_chains

_OF_ONE_MACHINE = frozenset(("btrfs", "ext3", "ext4", "overlay", "tmpfs", "xfs", "zfs"))


def probe_scheduler(patient: DoctorContext) -> Iterator[Finding]:
    """The one that the site names, or that `auto` finds."""
    settings = patient.site.scheduler
    here = shutil.which("sbatch") is not None
    if settings.kind is SchedulerKind.SLURM or (settings.kind is SchedulerKind.AUTO and here):
        findings = list(probe_slurm(settings.slurm, settings.resources))
        yield from findings
        if findings[0].result is Result.OK:
            yield from _seen_by_nodes(patient.site.workdir)
    else:
        yield from _local(patient)


def probe_outage(patient: DoctorContext) -> Iterator[Finding]:
    """Whether the scheduler has kept ASTRAN waiting, by what the ticks have noted."""
    # sqlalchemy is imported where it is needed
    store = Database.existing(patient.site.database_url)
    if store is None:
        return  # the examination of the database tells why
    try:
        with store.begin() as db:
            silence = scheduler_outages.get_outage(db)
    finally:
        store.close()
    if silence is None:
        yield ok("outage", "At the last look the scheduler answered, or there was nothing to ask.")
        return
    length = patient.clock.now() - silence.since
    tell = fail if length >= scheduler_outages.PATIENCE else warn
    yield tell(
        "outage",
        f"The scheduler has not answered since {silence.since:%Y-%m-%d %H:%M} UTC, for "
        f"{duration(length.total_seconds())} ({count_noun(silence.looks, 'look')}): "
        f"{silence.reason}",
        "No job counts as failed because of that. The examination of the scheduler tells whether "
        "it answers now; if it does, the next tick goes on by itself.",
    )


def _seen_by_nodes(folder: Path) -> Iterator[Finding]:
    kind = file_system(folder)
    if kind in _OF_ONE_MACHINE:
        yield warn(
            "slurm workdir",
            f"{folder} lies on a file system of this machine ({kind}).",
            "The nodes must see it under the same path: move `workdir` to a shared file system, "
            "unless jobs run on this machine alone.",
        )


def _local(patient: DoctorContext) -> Iterator[Finding]:
    site = patient.site
    pool = LocalScheduler(site.workdir / "pool", site.scheduler.local, patient.clock)
    cores, memory = pool.capacity.cores, pool.capacity.memory_mb
    text = f"{cores} cores and {memory} MB of this machine."
    large = [
        f"{stage} ({wanted.cpus} cores, {wanted.memory_mb} MB)"
        for stage, wanted in site.scheduler.resources.items()
        if wanted.cpus > cores or wanted.memory_mb > memory
    ]
    if large:
        yield warn(
            "local pool",
            f"{text} Tasks of these stages ask for more: {', '.join(large)}.",
            "They run one at a time and may run out of memory: correct scheduler.resources if they "
            "need less.",
        )
    else:
        yield ok("local pool", text)


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
