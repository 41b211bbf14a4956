"""States of analyses and tasks, and the one table of legal transitions."""

from __future__ import annotations

from enum import StrEnum


class AnalysisState(StrEnum):
    """Life of an analysis."""

    RECEIVED = "received"
    WAITING = "waiting"
    RUNNING = "running"
    REPORTING = "reporting"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        return not ANALYSIS_MOVES[self]


class TaskState(StrEnum):
    """Life of a task (of its newest attempt)."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    RUNNING = "running"
    CHECKING = "checking"
    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in FINAL_TASK_STATES

    @property
    def live(self) -> bool:
        """The scheduler has it, or may have it."""
        return self in LIVE_TASK_STATES

    @property
    def succeeded(self) -> bool:
        return self in (TaskState.DONE, TaskState.REUSED)


_A = AnalysisState
ANALYSIS_MOVES: dict[AnalysisState, frozenset[AnalysisState]] = {
    _A.RECEIVED: frozenset({_A.WAITING, _A.RUNNING, _A.REPORTING, _A.FAILED, _A.CANCELLED}),
    _A.WAITING: frozenset({_A.RUNNING, _A.REPORTING, _A.FAILED, _A.CANCELLED, _A.EXPIRED}),
    _A.RUNNING: frozenset({_A.REPORTING, _A.FAILED, _A.CANCELLED}),
    _A.REPORTING: frozenset({_A.DONE, _A.PARTIAL, _A.FAILED, _A.CANCELLED}),
    _A.DONE: frozenset(),
    _A.PARTIAL: frozenset(),
    _A.FAILED: frozenset(),
    _A.CANCELLED: frozenset(),
    _A.EXPIRED: frozenset(),
}

_T = TaskState
TASK_MOVES: dict[TaskState, frozenset[TaskState]] = {
    _T.PLANNED: frozenset({_T.SUBMITTING, _T.REUSED, _T.FAILED, _T.CANCELLED}),
    # back to PLANNED: the scheduler certainly has no such job, so it may be submitted again
    _T.SUBMITTING: frozenset({_T.SUBMITTED, _T.PLANNED, _T.FAILED, _T.CANCELLED}),
    _T.SUBMITTED: frozenset({_T.RUNNING, _T.CHECKING, _T.LOST, _T.FAILED, _T.CANCELLED}),
    _T.RUNNING: frozenset({_T.SUBMITTED, _T.CHECKING, _T.LOST, _T.FAILED, _T.CANCELLED}),
    # back to PLANNED: a new attempt after a failure that may pass
    _T.CHECKING: frozenset({_T.DONE, _T.FAILED, _T.LOST, _T.PLANNED, _T.CANCELLED}),
    _T.LOST: frozenset({_T.PLANNED, _T.FAILED, _T.CANCELLED}),
    _T.DONE: frozenset(),
    _T.REUSED: frozenset(),
    # only a person's RETRY leads out of these two
    _T.FAILED: frozenset({_T.PLANNED}),
    _T.CANCELLED: frozenset({_T.PLANNED}),
}
FINAL_TASK_STATES = frozenset({_T.DONE, _T.REUSED, _T.FAILED, _T.CANCELLED})
LIVE_TASK_STATES = frozenset({_T.SUBMITTING, _T.SUBMITTED, _T.RUNNING, _T.CHECKING})
