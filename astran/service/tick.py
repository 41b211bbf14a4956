"""One short, non-blocking step of everything: intake, advance, deliver."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from astran.base.errors import AstranError, MailError
from astran.base.files import try_lock
from astran.base.logging_setup import log_analysis
from astran.base.states import AnalysisState
from astran.base.text import count_noun
from astran.database import analyses, chores, events, outbox, unfinished_tasks
from astran.database.analyses import Analysis
from astran.database.tasks import TaskRow
from astran.service import planning
from astran.service.context import Context
from astran.service.data_sets.steps import advance_data_set, stop_nights
from astran.service.heartbeat import (
    hand_lock_path,
    lock_path,
    use_lock_path,
    write_heartbeat,
)
from astran.service.intake import dry_run, standing_orders
from astran.service.intake.mailbox import take_in
from astran.service.jobs import (
    cancellation,
    completion,
    scheduler_outages,
    submission,
    task_control,
)
from astran.service.jobs.pending_reasons import ask_scheduler
from astran.service.jobs.polling import poll_scheduler
from astran.service.jobs.readiness import settle_dependencies
from astran.service.operator import daily_summary, pruning, rejected_mail, standstill
from astran.service.operator.faults import LIMIT, forget_faults, guard_faults
from astran.service.outgoing.delivery import deliver_due
from astran.service.reporting import reports, site_pages
from astran.service.tick_limit import ENOUGH, note_tick, read_note

_log = logging.getLogger(__name__)


@dataclass
class TickResult:
    """What a tick did."""

    busy: bool = False
    """Another tick was under way: nothing was done."""
    reason: str = ""
    """Why nothing was done, in words."""
    taken: int = 0
    sent: int = 0
    faults: list[str] = field(default_factory=list)


def run_tick(context: Context, *, mail: bool = True, only: int | None = None) -> TickResult:
    """Take in new mails, move every live analysis on by one step, send what is due.

    Safe to be killed at any line and to be started twice at once: the second finds the lock held.
    Hand-runs on a database server are held up by nobody but a second run of the same analysis.

    Parameters
    ----------
    mail : read the mailbox (a hand-run does not)
    only : advance only this analysis
    """
    result = TickResult()
    site = context.site
    if only is not None and not site.database_url.startswith("sqlite"):
        # a server lets many write at once: guarded moves keep them apart, as those of launchers
        with (
            try_lock(use_lock_path(site), shared=True) as kept,
            try_lock(hand_lock_path(site, only)) as free,
        ):
            result.busy = not (kept and free)
            if not result.busy:
                _do_all(context, result, mail, only)
        return result
    with try_lock(lock_path(site)) as free:
        if not free:
            _note_busy(context, result)
            return result
        with note_tick(site, context.clock.now()) as before:
            if before is not None:
                # killed, or ended by its wall limit: nothing is lost by that
                _log.warning("%s did not end", before.describe())
            _do_all(context, result, mail, only)
    return result


def _note_busy(context: Context, result: TickResult) -> None:
    result.busy = True
    other = read_note(context.site)
    who = other.describe() if other is not None else "another tick"
    result.reason = f"nothing was done: {who} is under way"
    old = other is not None and context.clock.now() - other.time > ENOUGH
    _log.log(logging.WARNING if old else logging.INFO, "%s", result.reason)


def _do_all(context: Context, result: TickResult, mail: bool, only: int | None) -> None:
    with guard_faults(context, result.faults, None):
        _bound_times(context)
    if mail and context.site.mail is not None:
        _intake(context, result)
        with guard_faults(context, result.faults, None):
            _chores(context, result)
    with guard_faults(context, result.faults, None):
        _advance(context, result, only)
    with guard_faults(context, result.faults, None):
        standstill.tell_standstills(context)
    if context.site.mail is not None:
        with guard_faults(context, result.faults, None):
            result.sent = deliver_due(context)
    if only is None:
        with guard_faults(context, result.faults, None):
            pruning.prune_due(context)
    _beat(context, result)
    if context.site.pages.output is not None:
        with guard_faults(context, result.faults, None):
            _pages(context, result)


def _bound_times(context: Context) -> None:
    now, look = context.clock.now(), timedelta(minutes=context.site.data.look_every_min)
    with context.db.begin() as db:
        if number := chores.bound_future_times(db, now, look):
            text = f"a clock was ahead: {count_noun(number, 'stored time')} taken back"
            events.note_event(db, now, "clock", text)
            _log.warning("%s", text)


def _beat(context: Context, result: TickResult) -> None:
    silent = unsent = None
    with guard_faults(context, result.faults, None), context.db.begin() as db:
        silent, unsent = scheduler_outages.outage_since(db), outbox.waiting_since(db)
    write_heartbeat(context.site, context.clock, result.faults, silent, unsent)


def _intake(context: Context, result: TickResult) -> None:
    with guard_faults(context, result.faults, None):
        try:
            found = take_in(context)
            result.taken = found.taken
            result.faults += [f"mailbox: {trouble}" for trouble in found.troubles]
        except MailError as error:
            # the analyses under way do not depend on the mailbox
            result.faults.append(f"mailbox: {error}")
            _log.warning("the mailbox cannot be read: %s", error)


def _chores(context: Context, result: TickResult) -> None:
    """What is due at a time rather than by an event."""
    if context.mail.daily_digest:
        with guard_faults(context, result.faults, None):
            daily_summary.send_daily_summary(context)
    with context.db.begin() as db:
        names = [chore.name for chore in chores.due_chores(db, context.clock.now())]
    if not names:
        return
    with guard_faults(context, result.faults, None):
        rejected_mail.send_due(context)
    with guard_faults(context, result.faults, None):
        standing_orders.run_standing_orders(context)
    dry_run.answer_dry_runs(context, result.faults)


def _pages(context: Context, result: TickResult) -> None:
    try:
        site_pages.write_due(context)
    except AstranError as error:
        # a page never stops an analysis
        result.faults.append(f"pages: {error}")
        _log.error("pages: %s", error)
        write_heartbeat(context.site, context.clock, result.faults)


def _advance(context: Context, result: TickResult, only: int | None) -> None:
    context.promised = None
    with context.db.begin() as db:
        live = analyses.live_analyses(db)
        orphaned = analyses.with_orphans(db)
    # complete runs of an analysis that waits for others are under way, too
    if orphaned or any(a.state in _WITH_TASKS for a in live if only is None or a.id == only):
        with guard_faults(context, result.faults, None):
            poll_scheduler(context)
            ask_scheduler(context)
        for analysis in orphaned:
            with log_analysis(analysis.name), guard_faults(context, result.faults, None):
                _end_orphans(context, analysis)
        with context.db.begin() as db:
            live = analyses.live_analyses(db)
    # as they were before this tick: what is forgotten is what was known then
    seen: list[Analysis] = []
    working: set[int] = set()
    failed: set[int] = set()
    for analysis in _in_turn(context, [a for a in live if only is None or a.id == only]):
        if _due(context, analysis):
            seen.append(analysis)
            if not _step(context, result, analysis, advance_analysis, working):
                failed.add(analysis.id)
            elif analysis.id not in working:
                forget_faults(context, analysis)
    _submit(context, result, [each for each in seen if each.id in working], failed)


def _step(
    context: Context,
    result: TickResult,
    analysis: Analysis,
    act: Callable[..., object],
    *arguments: object,
) -> bool:
    """One step of an analysis; whether it raised nothing."""
    done = False
    with log_analysis(analysis.name), guard_faults(context, result.faults, analysis):
        act(context, analysis, *arguments)
        done = True
    return done


def _submit(
    context: Context, result: TickResult, working: Sequence[Analysis], failed: set[int]
) -> None:
    """Submit what is ready, the most urgent first.

    Parameters
    ----------
    failed : analyses, by id, of which another step has failed in this tick
    """
    ready: dict[int, list[TaskRow]] = {}

    def find(context: Context, analysis: Analysis) -> None:
        ready[analysis.id] = submission.find_ready(context, analysis)

    def submit(context: Context, analysis: Analysis, number: int) -> None:
        submission.submit_tasks(context, analysis, ready[analysis.id][:number])

    found = [each for each in working if _step(context, result, each, find)]
    shares = submission.share_ready(context, [(each, len(ready[each.id])) for each in found])
    by_id = {each.id: each for each in found}
    order = [*shares, *(by_id.keys() - shares.keys())]
    for analysis in map(by_id.__getitem__, order):
        number = shares.get(analysis.id, 0)
        done = not number or _step(context, result, analysis, submit, number)
        if done and analysis.id not in failed:
            forget_faults(context, analysis)


def _in_turn(context: Context, live: list[Analysis]) -> Iterator[Analysis]:
    """The analyses in their order, for as long as a tick may last; the next one goes on there."""
    if len(live) < 2:
        yield from live
        return
    begin = context.clock.now()
    with context.db.begin() as db:
        hold = chores.get_hold(db, _TURN)
    first = hold.failures if hold is not None else 0
    for analysis in sorted(live, key=lambda one: (one.id < first, one.id)):
        if context.clock.now() - begin > ENOUGH:
            with context.db.begin() as db:
                reason = f"the tick took long: {analysis.name} and others come next"
                chores.set_hold(db, _TURN, chores.Hold(begin, analysis.id, reason))
            _log.warning("%s", reason)
            return
        yield analysis
    if hold is not None:
        with context.db.begin() as db:
            chores.release_hold(db, _TURN)


_TURN = "next-in-turn"
"""A hold whose number is the analysis that the last tick did not reach."""
_PLANNING = (AnalysisState.RECEIVED, AnalysisState.WAITING)
_WORKING = (AnalysisState.WAITING, AnalysisState.RUNNING)
_WITH_TASKS = (*_WORKING, AnalysisState.REPORTING)


def _due(context: Context, analysis: Analysis) -> bool:
    """Whether there may be anything to do: most ticks bring nothing new for most analyses."""
    if analysis.cancel_wanted or analysis.state in _PLANNING:
        return True
    return analysis.next_step is None or context.clock.now() >= analysis.next_step


def advance_analysis(context: Context, analysis: Analysis, working: set[int]) -> None:
    """Move one analysis on as far as it goes without waiting.

    Parameters
    ----------
    working : ids of those with tasks that have not ended; it is added to them if it has such
    """
    _log.debug("%s is %s", analysis.label, analysis.state)
    if analysis.cancel_wanted:
        if analysis.is_data_set and not stop_nights(context, analysis):
            return
        if cancellation.cancel_analysis(context, analysis, unjudged=not _judged(context, analysis)):
            reports.report_cancelled(context, analysis)
        return
    if analysis.is_data_set:
        if not advance_data_set(context, analysis):
            return
    elif analysis.state in _PLANNING:
        try:
            planning.plan_or_wait(context, analysis)
        finally:
            # what has begun goes on, whatever is the matter with the rest
            analysis = _again(context, analysis)
            if analysis.state is AnalysisState.WAITING:
                _work(context, analysis, working)
    if analysis.state is AnalysisState.RUNNING and _work(context, analysis, working):
        with context.db.begin() as db:
            analyses.move_analysis(db, context.clock.now(), analysis, AnalysisState.REPORTING)
        analysis = _again(context, analysis)
    if analysis.state is AnalysisState.REPORTING and _stopped(context, analysis):
        reports.report_analysis(context, analysis)


def _again(context: Context, analysis: Analysis) -> Analysis:
    with context.db.begin() as db:
        return analyses.get_analysis(db, analysis.id)


def _work(context: Context, analysis: Analysis, working: set[int]) -> bool:
    """Act on wishes and ends; whether every task has ended."""
    task_control.act_on_requests(context, analysis)
    completion.complete_ended(context, analysis)
    if _all_ended(context, analysis):
        return True
    working.add(analysis.id)
    return False


def _judged(context: Context, analysis: Analysis) -> bool:
    """Give a verdict on what has ended; False where none can be had and the end must not wait."""
    try:
        completion.complete_ended(context, analysis)
    except Exception:
        if not analysis.cancel_wanted and analysis.faults < LIMIT:
            raise
        _log.exception("ends without verdicts on its tasks")
        return False
    return True


def _stopped(context: Context, analysis: Analysis) -> bool:
    """Whether no task of an analysis that ends lives any more, and no night of a data set; else
    they are being stopped."""
    if analysis.is_data_set and not stop_nights(context, analysis):
        return False
    with context.db.begin() as db:
        if not unfinished_tasks.has_unfinished(db, analysis.id):
            return True
    judged = _judged(context, analysis)
    return cancellation.stop(context, analysis, _STOPPED, unjudged=not judged)


_STOPPED = "stopped, because the analysis could not go on"
_LEFT_OVER = "stopped, because its analysis had ended before"


def _end_orphans(context: Context, analysis: Analysis) -> None:
    """Tasks that were left over by an end: their twins in other analyses wait for them."""
    completion.complete_ended(context, analysis)
    if cancellation.stop(context, analysis, _LEFT_OVER):
        _log.info("tasks that were left over have ended")


def _all_ended(context: Context, analysis: Analysis) -> bool:
    # one failure or reuse can settle the next task: at most one round per stage of the plan
    for _ in range(8):
        if (ended := settle_dependencies(context, analysis)) is not None:
            return ended
    return False
