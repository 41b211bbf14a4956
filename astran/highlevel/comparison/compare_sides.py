"""Compares two sides run by run and night by night, and says what changed and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from astran.base.errors import ProductError
from astran.base.text import count_noun
from astran.highlevel.comparison.changes import (
    Change,
    ChangeKind,
    attribute_changes,
    merge_changes,
)
from astran.highlevel.comparison.measured_cuts import find_common_cuts
from astran.highlevel.comparison.results_difference import (
    CountSums,
    FluxDifference,
    changed_numbers,
    changed_settings,
    compare_fluxes,
    same_energies,
    sum_counts,
)
from astran.highlevel.comparison.run_difference import (
    OnRegion,
    RunDifference,
    compare_runs,
    in_region,
    same_run,
)
from astran.highlevel.comparison.run_facts import RunFacts
from astran.highlevel.comparison.sides import ComparedFile, ComparedSide
from astran.highlevel.comparison.value_difference import (
    ValueDifference,
    measure_directions,
    measure_energies,
)
from astran.results.document import Results

RECORD_KINDS = {
    "data": ChangeKind.DATA,
    "models": ChangeKind.MODELS,
    "software": ChangeKind.SOFTWARE,
    "cuts": ChangeKind.CUT,
    "settings": ChangeKind.SETTINGS,
}
MOST_NAMED = 3


@dataclass(frozen=True)
class ComparedRun:
    """One run. Events: those with possible values, each once; None: that side does not have it."""

    obs_id: int
    night: str
    old_events: int | None
    new_events: int | None
    common: int
    old_livetime_s: float | None
    new_livetime_s: float | None
    other_time: int = 0
    """Events whose number stands at another time in the other file."""
    on_events: tuple[int, int, int] | None = None
    """In the ON region: of old, of new, in common; None: there is no result that tells it."""


@dataclass(frozen=True)
class ComparedNight:
    """The runs of one night."""

    night: str
    old_runs: int
    new_runs: int
    old_livetime_h: float
    new_livetime_h: float
    old_events: int
    new_events: int
    common: int
    old_counts: CountSums | None = None
    new_counts: CountSums | None = None
    flux: FluxDifference | None = None


@dataclass(frozen=True)
class Comparison:
    """All that was found."""

    old: str
    new: str
    changes: tuple[Change, ...]
    runs: tuple[ComparedRun, ...]
    nights: tuple[ComparedNight, ...]
    energy_scale: ValueDifference | None = None
    """E_new / E_old of the runs in which energies differ; None: in none."""
    direction: ValueDifference | None = None
    """Angular distance [deg] in the runs in which directions differ; None: in none."""
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return not self.changes


@dataclass
class _Found:
    changes: list[Change] = field(default_factory=list)
    differences: list[RunDifference] = field(default_factory=list)
    runs: list[ComparedRun] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare_sides(old: ComparedSide, new: ComparedSide) -> Comparison:
    """Compare two sides.

    Raises
    ------
    ProductError : they have nothing that could be compared: neither both DL3 nor both results
    """
    found = _Found()
    with_dl3 = bool(old.runs) and bool(new.runs)
    with_results = old.results is not None and new.results is not None
    if not with_dl3 and not with_results:
        raise ProductError(
            f"{old.name} and {new.name} cannot be compared: one has only results, the other only "
            "DL3 files.",
            "Name two analyses, two folders of results, or two folders of DL3.",
        )
    found.changes += _changed_record(old, new)
    if with_results:
        assert old.results is not None and new.results is not None
        found.changes += changed_settings(old.results, new.results)
    if with_dl3:
        _compare_files(old, new, found)
    else:
        found.notes.append("No DL3 on both sides: events are not compared.")
        assert old.results is not None and new.results is not None
        _compare_run_numbers(old.results, new.results, found)
    found.notes += _excluded(old.results, new.results, found)
    scale = measure_energies(found.differences)
    direction = measure_directions(found.differences)
    found.changes += [
        change for measured in (scale, direction) if measured for change in measured[1:]
    ]
    _name_events(found)
    if with_results:
        assert old.results is not None and new.results is not None
        found.changes += changed_numbers(old.results, new.results, found.changes)
    return Comparison(
        old=old.name,
        new=new.name,
        changes=tuple(attribute_changes(merge_changes(found.changes))),
        runs=tuple(found.runs),
        nights=tuple(_by_night(old.results, new.results, found)),
        energy_scale=scale and scale[0],
        direction=direction and direction[0],
        notes=tuple(found.notes),
    )


def _changed_record(old: ComparedSide, new: ComparedSide) -> Iterator[Change]:
    """What provenance of both sides tells otherwise."""
    for name, kind in RECORD_KINDS.items():
        first, second = old.record.get(name), new.record.get(name)
        if first is None or second is None:
            continue
        both = first.keys() & second.keys()
        other = [key for key in sorted(both) if first[key] != second[key]]
        lone = sorted(first.keys() ^ second.keys())
        if kind in (ChangeKind.DATA, ChangeKind.MODELS):
            yield from _changed_inputs(kind, other, lone, first.keys())
            continue
        for key in other:
            yield Change(kind, f"{key} {first[key]} -> {second[key]}")
        for key in lone:
            where = "old" if key in first else "new"
            yield Change(kind, f"{key} {first.get(key) or second.get(key)} only in {where}")


def _changed_inputs(
    kind: ChangeKind, other: Sequence[str], lone: Sequence[str], old: Iterable[str]
) -> Iterator[Change]:
    if other:
        yield Change(kind, f"other content: {_listed(other)}")
    mine = set(old)
    for where, names in (
        ("old", [name for name in lone if name in mine]),
        ("new", [name for name in lone if name not in mine]),
    ):
        if names:
            yield Change(kind, f"only in {where}: {_listed(names)}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


# ---- files ---------------------------------------------------------------------------------------


def _compare_files(old: ComparedSide, new: ComparedSide, found: _Found) -> None:
    circle = _on_region(old.results, new.results)
    for where, side in (("old", old), ("new", new)):
        for name, reason in side.unreadable.items():
            found.notes.append(f"{name} of {where} is left out: {reason}")
    lost: dict[str, list[int]] = {"old": [], "new": []}
    for run in sorted(old.runs.keys() | new.runs.keys()):
        same = run in old.runs and run in new.runs and _identical(old.runs[run], new.runs[run])
        first = _read(run, old, new)
        second = first if same else _read(run, new, old)
        for where, one in (("old", first), ("new", second)):
            if isinstance(one, str):
                text = f"unusable in {where}: {one.rstrip('.')}"
                if same:
                    found.notes.append(f"Run {run} is {text}.")
                else:
                    found.changes.append(Change(ChangeKind.RUNS, text, (run,)))
        if isinstance(first, RunFacts) and isinstance(second, RunFacts):
            compared = same_run(first, circle) if same else compare_runs(first, second, circle)
            found.differences.append(compared)
            found.changes += compared.changes
            found.runs.append(_both(compared))
            continue
        for where, one, other in (("old", first, second), ("new", second, first)):
            if isinstance(one, RunFacts):
                found.runs.append(_alone(one, circle, old=where == "old"))
                if other is None:
                    lost[where].append(run)
    for where, runs in lost.items():
        if runs:
            text = f"{count_noun(len(runs), 'run')} only in {where}"
            found.changes.append(Change(ChangeKind.RUNS, text, tuple(runs)))


def _read(run: int, side: ComparedSide, other: ComparedSide) -> RunFacts | str | None:
    """The run; why its file cannot be used; None: there is none."""
    if run in side.runs:
        return side.runs[run].read()
    # a file that does not tell its run may have the name of one that does
    return side.unreadable.get(other.runs[run].path.name)


def _identical(old: ComparedFile, new: ComparedFile) -> bool:
    sizes = [one.path.stat().st_size for one in (old, new)]
    return sizes[0] == sizes[1] and old.has_content_of(new)


def _on_region(old: Results | None, new: Results | None) -> OnRegion | None:
    """Circle in which events are counted for the correlation of the fluxes."""
    if old is None or new is None:
        return None
    cut = old.stacked.theta_cut
    radius = cut.max_deg or cut.typical_deg
    return OnRegion(old.target.ra_deg, old.target.dec_deg, radius)


def _both(one: RunDifference) -> ComparedRun:
    return ComparedRun(
        one.obs_id,
        one.night,
        one.old_events,
        one.new_events,
        one.common,
        one.old_livetime_s,
        one.new_livetime_s,
        one.other_time,
        one.on_events,
    )


def _alone(facts: RunFacts, circle: OnRegion | None, *, old: bool) -> ComparedRun:
    number, live = facts.events.time.size, facts.livetime_s
    on = 0 if circle is None else int(in_region(facts.events, circle).sum())
    run = facts.file.header.obs_id or 0
    return ComparedRun(
        run,
        facts.night,
        number if old else None,
        None if old else number,
        0,
        live if old else None,
        None if old else live,
        on_events=None if circle is None else (on, 0, 0) if old else (0, on, 0),
    )


def _compare_run_numbers(old: Results, new: Results, found: _Found) -> None:
    """Runs by results alone."""
    mine, theirs = ({run.obs_id for run in one.runs} for one in (old, new))
    for where, runs in (("old", mine - theirs), ("new", theirs - mine)):
        if runs:
            text = f"{count_noun(len(runs), 'run')} only in {where}"
            found.changes.append(Change(ChangeKind.RUNS, text, tuple(sorted(runs))))


def _excluded(old: Results | None, new: Results | None, found: _Found) -> Iterator[str]:
    """Why runs of one side are not in the other, as its results tell."""
    lost = {run for one in found.changes if one.kind is ChangeKind.RUNS for run in one.runs}
    for where, results in (("old", old), ("new", new)):
        for gone in results.excluded if results else ():
            if gone.obs_id in lost:
                yield f"Run {gone.obs_id} was left out of {where}: {gone.reason}"


def _name_events(found: _Found) -> None:
    """Cuts that show in the events, and the events that none explains."""
    unexplained: dict[int, None] = {}
    parts = []
    for word, form, gone in (
        ("lost", "{} in new", {one.obs_id: one.lost for one in found.differences if one.lost}),
        (
            "gained",
            "{} no longer in new",
            {one.obs_id: one.gained for one in found.differences if one.gained},
        ),
    ):
        cuts, left = find_common_cuts(gone)
        for one in cuts:
            text = f"{form.format(one.cut)} (measured): {one.gone:,} events {word}"
            found.changes.append(Change(ChangeKind.CUT, text, one.runs))
        if left:
            parts.append(f"{sum(left.values()):,} {word}")
            unexplained |= dict.fromkeys(left)
    if parts:
        text = f"{' and '.join(parts)}, by no cut that shows"
        found.changes.append(Change(ChangeKind.EVENTS, text, tuple(sorted(unexplained))))


# ---- nights --------------------------------------------------------------------------------------


def _by_night(old: Results | None, new: Results | None, found: _Found) -> Iterator[ComparedNight]:
    nights = {run.night for run in found.runs}
    for results in (old, new):
        nights |= {run.night for run in results.runs} if results else set()
    curves = [one.light_curve for one in (old, new) if one is not None and one.light_curve]
    if len(curves) == 2 and not same_energies(*curves):
        found.notes.append("Fluxes are of other energies: they are not compared.")
    for night in sorted(nights):
        runs = [run for run in found.runs if run.night == night]
        counts = [sum_counts(one, night) if one else None for one in (old, new)]
        mine = [run for run in runs if run.old_events is not None]
        theirs = [run for run in runs if run.new_events is not None]
        yield ComparedNight(
            night=night,
            old_runs=len(mine) or (counts[0].runs if counts[0] else 0),
            new_runs=len(theirs) or (counts[1].runs if counts[1] else 0),
            old_livetime_h=_hours([run.old_livetime_s for run in mine], counts[0]),
            new_livetime_h=_hours([run.new_livetime_s for run in theirs], counts[1]),
            old_events=sum(run.old_events or 0 for run in runs),
            new_events=sum(run.new_events or 0 for run in runs),
            common=sum(run.common for run in runs),
            old_counts=counts[0],
            new_counts=counts[1],
            flux=None
            if old is None or new is None
            else compare_fluxes(old, new, night, _on_events(found, night)),
        )


def _hours(lives: Sequence[float | None], counts: CountSums | None) -> float:
    if lives:
        return sum(live or 0.0 for live in lives) / 3600.0
    return counts.livetime_h if counts else 0.0


def _on_events(found: _Found, night: str) -> tuple[int, int, int] | None:
    """ON events of old, of new, of both; None: not known for every run."""
    parts = [run.on_events for run in found.runs if run.night == night]
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    first, second, both = (sum(part[n] for part in known) for n in range(3))
    return first, second, both
