"""The runs of a target in a night: named, by the RunCatalog, or by where the telescope pointed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from astran.base.errors import AstranError, CatalogueError
from astran.base.night_data import MissingRun, RunFile
from astran.catalogue.sources import resolve_source
from astran.config.analysis import Target
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts
from astran.telescopes.lst.catalogue.runs.run_tables import OF_DATA, Summary
from astran.telescopes.lst.settings import LstConfig

SameSource = Callable[[str, str], bool]
FIELD_DEG = 1.5
"""A run is of the target if it pointed so near to it: wobble offsets are 0.4 to 1 deg."""
OUTSIDE_DEG = 3.0
"""So far from the pointing a source is outside of the field of view, 4.3 deg wide."""
NAMELESS = frozenset({"desconocido", "unknown", "none", "n/a", "nan", "-"})
"""What the tables of LST-1 have where the source had no name."""


@dataclass(frozen=True, slots=True)
class WantedRuns:
    """The runs to look for."""

    runs: tuple[int, ...]
    refused: tuple[MissingRun, ...] = ()
    complete: bool = True
    """False: more runs may become known."""
    notes: tuple[str, ...] = ()
    looking: bool = False
    """True: there was no time to open all that could tell."""


def separation_deg(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Angle between two positions [deg], by the haversine formula."""
    a, b, c, d = map(math.radians, (ra1, dec1, ra2, dec2))
    h = math.sin((d - b) / 2) ** 2 + math.cos(b) * math.cos(d) * math.sin((c - a) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def position_angle_deg(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Of the second position as seen from the first, north through east [deg]."""
    a, b, c, d = map(math.radians, (ra1, dec1, ra2, dec2))
    y = math.sin(c - a) * math.cos(d)
    x = math.cos(b) * math.sin(d) - math.sin(b) * math.cos(d) * math.cos(c - a)
    return math.degrees(math.atan2(y, x)) % 360


class NamedAs(StrEnum):
    """What the RunCatalog says of a run."""

    TARGET = "target"
    NEARLY = "nearly"
    """Its name begins with the target's: `Crab-wobble-0.7`."""
    OTHER = "other"
    """A source that is known to be elsewhere."""
    UNKNOWN = "unknown"
    """A name that nobody knows, such as `MadeUpSource`."""
    NOTHING = "nothing"
    """No row, no name, or `Desconocido`."""


@dataclass(frozen=True)
class ObservedNight:
    """What the tables and the DL1 of a night tell of its runs."""

    catalog: Mapping[int, str]
    """Source by run, of the RunCatalog."""
    summary: Mapping[int, Summary]
    """Empty: there is no RunSummary."""
    with_dl1: frozenset[int] = frozenset()
    pointings: Mapping[int, Dl1Facts] = field(default_factory=dict)
    """Of the runs that the RunCatalog does not give to the target."""
    unfinished: str = ""
    """Why more runs may become known, in words; empty: the tables are final."""
    opens: bool = True
    """Whether DL1 is opened at all."""
    late: bool = False

    def is_sky(self, run: int) -> bool:
        """Whether the RunSummary has it as an observation, or says nothing of it."""
        return run not in self.summary or self.summary[run].kind == OF_DATA


def name_of(run: int, night: ObservedNight, target: Target, same_source: SameSource) -> NamedAs:
    """What the RunCatalog says of a run."""
    name = night.catalog.get(run, "")
    if not name or name.casefold() in NAMELESS:
        return NamedAs.NOTHING
    if same_source(name, target.name):
        return NamedAs.TARGET
    words = [word for word in re.split(r"[\s_-]+", name[:200]) if word]
    heads = ("-".join(words[:number]) for number in range(len(words) - 1, 0, -1))
    if any(same_source(head, target.name) for head in heads):
        return NamedAs.NEARLY
    try:
        known = resolve_source(name)
    except AstranError:
        return NamedAs.UNKNOWN
    away = separation_deg(known.ra, known.dec, target.ra, target.dec)
    return NamedAs.OTHER if away > FIELD_DEG else NamedAs.UNKNOWN


def runs_by_catalog(config: LstConfig, night: ObservedNight, same_source: SameSource) -> WantedRuns:
    """The runs by the RunCatalog; where its names do not decide, by their pointing.

    Raises
    ------
    CatalogueError : the night is over and the target was not observed
    """
    target = config.target
    known = {*night.catalog, *night.with_dl1, *night.summary, *(config.runs or ())}
    chosen = sorted(known if config.runs is None else config.runs)
    found = [
        _judge_run(run, name_of(run, night, target, same_source), night, config) for run in chosen
    ]
    own = tuple(one.run for one in found if one.taken)
    refused = tuple(MissingRun(one.run, one.reason, may_come=False) for one in found if one.reason)
    notes = tuple(f"Run {one.run}: {one.note}." for one in found if one.note)
    pending = [one.run for one in found if one.pending]
    if pending:
        listed = ", ".join(map(str, pending))
        notes += (
            f"The RunCatalog does not tell what was observed in runs {listed}; their DL1 will.",
        )
    if config.runs is not None:
        return WantedRuns(own, refused, notes=notes)
    if night.unfinished and not night.late:
        what = "more runs" if own else "runs"
        note = f"{night.unfinished}; {what} of {target.name} may come."
        return WantedRuns(own, refused, complete=False, notes=(note, *notes))
    if own or pending or refused:
        return WantedRuns(own, refused, complete=not pending, notes=notes)
    sources = ", ".join(sorted(set(night.catalog.values()))) or "no source at all"
    looked = f" DL1 of {len(night.pointings)} runs was looked at." if night.pointings else ""
    raise CatalogueError(
        f"No run of {target.name} was taken in the night {config.night.iso}; the RunCatalog lists "
        f"{sources}.{looked}" + "".join(f" {note}" for note in notes)
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    """On one run. None of `taken`, `reason`, `pending`: it is of another source."""

    run: int
    taken: bool = False
    reason: str = ""
    """Why it is left out."""
    pending: bool = False
    """Its DL1 may tell, when it comes."""
    note: str = ""


def _judge_run(run: int, name: NamedAs, night: ObservedNight, config: LstConfig) -> _Verdict:
    target, asked = config.target, config.runs is not None
    said = _said_of(run, night)
    if not night.is_sky(run):
        kind = night.summary[run].kind
        if name is NamedAs.TARGET or asked:
            return _Verdict(run, reason=f"the RunSummary has it as {kind}, not as {OF_DATA}")
        near = _offset(night.pointings.get(run), target)
        if near is not None and near <= FIELD_DEG:
            text = f"it pointed at {target.name}, but the RunSummary has it as {kind}"
            return _Verdict(run, note=f"{text}; left out")
        return _Verdict(run)
    if name is NamedAs.TARGET:
        unlisted = night.summary and run not in night.summary
        note = "the RunCatalog has it, the RunSummary has not" if unlisted else ""
        return _Verdict(run, taken=True, note=note)
    offset = _offset(night.pointings.get(run), target)
    if offset is not None and offset <= FIELD_DEG:
        pointed = f"it pointed {offset:.2f} deg from {target.name}"
        if name is NamedAs.OTHER and not asked:
            text = f"{pointed}, but {said}; left out (to analyse it, name it in `runs`)"
            return _Verdict(run, note=text)
        return _Verdict(run, taken=True, note=f"taken, as {pointed}; {said}")
    if offset is not None:
        away = f"{said}, and it pointed {offset:.0f} deg from {target.name}"
        return _Verdict(run, reason=away if asked or name is NamedAs.NEARLY else "")
    return _judge_unseen(run, name, night, asked, said)


def _judge_unseen(
    run: int, name: NamedAs, night: ObservedNight, asked: bool, said: str
) -> _Verdict:
    """A run whose pointing is not known."""
    if asked:
        if name in (NamedAs.OTHER, NamedAs.UNKNOWN):
            source = night.catalog[run]
            return _Verdict(run, reason=f"the RunCatalog says that it observed {source}")
        return _Verdict(run, taken=True)
    if name is NamedAs.NEARLY:
        return _Verdict(run, taken=True, note=f"taken by its name; {said}")
    if name is not NamedAs.NOTHING or (not night.opens and run not in night.catalog):
        return _Verdict(run)
    if run not in night.summary and run not in night.with_dl1 and run not in night.catalog:
        return _Verdict(run)
    if night.late or not night.opens:
        return _Verdict(run, reason=f"{said}, and no DL1 tells where it pointed")
    return _Verdict(run, pending=True)


def _said_of(run: int, night: ObservedNight) -> str:
    if run not in night.catalog:
        return "the RunCatalog has no row of it"
    return f"the RunCatalog calls it {night.catalog[run]!r}"


def _offset(facts: Dl1Facts | None, target: Target) -> float | None:
    """Between pointing and target [deg]; None: not known."""
    if facts is None or facts.ra is None or facts.dec is None:
        return None
    return separation_deg(facts.ra, facts.dec, target.ra, target.dec)


def describe_mispointed(
    runs: Sequence[RunFile], facts: Mapping[int, Dl1Facts], target: Target
) -> tuple[str, ...]:
    """Notes on runs of the target, by their tables, that had it outside of the field of view."""
    offsets = {run.run: _offset(facts.get(run.run), target) for run in runs}
    return tuple(
        f"Run {run}: its DL1 points {offset:.1f} deg from {target.name}, which is outside of the "
        "field of view; taken, as it is named so."
        for run, offset in offsets.items()
        if offset is not None and offset > OUTSIDE_DEG
    )


def runs_by_pointing(
    config: LstConfig,
    pointings: Mapping[int, Dl1Facts],
    unsure: Sequence[MissingRun],
    summary: Mapping[int, Summary],
    *,
    over: bool,
    quiet: bool,
) -> WantedRuns:
    """The runs that pointed at the target, where no RunCatalog tells.

    Parameters
    ----------
    pointings : what complete DL1 files of the night tell, by run
    unsure : runs with DL1 that cannot be used yet
    summary : RunSummary of the night; empty if there is none
    over : whether the night is
    quiet : whether no DL1 of the night came in the last hour

    Raises
    ------
    CatalogueError : nothing more can come, and no run pointed at the target
    """
    target = config.target
    own = tuple(sorted(run for run, facts in pointings.items() if _points_at(facts, target)))
    absent = [
        row.run
        for row in summary.values()
        if row.kind == OF_DATA
        and row.run not in pointings
        and row.run not in {gap.run for gap in unsure}
    ]
    complete = over and (not absent if summary else quiet) and not any(g.may_come for g in unsure)
    notes = [
        f"No RunCatalog: runs of {target.name} are those that pointed within {FIELD_DEG:g} deg of "
        "it, by their DL1."
    ]
    if absent:
        listed = ", ".join(map(str, absent[:10])) + (", …" if len(absent) > 10 else "")
        notes.append(f"Without DL1, so that nobody knows what they observed: runs {listed}.")
    if unsure:
        listed = "; ".join(f"run {gap.run}: {gap.reason}" for gap in unsure[:10])
        notes.append(f"What these observed is not known: {listed}.")
    if not own and complete:
        raise CatalogueError(
            f"No run of the night {config.night.iso} pointed at {target.name}.",
            cure=f"DL1 of {len(pointings)} runs were looked at."
            if pointings
            else "There is no DL1 of that night.",
        )
    return WantedRuns(own, complete=complete, notes=tuple(notes))


def _points_at(facts: Dl1Facts, target: Target) -> bool:
    offset = _offset(facts, target)
    return offset is not None and offset <= FIELD_DEG
