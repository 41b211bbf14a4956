"""Cancelling, holding, releasing and repeating parts of an analysis.

A request is noted with the tasks; each tick acts on it until the scheduler confirms it.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from astran.base.errors import SchedulerUnavailable, StoreError
from astran.base.scheduler import JobRef, JobState
from astran.base.states import AnalysisState, TaskState
from astran.database import analyses, events, submissions, tasks
from astran.database.analyses import Analysis
from astran.database.live_tasks import IN_HAND, live_tasks_of
from astran.database.task_requests import (
    TaskRequest,
    TaskSelection,
    newest_statuses,
    requested_tasks,
    selected_tasks,
    set_request,
)
from astran.database.tasks import TaskRow
from astran.database.unfinished_tasks import UNBEGUN
from astran.service.context import Context
from astran.service.jobs import poll_interval

_log = logging.getLogger(__name__)

CANCELLED = "cancelled on request"
REPEATABLE = (TaskState.FAILED, TaskState.CANCELLED)
"""States from which a person may have a task repeated."""


def request_for_tasks(
    context: Context, analysis: Analysis, selection: TaskSelection, request: TaskRequest
) -> list[TaskRow]:
    """Note a request for the selected tasks; returns those that it concerns.

    Raises
    ------
    StoreError : the analysis has no such task, or has ended
    """
    with context.db.begin() as db:
        return note_request(context, db, analysis, selection, request)


def note_request(
    context: Context,
    db: Connection,
    analysis: Analysis,
    selection: TaskSelection,
    request: TaskRequest,
) -> list[TaskRow]:
    """The same in the caller's transaction."""
    rows = _selected(db, analysis, selection)
    if request is TaskRequest.RELEASE:
        status = newest_statuses(db, rows)
        held = [row for row in rows if status.get(row.id) == JobState.HELD]
        planned = [row for row in rows if row.request == TaskRequest.HOLD and row not in held]
        set_request(db, planned, TaskRequest.NONE)
        set_request(db, held, TaskRequest.RELEASE)
        chosen = held + planned
    else:
        chosen = [row for row in rows if not row.state.final]
        if request is TaskRequest.HOLD:
            chosen = [row for row in chosen if row.state is not TaskState.RUNNING]
        set_request(db, chosen, request)
    if chosen:
        keys = ", ".join(row.key for row in chosen[:20])
        text = f"{selection}: {keys}"
        events.note_event(db, context.clock.now(), f"want-{request}", text, analysis.id)
        poll_interval.poll_soon(db)
    return chosen


def repeat_analysis(
    context: Context, analysis: Analysis, selection: TaskSelection
) -> list[TaskRow]:
    """Plan the chosen tasks that failed once more, with all that could not run because of them.

    Only for an analysis that is under way: one that has ended is repeated as a whole.
    """
    now = context.clock.now()
    with context.db.begin() as db:
        rows = _selected(db, analysis, selection)
        chosen = {row.key: row for row in rows if row.state in REPEATABLE}
        for row in tasks.of_analysis(db, analysis.id, REPEATABLE):
            waits = (*row.needs, *row.after)
            if row.attempts == 0 and any(key in chosen for key in waits):
                chosen.setdefault(row.key, row)
        for row in chosen.values():
            text = "again, on request"
            tasks.move_task(db, now, row, TaskState.PLANNED, text, reason="", wish=TaskRequest.NONE)
    return list(chosen.values())


_ONLY = "repeat-only"


def repeat_tasks(db: Connection, new: Analysis, old: Analysis, selection: TaskSelection) -> None:
    """Of what failed in `old`, only the chosen tasks are to run in `new`, its repetition."""
    text = json.dumps({"of": old.id, "stage": selection.stage, "run": selection.run})
    events.note_event(db, new.created, _ONLY, text, new.id)


def leave_out_failed(db: Connection, now: datetime, analysis: Analysis) -> None:
    """Take tasks of a fresh plan out that failed in the analysis which it repeats in part."""
    noted = next((e for e in events.history(db, analysis.id) if e.kind == _ONLY), None)
    if noted is None:
        return
    data = json.loads(noted.text)
    before = {row.key: row for row in tasks.of_analysis(db, data["of"], REPEATABLE)}
    chosen = {
        row.key
        for row in selected_tasks(db, analysis.id, TaskSelection(data["stage"], data["run"]))
    }
    reason = f"left as it was in A{data['of']}"
    for row in tasks.of_analysis(db, analysis.id, UNBEGUN):
        if row.key in before and before[row.key].attempts and row.key not in chosen:
            tasks.move_task(db, now, row, TaskState.CANCELLED, reason, reason=reason)


def _selected(db: Connection, analysis: Analysis, selection: TaskSelection) -> list[TaskRow]:
    state = analyses.lock(db, analysis.id)
    if state not in (AnalysisState.WAITING, AnalysisState.RUNNING):
        raise StoreError(
            f"{analysis.name} is not under way: {state}.", "`astran status` lists them."
        )
    rows = selected_tasks(db, analysis.id, selection)
    if not rows:
        stages = dict.fromkeys(node.stage for node in tasks.outline(db, analysis.id).values())
        raise StoreError(
            f"{analysis.name} has no task for {selection}.",
            f"Its stages are: {', '.join(stages) or 'none yet'}; `astran show {analysis.name}` "
            "lists its tasks.",
        )
    return rows


def act_on_requests(context: Context, analysis: Analysis) -> bool:
    """Act on all requests of an analysis; returns whether one is still to be confirmed."""
    with context.db.begin() as db:
        rows = requested_tasks(db, analysis.id)
        if not rows:
            return False
        status = newest_statuses(db, rows)
        now = context.clock.now()
        unconfirmed: dict[TaskRequest, list[TaskRow]] = defaultdict(list)
        for row in rows:
            request = TaskRequest(row.request)
            if row.state.final:
                set_request(db, [row], TaskRequest.NONE)
            elif request is TaskRequest.CANCEL and row.state in UNBEGUN:
                tasks.move_task(
                    db,
                    now,
                    row,
                    TaskState.CANCELLED,
                    CANCELLED,
                    reason=CANCELLED,
                    wish=TaskRequest.NONE,
                )
            elif _confirmed(row, request, status.get(row.id, "")):
                if request is TaskRequest.RELEASE:
                    set_request(db, [row], TaskRequest.NONE)
                    events.note_event(db, now, "released", row.key, analysis.id, row.id)
            elif row.state in IN_HAND:
                unconfirmed[request].append(row)
    scheduler = context.scheduler
    _ask(context, analysis, unconfirmed[TaskRequest.CANCEL], scheduler.cancel)
    _ask(context, analysis, unconfirmed[TaskRequest.HOLD], scheduler.hold)
    _ask(context, analysis, unconfirmed[TaskRequest.RELEASE], scheduler.release)
    return any(unconfirmed.values())


def _confirmed(row: TaskRow, request: TaskRequest, status: str) -> bool:
    """Whether the scheduler shows that the request was carried out."""
    if request is TaskRequest.HOLD:
        return row.state is not TaskState.SUBMITTED or status == JobState.HELD
    return request is TaskRequest.RELEASE and status != JobState.HELD


def _ask(
    context: Context,
    analysis: Analysis,
    rows: Sequence[TaskRow],
    ask: Callable[[JobRef, Sequence[int]], None],
) -> None:
    if not rows:
        return
    ids = {row.id for row in rows}
    indices: dict[int, list[int]] = defaultdict(list)
    with context.db.begin() as db:
        for one in live_tasks_of(db, context.scheduler.name, analysis.id):
            if one.task_id in ids:
                indices[one.submission_id].append(one.array_index)
        jobs = submissions.submissions_by_ids(db, indices)
        poll_interval.poll_soon(db)
    for number, s in jobs.items():
        try:
            ask(s.job_ref(), indices[number])
        except SchedulerUnavailable as error:
            _log.warning("job %s: %s", s.job_id, error)
