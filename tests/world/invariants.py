"""The invariants of docs/guarantees.md, read from the rows, the cluster and the mailboxes."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from chaoslib.documented import ATTEMPTS_IN_ALL, documented_attempts, documented_rules
from chaoslib.oracle import CAUSES

from astran.base.states import ANALYSIS_MOVES, TASK_MOVES, AnalysisState, TaskState

if TYPE_CHECKING:
    from world.play import World

FINAL = tuple(state.value for state in AnalysisState if not ANALYSIS_MOVES[state])
OPEN_TASKS = tuple(state.value for state in TaskState if not state.final)
ATTEMPTS = documented_attempts()
RULES = documented_rules()
DID_ITS_WORK = ("ok", "node-late")
CLOSING = ("report", "cancelled", "fault")
_DAY_S = 86400


@dataclass
class Memory:
    """What was seen before."""

    events: int = 0
    tasks: dict[int, str] = field(default_factory=dict)
    analyses: dict[int, str] = field(default_factory=dict)
    judged: set[int] = field(default_factory=set)
    """Tasks whose success was looked at."""
    cancelled: dict[int, int] = field(default_factory=dict)
    """Analyses with a wish to be cancelled, and the newest submission that there was then."""
    held: dict[int, int] = field(default_factory=dict)
    """Planned tasks that are held, and how many attempts they had."""


def check_step(world: World) -> None:
    """What holds at any moment."""
    db = world.db.driver
    found = world.breaches
    marks = ",".join("?" * len(FINAL))
    opens = ",".join("?" * len(OPEN_TASKS))
    for row in db.execute(
        f"select analysis.id, analysis.state, task.key, task.state from task join analysis on "
        f"analysis.id = task.analysis_id where analysis.state in ({marks}) "
        f"and task.state in ({opens})",
        (*FINAL, *OPEN_TASKS),
    ):
        found.append(f"G1 A{row[0]} is {row[1]}, its task {row[2]} {row[3]}")
    _check_mails(world)
    _check_work(world)
    _check_events(world)
    _check_quotas(world)
    _check_cancelled(world)
    _check_success(world)
    _check_attempts(world)
    _check_next_attempts(world)
    _check_repetition(world)
    _check_order(world)
    _check_people(world)
    _check_deadline(world)


def _check_mails(world: World) -> None:
    """G2: a launch acts once; G7: no letter arrives twice."""
    db, found = world.db.driver, world.breaches
    rows = db.execute(
        "select message.message_id, count(analysis.id) from message join request on "
        "request.message_id = message.id join analysis on analysis.request_id = request.id "
        "where request.command = 'launch' group by message.message_id having count(*) > 1"
    )
    found += [f"G2 {name} was launched {number} times" for name, number in rows]
    inbox = world.post.box.folders["INBOX"]
    known = {name for (name,) in db.execute("select message_id from message")}
    for launch in world.launches:
        if launch.message_id not in known and launch.raw not in inbox.values():
            found.append(f"G2 the launch {launch.message_id} is neither stored nor in the mailbox")
    for person, letters in world.post.arrived.items():
        for name, number in Counter(letters).items():
            if number > 1:
                found.append(f"G7 {person} got {name} {number} times")


def _check_work(world: World) -> None:
    """G4: no work is done twice at the same time."""
    rows = world.db.driver.execute(
        "select attempt.token, task.fingerprint from attempt join task on task.id = attempt.task_id"
    )
    work = dict(rows.fetchall())
    by_work = defaultdict(list)
    for entry in world.cluster.state.truth:
        if entry["fate"] not in ("declined", "withdrawn"):
            by_work[work.get(f"{entry['name']}.{entry['index']}")].append(entry)
    for entries in by_work.values():
        entries.sort(key=lambda entry: entry["start"])
        for first, second in pairwise(entries):
            if first["end"] is None or second["start"] < first["end"]:
                words = f"{second['task']} ran in {first['job']} and {second['job']} at once"
                world.breaches.append(f"G4 {words}")


_STATE = re.compile(r"^(task|analysis)-(\w+)$")


def _check_events(world: World) -> None:
    """G6: the events of each task and analysis are one path of legal moves, and lead to its row."""
    db, memory, found = world.db.driver, world.noticed, world.breaches
    rows = db.execute(
        "select id, kind, text, analysis_id, task_id from event where id > ? order by id",
        (memory.events,),
    ).fetchall()
    for number, kind, text, analysis, task in rows:
        memory.events = number
        if kind == "fault":
            found.append(f"G9 a fault inside ASTRAN: {text[-300:]}")
        match = _STATE.match(kind)
        if kind == "received":
            memory.analyses[analysis] = "received"
        if match is None:
            continue
        to = match[2]
        if match[1] == "task":
            before = memory.tasks.get(task, "planned")
            if TaskState(to) not in TASK_MOVES[TaskState(before)]:
                found.append(f"G6 task {task} went from {before} to {to}")
            memory.tasks[task] = to
        else:
            before = memory.analyses.get(analysis, "received")
            if AnalysisState(to) not in ANALYSIS_MOVES[AnalysisState(before)]:
                found.append(f"G6 A{analysis} went from {before} to {to}")
            memory.analyses[analysis] = to
    for key, state in db.execute("select id, state from task"):
        if memory.tasks.get(key, "planned") != state:
            found.append(f"G6 task {key} is {state}, its events say {memory.tasks.get(key)}")
    for key, state in db.execute("select id, state from analysis"):
        if memory.analyses.get(key) != state:
            found.append(f"G6 A{key} is {state}, its events say {memory.analyses.get(key)}")


def _check_quotas(world: World) -> None:
    """G12: never more analyses under way than the sender may have."""
    marks = ",".join("?" * len(FINAL))
    most = world.schedule.live_per_user
    for person, number in world.db.driver.execute(
        "select requester, count(*) from analysis join request on request.id = analysis.request_id "
        f"where analysis.state not in ({marks}) and requester != '' "
        "group by requester",
        FINAL,
    ):
        if number > most:
            world.breaches.append(f"G12 {person} has {number} analyses under way, {most} allowed")


def _check_cancelled(world: World) -> None:
    """G10: nothing is submitted for an analysis after a tick that knew it was to be cancelled."""
    db, memory = world.db.driver, world.noticed
    for key, newest in db.execute(
        "select analysis.id, coalesce(max(submission.id), 0) from analysis left join submission "
        "on submission.analysis_id = analysis.id where cancel_wanted group by analysis.id"
    ):
        before = memory.cancelled.setdefault(key, newest)
        if newest > before:
            world.breaches.append(f"G10 A{key} was to be cancelled, and submitted all the same")
    rows = db.execute("select id, attempts, state from task where wish = 'hold'").fetchall()
    for key, attempts, _ in rows:
        if attempts > memory.held.get(key, attempts):
            world.breaches.append(f"G10 task {key} was held, and submitted all the same")
    memory.held = {key: attempts for key, attempts, state in rows if state == "planned"}


def _check_success(world: World) -> None:
    """G5: what is done was done: the newest attempt truly ran well and left its product."""
    fates = {
        f"{entry['name']}.{entry['index']}": entry["fate"]
        for entry in world.cluster.state.truth
        if entry["fate"] not in ("declined", "requeue")
    }
    for number, state, key, token, folder in world.db.driver.execute(
        "select task.id, task.state, task.key, attempt.token, analysis.folder from task join "
        "analysis on analysis.id = task.analysis_id left join attempt on attempt.task_id = task.id "
        "and attempt.number = task.attempts where task.state = 'done' or "
        "(task.state = 'reused' and task.reused_from_id is not null)"
    ):
        if number in world.noticed.judged:
            continue
        world.noticed.judged.add(number)
        if state == "done" and fates.get(token) not in DID_ITS_WORK:
            world.breaches.append(f"G5 {key} is done, but {token} was {fates.get(token)}")
        elif not Path(folder, "products", f"{key}.product").exists():
            world.breaches.append(f"G5 {key} is {state}, but its product is not there")


BLIND = ("lost", "no-record", "transient", "cancelled")


def _check_attempts(world: World) -> None:
    """G14: no attempt is taken for what it was not, and no cause has more than its budget."""
    fates = {
        f"{entry['name']}.{entry['index']}": entry["fate"]
        for entry in world.cluster.state.truth
        if entry["fate"] not in ("declined", "requeue") and entry["end"] is not None
    }
    causes = defaultdict(list)
    for task, token, outcome in world.db.driver.execute(
        "select task_id, token, outcome from attempt where outcome not in ('', 'void') order by id"
    ):
        causes[task].append(outcome)
        fate = fates.get(token)
        if fate is None or world.misled:
            continue
        cause, others = CAUSES[fate]
        blind = fate not in DID_ITS_WORK and not world.sees_all
        allowed = (cause, *others, *(BLIND if blind else ()))
        if outcome in allowed or fate == "withdrawn" or _was_cancelled(world, task):
            continue
        world.breaches.append(f"G14 {token} was {fate}, and counts as {outcome}")
    for task, found in causes.items():
        for cause, number in Counter(found).items():
            if number > ATTEMPTS.get(cause, 1) and not _was_repeated(world, task):
                world.breaches.append(f"G14 task {task} was tried {number} times after {cause}")


def _check_next_attempts(world: World) -> None:
    """G14: each attempt begins after the pause of what ended the one before, and asks for what the
    table of causes says."""
    if world.misled:
        return
    excluded = {job.name: job.exclude for job in world.cluster.state.jobs}
    by_task = defaultdict(list)
    for row in world.db.driver.execute(
        "select attempt.task_id, attempt.outcome, attempt.ended, attempt.node, attempt.requested, "
        "submission.intent, submission.token from attempt join submission on "
        "submission.id = attempt.submission_id order by attempt.id"
    ):
        by_task[row[0]].append(row[1:])
    for task, attempts in by_task.items():
        if len(attempts) < 2 or _was_repeated(world, task):
            continue
        for (cause, ended, node, had, _, _), (_, _, _, gets, intent, token) in pairwise(attempts):
            rule = RULES.get(cause)
            if rule is None:
                continue
            if rule.attempts == 1 and cause != "cancelled":
                world.breaches.append(f"G14 task {task} was tried again after {cause}")
            if ended and _seconds(intent) < _seconds(ended) + 60 * rule.pause_min:
                world.breaches.append(f"G14 task {task} was tried again at once after {cause}")
            grown = {"memory": ("memory_mb", 2.0), "time": ("time_min", 1.5)}.get(cause)
            if grown is not None:
                name, factor = grown
                before, now = json.loads(had)[name], json.loads(gets)[name]
                if now < factor * before:
                    world.breaches.append(f"G14 task {task} got {now} {name} after {before}")
            if cause == "node" and node and token in excluded and node not in excluded[token]:
                world.breaches.append(f"G14 task {task} may come to {node} again, which failed")


def _check_repetition(world: World) -> None:
    """G4: a launcher that is alone does no work a second time while its product is there."""
    if world.misled or world.lost or world.schedule.launchers > 1 or _has_hand_run(world):
        return
    for key, number in world.db.driver.execute(
        "select task.key, count(*) from attempt join task on task.id = attempt.task_id "
        "where attempt.outcome = 'ok' and task.fingerprint != '' "
        "group by task.fingerprint having count(*) > 1"
    ):
        world.breaches.append(f"G4 {key} was done {number} times")


def _has_hand_run(world: World) -> bool:
    return any(type(step).__name__ == "HandRun" for step in world.schedule.steps)


def _was_cancelled(world: World, task: int) -> bool:
    query = "select cancel_wanted or task.wish = 'cancel' from task join analysis on "
    query += "analysis.id = task.analysis_id where task.id = ?"
    return bool(world.db.driver.execute(query, (task,)).fetchone()[0])


def _was_repeated(world: World, task: int) -> bool:
    query = "select count(*) from event where task_id = ? and text like '%again, on request%'"
    return bool(world.db.driver.execute(query, (task,)).fetchone()[0])


def _check_order(world: World) -> None:
    """G16: nothing begins before what it needs has succeeded."""
    rows = world.db.driver.execute(
        "select analysis_id, key, state, attempts, spec from task"
    ).fetchall()
    states = {(analysis, key): state for analysis, key, state, _, _ in rows}
    for analysis, key, state, attempts, spec in rows:
        if not attempts or state in ("failed", "cancelled"):
            continue
        plan = json.loads(spec)
        for need in plan["needs"]:
            if states[analysis, need] not in ("done", "reused"):
                world.breaches.append(f"G16 {key} began before {need}: {states[analysis, need]}")
        for need in plan["after"]:
            if states[analysis, need] in OPEN_TASKS:
                world.breaches.append(f"G16 {key} began before the end of {need}")


def _check_people(world: World) -> None:
    """G20: only who may ask is served, and nobody ends what is another's."""
    for key, person, wanted in world.db.driver.execute(
        "select id, requester, cancel_wanted from analysis"
    ):
        if person and person not in world.allowed:
            world.breaches.append(f"G20 A{key} is of {person}, who may not ask")
        if wanted and not world.cancels.get(f"A{key}", set()) & {person, "operator"}:
            world.breaches.append(f"G20 A{key} of {person} was cancelled by somebody else")


def _check_deadline(world: World) -> None:
    """G18: nothing goes on without missing data before the wait for them is over."""
    if world.misled:
        return
    for key, config, left_out, started in world.db.driver.execute(
        "select id, config, left_out, started from analysis where state not in "
        "('received', 'waiting', 'cancelled') and started is not null"
    ):
        night = datetime.strptime(json.loads(config)["date"], "%Y%m%d").replace(tzinfo=UTC)
        until = night + timedelta(days=1, hours=12 + world.site.data.dl1_deadline_h)
        began = datetime.fromisoformat(started).replace(tzinfo=UTC)
        if json.loads(left_out) and began < until:
            world.breaches.append(f"G18 A{key} began without {left_out} before {until}")


def check_times(world: World) -> None:
    """G19: after a tick with a right clock nothing waits longer than any pause is."""
    now = world.clock.seconds
    for what, limit_s in (
        ("until from hold where name = 'scheduler-look'", 3700),
        ("next_step from analysis", 2500),
        ("next_look from analysis", 4500),
        ("not_before from task where state = 'planned'", 2500),
        ("intent from submission where state = 'intent'", 130),
        ("next_try from outgoing_mail where state not in ('sent', 'dead')", 90000),
    ):
        for (text,) in world.db.driver.execute(f"select {what}"):
            if text and _seconds(text) > now + limit_s:
                world.breaches.append(f"G19 {what}: {text}")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def is_quiet(world: World) -> bool:
    """Whether nothing is left to be done."""
    db = world.db.driver
    marks = ",".join("?" * len(FINAL))
    (live,) = db.execute(
        f"select count(*) from analysis where state not in ({marks})", FINAL
    ).fetchone()
    (unsent,) = db.execute(
        "select count(*) from outgoing_mail where state not in ('sent', 'dead')"
    ).fetchone()
    return (
        not live and not unsent and not world.post.box.folders["INBOX"] and not world.post.under_way
    )


def check_end(world: World) -> None:
    """What holds once everything works again and all had time."""
    db, found = world.db.driver, world.breaches
    marks = ",".join("?" * len(FINAL))
    for key, state in db.execute(
        f"select id, state from analysis where state not in ({marks})", FINAL
    ):
        tasks = db.execute("select key, state from task where analysis_id = ?", (key,)).fetchall()
        found.append(f"G3 A{key} is stuck: {state}, {tasks}")
    for number, state, error in db.execute(
        "select id, state, error from outgoing_mail where state != 'sent'"
    ):
        found.append(f"G8 letter {number} is {state}: {error}")
    if left := world.post.box.folders["INBOX"]:
        found.append(f"G2 mails {sorted(left)} are still in the mailbox")
    for job, element in world.cluster.alive:
        found.append(f"G11 element {element.index} of job {job.id} is left in the cluster")
    (intents,) = db.execute("select count(*) from submission where state = 'intent'").fetchone()
    if intents:
        found.append(f"G11 {intents} submissions were never settled")
    _check_ends(world)
    _check_letters(world)


def _check_ends(world: World) -> None:
    """G13: every end has its cause: of tasks, and of analyses."""
    db, found = world.db.driver, world.breaches
    for key, state, wanted, reason in db.execute(
        "select id, state, cancel_wanted, reason from analysis"
    ).fetchall():
        tasks = db.execute(
            "select id, key, state, spec, wish, reason from task where analysis_id = ?", (key,)
        ).fetchall()
        by_run = [t for t in tasks if t[1].startswith("dl")]
        good = [t for t in by_run if t[2] in ("done", "reused")]
        if state == "cancelled" and not wanted:
            found.append(f"G13 A{key} was cancelled, and nobody wanted that")
        if state == "done" and (not by_run or len(good) < len(by_run)):
            found.append(f"G13 A{key} is done, but {len(good)} of {len(by_run)} tasks are")
        if state == "partial" and (not good or len(good) == len(by_run) == _wanted(world, key)):
            found.append(f"G13 A{key} is partial, but all is done")
        failed = [t for t in tasks if t[2] in ("failed", "cancelled")]
        nothing = 0 in world.schedule.there and reason.startswith("There is nothing")
        if state in ("failed", "expired") and not (failed or nothing or _long(world)):
            found.append(f"G13 A{key} is {state} without a cause: {reason}")
        if not wanted and not _long(world):
            for task in failed:
                _check_failed(world, key, task)


def _wanted(world: World, analysis: int) -> int:
    (date,) = world.db.driver.execute(
        "select json_extract(config, '$.date') from analysis where id = ?", (analysis,)
    ).fetchone()
    from world.chain import SKY

    return 2 * len(SKY.announced.get(str(date), ()))


def _check_failed(world: World, analysis: int, task: tuple[object, ...]) -> None:
    number, key, state = task[0], str(task[1]), task[2]
    causes = [
        outcome
        for (outcome,) in world.db.driver.execute(
            "select outcome from attempt where task_id = ? and outcome != 'void' order by number",
            (number,),
        )
    ]
    if not causes:
        if not str(task[5]).startswith("not run, because"):
            world.breaches.append(
                f"G13 {key} of A{analysis} is {state} without an attempt: {task[5]}"
            )
        return
    last = causes[-1]
    if state == "cancelled" and last in ("cancelled", ""):
        return
    if last not in ATTEMPTS:
        world.breaches.append(f"G13 {key} of A{analysis} is {state} after {causes}")
    elif causes.count(last) < ATTEMPTS[last] and len(causes) < ATTEMPTS_IN_ALL:
        world.breaches.append(f"G13 {key} of A{analysis} is {state} after {causes} only")


def _long(world: World) -> bool:
    """Whether trouble lasted longer than the patience of the service."""
    return any(length > 0.9 * _DAY_S for length in world.longest_s.values())


def _check_letters(world: World) -> None:
    """G8: whoever asked got one answer, and one closing letter for each analysis."""
    db, found = world.db.driver, world.breaches
    for key, state, person in db.execute("select id, state, requester from analysis"):
        kinds = [
            kind
            for (kind,) in db.execute(
                "select kind from outgoing_mail where analysis_id = ? and recipient = ?",
                (key, person),
            )
        ]
        closing = [kind for kind in kinds if kind in CLOSING]
        if person and len(closing) != 1:
            found.append(f"G8 A{key} is {state}, and {person} got {kinds}")
    for launch in world.launches:
        rows = db.execute(
            "select message.id from message where message_id = ?", (launch.message_id,)
        ).fetchall()
        if not rows:
            found.append(f"G2 the launch {launch.message_id} was never taken")
