"""The runs of a target in a night: named, by the RunCatalog, or by where the telescope pointed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from astran.base.errors import CatalogueError
from astran.base.night_data import MissingRun
from astran.config.analysis import Target
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts
from astran.telescopes.lst.catalogue.runs.run_tables import OF_DATA, Summary
from astran.telescopes.lst.settings import LstConfig

SameSource = Callable[[str, str], bool]
FIELD_DEG = 1.5
"""A run is of the target if it pointed so near to it: wobble offsets are 0.4 to 1 deg."""


@dataclass(frozen=True, slots=True)
class WantedRuns:
    """The runs to look for."""

    runs: tuple[int, ...]
    refused: tuple[MissingRun, ...] = ()
    complete: bool = True
    """False: more runs may become known."""
    notes: tuple[str, ...] = ()


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


def runs_by_catalog(
    config: LstConfig, catalog: Mapping[int, str], same_source: SameSource, over: bool
) -> WantedRuns:
    """The runs by the RunCatalog; `over`: whether the night is.

    Raises
    ------
    CatalogueError : the night is over and the target was not observed
    """
    target = config.target.name
    own = [run for run, source in catalog.items() if same_source(source, target)]
    if config.runs is not None:
        others = {run: catalog[run] for run in config.runs if run in catalog and run not in own}
        refused = tuple(
            MissingRun(run, f"the RunCatalog says that it observed {source}", may_come=False)
            for run, source in others.items()
        )
        return WantedRuns(tuple(run for run in config.runs if run not in others), refused)
    if own:
        return WantedRuns(tuple(sorted(own)))
    if not over:
        note = f"The RunCatalog holds no run of {target} yet; the night is not over."
        return WantedRuns((), complete=False, notes=(note,))
    sources = ", ".join(sorted(set(catalog.values()))) or "no source at all"
    raise CatalogueError(
        f"No run of {target} was taken in the night {config.night.iso}; the RunCatalog lists "
        f"{sources}."
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
    return (
        facts.ra is not None
        and facts.dec is not None
        and separation_deg(facts.ra, facts.dec, target.ra, target.dec) <= FIELD_DEG
    )
