"""The same engine, driven in the foreground for one analysis."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from astran.base.scheduler import Priority
from astran.base.states import AnalysisState, TaskState
from astran.config.analysis import AnalysisConfig
from astran.database import analyses, outbox, tasks
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.task_requests import TaskSelection
from astran.service.context import Context
from astran.service.data_sets.launch import repeat_in_data_set
from astran.service.jobs.task_control import repeat_tasks
from astran.service.tick import run_tick

_MAIL_TRIES = 3
"""So often a mail is tried while somebody waits for the end."""
_SHORTEST, _LONGEST = 1.0, 20.0
"""Pause between two ticks [s]: short where something moved, growing while nothing does."""


@dataclass(frozen=True, slots=True)
class AnalysisProgress:
    """How far an analysis is."""

    state: AnalysisState
    stages: tuple[tuple[str, tuple[TaskState, ...]], ...]
    """Stages in order, each with the states of its tasks."""
    awaited: tuple[tuple[int, str], ...] = ()
    """While it waits: runs whose data are not complete, and what is the matter with each."""


def find_or_start(
    context: Context,
    config: AnalysisConfig,
    file: Path,
    email: str,
    again: bool = False,
    priority: Priority | None = None,
) -> tuple[Analysis, bool]:
    """The analysis of this file and content, and whether it is new.

    The same file with the same content is the same analysis: running it again resumes. A priority
    then takes the place of that which it had.
    """
    content = f"{file.resolve()}\n{config.to_yaml()}"
    key = hashlib.sha256(content.encode()).hexdigest()
    now = context.clock.now()
    with context.db.begin() as db:
        known = analyses.by_hand_key(db, key)
        if known is not None and again and known.state.final:
            analyses.change_analysis(db, known.id, hand_key=None)
            known = None
        if known is not None:
            if email and not known.requester:
                analyses.change_analysis(db, known.id, requester=email)
            if priority is not None:
                analyses.change_analysis(db, known.id, priority=priority)
            return analyses.get_analysis(db, known.id), False
        made = analyses.create_analysis(
            db,
            now,
            RequestOrigin(params={"priority": priority} if priority else None),
            config.label,
            config.plain(),
            context.site.workdir,
            email,
            key,
        )
    return made, True


def repeat_ended(context: Context, old: Analysis, part: TaskSelection) -> Analysis:
    """A new analysis with the configuration and mail thread of one that has ended; of what failed
    there, only the chosen part is to run."""
    origin = RequestOrigin(
        command="retry",
        subject=old.subject,
        in_reply_to=old.in_reply_to,
        references=old.references,
        params=old.params,
    )
    now, workdir = context.clock.now(), context.site.workdir
    with context.db.begin() as db:
        new = repeat_in_data_set(context, db, origin, old, old.requester)
        if new is None:
            new = analyses.create_analysis(
                db, now, origin, old.label, old.config, workdir, old.requester
            )
        if not part.all and not new.is_data_set:
            repeat_tasks(db, new, old, part)
    return new


def drive_analysis(
    context: Context, analysis_id: int, watch: Callable[[AnalysisProgress], None]
) -> Analysis:
    """Tick until the analysis has ended and its mails are out; returns it as it ended.

    A KeyboardInterrupt leaves all jobs running; a later call goes on where this one stopped.
    """
    before: AnalysisProgress | None = None
    pause = _SHORTEST
    while True:
        result = run_tick(context, mail=False, only=analysis_id)
        now = analysis_progress(context, analysis_id)
        watch(now)
        with context.db.begin() as db:
            analysis = analyses.get_analysis(db, analysis_id)
            # the launcher goes on with what the mail server does not take for a while
            waiting = outbox.open_count(db, analysis_id, tries_below=_MAIL_TRIES)
        if analysis.state.final and (not waiting or result.faults):
            return analysis
        moved = now != before or result.busy or context.scheduler.poll_every_tick
        pause = _SHORTEST if moved else min(pause * 1.5, _LONGEST)
        before = now
        context.clock.sleep(pause)


def analysis_progress(context: Context, analysis_id: int) -> AnalysisProgress:
    """How far an analysis is."""
    with context.db.begin() as db:
        analysis = analyses.get_analysis(db, analysis_id)
        stages: dict[str, list[TaskState]] = {}
        for stage, state in tasks.outline(db, analysis_id).values():
            stages.setdefault(stage, []).append(state)
    return AnalysisProgress(
        analysis.state,
        tuple((stage, tuple(states)) for stage, states in stages.items()),
        analysis.left_out if analysis.state is AnalysisState.WAITING else (),
    )
