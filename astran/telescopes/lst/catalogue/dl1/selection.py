"""Which DL1 of a run is taken: the newest version, complete, run-wise or all its subruns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from astran.base.night_data import FileRef, MissingRun, RunFile, run_number
from astran.catalogue.path_patterns import MatchedPath, is_release, version_order
from astran.telescopes.lst.catalogue.dl1.condition import (
    Condition,
    Dl1Candidate,
    FileInspector,
    compare_candidates,
    is_same_place,
)
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts, combine_facts

_SUBRUN = re.compile(r"\.Run\d+\.(\d{4})(?!\d)")
_OTHER = re.compile(r"LST-(?!1\b)\d+")
"""Files of the other telescopes of the array."""
LARGE_GAP = 0.5
"""Event numbers that lack in a row are told where they are so much of an average subrun."""


UNCOUNTED = 10
"""Where nobody tells how many subruns a run has, the newest must have settled for so many times
the usual: the next one may be in the making."""


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


def is_regular(item: MatchedPath, version: str = "") -> bool:
    """Whether a file is of a release, or of the version that was asked for by name."""
    if version:
        return item.version == version
    return is_release(item.version) and is_release(item.tailcut)


def candidates_by_run(
    found: Iterable[MatchedPath], version: str = ""
) -> dict[int, list[tuple[MatchedPath, ...]]]:
    """Candidates of each run, best first: the newest version; of one version the cleaning that was
    written last; of that the run-wise file before its subruns.

    Parameters
    ----------
    version : the only one to be taken; empty: that and cleaning must be releases by their names
    """
    groups: dict[tuple[int, str, str, str], list[MatchedPath]] = {}
    for item in found:
        if item.run is not None and is_regular(item, version) and not _OTHER.search(item.file.name):
            # subruns of one folder belong together
            folder = item.file.path.rpartition("/")[0] if subrun(item.file.name) else ""
            key = (item.run, item.version, item.tailcut, folder)
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
    condition, reason = _look_at(file, eyes, one.run)
    facts = eyes.facts(file) if condition in (Condition.COMPLETE, Condition.EMPTY) else None
    usable: tuple[FileRef, ...] = ()
    if condition is Condition.COMPLETE and facts is not None:
        if absent := _not_merged(facts, expected):
            condition, usable = Condition.BROKEN, files
            reason = f"was merged from {expected - absent} of {expected} subruns"
        elif facts.skipped > LARGE_GAP * facts.events / max(expected, 1):
            reason = f"lacks {facts.skipped:,} events in a row, by their numbers"
    text = f"its DL1 file {reason}" if reason else ""
    may_come = condition is not Condition.EMPTY
    return _as(base, condition, text, may_come=may_come, facts=facts, usable=usable)


def _not_merged(facts: Dl1Facts, expected: int) -> int:
    """How many subruns a merged file lacks, by its own record."""
    return len(set(range(expected)) - set(facts.merged)) if facts.merged else 0


def _look_at(file: FileRef, eyes: FileInspector, run: int) -> tuple[Condition, str]:
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
    if facts.usable == 0:
        return Condition.EMPTY, "holds no events that can be reconstructed"
    if facts.runs and facts.runs != (run,):
        listed = ", ".join(map(str, facts.runs))
        return Condition.BROKEN, f"holds events of run {listed}"
    if facts.repeated:
        return Condition.BROKEN, f"holds {facts.repeated:,} events twice"
    return Condition.COMPLETE, ""


def _judge_parts(base: Dl1Candidate, eyes: FileInspector, expected: int) -> Dl1Candidate:
    looks = [(file, *_look_at(file, eyes, base.run)) for file in base.files]
    looks = _without_doubles(looks, eyes)
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
    what = "no events that can be reconstructed" if _any_rows(empty, eyes) else "no events"
    if not good:
        text = f"its DL1 files hold {what}"
        return _as(base, Condition.EMPTY, text, may_come=False, parts=True)
    text = f"{len(empty)} of its subruns hold {what}" if empty else ""
    return _as(base, Condition.COMPLETE, text, facts=told, parts=True, usable=good)


def _without_doubles(
    looks: Sequence[tuple[FileRef, Condition, str]], eyes: FileInspector
) -> list[tuple[FileRef, Condition, str]]:
    """Subruns that hold the events of the one before them are broken."""
    found: list[tuple[FileRef, Condition, str]] = []
    last: Dl1Facts | None = None
    for file, condition, reason in looks:
        facts = eyes.facts(file) if condition is Condition.COMPLETE else None
        if facts is not None and last is not None and facts.repeats(last):
            found.append((file, Condition.BROKEN, "holds events of the subrun before it"))
            continue
        last = facts or last
        found.append((file, condition, reason))
    return found


def _any_rows(files: Sequence[FileRef], eyes: FileInspector) -> bool:
    return any((facts := eyes.facts(file)) is not None and facts.events for file in files)


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
        looks = compare_candidates(looks)
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
        if more := _beyond_summary(chosen, subruns.get(run, 0)):
            notes.append(f"Run {run}: {more}.")
        best = looks[0]
        if chosen.subruns and not best.subruns and is_same_place(best, chosen):
            notes.append(f"Run {run}: its subruns are taken, because {best.reason}.")
        if (best.version, best.tailcut) != (chosen.version, chosen.tailcut):
            passed = f"{best.version} {best.tailcut}".strip()
            of = f"{chosen.version} {chosen.tailcut}".strip()
            notes.append(f"Run {run}: DL1 {of} taken, because of {passed} {best.reason}.")
    unseen = any(one.condition is Condition.UNSEEN for one in seen.values())
    wanted = {run: candidates[run] for run in seen if run in candidates}
    return Dl1Selection(
        tuple(taken), tuple(missing), (*_versions(taken, wanted), *notes), seen, unseen
    )


def _beyond_summary(chosen: Dl1Candidate, expected: int) -> str:
    merged = chosen.facts.merged if chosen.facts else ()
    number = len(chosen.files) if chosen.subruns else len(set(merged))
    if not expected or number <= expected:
        return ""
    return f"its DL1 is of {number} subruns, the RunSummary says {expected}"


def _choose(looks: Sequence[Dl1Candidate], late: bool) -> Dl1Candidate | None:
    """The candidate to take, or the one to be opened first; None: none of them, for now or for
    good."""
    for index, one in enumerate(looks):
        if one.condition in (Condition.COMPLETE, Condition.UNSEEN):
            return one
        following = looks[index + 1] if index + 1 < len(looks) else None
        same = following is not None and is_same_place(one, following)
        # of the same version, subruns are as good as the run-wise file
        if not (late or same or one.condition is Condition.EMPTY):
            return None
    usable = [one for one in looks if one.usable] if late else []
    of_best = [one for one in usable if is_same_place(one, usable[0])]
    return max(of_best, key=lambda one: one.facts.events if one.facts else 0, default=None)


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
