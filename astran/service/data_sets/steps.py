"""One short step of a data set: count its nights, ask, start them, wait for them, stack them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from astran.base.errors import CatalogueError, ConfigError, StoreError
from astran.base.states import AnalysisState
from astran.base.text import count_noun
from astran.database import analyses, events, tasks
from astran.database.analyses import Analysis
from astran.database.orders import data_sets
from astran.database.orders.data_sets import DataSetNight
from astran.database.task_requests import TaskRequest, TaskSelection
from astran.database.unfinished_tasks import UNBEGUN
from astran.service.context import Context
from astran.service.data_sets.census import count_nights, take_census
from astran.service.data_sets.launch import BUDGET, config_of_night
from astran.service.data_sets.letters import enqueue_census
from astran.service.data_sets.stack import plan_stacks
from astran.service.jobs.task_control import note_request
from astran.service.reporting.night_tables import title_of
from astran.service.reporting.page_update import plan_update
from astran.telescopes.registry import find_chain

_log = logging.getLogger(__name__)

_PATIENCE = timedelta(days=7)
"""So long a data set waits for the word of its requester."""
_PLANNED = (AnalysisState.WAITING, AnalysisState.RUNNING)


def advance_data_set(context: Context, whole: Analysis) -> bool:
    """One step of a data set that is not being cancelled; whether its own tasks, those of the
    stack, come next.

    Raises
    ------
    SiteTrouble : the site's data or software cannot be used now
    """
    match whole.state:
        case AnalysisState.RECEIVED:
            if count_nights(context, whole):
                _tell(context, whole)
            return False
        case AnalysisState.WAITING:
            _start_if_agreed(context, whole)
            return False
        case AnalysisState.RUNNING:
            return _go_on(context, whole)
        case _:
            return True


def stop_nights(context: Context, whole: Analysis) -> bool:
    """End the analyses of all nights; whether all have ended."""
    with context.db.begin() as db:
        return data_sets.stop_children(db, whole.id) == 0


def _keep_to_budget(db: Connection, whole: Analysis) -> None:
    """Leave out what would cost more than the request allows; a night that does not tell its cost
    is no part of the sum."""
    budget = whole.params.get(BUDGET)
    if budget is None:
        return
    spent = 0.0
    for night in data_sets.nights_of(db, whole.id):
        cost = night.core_hours or 0.0
        if not night.has_data:
            continue
        if spent + cost > budget:
            text = f"not started: its {cost:.1f} core hours are beyond the budget of {budget:g}"
            data_sets.leave_out(db, night, text)
        else:
            spent += cost


def _tell(context: Context, whole: Analysis) -> None:
    """Tell what the nights hold and cost, and start them, or wait for the word."""
    now = context.clock.now()
    with context.db.begin() as db:
        _keep_to_budget(db, whole)
        nights = data_sets.nights_of(db, whole.id)
        census = take_census(nights)
        asked = bool(whole.requester) and context.site.mail is not None
        agreed = data_sets.options_of(db, whole.id).agreed
        why = census.needs_word(context.mail.quotas) if asked and not agreed else ""
        words = (
            f"{count_noun(census.with_data, 'night')} of {census.nights} with data, "
            f"{count_noun(census.runs, 'run')}, {census.core_hours:.1f} core hours at most"
        )
        if not census.with_data:
            reason = f"None of {count_noun(census.nights, 'night')} can be analysed."
            to = AnalysisState.REPORTING
            analyses.move_analysis(db, now, whole, to, reason, reason=reason)
            return
        to = AnalysisState.WAITING if why else AnalysisState.RUNNING
        if not analyses.move_analysis(db, now, whole, to, words, notes=[words]):
            return
        if not why:
            data_sets.change_options(db, whole.id, agreed=True)
        if asked:
            enqueue_census(context, db, whole, nights, census, why)
    _log.info("%s: %s", title_of(nights), words)


def _start_if_agreed(context: Context, whole: Analysis) -> None:
    now = context.clock.now()
    with context.db.begin() as db:
        if data_sets.options_of(db, whole.id).agreed:
            analyses.move_analysis(db, now, whole, AnalysisState.RUNNING, "its requester said GO")
        elif now - whole.created > _PATIENCE:
            reason = f"Nobody said GO within {_PATIENCE.days} days, so nothing was started."
            to = AnalysisState.REPORTING
            analyses.move_analysis(db, now, whole, to, reason, reason=reason)


def _go_on(context: Context, whole: Analysis) -> bool:
    """Start nights that may start, and the stack where all have ended."""
    with context.db.begin() as db:
        if tasks.outline(db, whole.id):
            return True
        nights = data_sets.nights_of(db, whole.id)
        options = data_sets.options_of(db, whole.id)
    live = [one for one in nights if one.child_id is not None and not one.over]
    waiting = [one for one in nights if one.child_id is None and one.has_data]
    if options.held:
        _hold_tasks(context, live)
    else:
        for night in waiting[: max(0, context.site.scheduler.nights_at_once - len(live))]:
            _start(context, whole, night)
    if live or waiting or plan_stacks(context, whole, nights):
        return False
    chain = find_chain(str(whole.config.get("telescope", "")))
    # a chain that ends without results has nothing to be stacked
    reason = "None of the nights has a result that could be stacked." if chain.results_stage else ""
    with context.db.begin() as db:
        now, to = context.clock.now(), AnalysisState.REPORTING
        analyses.move_analysis(db, now, whole, to, reason, reason=reason)
    return False


def _start(context: Context, whole: Analysis, night: DataSetNight) -> None:
    now = context.clock.now()
    try:
        config = config_of_night(context, whole, night)
    except (CatalogueError, ConfigError):
        _log.exception("%s on %s was counted, but has no configuration", night.target, night.night)
        raise
    with context.db.begin() as db:
        child = data_sets.start_child(
            db, now, whole, night, config.label, config.plain(), context.site.workdir
        )
        plan_update(context, db)
    if child is not None:
        _log.info("%s of %s: %s", child.name, whole.name, child.label)


def _hold_tasks(context: Context, live: Sequence[DataSetNight]) -> None:
    """What waits in the queue stays there, also of nights that were planned since."""
    for night in live:
        if night.child_id is None or night.state not in _PLANNED:
            continue
        with context.db.begin() as db:
            rows = tasks.of_analysis(db, night.child_id)
            if any(row.state in UNBEGUN and row.request == TaskRequest.NONE for row in rows):
                child = analyses.get_analysis(db, night.child_id)
                _request(context, db, child, TaskRequest.HOLD)


def hold_data_set(context: Context, db: Connection, whole: Analysis, held: bool) -> None:
    """Hold a data set, or take that back; what runs goes on.

    Raises
    ------
    StoreError : it has ended
    """
    if whole.state.final:
        raise StoreError(f"{whole.name} has already ended: {whole.state}.")
    data_sets.change_options(db, whole.id, held=held)
    events.note_event(
        db, context.clock.now(), "held" if held else "released", "on request", whole.id
    )
    request = TaskRequest.HOLD if held else TaskRequest.RELEASE
    _request(context, db, whole, request)
    for night in data_sets.nights_of(db, whole.id):
        if night.child_id is not None and night.state in _PLANNED:
            _request(context, db, analyses.get_analysis(db, night.child_id), request)


def _request(context: Context, db: Connection, one: Analysis, request: TaskRequest) -> None:
    try:
        note_request(context, db, one, TaskSelection(), request)
    except StoreError as error:
        # it has no tasks yet, or has just ended
        _log.debug("%s", error)
