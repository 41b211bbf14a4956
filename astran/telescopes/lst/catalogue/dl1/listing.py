"""What ASTRAN sees of a site's DL1: run by run, where it is, and in which condition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from astran.base.clock import Clock
from astran.base.errors import AstranError, CatalogueError
from astran.catalogue import path_patterns
from astran.catalogue.path_patterns import MatchedPath
from astran.catalogue.sources import resolve_source
from astran.config.analysis import Target
from astran.config.site import DataSettings, SiteConfig
from astran.telescopes.lst.catalogue.dl1.condition import (
    Condition,
    Dl1Candidate,
    compare_candidates,
)
from astran.telescopes.lst.catalogue.dl1.night_archive import find_dl1
from astran.telescopes.lst.catalogue.dl1.selection import assess_candidate, candidates_by_run
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts
from astran.telescopes.lst.catalogue.file_inspection.facts_cache import FactsCache
from astran.telescopes.lst.catalogue.file_inspection.inspector import PATIENT_S, Inspector
from astran.telescopes.lst.catalogue.runs.run_tables import (
    OF_DATA,
    Summary,
    read_run_catalog,
    read_run_summary,
)
from astran.telescopes.lst.catalogue.runs.target_runs import (
    FIELD_DEG,
    SameSource,
    position_angle_deg,
    separation_deg,
)

LEAST_WOBBLE_DEG, SAME_OFFSET_DEG, OPPOSITE_DEG = 0.1, 0.1, 15.0
"""What is a wobble, which offsets are the same, and how far from opposite two may be."""


@dataclass(frozen=True, slots=True)
class Dl1Row:
    """One run. None: not known."""

    night: str
    run: int
    source: str
    """By the RunCatalog; may be empty."""
    state: Condition
    reason: str
    folder: str
    files: int
    size: int
    """Of all its files [bytes]."""
    version: str
    tailcut: str
    versions: tuple[str, ...]
    """All there are, the newest last."""
    subruns: bool
    start: str | None
    """First event, ISO 8601 in UTC."""
    livetime_s: float | None
    zenith_deg: float | None
    azimuth_deg: float | None
    ra_deg: float | None
    dec_deg: float | None
    offset_deg: float | None
    """Of the pointing from the target that was asked for, else from the source, if it is known."""
    wobble_deg: float | None
    """Position angle of the pointing as seen from there, north through east."""
    pair: int | None
    """The run that makes a wobble pair with it: pointed as far on the other side of the source."""
    rate_hz: float | None
    moon_alt_deg: float | None


def list_dl1(
    site: SiteConfig,
    clock: Clock,
    same_source: SameSource,
    *,
    nights: Sequence[str] = (),
    target: Target | None = None,
    opens: bool = True,
) -> list[Dl1Row]:
    """Every run of the nights (of all nights, if none is named), by night and number.

    Parameters
    ----------
    target : only runs of this source: by the RunCatalog, else by where they pointed
    opens : open files that were never opened; False: tell only what is remembered

    Raises
    ------
    CatalogueError : the site does not say where DL1 is
    """
    data = site.data
    memory = FactsCache.of(site.shared_dir, make=False)
    eyes = Inspector(memory, clock, settle_s=data.settle_s, opens=data.open_dl1, budget_s=PATIENT_S)
    found: dict[str, list[MatchedPath]] = {night: [] for night in nights}
    for night in nights or ("",):
        for item in find_dl1(data, night):
            found.setdefault(item.date or night, []).append(item)
    eyes.recall(item.file for items in found.values() for item in items)
    catalogs = _catalogs(data, nights)
    summaries = _summaries(data, nights)
    rows: list[Dl1Row] = []
    for night in sorted({*found, *catalogs}):
        sources = _read_catalog(catalogs.get(night))
        summary = _read_summary(summaries.get(night))
        of_night = [
            _row(night, run, target or _known(run.source))
            for run in _night(found.get(night, []), sources, summary, eyes, opens)
        ]
        rows += _paired(
            [row for row in of_night if target is None or _is_of(row, target, same_source)]
        )
    return rows


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """A run of a night, and the best DL1 there is of it."""

    seen: Dl1Candidate
    source: str
    """By the RunCatalog; may be empty."""
    versions: tuple[str, ...]


def list_observed_runs(site: SiteConfig, clock: Clock, night: str) -> list[ObservedRun]:
    """Every run of a night, by number (CatalogueError as for `listing`)."""
    data = site.data
    memory = FactsCache.of(site.shared_dir, make=False)
    eyes = Inspector(memory, clock, settle_s=data.settle_s, opens=data.open_dl1, budget_s=PATIENT_S)
    sources = _read_catalog(_catalogs(data, [night]).get(night))
    summary = _read_summary(_summaries(data, [night]).get(night))
    return list(_night(find_dl1(data, night), sources, summary, eyes, opens=True))


def _night(
    found: Iterable[MatchedPath],
    sources: Mapping[int, str],
    summary: Mapping[int, Summary],
    eyes: Inspector,
    opens: bool,
) -> Iterator[ObservedRun]:
    candidates = candidates_by_run(found)
    counts = {row.run: row.subruns for row in summary.values()}
    if opens:
        files = [item.file for groups in candidates.values() for one in groups for item in one]
        first = frozenset(one[0].file.path for groups in candidates.values() for one in groups)
        eyes.look((file for file in files if file.size and eyes.settled(file)), first)
    known = {*candidates, *sources, *(r.run for r in summary.values() if r.kind == OF_DATA)}
    for run in sorted(known):
        groups = candidates.get(run, [])
        looks = compare_candidates(
            [assess_candidate(items, eyes, counts.get(run, 0)) for items in groups]
        )
        best = next((one for one in looks if one.condition is Condition.COMPLETE), None)
        seen = best or (looks[0] if looks else _absent(run))
        versions = sorted({items[0].version for items in groups}, key=path_patterns.version_order)
        yield ObservedRun(seen, sources.get(run, ""), tuple(versions))


def _absent(run: int) -> Dl1Candidate:
    return Dl1Candidate(run, (), "", "", Condition.MISSING, "no DL1")


def _row(night: str, run: ObservedRun, target: Target | None) -> Dl1Row:
    seen = run.seen
    facts = seen.facts or Dl1Facts()
    offset = wobble = None
    if target is not None and facts.ra is not None and facts.dec is not None:
        offset = separation_deg(target.ra, target.dec, facts.ra, facts.dec)
        wobble = position_angle_deg(target.ra, target.dec, facts.ra, facts.dec)
    start = None
    if facts.start is not None:
        start = datetime.fromtimestamp(facts.start, UTC).isoformat(timespec="seconds")
    return Dl1Row(
        night=night,
        run=seen.run,
        source=run.source,
        state=seen.condition,
        reason=seen.reason,
        folder=str(Path(seen.files[0].path).parent) if seen.files else "",
        files=len(seen.files),
        size=sum(file.size for file in seen.files),
        version=seen.version,
        tailcut=seen.tailcut,
        versions=run.versions,
        subruns=seen.subruns,
        start=start,
        livetime_s=facts.livetime,
        zenith_deg=facts.zenith,
        azimuth_deg=facts.az,
        ra_deg=facts.ra,
        dec_deg=facts.dec,
        offset_deg=offset,
        wobble_deg=wobble,
        pair=None,
        rate_hz=facts.rate,
        moon_alt_deg=facts.moon_alt,
    )


def _is_of(row: Dl1Row, target: Target, same_source: SameSource) -> bool:
    """By the RunCatalog; where its name means no other source, by the pointing."""
    if row.source and same_source(row.source, target.name):
        return True
    if row.offset_deg is None or row.offset_deg > FIELD_DEG:
        return False
    other = _known(row.source)
    return other is None or separation_deg(target.ra, target.dec, other.ra, other.dec) <= FIELD_DEG


@cache
def _known(source: str) -> Target | None:
    """Where a source is, if the source catalogue knows it."""
    try:
        return resolve_source(source) if source else None
    except AstranError:
        return None


def _paired(rows: Sequence[Dl1Row]) -> list[Dl1Row]:
    """With the wobble pairs of a night: of each run the nearest one, by number, on the other side
    of the same source that has no partner yet."""
    partner: dict[int, int] = {}
    for row in rows:
        others = [one for one in rows if one.run not in partner and _opposite(row, one)]
        if row.run not in partner and others:
            other = min(others, key=lambda one: (abs(one.run - row.run), one.run))
            partner |= {row.run: other.run, other.run: row.run}
    return [replace(row, pair=partner.get(row.run)) for row in rows]


def _opposite(one: Dl1Row, other: Dl1Row) -> bool:
    if None in (one.offset_deg, one.wobble_deg, other.offset_deg, other.wobble_deg):
        return False
    assert one.offset_deg is not None and one.wobble_deg is not None
    assert other.offset_deg is not None and other.wobble_deg is not None
    between = abs(one.wobble_deg - other.wobble_deg) % 360
    return (
        one.source == other.source
        and one.offset_deg >= LEAST_WOBBLE_DEG
        and abs(one.offset_deg - other.offset_deg) <= SAME_OFFSET_DEG
        and abs(between - 180) <= OPPOSITE_DEG
    )


def _catalogs(data: DataSettings, nights: Sequence[str]) -> dict[str, Path]:
    patterns = [tree.run_catalog for tree in reversed(data.all_trees)]
    return {night: path for one in patterns for night, path in _tables(one, nights).items()}


def _summaries(data: DataSettings, nights: Sequence[str]) -> dict[str, Path]:
    patterns = [tree.run_summary for tree in reversed(data.all_trees)]
    return {night: path for one in patterns for night, path in _tables(one, nights).items()}


def _tables(pattern: str, nights: Sequence[str]) -> dict[str, Path]:
    """The tables of the nights by night."""
    if not pattern:
        return {}
    found = {}
    for night in nights or ("",):
        known = {"date": night} if night else {}
        for item in path_patterns.find_files(pattern, **known):
            found[item.date or night] = Path(item.file.path)
    return found


def _read_catalog(path: Path | None) -> dict[int, str]:
    try:
        return {} if path is None else dict(read_run_catalog(path).sources)
    except CatalogueError:
        return {}  # one bad table must not hide all other nights


def _read_summary(path: Path | None) -> dict[int, Summary]:
    try:
        return {} if path is None else read_run_summary(path)
    except CatalogueError:
        return {}
