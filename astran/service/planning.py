"""From a request to a stored plan: find the data, choose the software, lay out the tasks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from astran.base.errors import AstranError, CatalogueError, ConfigError, SiteTrouble
from astran.base.night_data import NightData
from astran.base.states import AnalysisState
from astran.base.tasks import PastTask, Plan
from astran.config.analysis import AnalysisConfig, AtDeadline
from astran.database import analyses, plans, tasks
from astran.database.analyses import Analysis
from astran.database.history.past_tasks import newest_tasks
from astran.database.schema.version import HEAD
from astran.production.job.scripts import write_scripts
from astran.service.config_files import config_of, write_config
from astran.service.context import Context
from astran.service.jobs.resource_estimates import apply_estimates
from astran.service.jobs.task_control import leave_out_failed
from astran.service.outgoing.enqueue import enqueue_deadline, enqueue_waiting
from astran.service.reporting.reports import report_expired
from astran.telescopes.chain import PlanRequest
from astran.telescopes.registry import chain_reference, find_chain

_log = logging.getLogger(__name__)

PAST_TASKS = 30
"""So many tasks are learnt from."""


def waiting_deadline(config: AnalysisConfig, context: Context) -> datetime:
    """Until when data of the night are waited for: counted from the noon after the night."""
    noon = datetime.combine(config.night.evening + timedelta(days=1), time(12, tzinfo=UTC))
    hours = config.waiting.hours
    return noon + timedelta(hours=context.site.data.dl1_deadline_h if hours is None else hours)


def find_data(context: Context, config: AnalysisConfig, patient: bool = False) -> NightData:
    """What the chain of the telescope finds now.

    Parameters
    ----------
    patient : for a person who waits for a plan: open every file that was never opened, however
        long it takes, and leave no trace
    """
    late = context.clock.now() >= waiting_deadline(config, context)
    return find_chain(config.telescope).find_data(
        context.site, config, context.clock, late=late, patient=patient
    )


def make_plan_of(
    context: Context,
    config: AnalysisConfig,
    data: NightData,
    folder: Path,
    keep: bool,
    last_stage: str = "",
) -> Plan:
    """The plan up to a stage. `keep` False leaves no trace on disk."""
    # a plan that is only shown needs no database
    stored = context.db.version() == HEAD
    learns = stored and context.site.scheduler.learn
    request = PlanRequest(
        context.site,
        config,
        data,
        folder,
        context.python,
        last_stage,
        keep,
        partial(_past_tasks, context) if learns else None,
    )
    plan = find_chain(config.telescope).make_plan(request)
    reference = chain_reference(config.telescope)
    if reference:
        plan = replace(plan, tasks=tuple(replace(t, telescope=reference) for t in plan.tasks))
    if not stored:
        return plan
    with context.db.begin() as db:
        return apply_estimates(db, context.site.scheduler, plan)


def _past_tasks(context: Context, stage: str, software: str, key_begin: str) -> list[PastTask]:
    with context.db.begin() as db:
        return newest_tasks(db, stage, software, key_begin, PAST_TASKS)


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
    chain = find_chain(config.telescope)
    try:
        data = chain.keep_started(find_data(context, config), begun)
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
        plan = make_plan_of(context, config, data, analysis.folder, keep=True)
    except SiteTrouble:
        raise
    except (ConfigError, CatalogueError) as error:
        expire(context, analysis, error)
        return
    _write_scripts(context, plan, begun)
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


def _start_complete(
    context: Context,
    analysis: Analysis,
    config: AnalysisConfig,
    data: NightData,
    begun: frozenset[int],
) -> None:
    """Runs whose data are complete need not wait for the others."""
    fresh = tuple(run for run in data.runs if run.run not in begun)
    last_stage = find_chain(config.telescope).early_stage(config)
    if not fresh or not last_stage:
        return
    part = replace(data, runs=fresh, missing=())
    plan = make_plan_of(context, config, part, analysis.folder, True, last_stage)
    _write_scripts(context, plan, begun)
    with context.db.begin() as db:
        # first said, so that a cancelled analysis gets no new task
        if analyses.lock(db, analysis.id) is AnalysisState.WAITING:
            versions = [list(item) for item in plan.versions]
            analyses.change_analysis(db, analysis.id, notes=list(plan.notes), versions=versions)
            _store(context, db, analysis, config, plan, begun)
    runs = ", ".join(str(run.run) for run in fresh)
    _log.info("%s: starting with runs %s", analysis.label, runs)


def _write_scripts(context: Context, plan: Plan, begun: frozenset[int]) -> None:
    for task in plan.tasks:
        if task.run not in begun:
            software = " ".join(plan.software(task)) if task.environment else ""
            write_scripts(task, context.site, software, context.python)


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
