"""From a request to a stored plan: find the data, choose the software, lay out the tasks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from astran.base.errors import AstranError, CatalogueError, ConfigError, SiteTrouble
from astran.base.night_data import FileRef, NightData, RunFile
from astran.base.states import AnalysisState
from astran.base.tasks import Plan, Stage
from astran.catalogue.sources import is_same_source
from astran.config.analysis import AnalysisConfig, AtDeadline, StartLevel
from astran.config.site import SiteConfig
from astran.database import analyses, plans, tasks
from astran.database.analyses import Analysis
from astran.database.schema.version import HEAD
from astran.production.environment.releases import find_toolset, with_release
from astran.production.job.scripts import write_scripts
from astran.service.config_files import config_of, write_config
from astran.service.context import Context
from astran.service.jobs.dl2_throughput import measure_dl2_throughput
from astran.service.jobs.resource_estimates import apply_estimates
from astran.service.jobs.task_control import leave_out_failed
from astran.service.outgoing.enqueue import enqueue_deadline, enqueue_waiting
from astran.service.reporting.reports import report_expired
from astran.telescopes.lst.catalogue.file_inspection.inspector import BUDGET_S, PATIENT_S
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.planning.plan import make_plan

if TYPE_CHECKING:
    from astran.production.environment.toolset import Toolset
    from astran.telescopes.lst.planning.subrun_packs import Dl2Throughput

_log = logging.getLogger(__name__)


NOWHERE = FileRef("", 0, 0)


def waiting_deadline(config: AnalysisConfig, context: Context) -> datetime:
    """Until when data of the night are waited for: counted from the noon after the night."""
    noon = datetime.combine(config.night.evening + timedelta(days=1), time(12, tzinfo=UTC))
    hours = config.waiting.hours
    return noon + timedelta(hours=context.site.data.dl1_deadline_h if hours is None else hours)


def find_data(context: Context, config: AnalysisConfig, patient: bool = False) -> NightData:
    """What the catalogue knows now.

    Parameters
    ----------
    patient : for a person who waits for a plan: open every file that was never opened, however
        long it takes, and leave no trace
    """
    late = context.clock.now() >= waiting_deadline(config, context)
    budget = PATIENT_S if patient else BUDGET_S
    site = _site_for(context, config, keep=not patient)
    catalogue = LstCatalogue(site, context.clock, is_same_source, budget, not patient)
    return catalogue.find(config, late=late)


def make_plan_of(
    context: Context,
    config: AnalysisConfig,
    data: NightData,
    folder: Path,
    keep: bool,
    until: Stage = Stage.HIGHLEVEL,
) -> tuple[Plan, Toolset | None]:
    """The plan up to a stage, and the software environment for it. `keep` False leaves no trace on
    disk."""
    tools = None
    if config.start is not StartLevel.DL3:
        tools = find_toolset(context.site, config.lstchain, keep=keep)
    site = _site_for(context, config, keep)
    # a plan that is only shown needs no database
    stored = context.db.version() == HEAD
    paces = _paces(context, tools.version) if stored and tools and _in_parts(data) else None
    plan = make_plan(config, site, data, tools, folder, context.python, until, paces)
    if not stored:
        return plan, tools
    with context.db.begin() as db:
        return apply_estimates(db, context.site.scheduler, plan), tools


def _in_parts(data: NightData) -> bool:
    return any(run.parts for run in data.runs)


def _paces(context: Context, version: str) -> dict[str, Dl2Throughput] | None:
    """What tasks of packed subruns have taught."""
    if not context.site.scheduler.learn:
        return None
    with context.db.begin() as db:
        return measure_dl2_throughput(db, version)


def _site_for(context: Context, config: AnalysisConfig, keep: bool) -> SiteConfig:
    """The site, with the data that belong to the wanted release of lstchain."""
    if config.start is StartLevel.DL3:
        return context.site
    return with_release(context.site, config.lstchain, keep=keep)


def plan_or_wait(context: Context, analysis: Analysis) -> None:
    """One step for an analysis that is RECEIVED or WAITING.

    Raises
    ------
    SiteTrouble : the site's data, models or software cannot be used now
    """
    now = context.clock.now()
    if analysis.next_look is not None and now < analysis.next_look:
        return
    config = config_of(analysis)
    write_config(analysis, config)
    begun = _begun(context, analysis)
    try:
        data = _with_begun(find_data(context, config), begun)
        if data.looking:
            # not all files could be opened in the time of one look
            return
        late = now >= waiting_deadline(config, context)
        if not data.complete and not late:
            _wait(context, analysis, config, data, begun)
            return
        if not data.complete and config.waiting.at_deadline is AtDeadline.EXPIRE:
            _incomplete(context, analysis, config, data)
            return
        if not data.runs and not data.dl3:
            _nothing(context, analysis, config, data)
            return
        plan, tools = make_plan_of(context, config, data, analysis.folder, keep=True)
    except SiteTrouble:
        raise
    except (ConfigError, CatalogueError) as error:
        expire(context, analysis, error)
        return
    _write_scripts(context, plan, tools, begun)
    with context.db.begin() as db:
        left_out = [list(item) for item in plan.left_out]
        if analyses.move_analysis(
            db,
            now,
            analysis,
            AnalysisState.RUNNING,
            f"{len(plan.tasks)} tasks planned",
            notes=list(plan.notes),
            versions=[list(item) for item in plan.versions],
            left_out=left_out,
        ):
            _store(context, db, analysis, config, plan, begun)
            if not data.complete and analysis.state is AnalysisState.WAITING:
                enqueue_deadline(context, db, analysis, config, data)
    _log.info("%s: %d tasks planned", analysis.label, len(plan.tasks))


def _begun(context: Context, analysis: Analysis) -> frozenset[int]:
    """Runs that were started while others were waited for."""
    with context.db.begin() as db:
        rows = tasks.of_analysis(db, analysis.id)
    return frozenset(row.spec.run for row in rows if row.spec.run is not None)


def _with_begun(data: NightData, begun: frozenset[int]) -> NightData:
    """What was begun is gone on with, whatever became of its DL1: the stored tasks know it."""
    fresh = [run for run in data.runs if run.run not in begun]
    level = next((one.level for one in data.monte_carlo), "")
    seen = {run.run: run for run in data.runs}
    known = (_known(seen.get(run) or RunFile(run, NOWHERE, level=level)) for run in begun)
    runs = sorted((*fresh, *known), key=lambda run: run.run)
    missing = tuple(gap for gap in data.missing if gap.run not in begun)
    return replace(data, runs=tuple(runs), missing=missing)


def _known(run: RunFile) -> RunFile:
    return replace(run, file=NOWHERE, parts=())


def _start_complete(
    context: Context,
    analysis: Analysis,
    config: AnalysisConfig,
    data: NightData,
    begun: frozenset[int],
) -> None:
    """Runs whose data are complete need not wait for the others: up to their DL3."""
    fresh = tuple(run for run in data.runs if run.run not in begun)
    if not fresh or config.start is not StartLevel.DL1:
        return
    part = replace(data, runs=fresh, missing=())
    plan, tools = make_plan_of(context, config, part, analysis.folder, keep=True, until=Stage.DL3)
    _write_scripts(context, plan, tools, begun)
    with context.db.begin() as db:
        # first said, so that a cancelled analysis gets no new task
        if analyses.lock(db, analysis.id) is AnalysisState.WAITING:
            versions = [list(item) for item in plan.versions]
            analyses.change_analysis(db, analysis.id, notes=list(plan.notes), versions=versions)
            _store(context, db, analysis, config, plan, begun)
    runs = ", ".join(str(run.run) for run in fresh)
    _log.info("%s: starting with runs %s", analysis.label, runs)


def _write_scripts(
    context: Context, plan: Plan, tools: Toolset | None, begun: frozenset[int]
) -> None:
    for task in plan.tasks:
        if task.run not in begun:
            write_scripts(task, context.site, tools, context.python)


def _store(
    context: Context,
    db: Connection,
    analysis: Analysis,
    config: AnalysisConfig,
    plan: Plan,
    begun: frozenset[int],
) -> None:
    target = config.target
    plans.store_plan(
        db,
        context.clock.now(),
        analysis.id,
        plan,
        date=config.date,
        source=(target.name, target.ra, target.dec),
        started_runs=begun,
    )
    leave_out_failed(db, context.clock.now(), analysis)


def expire(context: Context, analysis: Analysis, error: AstranError) -> None:
    """The analysis cannot be done: on to its report, with the reason."""
    with context.db.begin() as db:
        reason = str(error)
        analyses.move_analysis(
            db, context.clock.now(), analysis, AnalysisState.REPORTING, reason, reason=reason
        )


def _nothing(context: Context, analysis: Analysis, config: AnalysisConfig, data: NightData) -> None:
    reasons = sorted({f"run {m.run}: {m.reason}" for m in data.missing})
    what = "; ".join(reasons) or f"no {config.start.upper()} data were found"
    text = f"There is nothing to analyse for {config.target.name} on {config.night.iso}: {what}."
    _end(context, analysis, text, data)


def _incomplete(
    context: Context, analysis: Analysis, config: AnalysisConfig, data: NightData
) -> None:
    """The wait is over, and the request wants all or nothing."""
    reasons = "; ".join(f"run {m.run}: {m.reason}" for m in data.missing) or "; ".join(data.notes)
    text = (
        f"The data of {config.target.name} on {config.night.iso} are not complete: {reasons}. "
        "Nothing was analysed, as the request says `waiting.at_deadline: expire`."
    )
    _end(context, analysis, text, data)


def _end(context: Context, analysis: Analysis, text: str, data: NightData) -> None:
    left_out: list[list[int | str]] = [[m.run, m.reason] for m in data.missing]
    if analysis.state is not AnalysisState.WAITING:
        with context.db.begin() as db:
            now, to = context.clock.now(), AnalysisState.REPORTING
            analyses.move_analysis(db, now, analysis, to, text, reason=text, left_out=left_out)
        return
    report_expired(context, analysis, text, left_out)


def describe_awaited(context: Context, config: AnalysisConfig, data: NightData) -> str:
    """What an analysis of these data would wait for, in words; empty: it would not."""
    until = waiting_deadline(config, context)
    if data.complete or context.clock.now() >= until:
        return ""
    return describe_gaps([(gap.run, gap.reason) for gap in data.missing if gap.may_come], until)


def describe_gaps(gaps: Sequence[Sequence[Any]], until: datetime) -> str:
    """What an analysis waits for, in words."""
    runs = "; ".join(f"run {run}: {reason}" for run, reason in gaps) or "data of the night"
    return f"waits until {until:%Y-%m-%d %H:%M} UTC for {runs}"


def _wait(
    context: Context,
    analysis: Analysis,
    config: AnalysisConfig,
    data: NightData,
    begun: frozenset[int],
) -> None:
    now = context.clock.now()
    later = now + timedelta(minutes=context.site.data.look_every_min)
    until = waiting_deadline(config, context)
    gaps = [[gap.run, gap.reason] for gap in data.missing if gap.may_come]
    with context.db.begin() as db:
        if analysis.state is AnalysisState.RECEIVED:
            missing = "; ".join(f"run {m.run}: {m.reason}" for m in data.missing) or "no data yet"
            if not analyses.move_analysis(
                db, now, analysis, AnalysisState.WAITING, missing, next_look=later, left_out=gaps
            ):
                return
            enqueue_waiting(context, db, analysis, config, data, until)
        else:
            analyses.change_analysis(db, analysis.id, next_look=later, left_out=gaps)
    _log.info("%s: %s", analysis.label, describe_gaps(gaps, until))
    if config.waiting.at_deadline is AtDeadline.PARTIAL:
        _start_complete(context, analysis, config, data, begun)
