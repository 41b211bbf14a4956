"""The files with which an array is submitted: submit description and script of all elements.

Formats: HTCondor manual 23, "Submitting a Job" and condor_submit(1). HTCondor starts a job again by
itself after an eviction, a lost machine or a restart of the schedd. Three things keep an attempt
from running twice: `requirements` and `periodic_hold` allow one start, and as the schedd may forget
its count of starts when it is killed, the script lets the first start alone go on.
"""

from __future__ import annotations

import re
import shlex
from enum import IntEnum
from pathlib import Path
from typing import Final

from astran.base.files import write_atomic
from astran.base.scheduler import Batch, JobRef, Priority
from astran.config.htcondor import HTCondorSettings
from astran.scheduler.array_files import OWNER_GUARD, owner_link, script_path, write_manifest

TOKEN: Final = "AstranToken"
"""Attribute of our own by which a job is found again."""
INDEX: Final = "AstranIndex"
"""Attribute of our own: the element."""
AGAIN_SIGNAL: Final = 12
"""SIGUSR2: by it a start ends itself that is not the first of its attempt."""


class OwnHold(IntEnum):
    """Subcodes of the holds that ASTRAN's own `periodic_hold` makes."""

    TIME = 41
    MEMORY = 42
    EVICTED = 43
    NODE = 44


_NODE_LOST: Final = (1002, 1003, 1006, 1007, 1008, 1012, 1013)
"""VacateReasonCodes of a start that was lost with its machine: ShadowException, JobNotStarted,
FailedToActivateClaim, StarterError, ReconnectFailed, StartdException, StartdShutdown."""
_REMOVE_AFTER_S: Final = 600
"""What ASTRAN's own rules hold has ended; so much later HTCondor takes it out of the queue."""
_WHOLE_LIMIT: Final = 2308032
"""CONCURRENCY_LIMIT_DEFAULT of HTCondor: what a limit that no pool names allows in all."""

_SCRIPT = (
    """\
#!/bin/bash
# {label}
# Each element runs its line of the manifest: index, script, log, token.
job="$1" element="$2"
manifest={manifest}
owner={owner}
"""
    + OWNER_GUARD
    + """\
while IFS=$'\\t' read -r index script log token; do
    if [ "$index" = "$element" ]; then
        # HTCondor may start it again, while the first start is still at work on a lost machine
        if ! ln -s -n -- "$HOSTNAME" {started}"$token" 2> /dev/null; then
            kill -USR2 $$
        fi
        cd -- {folder} || exit 1
        exec < /dev/null >> "$log" 2>&1 || exit 1
        (sleep {limit_s}; echo "ASTRAN: the time limit of {limit_min} min is reached.") &
        [ -n "$HOME" ] || HOME=~
        export HOME PATH ASTRAN_TOKEN="$token"
        exec /bin/bash "$script"
    fi
done < "$manifest"
exit 2
"""
)


def write_files(batch: Batch, settings: HTCondorSettings, minute_s: float) -> Path:
    """Write manifest, script and submit description into the batch's folder; returns the last.

    Raises
    ------
    OSError
    """
    folder = Path(batch.folder)
    manifest = write_manifest(batch)
    script = script_path(batch.token, folder)
    limit_s = batch.resources.time_min * minute_s
    text = _SCRIPT.format(
        label=_one_line(batch.label),
        manifest=shlex.quote(str(manifest)),
        owner=shlex.quote(str(owner_link(batch.token, folder))),
        started=shlex.quote(str(_started_link(folder, ""))),
        folder=shlex.quote(str(folder)),
        limit_s=f"{limit_s:g}",
        limit_min=batch.resources.time_min,
    )
    write_atomic(script, text, mode=0o755)
    description = folder / f"array_{batch.token}.sub"
    write_atomic(description, describe_submission(batch, settings, limit_s))
    return description


def _started_link(folder: Path, token: str) -> Path:
    return folder / f"started_{token}"


def event_log(token: str, folder: str) -> Path:
    """The event log of a batch, which HTCondor writes."""
    return Path(folder) / f"array_{token}.events"


def has_begun(job: JobRef, token: str) -> bool:
    """Whether an element with that attempt token was ever started."""
    return _started_link(Path(job.folder), token).is_symlink()


def describe_submission(batch: Batch, settings: HTCondorSettings, limit_s: float) -> str:
    """The submit description of an array."""
    place, wanted, folder = settings.placement_of(batch.requester), batch.resources, batch.folder
    values = {
        "universe": "container" if settings.container else "vanilla",
        "container_image": _plain(settings.container),
        "executable": _plain(str(script_path(batch.token, Path(folder)))),
        "transfer_executable": "False",
        "arguments": '"$(ClusterId) $(Process)"',
        "initialdir": _plain(folder),
        "log": _plain(str(event_log(batch.token, folder))),
        # the script opens the task's log: a second start must not even cut that short
        "output": "/dev/null",
        "error": "/dev/null",
        "should_transfer_files": "YES" if settings.file_transfer else "NO",
        "when_to_transfer_output": "ON_EXIT" if settings.file_transfer else "",
        "transfer_output_files": '""' if settings.file_transfer else "",
        "request_cpus": str(wanted.cpus),
        "request_memory": f"{wanted.memory_mb}M",
        "batch_name": batch.token,
        f"My.{TOKEN}": f'"{batch.token}"',
        f"My.{INDEX}": "$(Process)",
        "notification": "Never",
        "requirements": _requirements(place.requirements, batch.exclude),
        "concurrency_limits": _limits(batch, settings),
        "accounting_group": _plain(batch.account or place.accounting_group),
        "accounting_group_user": _plain(place.accounting_group_user),
        "priority": _PRIORITIES[batch.priority],
        **_hold_rules(limit_s),
    }
    lines = [f"{name} = {value}" for name, value in values.items() if value]
    return "\n".join([*lines, *settings.lines, f"queue {len(batch.scripts)}", ""])


_PRIORITIES = {Priority.ALERT: "10", Priority.DAILY: "", Priority.CAMPAIGN: "-10"}
"""Among the jobs of one owner; 0 where none is given."""


def _requirements(wanted: str, exclude: tuple[str, ...]) -> str:
    parts = ["((MY.NumJobStarts ?: 0) == 0)"]
    parts += [f"({wanted})"] if wanted else []
    parts += [exclude_nodes(exclude, "TARGET.Name")] if exclude else []
    return " && ".join(parts)


def exclude_nodes(nodes: tuple[str, ...], name: str = "Name") -> str:
    """The condition that a slot is on none of these nodes, as a ClassAd expression."""
    parts = []
    for node in nodes:
        # the name of a slot is slot1@machine, or slot1@name@machine
        pattern = re.sub(r"([^A-Za-z0-9_@-])", r"[\1]", node).replace("[\\]", "")
        parts.append(f'!regexp("(^|@){pattern}$", {name}, "i")')
    return " && ".join(parts)


def _limits(batch: Batch, settings: HTCondorSettings) -> str:
    own = [settings.concurrency_limits] if settings.concurrency_limits else []
    if batch.throttle:
        name = re.sub(r"\W", "_", batch.token)
        own.append(f"{name}:{max(1, _WHOLE_LIMIT // batch.throttle)}")
    return ",".join(own)


def _hold_rules(limit_s: float) -> dict[str, str]:
    """One start, a time limit, a limit of memory; the subcode of the hold is the cause."""
    late = f"(JobStatus == 2 && time() - JobCurrentStartDate > {limit_s:g})"
    large = "(JobStatus == 2 && MemoryUsage > RequestMemory)"
    again = "(JobStatus == 1 && NumJobStarts > 0)"
    codes = " || ".join(f"VacateReasonCode =?= {code}" for code in _NODE_LOST)
    # before version 10 there is no such code
    lost = f"({codes} || (VacateReasonCode =?= undefined && JobDisconnectedDate =!= undefined))"
    own = f"HoldReasonSubCode >= {min(OwnHold)} && HoldReasonSubCode <= {max(OwnHold)}"
    code = (
        f"ifThenElse(JobStatus == 1, ifThenElse({lost}, {OwnHold.NODE:d}, {OwnHold.EVICTED:d}), "
        f"ifThenElse({late} =?= true, {OwnHold.TIME:d}, {OwnHold.MEMORY:d}))"
    )
    return {
        "periodic_hold": f"({late} =?= true) || ({large} =?= true) || ({again} =?= true)",
        "periodic_hold_subcode": code,
        "periodic_hold_reason": '"ASTRAN ends this attempt"',
        "periodic_remove": f"JobStatus == 5 && HoldReasonCode =?= 3 && {own} "
        f"&& time() - EnteredCurrentStatus > {_REMOVE_AFTER_S}",
    }


def _plain(text: str) -> str:
    """Text in which condor_submit replaces nothing."""
    return text.replace("$", "$(DOLLAR)")


def _one_line(text: str) -> str:
    return " ".join(text.split())
