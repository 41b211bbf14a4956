"""What exists: every analysis that ended with a result, and whether something newer is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from astran.base.states import AnalysisState
from astran.base.tasks import OWN_SOFTWARE
from astran.catalogue.path_patterns import version_order
from astran.database import analyses
from astran.database.analyses import Analysis

_WITH_RESULT = (AnalysisState.DONE, AnalysisState.PARTIAL)
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Production:
    """One analysis that ended with a result."""

    name: str
    """A12."""
    target: str
    night: str
    """YYYYMMDD; of several nights the name of the whole, for example Crab20231207-20231213."""
    telescope: str
    start: str
    """Data level from which it began."""
    versions: tuple[tuple[str, str], ...]
    """Software: (name, version)."""
    kind: str
    """`night` or `data set`."""
    state: AnalysisState
    made_by: str
    """Who asked for it; empty: by hand."""
    ended: datetime | None
    folder: str
    stale: tuple[str, ...]
    """Why it should not be used without a thought, each in words."""


def list_productions(db: Connection, target: str = "", night: str = "") -> list[Production]:
    """What exists, by target and night, the newest of each first.

    Parameters
    ----------
    target : only of this source, by its name in the catalogue
    night : only of this night, YYYYMMDD
    """
    found = [one for one in analyses.newest_analyses(db, _ALL) if one.state in _WITH_RESULT]
    newest_versions = _newest_versions(found)
    seen: dict[tuple[str, ...], str] = {}
    made = []
    for one in found:
        newer = seen.setdefault(_subject(one), one.name)
        made.append(_production(one, newer, newest_versions))
    chosen = [
        one
        for one in made
        if (not target or one.target == target) and (not night or one.night == night)
    ]
    return sorted(chosen, key=lambda one: (one.target, one.night))


def _subject(one: Analysis) -> tuple[str, ...]:
    """What an analysis is about: another one of the same takes its place."""
    config = one.config
    own = (str(config.get("telescope", "")), str(config.get("start", "")))
    return (one.label if one.is_data_set else str(config["date"]), config["target"]["name"], *own)


def _newest_versions(found: Sequence[Analysis]) -> dict[str, str]:
    """The newest version of each software with which anything was made."""
    newest: dict[str, str] = {}
    for name, version in (pair for one in found for pair in one.versions):
        if version_order(version) > version_order(newest.get(name, "")):
            newest[name] = version
    return newest


def _production(one: Analysis, newer: str, newest: dict[str, str]) -> Production:
    stale = [] if newer == one.name else [f"{newer} is newer"]
    stale += [
        f"{name} {newest[name]} has been used since"
        for name, version in one.versions
        if name != OWN_SOFTWARE and version_order(newest[name]) > version_order(version)
    ]
    if not Path(one.folder).is_dir():
        stale.append("its folder is gone")
    config = one.config
    return Production(
        name=one.name,
        target=str(config["target"]["name"]),
        night=one.label if one.is_data_set else str(config["date"]),
        telescope=str(config.get("telescope", "")),
        start=str(config.get("start", "")),
        versions=one.versions,
        kind="data set" if one.is_data_set else "night",
        state=one.state,
        made_by=one.requester,
        ended=one.ended,
        folder=str(one.folder),
        stale=tuple(stale),
    )
