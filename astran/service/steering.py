"""Cancelling, holding, releasing and repeating parts of an analysis.

A wish is noted with the tasks; each tick acts on it until the scheduler confirms it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from astran.base.errors import SchedulerUnavailable, StoreError
from astran.base.jobs import JobRef, JobState
from astran.base.states import AnalysisState, TaskState
from astran.service import pace
from astran.service.context import Context
from astran.store import analyses, events, submissions, tasks
from astran.store.analyses import Analysis
from astran.store.open_tasks import UNBEGUN
from astran.store.tasks import TaskRow
from astran.store.watch import IN_HAND, watched
from astran.store.wishes import Choice, Wish, chosen, set_wish, sights, wished

CANCELLED = "cancelled on request"
AGAIN = (TaskState.FAILED, TaskState.CANCELLED)
"""States from which a person may have a task repeated."""


def want(context: Context, analysis: Analysis, choice: Choice, wish: Wish) -> list[TaskRow]:
    """Note a wish for the chosen tasks; returns those that it concerns.

    Raises
    ------
    StoreError : the analysis has no such task, or has ended
    """
    now = context.clock.now()
    with context.db.begin() as db:
        rows = _chosen(db, analysis, choice)
        if wish is Wish.RELEASE:
            seen = sights(db, rows)
            held = [row for row in rows if seen.get(row.id) == JobState.HELD]
            planned = [row for row in rows if row.wish == Wish.HOLD and row not in held]
            set_wish(db, planned, Wish.NONE)
            set_wish(db, held, Wish.RELEASE)
            meant = held + planned
        else:
            meant = [row for row in rows if not row.state.final]
            if wish is Wish.HOLD:
                meant = [row for row in meant if row.state is not TaskState.RUNNING]
            set_wish(db, meant, wish)
        if meant:
            keys = ", ".join(row.key for row in meant[:20])
            events.note(db, now, f"want-{wish}", f"{choice}: {keys}", analysis.id)
            pace.hurry(db)
    return meant


def again(context: Context, analysis: Analysis, choice: Choice) -> list[TaskRow]:
    """Plan the chosen tasks that failed once more, with all that could not run because of them.

    Only for an analysis that is under way: one that has ended is repeated as a whole.
    """
    now = context.clock.now()
    with context.db.begin() as db:
        rows = _chosen(db, analysis, choice)
        meant = {row.key: row for row in rows if row.state in AGAIN}
        for row in tasks.of_analysis(db, analysis.id, AGAIN):
            waits = (*row.plain["needs"], *row.plain["after"])
            if row.attempts == 0 and any(key in meant for key in waits):
                meant.setdefault(row.key, row)
        for row in meant.values():
            text = "again, on request"
            tasks.move(db, now, row, TaskState.PLANNED, text, reason="", wish=Wish.NONE)
    return list(meant.values())


_ONLY = "repeat-only"


def repeat_only(db: Connection, new: Analysis, old: Analysis, choice: Choice) -> None:
    """Of what failed in `old`, only the chosen tasks are to run in `new`, its repetition."""
    text = json.dumps({"of": old.id, "stage": choice.stage, "run": choice.run})
    events.note(db, new.created, _ONLY, text, new.id)


def leave_out(db: Connection, now: datetime, analysis: Analysis) -> None:
    """Take tasks of a fresh plan out that failed in the analysis which it repeats in part."""
    wish = next((e for e in events.history(db, analysis.id) if e.kind == _ONLY), None)
    if wish is None:
        return
    data = json.loads(wish.text)
    before = {row.key: row for row in tasks.of_analysis(db, data["of"], AGAIN)}
    meant = {row.key for row in chosen(db, analysis.id, Choice(data["stage"], data["run"]))}
    reason = f"left as it was in A{data['of']}"
    for row in tasks.of_analysis(db, analysis.id, UNBEGUN):
        if row.key in before and before[row.key].attempts and row.key not in meant:
            tasks.move(db, now, row, TaskState.CANCELLED, reason, reason=reason)


def _chosen(db: Connection, analysis: Analysis, choice: Choice) -> list[TaskRow]:
    state = analyses.lock(db, analysis.id)
    if state not in (AnalysisState.WAITING, AnalysisState.RUNNING):
        raise StoreError(
            f"{analysis.name} is not under way: {state}.", "`astran status` lists them."
        )
    rows = chosen(db, analysis.id, choice)
    if not rows:
        stages = dict.fromkeys(node.stage for node in tasks.outline(db, analysis.id).values())
        raise StoreError(
            f"{analysis.name} has no task for {choice}.",
            f"Its stages are: {', '.join(stages) or 'none yet'}; `astran show {analysis.name}` "
            "lists its tasks.",
        )
    return rows


def act(context: Context, analysis: Analysis) -> bool:
    """Act on all wishes of an analysis; returns whether one is still to be confirmed."""
    with context.db.begin() as db:
        rows = wished(db, analysis.id)
        if not rows:
            return False
        seen = sights(db, rows)
        now = context.clock.now()
        open_: dict[Wish, list[TaskRow]] = defaultdict(list)
        for row in rows:
            wish = Wish(row.wish)
            if row.state.final:
                set_wish(db, [row], Wish.NONE)
            elif wish is Wish.CANCEL and row.state in UNBEGUN:
                tasks.move(
                    db, now, row, TaskState.CANCELLED, CANCELLED, reason=CANCELLED, wish=Wish.NONE
                )
            elif _confirmed(row, wish, seen.get(row.id, "")):
                if wish is Wish.RELEASE:
                    set_wish(db, [row], Wish.NONE)
                    events.note(db, now, "released", row.key, analysis.id, row.id)
            elif row.state in IN_HAND:
                open_[wish].append(row)
    scheduler = context.scheduler
    _ask(context, analysis, open_[Wish.CANCEL], scheduler.cancel)
    _ask(context, analysis, open_[Wish.HOLD], scheduler.hold)
    _ask(context, analysis, open_[Wish.RELEASE], scheduler.release)
    return any(open_.values())


def _confirmed(row: TaskRow, wish: Wish, sight: str) -> bool:
    """Whether the scheduler shows that the wish has come true."""
    if wish is Wish.HOLD:
        return row.state is not TaskState.SUBMITTED or sight == JobState.HELD
    return wish is Wish.RELEASE and sight != JobState.HELD


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
        for one in watched(db, context.scheduler.name, analysis.id):
            if one.task_id in ids:
                indices[one.submission_id].append(one.array_index)
        jobs = submissions.by_ids(db, indices)
        pace.hurry(db)
    for number, s in jobs.items():
        ref = JobRef(s.token, s.job_id, s.submitted or s.intent, s.size, s.folder)
        try:
            ask(ref, indices[number])
        except SchedulerUnavailable as error:
            context.say(f"{analysis.name}, job {s.job_id}: {error}")
