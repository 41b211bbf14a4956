"""Bugs to be planted, one at a time: does the world see them?

Each is a small patch of one file. They are the mistakes that are easily made here: a guard dropped,
commit and act swapped, an answer that was not one taken for one, a time in the wrong zone.
"""

# ruff: noqa: E501 - the texts are those of the sources

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2] / "astran"


@dataclass(frozen=True)
class Patch:
    """One change of one file."""

    file: str
    """Below `astran/`."""
    before: str
    """Stands there once."""
    after: str

    @property
    def module(self) -> str:
        return "astran." + self.file.removesuffix(".py").replace("/", ".")


class Planted:
    """One bug; `more`: where a second guard holds, it is dropped, too."""

    def __init__(self, name: str, file: str, before: str, after: str, *more: Patch) -> None:
        self.name = name
        self.patches = (Patch(file, before, after), *more)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, patches: Sequence[Patch]) -> None:
        super().__init__(name, str(ROOT / patches[0].file))
        self._patches = patches

    def path_stats(self, path: str) -> dict[str, float]:
        raise OSError("no compiled file of another source")

    def get_data(self, path: str) -> bytes:
        source = super().get_data(path)
        for patch in self._patches:
            source = source.replace(patch.before.encode(), patch.after.encode())
        return source


class _Finder(MetaPathFinder):
    def __init__(self, patches: Sequence[Patch]) -> None:
        self._patches = patches

    def find_spec(
        self, name: str, path: Iterable[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        mine = [patch for patch in self._patches if patch.module == name]
        if not mine:
            return None
        place = ROOT / mine[0].file
        return importlib.util.spec_from_file_location(name, place, loader=_Loader(name, mine))


def plant(bug: Planted) -> None:
    """For this process; before the modules are imported."""
    for patch in bug.patches:
        if patch.module in sys.modules:
            raise RuntimeError(f"{patch.module} is imported already")
    sys.meta_path.insert(0, _Finder(bug.patches))


_S, _D, _J = "service/jobs", "database", "service/outgoing/delivery.py"
_I = "service/intake/mailbox.py"

PLANTED = (
    # --- submission
    Planted(
        "twins are not seen",
        f"{_D}/tasks.py",
        "        found |= set(db.execute(query).scalars())\n    return frozenset(found)",
        "        found |= set(db.execute(query).scalars())\n    return frozenset()",
    ),
    Planted(
        "an unknown submission counts as refused",
        f"{_S}/submission.py",
        '        _log.warning("submission of %s: %s", batch.label, error)\n        return 0\n'
        "    except SubmitRefused",
        "        with context.db.begin() as db:\n"
        "            one = submissions.submission_by_token(db, batch.token)\n"
        "            submissions.void_submission(db, context.clock.now(), one, str(error))\n"
        "        return 0\n    except SubmitRefused",
    ),
    Planted(
        "a refusal that passes is final",
        f"{_S}/submission.py",
        "elif error.transient:",
        "elif not error.transient:",
    ),
    Planted(
        "a task goes before what it needs",
        f"{_S}/readiness.py",
        "if not all(nodes[key].state.succeeded for key in row.needs):",
        "if not any(nodes[key].state.succeeded for key in (*row.needs, row.key)) and row.run:",
    ),
    Planted(
        "the sum does not wait for all",
        f"{_S}/readiness.py",
        "return not after or (all(s.final for s in after) and any(s.succeeded for s in after))",
        "return not after or any(s.succeeded for s in after)",
    ),
    Planted(
        "a broken connection counts as refusal",
        "scheduler/slurm/sbatch_answer.py",
        'refused = "sbatch: " in text and not any(words in text for words in _UNCLEAR)',
        'refused = "sbatch: " in text',
    ),
    Planted(
        "no answer is read as an id",
        "scheduler/slurm/sbatch_answer.py",
        "if done.returncode == 0 or ids or not refused:",
        "if ids or not refused:",
    ),
    Planted(
        "a submission is void at the first look",
        f"{_S}/unconfirmed_submissions.py",
        "never = isinstance(answer, Missing) and (scheduler.absence_is_proof or for_long)\n"
        "        if never:\n",
        "never = isinstance(answer, Missing)\n        if False:\n",
    ),
    Planted(
        "no answer counts as missing where a job is looked for",
        f"{_S}/unconfirmed_submissions.py",
        "        answer = found[one.token]\n",
        "        answer = found[one.token]\n"
        "        answer = Missing() if isinstance(answer, Unavailable) else answer\n",
        # else the job that is given up is cancelled, or forbidden to begin
        Patch(
            f"{_S}/unconfirmed_submissions.py",
            "            answer = _forbid(context, one)\n",
            "            answer = Missing()\n",
        ),
    ),
    Planted(
        "a confirmed job is not stored",
        f"{_D}/submissions.py",
        ".values(state=SubmissionState.SUBMITTED, job_id=job_id, submitted=now)",
        ".values(state=SubmissionState.SUBMITTED, submitted=now)",
    ),
    Planted(
        "tasks of a void submission stay",
        f"{_D}/submissions.py",
        "    move_tasks(db, now, moves, reason=reason, not_before=not_before, **values)\n",
        "",
    ),
    # --- looking
    Planted(
        "no answer counts as missing",
        f"{_S}/polling.py",
        "        if isinstance(status, Unavailable):\n",
        "        if isinstance(status, Unavailable):\n"
        "            updates.missing(row, timedelta(), withdrawn=True)\n",
    ),
    Planted(
        "one absence loses a job",
        f"{_S}/polling.py",
        "lost = confirmed or (polls >= LOST_POLLS and self.now - since >= lost_after)",
        "lost = True",
    ),
    Planted(
        "the record of a vanished job is not read",
        f"{_S}/polling.py",
        "            if record is not None:",
        "            if record is not None and lost and 0:",
    ),
    Planted(
        "the record of another attempt counts",
        f"{_S}/polling.py",
        "if record is not None and record.token == attempt.token else None",
        "if record is not None else None",
    ),
    Planted(
        "a state that nobody knows is an end",
        "scheduler/slurm/job_states.py",
        "        return JobState.UNKNOWN\n",
        "        return JobState.FAILED\n",
    ),
    Planted(
        "squeue's failure is an empty queue",
        "scheduler/slurm/controller.py",
        "            if done.returncode:\n                return Unavailable(",
        '            if done.returncode:\n                return parse("")\n'
        "                return Unavailable(",
    ),
    Planted(
        "a requeued task is not seen",
        f"{_S}/polling.py",
        'self.move(one, TaskState.RUNNING, f"on {status.node}" if status.node else "")',
        'self.move(one, TaskState.CHECKING, "runs")',
    ),
    # --- verdicts
    Planted(
        "no record is a success",
        f"{_S}/failure_classification.py",
        "    if end.record is None:\n        return _classify_without_record(end, now)",
        '    if end.record is None:\n        return _failed(FailureCause.OK, "")',
    ),
    Planted(
        "products are not looked at",
        f"{_S}/failure_classification.py",
        "    difference = _products_differ(record)",
        '    difference = ""',
    ),
    Planted(
        "a record has no time to come",
        f"{_S}/failure_classification.py",
        "RECORD_LAG = timedelta(seconds=60)",
        "RECORD_LAG = timedelta(seconds=0)",
    ),
    Planted(
        "preempted is taken for a failed node",
        f"{_S}/failure_classification.py",
        "JobState.PREEMPTED: (FailureCause.PREEMPTED,",
        "JobState.PREEMPTED: (FailureCause.NODE,",
    ),
    Planted(
        "a job that is out of memory counts as cancelled",
        f"{_S}/failure_classification.py",
        "    if end.status is JobState.CANCELLED:",
        "    if end.status in (JobState.CANCELLED, JobState.OUT_OF_MEMORY):",
    ),
    Planted(
        "one attempt too many",
        f"{_S}/retry_policy.py",
        "tries_by_cause < RETRY",
        "tries_by_cause <= RETRY",
    ),
    Planted(
        "causes share one budget",
        f"{_S}/completion.py",
        "tries_by_cause=tasks.count_tries(db, task.id, verdict.cause),",
        "tries_by_cause=tries,",
    ),
    Planted(
        "preemptions are counted like failures",
        f"{_S}/retry_policy.py",
        "FailureCause.PREEMPTED: RetryRule(6, site_limit=False)",
        "FailureCause.PREEMPTED: RetryRule(1)",
    ),
    Planted(
        "a tool's error is tried again",
        f"{_S}/retry_policy.py",
        "    FailureCause.TOOL: _FINAL,",
        "    FailureCause.TOOL: RetryRule(3),",
    ),
    Planted(
        "a failure is never tried again",
        f"{_S}/retry_policy.py",
        "NODE: RetryRule(None, pause=timedelta(minutes=1), exclude_node=True)",
        "NODE: RetryRule(1, pause=timedelta(minutes=1), exclude_node=True)",
    ),
    # --- ends
    Planted(
        "an analysis ends with live tasks",
        f"{_D}/analyses.py",
        "if to.final and not _nothing_lives(db, now, analysis):",
        "if to.final and False:",
        # else the tick has looked at the tasks before
        Patch(
            "service/tick.py",
            "if analysis.state is AnalysisState.REPORTING and _stopped(context, analysis):",
            "if analysis.state is AnalysisState.REPORTING:",
        ),
    ),
    Planted(
        "a move that another made is made again",
        f"{_D}/analyses.py",
        ".where(t.analysis.c.id == analysis.id, t.analysis.c.state == analysis.state)",
        ".where(t.analysis.c.id == analysis.id)",
    ),
    Planted(
        "a task is moved from any state",
        f"{_D}/tasks.py",
        "query = update(t.task).where(t.task.c.id.in_(ids), t.task.c.state == seen)",
        "query = update(t.task).where(t.task.c.id.in_(ids))",
    ),
    Planted(
        "moves leave no event",
        f"{_D}/tasks.py",
        "    done = [one for one in moves if one.task_id in moved]\n",
        '    done = [one for one in moves if one.task_id in moved and one.to != "done"]\n',
    ),
    Planted(
        "a task waits for one that was cancelled",
        f"{_S}/readiness.py",
        "if nodes[key].state in (TaskState.FAILED, TaskState.CANCELLED):",
        "if nodes[key].state is TaskState.CANCELLED:",
    ),
    Planted(
        "products are reused unseen",
        f"{_S}/readiness.py",
        "            if measure_product(Path(path)) == (product.size, product.mtime_ns):\n"
        "                return Path(path)",
        "            return Path(path)",
    ),
    Planted(
        "part of the runs is all",
        "service/reporting/reports.py",
        "AnalysisState.DONE if all(run.ok for run in runs)",
        "AnalysisState.DONE if any(run.ok for run in runs)",
    ),
    Planted(
        "no report for the requester",
        "service/reporting/reports.py",
        "    letters = compose_report(context, analysis, made)\n",
        '    letters = [] if made.state == "failed" else compose_report(context, analysis, made)\n',
    ),
    Planted(
        "no letter about a cancelled analysis",
        "service/reporting/reports.py",
        '            enqueue_letter(context, db, "cancelled", letter, analysis)\n',
        "",
    ),
    Planted(
        "trouble of the site is a fault",
        "service/operator/site_trouble.py",
        "return isinstance(error, (*_OF_SITE, *_OF_DATABASE))",
        "return False",
    ),
    Planted(
        "an hour of trouble ends an analysis",
        "service/operator/site_trouble.py",
        "PATIENCE = timedelta(hours=24)",
        "PATIENCE = timedelta(minutes=10)",
    ),
    Planted(
        "trouble is never tried again",
        "service/operator/site_trouble.py",
        "later = now + min(max((now - since) / 2, SHORTEST), LONGEST)",
        "later = now + timedelta(days=90)",
        # else the next tick takes a time so far ahead for that of a wrong clock
        Patch(
            f"{_D}/chores.py",
            "    if not _was_ahead(db, now, longest_look):\n",
            "    if True:\n",
        ),
    ),
    Planted(
        "the deadline is in another zone",
        "service/planning.py",
        "return noon + timedelta(",
        "return noon - timedelta(hours=10) + timedelta(",
    ),
    Planted(
        "a clock that was ahead is believed",
        f"{_D}/chores.py",
        "    if not _was_ahead(db, now, longest_look):\n",
        "    if True:\n",
    ),
    # --- mail in
    Planted(
        "a copy of a mail acts again",
        _I,
        "elif decision.acts and not messages.may_act(",
        "elif False and not messages.may_act(",
    ),
    Planted(
        "a mail is moved before it is stored",
        _I,
        "        with context.db.begin() as db:\n            if decision.outcome.replied:\n",
        "        self.inbox.move(envelope.uid, folder)\n"
        "        with context.db.begin() as db:\n            if decision.outcome.replied:\n",
    ),
    Planted("mails that were put off are forgotten", _I, "        self._ask_again()\n", ""),
    Planted("moves are not made up for", _I, "        self._move_all()\n", ""),
    Planted(
        "one launch too many",
        "service/intake/quotas.py",
        ">= quotas.live_per_user:",
        "> quotas.live_per_user:",
    ),
    Planted(
        "everybody is allowed",
        "mail/gate.py",
        "    if not allowed(sender, settings):",
        "    if not sender:",
    ),
    Planted(
        "anybody may cancel",
        "service/intake/mail_commands.py",
        "return sender in (owner.lower(), context.mail.operator.lower())",
        "return True",
    ),
    # --- mail out
    Planted(
        "a mail is sent before that is noted",
        _J,
        "        if not outbox.move_mail(db, mail, MailState.SENDING, next_try=now, tries=mail.tries + 1):\n"
        "            return _Went.NOT\n",
        "        pass\n",
    ),
    Planted(
        "the copy of a mail is not looked for",
        _J,
        "        if found:\n",
        "        if found and 0:\n",
        # else the copy that arrives in the mailbox is known for what it is
        Patch(
            "service/intake/filing.py",
            "        outbox.mark_proven(db, mail.message_id, mail.received)\n",
            "        pass\n",
        ),
    ),
    Planted(
        "the copy of a mail has no time to come",
        _J,
        "        if now - mail.next_try < timedelta(seconds=context.mail.copy_grace_s):\n"
        "            return False\n",
        "",
    ),
    Planted(
        "a mail without answer is sent again at once",
        _J,
        "unknown = context.mail.keep_copy and not refused and not deferred",
        "unknown = False",
    ),
    Planted(
        "a mail is given up at once",
        _J,
        "    return now - mail.created >= GIVE_UP_AFTER\n",
        "    return True\n",
        # else the next mail that goes out revives it
        Patch(_J, "    if sent:\n        _revive(context)\n", ""),
    ),
    # --- mistakes of other kinds: counting, times, the wrong row, a step left out
    Planted(
        "work that is not submitted yet is not seen",
        f"{_D}/tasks.py",
        "    live = [*_UNDER_WAY, TaskState.CHECKING]\n",
        "    live = [TaskState.SUBMITTED, TaskState.RUNNING, TaskState.CHECKING]\n",
    ),
    Planted(
        "work that has ended and is not judged is not seen",
        f"{_D}/tasks.py",
        "    live = [*_UNDER_WAY, TaskState.CHECKING]\n",
        "    live = list(_UNDER_WAY)\n",
    ),
    Planted(
        "attempts are mixed up within an array",
        f"{_D}/submissions.py",
        '                    "array_index": index,\n',
        '                    "array_index": len(tasks) - 1 - index,\n',
    ),
    Planted(
        "a submission that never came to be counts as a try",
        f"{_D}/tasks.py",
        't.attempt.c.task_id == task_id, t.attempt.c.outcome != "void"\n',
        "t.attempt.c.task_id == task_id\n",
        Patch(
            f"{_S}/retry_policy.py",
            "tries_by_cause < RETRY_POLICY[cause]",
            "tries < 2 and tries_by_cause < RETRY_POLICY[cause]",
        ),
    ),
    Planted(
        "the newest attempt is not the one that counts",
        f"{_D}/tasks.py",
        "        .order_by(t.attempt.c.number)\n",
        "        .order_by(t.attempt.c.number.desc())\n",
    ),
    Planted(
        "the wait for a record has no end",
        f"{_S}/completion.py",
        "ended=attempt.ended or now,",
        "ended=now,",
    ),
    Planted(
        "what was refused waits for a day",
        f"{_S}/submission.py",
        "later = now + timedelta(minutes=2)",
        "later = now + timedelta(days=2)",
    ),
    Planted(
        "pauses between attempts are not kept",
        f"{_S}/submission.py",
        "ready = [row for row in able if row.not_before is None or row.not_before <= now]",
        "ready = able",
    ),
    Planted(
        "a job that was out of memory gets no more",
        f"{_S}/retry_policy.py",
        "        memory_factor=2.0,\n",
        "        memory_factor=1.0,\n",
    ),
    Planted(
        "time is asked for in place of memory",
        f"{_S}/retry_policy.py",
        "        memory_factor=2.0,\n",
        "        time_factor=2.0,\n",
    ),
    Planted(
        "a release is forgotten",
        f"{_S}/task_control.py",
        "        set_request(db, planned, TaskRequest.NONE)\n",
        "",
    ),
    Planted(
        "what is held is submitted",
        f"{_S}/submission.py",
        "_NOT_NOW = (TaskRequest.HOLD, TaskRequest.CANCEL)",
        "_NOT_NOW = (TaskRequest.CANCEL,)",
    ),
    Planted(
        "an analysis that waits cannot be cancelled",
        "service/tick.py",
        "    if analysis.cancel_wanted:\n        if analysis",
        "    if analysis.cancel_wanted and analysis.state not in _PLANNING:\n        if analysis",
    ),
    Planted(
        "cancelled jobs are left in the cluster",
        f"{_S}/cancellation.py",
        "        context.scheduler.cancel(s.job_ref())\n",
        "        pass\n",
        Patch(
            f"{_S}/cancellation.py".replace("cancellation", "task_control"),
            "    _ask(context, analysis, unconfirmed[TaskRequest.CANCEL], scheduler.cancel)\n",
            "",
        ),
        Patch(
            f"{_D}/analyses.py",
            "if to.final and not _nothing_lives(db, now, analysis):",
            "if to.final and False:",
        ),
    ),
    Planted(
        "a cancelled analysis ends before its jobs",
        f"{_S}/cancellation.py",
        "        return not unfinished_tasks.has_unfinished(db, analysis.id)\n",
        "        return True\n",
        Patch(
            f"{_D}/analyses.py",
            "if to.final and not _nothing_lives(db, now, analysis):",
            "if to.final and False:",
        ),
    ),
    Planted(
        "late data are waited for without end",
        "service/planning.py",
        "        late = now >= waiting_deadline(config, context)\n",
        "        late = False\n",
    ),
    Planted(
        "data that are not there yet are not waited for",
        "service/planning.py",
        "        late = now >= waiting_deadline(config, context)\n",
        "        late = True\n",
    ),
    Planted(
        "a mail that made trouble is passed for good",
        _I,
        "            self._put_off(look, error)\n",
        "",
    ),
    Planted(
        "the mailbox is read from its end",
        _I,
        "            for look in self._server.looks(uids):\n",
        "            for look in self._server.looks(uids[-1:]):\n",
    ),
    Planted(
        "the mailbox is read from its beginning each time, and nothing is known",
        _I,
        "            if row is not None:\n                note_mail(context",
        "            if True:\n                note_mail(context",
    ),
    Planted(
        "the way of a mail is noted before the mail",
        _I,
        "        with context.db.begin() as db:\n            if decision.outcome.replied:\n"
        "                analyses.lock_launches(db)\n",
        "        with context.db.begin() as db:\n            self._reach(db, envelope.uid)\n"
        "        with context.db.begin() as db:\n            if decision.outcome.replied:\n"
        "                analyses.lock_launches(db)\n",
    ),
    Planted(
        "a letter that waits behind another waits for ever",
        _J,
        "    if mail.analysis_id is None or now - mail.created > ORDER_FOR:\n        return False\n",
        "    if mail.analysis_id is None:\n        return False\n",
        Patch(
            _J,
            "        return True\n    if number < context.mail.quotas.mails_per_recipient:",
            "        return True\n    if number < 2:",
        ),
    ),
    Planted(
        "a mail is tried next month",
        _J,
        "WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120))",
        "WAITS = tuple(timedelta(days=m) for m in (1, 5, 15, 30, 60, 120))",
    ),
    Planted(
        "the report is queued before the end is certain",
        "service/reporting/reports.py",
        "    letters = compose_report(context, analysis, made)\n    with context.db.begin() as db:\n",
        "    letters = compose_report(context, analysis, made)\n    with context.db.begin() as db:\n"
        "        for kind, letter in letters:\n"
        "            enqueue_letter(context, db, kind, letter, analysis)\n"
        "    letters = []\n    with context.db.begin() as db:\n",
        Patch(
            f"{_D}/outbox.py",
            "                    message_id=message_id,\n",
            '                    message_id=message_id.replace("@", f".{id(raw)}@"),\n',
        ),
    ),
    Planted(
        "a poll that failed is the last for a month",
        f"{_S}/poll_interval.py",
        "    wanted = shortest * GROWTH ** min(unchanged, 60)\n    return timedelta(seconds=min(wanted, longest) *",
        "    wanted = shortest * GROWTH ** min(unchanged, 60)\n    return timedelta(seconds=wanted *",
    ),
    Planted(
        "an analysis is looked at once a month",
        f"{_S}/submission.py",
        "AT_LATEST = timedelta(minutes=10)",
        "AT_LATEST = timedelta(days=30)",
    ),
    Planted(
        "an hour counts as a day of patience",
        "service/operator/site_trouble.py",
        "    patient = since + PATIENCE\n",
        "    patient = since + PATIENCE / 24\n",
    ),
    Planted(
        "trouble that is over is remembered",
        "service/operator/site_trouble.py",
        'analyses.change_analysis(db, analysis.id, trouble="", trouble_since=None)\n',
        'analyses.change_analysis(db, analysis.id, trouble="")\n',
        Patch(
            "service/operator/site_trouble.py",
            "_count_try(db, fresh, until) >= LEAST_TRIES",
            "_count_try(db, fresh, until) >= 1",
        ),
    ),
    Planted(
        "quotas are those of all together",
        "service/intake/quotas.py",
        "    return sum(number for address, number in numbers.items() if person_of(address) == person)\n",
        "    return sum(number for address, number in numbers.items() if address == sender.upper())\n",
    ),
    Planted(
        "a task that others need is not failed with it",
        f"{_S}/readiness.py",
        "            if reason := _hopeless(row, nodes):",
        "            if (reason := _hopeless(row, nodes)) and row.run is None:",
    ),
    Planted(
        "what another analysis failed to do is reused",
        f"{_D}/tasks.py",
        ".where(_work_in(wanted[start : start + MAX_BOUND_ROWS], [TaskState.DONE]))",
        ".where(_work_in(wanted[start : start + MAX_BOUND_ROWS], [TaskState.DONE, TaskState.FAILED]))",
        Patch(
            f"{_S}/readiness.py",
            "            if products and len(places) == len(products):",
            "            if len(places) == len(products):",
        ),
        Patch(
            f"{_S}/readiness.py", "    if len(places) != len(outputs):\n        return False\n", ""
        ),
        Patch(
            f"{_S}/readiness.py",
            "zip(outputs, places, strict=True)",
            "zip(outputs, places, strict=False)",
        ),
    ),
)
