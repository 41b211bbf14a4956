"""What a log tells: the few lines that say why a task failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

TAIL = 200_000
"""Bytes read from the end of a log."""
WIDTH = 300
"""Longest line that is quoted [characters]."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|[\x00-\x08\x0b-\x1f\x7f]")
_TRACEBACK = "Traceback (most recent call last):"
_RAISED = re.compile(r"(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)\b")
_SYMPTOM = re.compile(
    r"""\b(?:ERROR|CRITICAL|FATAL)\b
    | (?:^|:\s)error:\s                       # argparse, compilers, slurmstepd
    | \bKilled\b | \boom[-_ ]kill | Out\ Of\ Memory | MemoryError | Cannot\ allocate\ memory
    | No\ space\ left\ on\ device | Disk\ quota\ exceeded | Stale\ file\ handle
    | Input/output\ error | Permission\ denied | No\ such\ file\ or\ directory
    | command\ not\ found | Segmentation\ fault | Bus\ error | core\ dumped
    | DUE\ TO\ TIME\ LIMIT | CANCELLED\ AT | [Uu]nrecognized\ (?:arguments|option)
    | ^ASTRAN:\ [^ ]+:\ (?!ok:)[a-z-]+:\ """,
    re.VERBOSE,
)
_HARMLESS = re.compile(
    r"""MissingReferenceMetadata | UnImplemented | unsupported\ on-disk\ type
    | ERFA\ function | dubious\ year | leap-second | IERS
    | could\ not\ read\ reference\ metadata
    | \bno\ errors?\b | \b0\ errors?\b | error_rate | angular_error""",
    re.VERBOSE | re.IGNORECASE,
)


_ADVICE = (
    (
        re.compile(
            r"node array from the pickle has an incompatible dtype|No module named 'sklearn"
            r"|Can't get attribute .*sklearn|object has no attribute 'monotonic_cst'"
            r"|is not a known BitGenerator|BitGenerator is not"
        ),
        "The models were trained with another release of scikit-learn than this lstchain has: give "
        "the release models of its own (lstchain.environments.<name>.data.models), or choose the "
        "release that trained them with the key `lstchain`.",
    ),
    (
        re.compile(
            r"X has \d+ features, but .* is expecting \d+|feature names should match those"
            r"|not in index|is not in list|None of \[Index\("
        ),
        "The models were trained with other features than they are given: data.lstchain_config "
        "must hold the lists of features (..._features) of their training, and DL1 these columns.",
    ),
)


_OTHER_SKLEARN = re.compile(
    r"InconsistentVersionWarning: Trying to unpickle estimator \w+ from version (\S+) "
    r"when using version (\S+?)\.? "
)


_REMARK = re.compile(r"^ASTRAN remark: (.{1,300})")


def find_remarks(path: Path) -> tuple[str, ...]:
    """What the log of a task that succeeded still warns of; lines that begin with `ASTRAN remark:`
    are by programs of a telescope's chain."""
    try:
        lines = _tail(path)
    except OSError:
        return ()
    found = {match.groups() for line in lines if (match := _OTHER_SKLEARN.search(line))}
    remarks = [match[1] for line in lines if (match := _REMARK.match(line))]
    return *dict.fromkeys(remarks), *(
        f"The models were trained with scikit-learn {theirs} and are read by {ours}, which warns "
        "that results may be invalid: better give this lstchain models of its own."
        for theirs, ours in sorted(found)
    )


def find_advice(lines: Iterable[str]) -> tuple[str, ...]:
    """What to do about a failure that a person could not read from these lines of its log."""
    told = "\n".join(lines)
    return tuple(text for pattern, text in _ADVICE if pattern.search(told))


def extract_log_excerpt(path: Path, limit: int = 12) -> tuple[str, ...]:
    """The lines that tell why a task failed: final lines of tracebacks, errors, the system's words.

    Only the last 200 kB are read. Control sequences are taken out, long lines are cut, repeated
    lines are said once. Where nothing stands out, the last lines of the log are given.

    Returns
    -------
    At most `limit` lines, in the order of the log (the last ones, if there are more); none if
    there is no log.
    """
    try:
        lines = [line for line in _tail(path) if line.strip()]
    except OSError:
        return ()
    found = list(dict.fromkeys(_told(lines)))
    if not found:
        found = [line for line in lines if not _HARMLESS.search(line)][-min(limit, 5) :]
    return tuple(line if len(line) <= WIDTH else line[: WIDTH - 3] + "..." for line in found)[
        -limit:
    ]


def _told(lines: list[str]) -> Iterator[str]:
    inside = False  # a traceback, until the line that names the exception
    for line in lines:
        if line.startswith(_TRACEBACK):
            inside = True
        elif inside and not line[0].isspace():
            inside = False
            yield line
        elif not inside and not _HARMLESS.search(line):
            bare = line.strip()
            if _SYMPTOM.search(bare) or (_RAISED.match(bare) and "Warning" not in bare):
                yield bare


def _tail(path: Path) -> list[str]:
    with path.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - TAIL))
        text = handle.read().decode(errors="replace")
    lines = text.replace("\r", "\n").split("\n")
    if size > TAIL:
        lines = lines[1:]  # its beginning is missing
    return [_CONTROL.sub("", line).rstrip() for line in lines]
