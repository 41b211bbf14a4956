"""Reading HTCondor's answers: samples of 23.9, the tables of its manual, and what is broken."""

from __future__ import annotations

import json

import pytest

from astran.base.errors import SubmitRefused, SubmitUnknown
from astran.base.process import Completed
from astran.base.scheduler import JobState, Known
from astran.scheduler.explanations import explain_reason
from astran.scheduler.htcondor.event_log import read_event_log
from astran.scheduler.htcondor.job_ads import UnreadableAnswer, read_ads, read_set, write_set
from astran.scheduler.htcondor.job_states import HOLD_REASONS, STATUS_NAMES, read_status
from astran.scheduler.htcondor.match_analysis import read_analysis
from astran.scheduler.htcondor.submission_answers import read_answer

NODE = "slot1_3@wn01.institute.example"


def ad(**values: object) -> dict[str, object]:
    return {"ClusterId": 15, "ProcId": 2, "AstranToken": "t", "AstranIndex": 2, **values}


@pytest.mark.parametrize(
    ("values", "state", "code", "signal"),
    [
        ({"JobStatus": 1}, "pending", None, None),
        ({"JobStatus": 2}, "running", None, None),
        ({"JobStatus": 6}, "running", None, None),
        ({"JobStatus": 7}, "held", None, None),
        ({"JobStatus": 4, "ExitBySignal": False, "ExitCode": 0}, "completed", 0, None),
        ({"JobStatus": 4, "ExitBySignal": False, "ExitCode": 3}, "failed", 3, None),
        ({"JobStatus": 4, "ExitBySignal": False, "ExitCode": 127}, "failed", 127, None),
        ({"JobStatus": 4, "ExitBySignal": True, "ExitSignal": 11}, "failed", 0, 11),
        ({"JobStatus": 4, "ExitBySignal": True, "ExitSignal": 12}, "node-fail", 0, 12),
        ({"JobStatus": 4}, "strange", None, None),
        ({"JobStatus": 4, "ExitBySignal": True, "ExitCode": 0}, "strange", None, None),
        ({"JobStatus": 3, "RemoveReason": "via condor_rm (by user a)"}, "cancelled", None, None),
        ({"JobStatus": 3, "LeaveJobInQueue": False}, "running", None, None),
        ({"JobStatus": 3, "LastHoldReasonCode": 3, "LastHoldReasonSubCode": 41}, "timeout", 0, 0),
        ({"JobStatus": 3, "LastHoldReasonCode": 1, "LastHoldReasonSubCode": 0}, "cancelled", 0, 0),
        ({"JobStatus": 8}, "strange", None, None),
        ({"JobStatus": "\\/Expr(1)\\/"}, "strange", None, None),
    ],
)
def test_states_and_ends(
    values: dict[str, object], state: str, code: int | None, signal: int | None
) -> None:
    """JobStatus 4 says nothing of success: the way of the exit does."""
    seen = read_status(ad(**values))
    assert seen.state == JobState(state)
    if seen.state in (JobState.COMPLETED, JobState.FAILED):
        assert (seen.exit_code, seen.signal) == (code, signal)


@pytest.mark.parametrize(
    ("code", "subcode", "text", "state"),
    [
        (3, 41, "ASTRAN ends this attempt", "timeout"),
        (3, 42, "ASTRAN ends this attempt", "out-of-memory"),
        (3, 43, "ASTRAN ends this attempt", "preempted"),
        (3, 44, "ASTRAN ends this attempt", "node-fail"),
        (3, 7, "a rule of the job", "held"),
        (1, 0, "via condor_hold (by user a)", "held"),
        (6, 13, "Error from slot1@wn01: Failed to execute", "held"),
        (26, 0, "The system macro SYSTEM_PERIODIC_HOLD expression evaluated to TRUE", "held"),
        (34, 102, "Job has gone over cgroup memory limit of 4000 megabytes.", "out-of-memory"),
        (34, 104, "Job has exceeded its disk request", "held"),
        (46, 0, "The job exceeded allowed job duration", "timeout"),
        (47, 0, "The job exceeded allowed execute duration", "timeout"),
        (49, 0, "a reason of the future", "strange"),
        (None, None, "", "strange"),
    ],
)
def test_holds(code: int | None, subcode: int | None, text: str, state: str) -> None:
    values = {"HoldReasonCode": code, "HoldReasonSubCode": subcode, "HoldReason": text}
    seen = read_status(ad(JobStatus=5, RemoteHost=NODE, **values))
    assert seen.state == JobState(state)
    assert seen.node == "wn01.institute.example"
    sentence = explain_reason(seen)
    assert sentence.startswith("It ") and sentence.endswith(".")
    if seen.state is JobState.HELD:
        assert text.rstrip(".") in sentence


def test_all_hold_codes_of_the_manual_are_known() -> None:
    """0 to 48, of which 31 is the last that only old servers use."""
    assert set(HOLD_REASONS) == set(range(49))
    assert set(STATUS_NAMES) == set(range(1, 8))
    for code in HOLD_REASONS:
        state = read_status(ad(JobStatus=5, HoldReasonCode=code, HoldReasonSubCode=0)).state
        assert state is not JobState.COMPLETED and state is not JobState.UNKNOWN


GOOD = '[\n{\n  "AstranIndex": 2,\n  "AstranToken": "t",\n  "ClusterId": 15,\n  "JobStatus": 2\n}\n'


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("\n", 0),
        ("[\n]\n", 0),  # condor_history
        (f"{GOOD}]\n", 1),
        (f"WARNING: the pool is drained on Monday\n{GOOD}]\n", 1),
        ('[{"ClusterId": 1, "JobStatus": 5}]', 0),  # not ASTRAN's
    ],
)
def test_lists_of_jobs(text: str, number: int) -> None:
    assert len(read_ads(text)) == number


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD[:40],
        "-- Failed to fetch ads from: <127.0.0.1:9618> : host\n",
        "[1, 2]",
        '[{"AstranToken": "t", "ClusterId": 15, "JobStatus": 2}]',
        '[{"AstranToken": "t", "ClusterId": "15", "AstranIndex": 0, "JobStatus": 2}]',
        "[" * 100_000,
    ],
)
def test_broken_lists_are_not_guessed(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        read_ads(text)


def done(stdout: str = "", stderr: str = "", code: int = 0) -> Completed:
    return Completed(("condor_submit",), code, stdout, stderr)


@pytest.mark.parametrize(
    "stdout",
    ["15.0 - 15.4\n", "15.0\n", "15.0 - 15.0\n", "Have a nice day\n15.0 - 15.999\n"],
)
def test_the_cluster_is_found(stdout: str) -> None:
    warning = "WARNING: JobLeaseDuration less than 20 seconds is not allowed, using 20 instead\n"
    assert read_answer(done(stdout, warning)) == "15"


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        (done(stderr="ERROR: Executable file /a/b.sh does not exist\n", code=1), False),
        (done(stderr="\nERROR: Parse error in expression: \n\tRequirements = ((", code=1), False),
        (done(stderr='Can\'t find "condor" in the password file\n', code=1), False),
        (done(stderr="\nERROR: Failed to connect to local queue manager\n", code=1), True),
        (done(stderr="ERROR: Number of submitted jobs would exceed MAX_JOBS_PER_OWNER", code=1),
         True),
    ],
)  # fmt: skip
def test_clear_refusals_of_condor_submit(answer: Completed, passes: bool) -> None:
    with pytest.raises(SubmitRefused) as refused:
        read_answer(answer)
    assert refused.value.transient is passes


@pytest.mark.parametrize(
    "answer",
    [
        done(),
        done("15.0 - 15.4\n", code=1),
        done("15.0 - 15.4\n16.0 - 16.4\n"),
        done("Submitting job(s)"),
        done(stderr="ERROR: Failed to commit job submission into the queue.\n", code=1),
        done(stderr="ERROR: SECMAN:2007:Failed to end classad message.\n", code=1),
        done(stderr="Segmentation fault\n", code=139),
    ],
)
def test_unclear_answers_of_condor_submit(answer: Completed) -> None:
    """The job may exist: its token is looked up."""
    with pytest.raises(SubmitUnknown):
        read_answer(answer)


LOG = """\
000 (015.000.000) 2026-11-30 17:24:38 Job submitted from host: <127.0.0.1:41967>
...
000 (015.001.000) 11/30 17:24:38 Job submitted from host: <127.0.0.1:41967>
...
001 (015.000.000) 2026-11-30 17:24:38 Job executing on host: <127.0.0.1:35837>
\tSlotName: slot1_1@localhost.pool.test
...
005 (015.000.000) 2026-11-30 17:24:39 Job terminated.
\t(1) Normal termination (return value 3)
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage
...
005 (015.001.000) 2026-11-30 17:24:39 Job terminated.
\t(0) Abnormal termination (signal 11)
\t(0) No core file
...
012 (015.002.000) 2026-11-30 17:24:45 Job was held.
\tASTRAN ends this attempt
\tCode 3 Subcode 44
...
009 (015.002.000) 2026-11-30 17:25:08 Job was aborted.
\tPeriodicRemove evaluated to TRUE
...
009 (015.003.000) 2026-11-30 17:25:08 Job was aborted.
\tvia condor_rm (by user backup)

...
024 (015.004.000) 2026-11-30 17:25:29 Job reconnection failed
    Can not reconnect to slot1_7@m1, rescheduling job
...
005 (015.005.000) 2026-11-30 17:25:29 Job termin"""


def test_the_event_log_tells_of_ends() -> None:
    log = read_event_log(LOG)
    assert log.clusters == {"15"}
    ends = {index: (k.state, k.exit_code, k.signal) for (_, index), k in log.ends.items()}
    assert ends == {
        0: (JobState.FAILED, 3, None),
        1: (JobState.FAILED, 0, 11),
        2: (JobState.NODE_FAIL, None, None),
        3: (JobState.CANCELLED, None, None),
    }


ANALYSIS = """\
Step    Matched  Condition
-----  --------  ---------
[1]           4  TARGET.Arch == "X86_64"
[7]           0  TARGET.Memory >= RequestMemory

Reason for last match failure: no match found

003.000:  Run analysis summary ignoring user priority.  Of 2 machines,
      {refused} are rejected by your job's requirements
      {reluctant} reject your job because of their own requirements
      0 match and are already running your jobs
"""


@pytest.mark.parametrize(
    ("refused", "reluctant", "never"), [(2, 0, True), (1, 1, True), (1, 0, False), (0, 0, False)]
)
def test_a_job_that_no_machine_can_run(refused: int, reluctant: int, never: bool) -> None:
    said = read_analysis(ANALYSIS.format(refused=refused, reluctant=reluctant))
    assert bool(said) is never
    if never:
        assert "of 2 machines" in said and "TARGET.Memory >= RequestMemory" in said
        assert explain_reason(Known(JobState.HELD, "IDLE", reason=said)) == said


@pytest.mark.parametrize("text", ["", "condor_q: no such job", "Of many machines"])
def test_an_unknown_analysis_says_nothing(text: str) -> None:
    assert read_analysis(text) == ""


@pytest.mark.parametrize("indices", [[], [0], [0, 1, 2], [0, 2, 3, 9], list(range(0, 20, 2))])
def test_sets_of_elements(indices: list[int]) -> None:
    assert read_set(write_set(indices)) == set(indices)
    assert json.dumps(write_set([3, 1, 2, 7])) == '"1-3,7"'
