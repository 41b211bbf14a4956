"""Reading the answer of condor_submit: a cluster, a clear no, or no clear answer at all.

A submission is one transaction. Taking a lost answer for a no submits a job twice; taking a no for
a lost answer only costs one look-up. So everything that is not a clear no is unclear.
"""

from __future__ import annotations

import re
from typing import Final

from astran.base.errors import SubmitRefused, SubmitUnknown
from astran.base.process import Completed

_IDS = re.compile(r"(\d{1,12})\.\d{1,12}(?: - (\d{1,12})\.\d{1,12})?")

NOT_REACHED: Final = (
    "failed to connect to local queue manager",
    "can't find address of schedd",
    "can't find address for schedd",
    "unable to find address of schedd",
    "no schedd",
)
"""Words of an attempt that never reached the schedd."""
_UNCLEAR: Final = (
    "commit",
    "secman",
    "timed out",
    "timeout",
    "read failure",
    "write failure",
    "disconnect",
    "authenticat",
    "communicat",
    "lost connection",
    "qmgmt",
)
"""Words of a connection that broke, before or after the job was taken."""
_NOT_NOW: Final = (
    "max_jobs",
    "would exceed",
    "no space left",
    "disk quota",
    "temporarily",
    "too many",
    "failed to create new proc",
    "failed to create new cluster",
)
"""Words of a refusal that passes with time."""
_CURES: Final = (
    ("can't find \"condor\" in the password file", "Root may not submit: run as another user."),
    ("accounting", "Correct scheduler.htcondor.accounting_group in the site configuration."),
    ("parse error in expression", "Correct scheduler.htcondor.requirements or lines."),
    ("submit_requirement", "The pool has rules for jobs: add what it asks for to scheduler."
     "htcondor.lines."),
    ("config source", "Check CONDOR_CONFIG or /etc/condor on this machine."),
    ("condor_config", "Check CONDOR_CONFIG or /etc/condor on this machine."),
)  # fmt: skip


def read_answer(done: Completed) -> str:
    """The id of the cluster, from the answer of `condor_submit -terse`.

    Raises
    ------
    SubmitRefused : a clear refusal; `transient` if that passes with time
    SubmitUnknown : anything else; the job may exist
    """
    lines = [line.strip() for line in done.stdout.splitlines()]
    found = [match for line in lines if (match := _IDS.fullmatch(line))]
    ids = {match[1] for match in found} | {match[2] for match in found if match[2]}
    if done.returncode == 0 and len(ids) == 1:
        return ids.pop()
    text = f"{done.stderr}\n{done.stdout}".lower()
    message = _message(done.stderr) or _message(done.stdout) or "no message"
    if any(words in text for words in NOT_REACHED) and not ids:
        raise SubmitRefused(
            f"HTCondor could not be reached: {message}", "It is tried again by itself.", True
        )
    refused = "error:" in text or 'can\'t find "condor"' in text or "does not exist" in text
    if done.returncode == 0 or ids or not refused or any(words in text for words in _UNCLEAR):
        raise SubmitUnknown(
            f"condor_submit gave no clear answer (return code {done.returncode}): {message}",
            "The job is looked up by its token before anything is submitted again.",
        )
    passes = any(words in text for words in _NOT_NOW)
    cure = next((cure for words, cure in _CURES if words in text), "")
    raise SubmitRefused(
        f"HTCondor refused the job: {message}",
        "It is tried again by itself." if passes else cure,
        passes,
    )


def _message(text: str) -> str:
    """The lines of the output without warnings, in one."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    kept = [line.removeprefix("ERROR: ") for line in lines if not line.startswith("WARNING:")]
    return "; ".join(line for line in kept if line)[:500]
