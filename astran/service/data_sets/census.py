"""What the nights of a data set hold and cost, before anything of them is started."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from astran.base.errors import CatalogueError, ConfigError, SiteTrouble
from astran.base.night import Night
from astran.base.night_data import NightData
from astran.base.tasks import Plan
from astran.catalogue.fits_nights import files_of_night, livetime_of_file
from astran.config.analysis import AnalysisConfig
from astran.config.mailbox import Quotas
from astran.database import analyses
from astran.database.analyses import Analysis
from astran.database.orders import data_sets
from astran.database.orders.data_sets import ALL, AWAITED, DataSetNight
from astran.service.context import Context
from astran.service.data_sets.launch import config_of_night, first_private
from astran.service.planning import find_data, make_plan_of
from astran.telescopes.registry import find_chain

_log = logging.getLogger(__name__)

_ENOUGH = timedelta(seconds=20)
"""So long nights are counted in one tick."""


@dataclass(frozen=True, slots=True)
class Census:
    """What a data set holds and costs."""

    nights: int
    """All that were asked for."""
    with_data: int
    awaited: int
    """Of these, nights whose data are still to come."""
    runs: int
    hours: float
    """Livetime, of the nights whose data tell it."""
    hours_unknown: int
    """Nights with data that do not tell it."""
    core_hours: float
    """What the tasks ask for, at most."""
    core_hours_unknown: int

    def needs_word(self, quotas: Quotas) -> str:
        """Why it does not start without a word of its requester; empty: it does."""
        if self.with_data > quotas.nights_without_question:
            return (
                f"{self.with_data} nights are more than the {quotas.nights_without_question} that "
                "start at this site without a further word"
            )
        if self.core_hours > quotas.core_hours_without_question:
            return (
                f"{self.core_hours:.0f} core hours are more than the "
                f"{quotas.core_hours_without_question:g} that start at this site without a further "
                "word"
            )
        return ""


def take_census(nights: Sequence[DataSetNight]) -> Census:
    """Add up what was counted."""
    there = [one for one in nights if one.has_data]
    return Census(
        nights=len(nights),
        with_data=len(there),
        awaited=sum(one.remark == AWAITED for one in there),
        runs=sum(one.runs or 0 for one in there),
        hours=sum(one.livetime_s or 0.0 for one in there) / 3600,
        hours_unknown=sum(one.livetime_s is None for one in there),
        core_hours=sum(one.core_hours or 0.0 for one in there),
        core_hours_unknown=sum(one.core_hours is None for one in there),
    )


def count_nights(context: Context, whole: Analysis) -> bool:
    """Count nights for as long as a tick may take; whether all are counted.

    Raises
    ------
    SiteTrouble : the site's data or software cannot be used now
    """
    begin = context.clock.now()
    with context.db.begin() as db:
        open_nights = [one for one in data_sets.nights_of(db, whole.id) if not one.counted]
    done = True
    for night in open_nights:
        if context.clock.now() - begin > _ENOUGH:
            return False
        done &= (
            _name_targets(context, whole, night)
            if night.target == ALL
            else _count(context, whole, night)
        )
    return done


def _name_targets(context: Context, whole: Analysis, night: DataSetNight) -> bool:
    """Put what was observed in the place of `all`; False, as that is still to be counted."""
    chain = find_chain(str(whole.config.get("telescope", "")))
    try:
        names = chain.observed_targets(context.site, Night.parse(night.night), context.clock)
    except SiteTrouble:
        raise
    except (ConfigError, CatalogueError) as error:
        _store(context, night, 0, remark=str(error))
        return True
    if not names:
        _store(context, night, 0, remark="the catalogue lists no target")
        return True
    with context.db.begin() as db:
        data_sets.name_targets(db, whole.id, night, names)
        if hidden := first_private(context, names):
            # whoever may not see one of the targets must not see the whole
            analyses.change_analysis(db, whole.id, config={**whole.config, "target": hidden})
    return False


def _count(context: Context, whole: Analysis, night: DataSetNight) -> bool:
    """Count one night; False where not all of its files could be opened yet."""
    try:
        config = config_of_night(context, whole, night)
        data = find_data(context, config)
        if data.looking:
            return False
        runs = len(data.runs) or len(files_of_night(data.dl3, night.night))
        if not data.complete:
            # it is waited for by its own analysis, as for any night
            _store(context, night, runs, _livetime_s(data, night.night), remark=AWAITED)
            return True
        if not runs:
            why = "; ".join(f"run {gap.run}: {gap.reason}" for gap in data.missing)
            there = f"no DL3 of the night in {data.folder}" if data.dl3 else ""
            _store(context, night, 0, remark=why or there or "nothing was found")
            return True
        plan = _plan(context, config, data)
    except SiteTrouble:
        raise
    except (ConfigError, CatalogueError) as error:
        _store(context, night, 0, remark=str(error))
        return True
    cost = sum(task.resources.cpus * task.resources.time_min for task in plan.tasks) / 60
    _store(context, night, runs, _livetime_s(data, night.night), cost)
    return True


def _plan(context: Context, config: AnalysisConfig, data: NightData) -> Plan:
    with tempfile.TemporaryDirectory(prefix="astran-plan-") as folder:
        return make_plan_of(context, config, data, Path(folder), keep=False)


def _livetime_s(data: NightData, night: str) -> float | None:
    """Livetime of the runs [s]; None where one of them does not tell it."""
    times = [run.livetime_s for run in data.runs]
    times += map(livetime_of_file, files_of_night(data.dl3, night))
    known = [time for time in times if time is not None]
    return sum(known) if known and len(known) == len(times) else None


def _store(
    context: Context,
    night: DataSetNight,
    runs: int,
    livetime_s: float | None = None,
    core_hours: float | None = None,
    remark: str = "",
) -> None:
    with context.db.begin() as db:
        data_sets.note_count(db, night, runs, livetime_s, core_hours, remark)
