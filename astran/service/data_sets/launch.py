"""From a request for several nights to a stored data set, and to the configuration of a night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Connection

from astran.base.errors import CatalogueError
from astran.base.night import Night
from astran.base.states import AnalysisState
from astran.catalogue.sources import resolve_source
from astran.config.analysis import AnalysisConfig, slug
from astran.database import tasks
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.orders import data_sets
from astran.database.orders.data_sets import ALL, DataSetNight
from astran.launch_language.resolve import SeveralNights
from astran.service.context import Context
from astran.service.planning import find_data
from astran.service.reporting.privacy import private_rule
from astran.telescopes.configuration import build_analysis

_LONGEST_LABEL = 100
BUDGET = "budget.core_hours"
"""Parameter of a request: what all of its nights together may ask for [core hours]."""


def create_data_set(
    context: Context,
    db: Connection,
    origin: RequestOrigin,
    config: AnalysisConfig,
    several: SeveralNights,
    requester: str,
) -> Analysis:
    """Store a request for several nights; `config` is that of the first."""
    names = _names(config, several)
    base = config.plain()
    if len(names) > 1 and (hidden := first_private(context, names)):
        # whoever may not see one of the targets must not see the whole
        base["target"] = hidden
    nights = [(str(night), name) for night in _nights(several) for name in names]
    return data_sets.create_data_set(
        db,
        context.clock.now(),
        origin,
        _label(names, several),
        base,
        nights,
        context.site.workdir,
        requester,
    )


def repeat_data_set(
    context: Context, db: Connection, origin: RequestOrigin, old: Analysis, requester: str
) -> Analysis:
    """The same data set anew."""
    nights = [(one.night, one.target) for one in data_sets.nights_of(db, old.id)]
    now, workdir = context.clock.now(), context.site.workdir
    return data_sets.create_data_set(
        db, now, origin, old.label, old.config, nights, workdir, requester
    )


def repeat_night(context: Context, db: Connection, child: Analysis) -> Analysis | None:
    """The analysis of a night anew, in its place in the data set; None where the analysis belongs
    to none, or to one whose nights have all ended."""
    found = data_sets.whole_of(db, child.id)
    if found is None:
        return None
    whole, night = found
    if whole.state is not AnalysisState.RUNNING or tasks.outline(db, whole.id):
        return None
    now, workdir = context.clock.now(), context.site.workdir
    return data_sets.start_child(db, now, whole, night, child.label, child.config, workdir)


def repeat_in_data_set(
    context: Context, db: Connection, origin: RequestOrigin, old: Analysis, requester: str
) -> Analysis | None:
    """The repetition of a data set, or of a night in its place; None for any other analysis."""
    if old.is_data_set:
        return repeat_data_set(context, db, origin, old, requester)
    return repeat_night(context, db, old)


def first_private(context: Context, names: Sequence[str]) -> dict[str, Any] | None:
    """The first target that the site keeps out of its pages; None: there is none."""
    private = private_rule(context.site.pages.private)
    for name in names:
        try:
            target = resolve_source(name).model_dump()
        except CatalogueError:
            target = {"name": name, "ra": 0.0, "dec": 0.0}
        if private({"target": target}):
            return target
    return None


def _names(config: AnalysisConfig, several: SeveralNights) -> list[str]:
    """The targets by their names in the catalogue."""
    if not several.targets:
        return [ALL]
    if len(several.targets) == 1:
        return [config.target.name]
    return list(dict.fromkeys(resolve_source(name).name for name in several.targets))


def _nights(several: SeveralNights) -> Iterator[Night]:
    for span in several.spans:
        yield from map(Night, span.nights())


def _label(names: list[str], several: SeveralNights) -> str:
    """`Crab20231207-20231213`."""
    who = "+".join(slug(name) if name else "all" for name in names)
    first, last = Night(several.spans[0].first), Night(several.spans[-1].last)
    return f"{who[:_LONGEST_LABEL]}{first}" + (f"-{last}" if last != first else "")


def config_of_night(context: Context, whole: Analysis, night: DataSetNight) -> AnalysisConfig:
    """The configuration of one night; where the data come from a folder, of the night's own folder
    below it where there is one.

    Raises
    ------
    CatalogueError : the target is in no catalogue of sources
    """
    data: dict[str, Any] = {**whole.config, "date": night.night}
    if night.target != data["target"]["name"]:
        data["target"] = resolve_source(night.target).model_dump()
    config = build_analysis(data, "The configuration of the data set")
    if not config.folder:
        return config
    for name in (night.night, config.label, f"{config.label}/{config.start.upper()}"):
        own = build_analysis(
            {**data, "folder": str(PurePosixPath(config.folder, name))}, "The folder of the night"
        )
        try:
            find_data(context, own)
        except CatalogueError:
            continue
        return own
    return config
