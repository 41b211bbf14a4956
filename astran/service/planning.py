"""From a request to a stored plan: find the data, choose the software, lay out the tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astran.base.errors import AstranError, CatalogueError, ConfigError
from astran.base.files import write_atomic
from astran.base.nightdata import NightData
from astran.base.states import AnalysisState
from astran.base.tasks import Plan
from astran.config.analysis import AnalysisConfig, Start
from astran.config.model import build
from astran.service.context import Context
from astran.store import analyses, plans
from astran.store.analyses import Analysis

if TYPE_CHECKING:
    from astran.production.toolset import Toolset

LOOK_EVERY = timedelta(minutes=5)
"""Pause between two looks for data that are not there yet."""


def config_of(analysis: Analysis | Mapping[str, Any]) -> AnalysisConfig:
    """The configuration of a stored analysis."""
    data = analysis.config if isinstance(analysis, Analysis) else analysis
    return build(AnalysisConfig, dict(data), "The stored configuration")


def write_config(analysis: Analysis, config: AnalysisConfig) -> Path:
    """Write `config_<Target><date>.yml` into the folder of the analysis."""
    path = analysis.folder / f"config_{analysis.label}.yml"
    header = (
        f"ASTRAN analysis {analysis.name}: {config.target.name}, night of {config.night.iso}\n"
        f"Run it again by hand:\n"
        f"  astran --config-analysis {path} --submit --verbose"
    )
    write_atomic(path, config.to_yaml(header))
    return path


def deadline(config: AnalysisConfig, context: Context) -> datetime:
    """Until when data of the night are waited for: counted from the noon after the night."""
    noon = datetime.combine(config.night.evening + timedelta(days=1), time(12, tzinfo=UTC))
    return noon + timedelta(hours=context.site.data.dl1_deadline_h)


def look(context: Context, config: AnalysisConfig) -> NightData:
    """What the catalogue knows now."""
    from astran.catalogue.lst import LstCatalogue
    from astran.catalogue.sources import same_source

    return LstCatalogue(context.site, context.clock, same_source).find(config)


def lay_out(
    context: Context, config: AnalysisConfig, data: NightData, folder: Path, keep: bool
) -> tuple[Plan, Toolset | None]:
    """The plan and the software environment for it. `keep` False leaves no trace on disk."""
    from astran.production.environments import toolset
    from astran.production.lst.plan import make_plan

    tools = None
    if config.start is not Start.DL3:
        tools = toolset(context.site, config.lstchain, keep=keep)
    return make_plan(config, context.site, data, tools, folder, context.python), tools


def plan_or_wait(context: Context, analysis: Analysis) -> None:
    """One step for an analysis that is RECEIVED or WAITING."""
    now = context.clock.now()
    if analysis.next_look is not None and now < analysis.next_look:
        return
    config = config_of(analysis)
    write_config(analysis, config)
    try:
        data = look(context, config)
        late = now >= deadline(config, context)
        if not data.complete and not late:
            _wait(context, analysis, config, data)
            return
        if late and not data.complete:
            data = replace(data, complete=True)
        if not data.runs and not data.dl3:
            _nothing(context, analysis, config, data)
            return
        plan, tools = lay_out(context, config, data, analysis.folder, keep=True)
    except (ConfigError, CatalogueError) as error:
        give_up(context, analysis, error)
        return
    from astran.production.scripts import write

    for task in plan.tasks:
        write(task, context.site, tools, context.python)
    with context.db.begin() as db:
        left_out = [list(item) for item in plan.left_out]
        if analyses.move(
            db,
            now,
            analysis,
            AnalysisState.RUNNING,
            f"{len(plan.tasks)} tasks planned",
            notes=list(plan.notes),
            versions=[list(item) for item in plan.versions],
            left_out=left_out,
        ):
            target = config.target
            plans.store(
                db,
                now,
                analysis.id,
                plan,
                date=config.date,
                source=(target.name, target.ra, target.dec),
            )
    context.say(f"{analysis.name} {analysis.label}: {len(plan.tasks)} tasks planned")


def give_up(context: Context, analysis: Analysis, error: AstranError) -> None:
    """The analysis cannot be done: on to its report, with the reason."""
    with context.db.begin() as db:
        reason = str(error)
        analyses.move(
            db, context.clock.now(), analysis, AnalysisState.REPORTING, reason, reason=reason
        )


def _nothing(context: Context, analysis: Analysis, config: AnalysisConfig, data: NightData) -> None:
    reasons = sorted({f"run {m.run}: {m.reason}" for m in data.missing})
    what = "; ".join(reasons) or f"no {config.start.upper()} data were found"
    now = context.clock.now()
    to = (
        AnalysisState.EXPIRED
        if analysis.state is AnalysisState.WAITING
        else AnalysisState.REPORTING
    )
    text = f"There is nothing to analyse for {config.target.name} on {config.night.iso}: {what}."
    left_out: list[list[int | str]] = [[m.run, m.reason] for m in data.missing]
    if to is AnalysisState.REPORTING:
        with context.db.begin() as db:
            analyses.move(db, now, analysis, to, text, reason=text, left_out=left_out)
        return
    from astran.service.reporting import report_expired

    report_expired(context, analysis, text, left_out)


def _wait(context: Context, analysis: Analysis, config: AnalysisConfig, data: NightData) -> None:
    from astran.service.letterbox import put_waiting

    now = context.clock.now()
    with context.db.begin() as db:
        if analysis.state is AnalysisState.RECEIVED:
            missing = "; ".join(f"run {m.run}: {m.reason}" for m in data.missing) or "no data yet"
            if not analyses.move(
                db, now, analysis, AnalysisState.WAITING, missing, next_look=now + LOOK_EVERY
            ):
                return
            put_waiting(context, db, analysis, config, data, deadline(config, context))
        else:
            analyses.change(db, analysis.id, next_look=now + LOOK_EVERY)
