"""Which DL1 of a run is taken: the newest version, complete, run-wise or all its subruns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from astran.base.night_data import FileRef, MissingRun, RunFile, run_number
from astran.catalogue.path_patterns import MatchedPath, version_order
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts, combine_facts

_SUBRUN = re.compile(r"\.Run\d+\.(\d{4})(?!\d)")


class Condition(StrEnum):
    """Of the DL1 of a run."""

    COMPLETE = "complete"
    GROWING = "growing"
    MISSING = "missing"
    BROKEN = "broken"
    EMPTY = "empty"
    UNSEEN = "unseen"
    """Not opened yet."""


UNCOUNTED = 10
"""Where nobody tells how many subruns a run has, the newest must have settled for so many times
the usual: the next one may be in the making."""


class FileInspector(Protocol):
    """What looks at files; see catalogue.inspector."""

    def settled(self, file: FileRef, times: int = 1) -> bool: ...

    def facts(self, file: FileRef) -> Dl1Facts | None: ...


@dataclass(frozen=True, slots=True)
class Dl1Candidate:
    """The DL1 of a run in one place, as it is now."""

    run: int
    files: tuple[FileRef, ...]
    version: str
    tailcut: str
    condition: Condition
    reason: str = ""
    """Why it is not complete, in words; begins with a small letter, without a full stop."""
    may_come: bool = True
    """Whether waiting may help."""
    facts: Dl1Facts | None = None
    subruns: bool = False
    usable: tuple[FileRef, ...] = ()
    """Of a run that lacks subruns: those that could be taken."""


@dataclass(frozen=True, slots=True)
class Dl1Selection:
    """DL1 of a night."""

    runs: tuple[RunFile, ...]
    missing: tuple[MissingRun, ...]
    notes: tuple[str, ...]
    seen: dict[int, Dl1Candidate] = field(default_factory=dict)
    """What was taken, or is the best there is, by run."""
    unseen: bool = False
    """Whether files are still to be opened."""


def subrun(name: str) -> bool:
    """Whether a file holds a part of a run only."""
    return bool(_SUBRUN.search(name))


def candidates_by_run(found: Iterable[MatchedPath]) -> dict[int, list[tuple[MatchedPath, ...]]]:
    """Candidates of each run, best first: the newest version; of one version the cleaning that was
    written last; of that the run-wise file before its subruns."""
    groups: dict[tuple[int, str, str, bool], list[MatchedPath]] = {}
    for item in found:
        if item.run is not None:
            key = (item.run, item.version, item.tailcut, subrun(item.file.name))
            groups.setdefault(key, []).append(item)
    runs: dict[int, list[tuple[MatchedPath, ...]]] = {}
    for (run, _, _, parts), members in groups.items():
        if parts:
            runs.setdefault(run, []).append(tuple(sorted(members, key=lambda i: i.file.name)))
        else:
            runs.setdefault(run, []).extend((item,) for item in members)
    written: dict[tuple[int, str, str], int] = {}
    for run, candidates in runs.items():
        for one in candidates:
            place = (run, one[0].version, one[0].tailcut)
            newest = max(item.file.mtime_ns for item in one)
            written[place] = max(written.get(place, 0), newest)

    def rank(items: tuple[MatchedPath, ...]) -> tuple[object, ...]:
        one = items[0]
        place = (one.run or 0, one.version, one.tailcut)
        whole = not subrun(one.file.name)
        return (
            version_order(one.version),
            written[place],
            one.tailcut,
            whole,
            one.file.mtime_ns,
            one.file.path,
        )

    return {run: sorted(items, key=rank, reverse=True) for run, items in runs.items()}


def assess_candidate(
    items: Sequence[MatchedPath], eyes: FileInspector, expected: int = 0
) -> Dl1Candidate:
    """The condition of one candidate.

    Parameters
    ----------
    items : a run-wise file, or files of subruns
    expected : number of subruns by the RunSummary; 0: not known
    """
    one = items[0]
    assert one.run is not None
    files = tuple(item.file for item in items)
    base = Dl1Candidate(one.run, files, one.version, one.tailcut, Condition.UNSEEN)
    for file in files:
        if run_number(file.name) != one.run:
            reason = (
                f"the name {file.name} does not hold LST-1.Run{one.run:05d}, from which lstchain "
                "reads it"
            )
            return _as(base, Condition.BROKEN, reason, may_come=False)
    if subrun(one.file.name):
        return _judge_parts(base, eyes, expected)
    (file,) = files
    condition, reason = _look_at(file, eyes)
    facts = eyes.facts(file) if condition in (Condition.COMPLETE, Condition.EMPTY) else None
    text = f"its DL1 file {reason}" if reason else ""
    return _as(base, condition, text, may_come=condition is not Condition.EMPTY, facts=facts)


def _look_at(file: FileRef, eyes: FileInspector) -> tuple[Condition, str]:
    """Condition of one file, and what is the matter: "is still empty"."""
    if file.size == 0:
        return Condition.GROWING, "is still empty"
    if not eyes.settled(file):
        return Condition.GROWING, "is still being written"
    facts = eyes.facts(file)
    if facts is None:
        return Condition.UNSEEN, "has not been opened yet"
    if facts.problem:
        return Condition.BROKEN, f"is broken: {facts.problem}"
    if facts.events == 0:
        return Condition.EMPTY, "holds no events"
    return Condition.COMPLETE, ""


def _judge_parts(base: Dl1Candidate, eyes: FileInspector, expected: int) -> Dl1Candidate:
    looks = [(file, *_look_at(file, eyes)) for file in base.files]
    good = tuple(file for file, condition, _ in looks if condition is Condition.COMPLETE)
    facts = [known for file in good if (known := eyes.facts(file)) is not None]
    numbers = [int(match[1]) for file in base.files if (match := _SUBRUN.search(file.name))]
    wanted = max(expected, max(numbers) + 1)
    if any(condition is Condition.UNSEEN for _, condition, _ in looks):
        return _as(base, Condition.UNSEEN, "its subruns have not been opened yet", parts=True)
    told = combine_facts(facts) if facts else None
    growing = [f for f, condition, _ in looks if condition is Condition.GROWING]
    broken = [(f, why) for f, condition, why in looks if condition is Condition.BROKEN]
    empty = [f for f, condition, _ in looks if condition is Condition.EMPTY]
    absent = wanted - len(set(numbers))
    words = []
    if not expected and not growing and not _long_settled(base.files, eyes):
        words.append("nobody tells how many subruns it has, and more may come")
    if absent:
        words.append(f"{absent} of {wanted} subruns have no DL1 yet")
    if growing:
        words.append(f"DL1 of {len(growing)} of {wanted} subruns is still being written")
    for file, why in broken[:3]:
        words.append(f"{file.name} {why}")
    if len(broken) > 3:
        words.append(f"{len(broken) - 3} more of its subruns are broken")
    if words:
        condition = Condition.BROKEN if broken and not growing else Condition.GROWING
        text = ", ".join(words)
        return _as(base, condition, text, facts=told, parts=True, usable=good)
    if not good:
        text = "its DL1 files hold no events"
        return _as(base, Condition.EMPTY, text, may_come=False, parts=True)
    text = f"{len(empty)} of its subruns hold no events" if empty else ""
    return _as(base, Condition.COMPLETE, text, facts=told, parts=True, usable=good)


def _long_settled(files: Sequence[FileRef], eyes: FileInspector) -> bool:
    return eyes.settled(max(files, key=lambda file: file.mtime_ns), UNCOUNTED)


def _as(
    base: Dl1Candidate,
    condition: Condition,
    reason: str = "",
    *,
    may_come: bool = True,
    facts: Dl1Facts | None = None,
    parts: bool = False,
    usable: tuple[FileRef, ...] = (),
) -> Dl1Candidate:
    return Dl1Candidate(
        base.run,
        base.files,
        base.version,
        base.tailcut,
        condition,
        reason,
        may_come,
        facts,
        parts,
        usable,
    )


def select_dl1(
    candidates: Mapping[int, Sequence[Sequence[MatchedPath]]],
    runs: Sequence[int],
    eyes: FileInspector,
    subruns: Mapping[int, int],
    late: bool,
) -> Dl1Selection:
    """Choose the DL1 of each run.

    While the newest version of a run is being written or is broken, the run waits, as a new copy
    may come; what holds no events for good is passed over. `late`: the wait is over, and the
    next best is taken, at last a run without some of its subruns. Every choice is said.

    Parameters
    ----------
    candidates : of each run, best first; see `by_run`
    subruns : numbers of subruns by the RunSummary
    """
    taken: list[RunFile] = []
    missing: list[MissingRun] = []
    notes: list[str] = []
    seen: dict[int, Dl1Candidate] = {}
    for run in runs:
        looks = [
            assess_candidate(items, eyes, subruns.get(run, 0)) for items in candidates.get(run, [])
        ]
        chosen = _choose(looks, late)
        if chosen is None or chosen.condition is Condition.UNSEEN:
            gap = chosen or (looks[0] if looks else None)
            seen[run] = gap or Dl1Candidate(run, (), "", "", Condition.MISSING, "no DL1 yet")
            reason, may_come = seen[run].reason, seen[run].may_come
            missing.append(MissingRun(run, reason, may_come))
            continue
        seen[run] = chosen
        taken.append(_run_file(chosen))
        if chosen.reason:
            notes.append(f"Run {run}: {chosen.reason}; it is analysed without them.")
        best = looks[0]
        if (best.version, best.tailcut) != (chosen.version, chosen.tailcut):
            passed = f"{best.version} {best.tailcut}".strip()
            of = f"{chosen.version} {chosen.tailcut}".strip()
            notes.append(f"Run {run}: DL1 {of} taken, because of {passed} {best.reason}.")
    unseen = any(one.condition is Condition.UNSEEN for one in seen.values())
    wanted = {run: candidates[run] for run in seen if run in candidates}
    return Dl1Selection(
        tuple(taken), tuple(missing), (*_versions(taken, wanted), *notes), seen, unseen
    )


def _choose(looks: Sequence[Dl1Candidate], late: bool) -> Dl1Candidate | None:
    """The candidate to take, or the one to be opened first; None: none of them, for now or for
    good."""
    for index, one in enumerate(looks):
        if one.condition in (Condition.COMPLETE, Condition.UNSEEN):
            return one
        following = looks[index + 1] if index + 1 < len(looks) else None
        same = following is not None and (one.version, one.tailcut) == (
            following.version,
            following.tailcut,
        )
        # of the same version, subruns are as good as the run-wise file
        if not (late or same or one.condition is Condition.EMPTY):
            return None
    return next((one for one in looks if one.usable), None) if late else None


def _run_file(seen: Dl1Candidate) -> RunFile:
    files = seen.usable or seen.files
    parts = files if seen.subruns else ()
    events = seen.facts.events if seen.facts else 0
    return RunFile(seen.run, files[0], seen.version, seen.tailcut, parts, events)


def _versions(
    taken: Sequence[RunFile], candidates: Mapping[int, Sequence[Sequence[MatchedPath]]]
) -> Iterable[str]:
    runs = {one.run for one in taken}
    items = [group[0] for run, groups in candidates.items() if run in runs for group in groups]
    for what, used, seen in (
        ("version", {one.version for one in taken}, {item.version for item in items}),
        ("cleaning", {one.tailcut for one in taken}, {item.tailcut for item in items}),
    ):
        if len(seen) < 2:
            continue
        listed = ", ".join(sorted(seen, key=version_order))
        if len(used) > 1:
            each = ", ".join(
                f"{one.run}: {one.version if what == 'version' else one.tailcut}" for one in taken
            )
            yield f"DL1 of different {what}s taken, of each run the best there is ({each})."
        elif what == "version":
            yield f"DL1 {next(iter(used))} taken, the newest of {listed}."
        else:
            yield f"DL1 {next(iter(used))} taken, of {listed}: written last."
