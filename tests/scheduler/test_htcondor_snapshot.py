"""Which witness is asked about what, and what follows from their answers together."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from astran.base.errors import SchedulerUnavailable, ToolTimeout
from astran.base.process import Completed
from astran.base.scheduler import JobRef, JobState, Known, Missing, Unavailable
from astran.config.htcondor import HTCondorSettings
from astran.scheduler.htcondor.condor_pool import HTCondorScheduler
from astran.scheduler.htcondor.submit_description import event_log

AWAY = Completed((), 1, "", "-- Failed to fetch ads from: <127.0.0.1:9618> : here\n")
SUBMITTED = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
RUNNING = {"JobStatus": 2, "RemoteHost": "slot1_1@wn01"}
DONE = {"JobStatus": 4, "ExitBySignal": False, "ExitCode": 0}


class Commands:
    """Answers by command; every call is written down."""

    def __init__(self, **answers: Completed | list[dict[str, Any]]) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def __call__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        words = [os.fspath(word) for word in argv]
        self.calls.append(words)
        said = self.answers.get(words[0], [])
        if isinstance(said, Completed):
            return said
        if said == [{}]:
            raise ToolTimeout(f"{words[0]} did not end within {timeout:g} s.")
        return Completed(tuple(words), 0, json.dumps(said) if said else "", "")

    @property
    def names(self) -> list[str]:
        return [words[0] for words in self.calls]


def element(index: int, cluster: int = 7, token: str = "t", **values: Any) -> dict[str, Any]:
    return {"ClusterId": cluster, "AstranToken": token, "AstranIndex": index, **values}


def job(folder: Path, size: int, indices: tuple[int, ...] | None = None) -> JobRef:
    return JobRef("t", "7", SUBMITTED, size, str(folder), indices)


def scheduler(commands: Commands, folder: Path) -> HTCondorScheduler:
    return HTCondorScheduler(HTCondorSettings(), folder, {}, commands)


def states(found: Mapping[tuple[str, int], object]) -> list[object]:
    return [s.state if isinstance(s, Known) else s for _, s in sorted(found.items())]


def test_what_lives_needs_no_history(tmp_path: Path) -> None:
    commands = Commands(condor_q=[element(0, **RUNNING), element(1, JobStatus=1)])
    one = job(tmp_path, 2)
    found = scheduler(commands, tmp_path).poll([one]).statuses([one])
    assert states(found) == [JobState.RUNNING, JobState.PENDING]
    assert commands.names == ["condor_q"]


def test_a_history_that_answers_while_the_schedd_is_away_proves_nothing(tmp_path: Path) -> None:
    commands = Commands(condor_q=AWAY, condor_history=[element(0, **DONE)])
    one = job(tmp_path, 2)
    found = scheduler(commands, tmp_path).poll([one]).statuses([one])
    assert states(found)[0] is JobState.COMPLETED
    assert isinstance(found["t", 1], Unavailable)


@pytest.mark.parametrize("history", [AWAY, [{}]], ids=["fails", "hangs"])
def test_without_history_the_event_log_tells_the_end(tmp_path: Path, history: Any) -> None:
    event_log("t", str(tmp_path)).write_text(
        "005 (007.000.000) 2026-11-30 17:24:39 Job terminated.\n"
        "\t(1) Normal termination (return value 3)\n...\n"
    )
    one = job(tmp_path, 2)
    found = scheduler(Commands(condor_history=history), tmp_path).poll([one]).statuses([one])
    assert states(found)[0] is JobState.FAILED
    assert isinstance(found["t", 1], Unavailable)


def test_absent_from_all_is_missing(tmp_path: Path) -> None:
    one = job(tmp_path, 1)
    assert scheduler(Commands(), tmp_path).poll([one]).statuses([one]) == {("t", 0): Missing()}


def test_an_event_log_without_an_end_stands_in_for_a_history_that_is_not_there(
    tmp_path: Path,
) -> None:
    """Pools that keep no history: what the queue has lost and the log knows is missing, not unknown
    for ever. Without the queue's answer, or of another cluster, the log proves nothing."""
    one = job(tmp_path, 1)
    event_log("t", str(tmp_path)).write_text(
        "000 (7.000.000) 2026-11-30 17:00:00 Job submitted from host: <127.0.0.1:9618>\n...\n"
    )
    no_history = Completed((), 1, "", "Error: cannot open the history file\n")
    pool = scheduler(Commands(condor_q=[], condor_history=no_history), tmp_path)
    assert states(pool.poll([one]).statuses([one])) == [Missing()]
    pool = scheduler(Commands(condor_q=AWAY, condor_history=no_history), tmp_path)
    assert isinstance(states(pool.poll([one]).statuses([one]))[0], Unavailable)
    event_log("t", str(tmp_path)).write_text(
        "000 (8.000.000) 2026-11-30 17:00:00 Job submitted from host: <127.0.0.1:9618>\n...\n"
    )
    pool = scheduler(Commands(condor_q=[], condor_history=no_history), tmp_path)
    assert isinstance(states(pool.poll([one]).statuses([one]))[0], Unavailable)


def test_token_and_cluster_must_agree(tmp_path: Path) -> None:
    strangers = [element(0, cluster=8, **RUNNING), element(0, token="u", **RUNNING)]
    one = job(tmp_path, 1)
    commands = Commands(condor_q=strangers, condor_history=strangers)
    assert scheduler(commands, tmp_path).poll([one]).statuses([one]) == {("t", 0): Missing()}


def test_the_history_is_read_no_further_than_needed(tmp_path: Path) -> None:
    """It may hold years, and is read from its end."""
    commands = Commands(condor_q=[element(i, **RUNNING) for i in range(1, 1000)])
    one = job(tmp_path, 1000)
    scheduler(commands, tmp_path).poll([one]).statuses([one])
    words = commands.calls[-1]
    assert words[0] == "condor_history"
    assert words[words.index("-limit") + 1] == "1"
    assert "AstranIndex >= 0 && AstranIndex <= 0" in words[words.index("-constraint") + 1]
    since = words[words.index("-since") + 1]
    limit = datetime.fromtimestamp(int(since.rpartition("<")[2]), UTC)
    assert timedelta(0) < SUBMITTED - limit <= timedelta(hours=1)


def test_what_has_not_changed_is_asked_of_nobody_else(tmp_path: Path) -> None:
    """Neither the order of the answer nor what grows by itself is a change."""
    before = [element(i, **RUNNING, RemoteWallClockTime=1.0) for i in range(100)]
    now = [element(i, **RUNNING, RemoteWallClockTime=99.0) for i in reversed(range(100))]
    one = job(tmp_path, 100)
    sign = scheduler(Commands(condor_q=before), tmp_path).poll([one]).signature(one)
    later = scheduler(Commands(condor_q=now), tmp_path).poll([one])
    assert later.changed(one, sign) == ()
    now[5] = element(94, JobStatus=5, HoldReasonCode=1, HoldReasonSubCode=0, HoldReason="x")
    del now[0]
    fewer = scheduler(Commands(condor_q=now), tmp_path).poll([one])
    assert fewer.changed(one, sign) == [94, 99]
    assert fewer.changed(one, "not a signature") is None
    assert scheduler(Commands(), tmp_path).poll([one]).changed(one, sign) is None


def test_a_long_wait_is_looked_into_again_and_again(tmp_path: Path) -> None:
    """After 10, 20, 40, ... minutes, and not in between."""

    def sign(minutes: int) -> str:
        waits = element(0, JobStatus=1, EnteredCurrentStatus=0, ServerTime=60 * minutes)
        one = job(tmp_path, 1)
        return scheduler(Commands(condor_q=[waits]), tmp_path).poll([one]).signature(one)

    assert sign(0) == sign(9) != sign(10) == sign(19) != sign(20) == sign(39) != sign(40)


def test_no_elements_no_command(tmp_path: Path) -> None:
    """Without a condition, HTCondor's commands act on everybody's jobs."""
    commands = Commands()
    one = scheduler(commands, tmp_path)
    one.cancel(job(tmp_path, 3), [])
    one.hold(job(tmp_path, 3), [])
    one.poll([])
    assert one.find_jobs({}) == {}
    assert commands.calls == []


def test_many_elements_fit_into_a_command_line(tmp_path: Path) -> None:
    commands = Commands()
    scheduler(commands, tmp_path).cancel(job(tmp_path, 10_000), list(range(0, 10_000, 2)))
    assert len(commands.calls) == 5
    assert max(len(word) for words in commands.calls for word in words) < 131_072


def test_a_command_that_fails_is_tried_again(tmp_path: Path) -> None:
    commands = Commands(condor_rm=AWAY)
    with pytest.raises(SchedulerUnavailable):
        scheduler(commands, tmp_path).cancel(job(tmp_path, 1))
    nothing = Completed((), 1, "", "Couldn't find/remove all jobs matching constraint (x)\n")
    scheduler(Commands(condor_rm=nothing), tmp_path).cancel(job(tmp_path, 1))


def test_other_pools_and_schedds(tmp_path: Path) -> None:
    settings = HTCondorSettings(pool="cm.example", schedd="ce.example")
    commands = Commands()
    one = job(tmp_path, 1)
    HTCondorScheduler(settings, tmp_path, {}, commands).poll([one]).statuses([one])
    for words in commands.calls:
        assert words[1:5] == ["-pool", "cm.example", "-name", "ce.example"]
