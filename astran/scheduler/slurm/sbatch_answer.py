"""Reading the answer of sbatch: a job id, a clear no, or no clear answer at all.

The three must never be mixed up. Taking a lost answer for a no submits a job twice; taking a no
for a lost answer only costs one look-up. So everything that is not a clear no is unclear.
"""

from __future__ import annotations

import re
from typing import Final

from astran.base.errors import SubmitRefused, SubmitUnknown
from astran.base.process import Completed

_ID = re.compile(r"(\d+)(?:;\S+)?|Submitted batch job (\d+)(?: on cluster \S+)?")

_UNCLEAR: Final = (
    "socket timed out",
    "timed out",
    "unable to contact",
    "connection refused",
    "connection reset",
    "communication connection failure",
    "zero bytes were transmitted",
    "unexpected message received",
    "transport endpoint",
    "message receive failure",
    "header lengths are longer than data received",
    "authentication",
    "munge",
)
"""Words of a connection that broke, before or after the job was taken."""

_TOO_MANY: Final = (
    "submitjob",  # QOSMaxSubmitJobPerUserLimit, AssocMaxSubmitJobLimit, AssocGrpSubmitJobsLimit
    "submitjoblimit",
    "maxjobcount",
)
"""Words of a limit of jobs in the queue, which a smaller array may meet."""

_NOT_NOW: Final = (
    *_TOO_MANY,
    "temporarily unable to accept job",
    "resource temporarily unavailable",
    "required partition not available",
    "required node not available",
    "standby mode",
    "disk quota",
    "no space left",
    "unable to process configuration file",
    "could not establish a configuration source",
)
"""Words of a refusal that passes with time."""

_POLICY: Final = "job violates accounting/qos policy"
"""Printed both for a full quota and for a job that is too large; other words distinguish."""
_TOO_LARGE: Final = ("perjob", "minute", "walldur", "maxwall", "maxcpu", "maxmem", "maxnode")

_CURES: Final = (
    ("invalid partition", "Correct scheduler.slurm.partition in the site configuration."),
    ("invalid account", "Correct scheduler.slurm.account in the site configuration."),
    ("invalid qos", "Correct scheduler.slurm.qos in the site configuration."),
    ("reservation", "Correct scheduler.slurm.reservation in the site configuration."),
    ("invalid feature", "Correct scheduler.slurm.constraint in the site configuration."),
    ("invalid node name", "Correct the nodes to exclude."),
    ("node configuration is not available", "Ask for less memory, fewer cores or another node."),
    ("time limit", "Ask for less time, or for another partition."),
    ("invalid job array", "The array is larger than MaxArraySize of this cluster."),
    ("unrecognized option", "Correct scheduler.slurm.options in the site configuration."),
    ("invalid option", "Correct scheduler.slurm.options in the site configuration."),
    ("configuration", "Check that SLURM_CONF or /etc/slurm can be read on this machine."),
)


def read_answer(done: Completed) -> str:
    """The job id.

    Raises
    ------
    SubmitRefused : a clear refusal; `transient` if that passes with time
    SubmitUnknown : anything else; the job may exist
    """
    ids = {
        match[1] or match[2]
        for line in done.stdout.splitlines()
        if (match := _ID.fullmatch(line.strip()))
    }
    if done.returncode == 0 and len(ids) == 1:
        return ids.pop()
    message = _message(done.stderr) or _message(done.stdout) or "no message"
    text = done.stderr.lower()
    refused = "sbatch: " in text and not any(words in text for words in _UNCLEAR)
    if done.returncode == 0 or ids or not refused:
        raise SubmitUnknown(
            f"sbatch gave no clear answer (return code {done.returncode}): {message}",
            "The job is looked up by its name before anything is submitted again.",
        )
    raise SubmitRefused(
        f"Slurm refused the job: {message}", _cure(text), _passes(text), _too_many(text)
    )


def _message(text: str) -> str:
    """The lines of the output without their prefix, in one."""
    lines = [re.sub(r"^sbatch: (error: |fatal: )?", "", line.strip()) for line in text.splitlines()]
    return "; ".join(line for line in lines if line)[:500]


def _cure(text: str) -> str:
    if _passes(text):
        return "It is tried again by itself."
    return next((cure for words, cure in _CURES if words in text), "")


def _too_many(text: str) -> bool:
    """Whether a smaller array may be taken; the policy alone does not say which limit it is."""
    return any(words in text for words in _TOO_MANY) or (_POLICY in text and _passes(text))


def _passes(text: str) -> bool:
    if any(words in text for words in _NOT_NOW):
        return True
    return _POLICY in text and not any(words in text for words in _TOO_LARGE)
