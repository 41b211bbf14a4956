"""How analyses are going, as plain data: for the terminal and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from astran.base.states import AnalysisState
from astran.base.tasks import Stage
from astran.base.text import count_noun, one_line
from astran.database import events, outbox, tasks
from astran.database.analyses import Analysis
from astran.database.history.task_products import Product, products_by_task
from astran.database.orders import data_sets
from astran.database.outbox import Unsent
from astran.database.tasks import AttemptRow, TaskRow
from astran.service.context import Context
from astran.service.jobs.pending_reasons import why_waiting
from astran.service.operator.site_trouble import describe_trouble
from astran.service.reporting.night_tables import progress_of_nights
from astran.service.reporting.reports import build_report
from astran.service.reporting.time_left import remaining_seconds


def summarise_analysis(
    context: Context, db: Connection, analysis: Analysis, unsent: Unsent | None = None
) -> dict[str, Any]:
    """One analysis in a list: its stages, runs, reason, estimated time left [s], and what of its
    mails has not gone out."""
    rows = tasks.of_analysis(db, analysis.id)
    attempts = tasks.newest_attempts(db, analysis.id)
    return {
        "id": analysis.name,
        "label": analysis.label,
        "state": analysis.state.value,
        "requester": analysis.requester,
        "received": analysis.created.isoformat(),
        "folder": str(analysis.folder),
        "tasks": dict(Counter(row.state.value for row in rows)),
        "stages": stage_states(rows),
        "runs": _runs_ended(rows),
        "reason": analysis.reason,
        "words": reason_in_words(analysis, rows, attempts) or progress_of_nights(db, analysis),
        "unsent": not_sent(unsent),
        "remaining_s": _left(context, db, analysis, rows, attempts),
    }


def not_sent(unsent: Unsent | None) -> str:
    """What of the mails of an analysis has not gone out, in words; empty: all have."""
    if unsent is None:
        return ""
    what = "its report" if unsent.report else "a letter"
    if not unsent.waiting:
        return one_line(f"{what} could not be delivered: {unsent.error}")
    why = f": {unsent.error}" if unsent.error else ""
    return one_line(f"{what} has not gone out since {unsent.since:%Y-%m-%d %H:%M} UTC{why}")


def describe_analysis(context: Context, db: Connection, analysis: Analysis) -> dict[str, Any]:
    """Everything about one analysis."""
    rows = tasks.of_analysis(db, analysis.id)
    attempts = tasks.newest_attempts(db, analysis.id)
    products = products_by_task(db, analysis.id)
    history = events.history(db, analysis.id)
    waiting = analysis.state is AnalysisState.WAITING
    return {
        "id": analysis.name,
        "label": analysis.label,
        "state": analysis.state.value,
        "verdict": _verdict(context, db, analysis),
        "folder": str(analysis.folder),
        "config": dict(analysis.config),
        "notes": list(analysis.notes),
        "versions": dict(analysis.versions),
        "left_out": [] if waiting else [list(pair) for pair in analysis.left_out],
        "awaited": [list(pair) for pair in analysis.left_out] if waiting else [],
        "stages": stage_states(rows),
        "runs": run_states(rows),
        "words": reason_in_words(analysis, rows, attempts) or progress_of_nights(db, analysis),
        "unsent": not_sent(outbox.unsent(db, context.clock.now()).get(analysis.id)),
        "remaining_s": _left(context, db, analysis, rows, attempts),
        "nights": _nights(db, analysis),
        "tasks": [_task(row, attempts.get(row.id), products.get(row.id, [])) for row in rows],
        "events": [{"at": e.at.isoformat(), "kind": e.kind, "text": e.text} for e in history],
    }


def _nights(db: Connection, analysis: Analysis) -> list[dict[str, Any]]:
    """The nights of a data set; none of any other analysis."""
    nights = data_sets.nights_of(db, analysis.id) if analysis.is_data_set else []
    return [
        {
            "night": one.night,
            "target": one.target,
            "runs": one.runs,
            "livetime_s": one.livetime_s,
            "core_hours": one.core_hours,
            "analysis": f"A{one.child_id}" if one.child_id else "",
            "state": one.state.value if one.state else "",
            "remark": one.remark,
        }
        for one in nights
    ]


def _verdict(context: Context, db: Connection, analysis: Analysis) -> list[str]:
    """What was found, in the sentences of the report; none where there is no result."""
    if analysis.state not in _WITH_VERDICT:
        return []
    verdict = build_report(context, db, analysis, analysis.state, for_pages=True).verdict
    return [said for said in (verdict.sentence, verdict.flux) if said] if verdict else []


_WITH_VERDICT = (AnalysisState.REPORTING, AnalysisState.DONE, AnalysisState.PARTIAL)


def stage_states(rows: Sequence[TaskRow]) -> dict[str, dict[str, int]]:
    """By stage, in the order of the chain: how many tasks are in each state."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.spec.stage, Counter())[row.state.value] += 1
    usual = [stage for stage in Stage if stage in found]
    return {str(stage): dict(found[stage]) for stage in dict.fromkeys((*usual, *found))}


def run_states(rows: Sequence[TaskRow]) -> list[dict[str, Any]]:
    """By run: the state of each of its stages, and why where something is the matter."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row.spec.run is None:
            continue
        own = found.setdefault(row.spec.run, {"run": row.spec.run, "stages": {}, "reason": ""})
        own["stages"][str(row.spec.stage)] = row.state.value
        if row.reason and not row.state.succeeded:
            own["reason"] = own["reason"] or row.reason
    return [found[run] for run in sorted(found)]


def reason_in_words(
    analysis: Analysis, rows: Sequence[TaskRow], attempts: Mapping[int, AttemptRow]
) -> str:
    """What an analysis waits for, or what went wrong, in words; empty where nothing is amiss."""
    if words := describe_trouble(analysis):
        return words
    if analysis.reason:
        return one_line(analysis.reason)
    if analysis.state is AnalysisState.WAITING and not analysis.is_data_set:
        awaited = [f"run {run}: {why}" for run, why in analysis.left_out]
        return one_line(f"waits for {'; '.join(awaited) or 'data of the night'}")
    failed = [
        row.reason for row in rows if row.reason and row.state.final and not row.state.succeeded
    ]
    waiting = [
        why
        for row in rows
        if not row.state.final and (why := row.reason or _waits(attempts.get(row.id)))
    ]
    said = [f"{count_noun(len(failed), 'task')} failed: {_common(failed)}"] if failed else []
    said += [_common(waiting)] if waiting else []
    return "; ".join(said)


def _waits(attempt: AttemptRow | None) -> str:
    return why_waiting(attempt) if attempt else ""


def _common(reasons: Sequence[str]) -> str:
    return one_line(Counter(reasons).most_common(1)[0][0])


def _runs_ended(rows: Sequence[TaskRow]) -> dict[str, int]:
    """`{total, ended}`: runs of the plan, and those of which nothing is still to be done."""
    open_runs = {row.spec.run for row in rows if row.spec.run is not None and not row.state.final}
    every = {row.spec.run for row in rows if row.spec.run is not None}
    return {"total": len(every), "ended": len(every - open_runs)}


def _left(
    context: Context,
    db: Connection,
    analysis: Analysis,
    rows: Sequence[TaskRow],
    attempts: Mapping[int, AttemptRow],
) -> float | None:
    return None if analysis.state.final else remaining_seconds(context, db, rows, attempts)


def _task(row: TaskRow, attempt: AttemptRow | None, products: Sequence[Product]) -> dict[str, Any]:
    return {
        "task": row.spec.key,
        "state": row.state.value,
        "attempts": row.attempts,
        "reason": row.reason,
        "waits": "" if row.state.final else _waits(attempt),
        "node": attempt.node if attempt else "",
        "elapsed_s": attempt.elapsed_s if attempt else None,
        "max_rss_mb": attempt.max_rss_mb if attempt else None,
        "log": row.spec.log,
        "script": row.spec.script,
        "fingerprint": row.spec.fingerprint,
        "products": [
            {"path": p.path, "sha256": p.sha256, "facts": dict(p.facts)} for p in products
        ],
    }
