"""What follows from squeue and sacct together, also where they disagree, lag or are silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from scheduler.fake_slurm import FakeSlurm

from astran.base.errors import SchedulerUnavailable, SubmitRefused, SubmitUnknown
from astran.base.scheduler import (
    Batch,
    JobRef,
    JobState,
    JobStatus,
    Known,
    Missing,
    Snapshot,
    Unavailable,
)
from astran.base.tasks import Resources
from astran.config.slurm import SlurmSettings
from astran.scheduler.slurm.controller import SlurmScheduler

SUBMITTED = datetime(2026, 11, 21, 0, 41, 10, tzinfo=UTC)
JOB = JobRef("tok", "12", SUBMITTED, 2, "/nowhere")
DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
NO_DATABASE = "sacct: error: Problem talking to the database: Connection refused\n"


@pytest.fixture
def fake(tmp_path: Path) -> FakeSlurm:
    return FakeSlurm(tmp_path / "bin")


@pytest.fixture
def slurm(fake: FakeSlurm) -> SlurmScheduler:
    return SlurmScheduler(SlurmSettings(timeout=10), fake.environ)


def queued(
    index: object, word: str, status: int = 0, name: str = "tok", when: str = "2026-11-21T00:41:08"
) -> str:
    return f"12|{index}|{name}|{word}|{status}|{when}|n1|N/A|N/A|None|\n"


def accounted(
    index: object,
    word: str,
    code: str = "0:0",
    name: str = "tok",
    when: str = "2026-11-21T00:41:08",
) -> str:
    return f"12_{index}|{name}|{word}|{code}|{when}|5||n1|None\n"


def second(slurm: SlurmScheduler, job: JobRef) -> JobStatus:
    """What is said of the second element."""
    return slurm.poll([job]).statuses([job])["tok", 1]


def look(slurm: SlurmScheduler) -> tuple[JobStatus, JobStatus]:
    statuses = slurm.poll([JOB]).statuses([JOB])
    assert set(statuses) == {("tok", 0), ("tok", 1)}
    return statuses["tok", 0], statuses["tok", 1]


def states(slurm: SlurmScheduler) -> list[JobState]:
    seen = look(slurm)
    assert isinstance(seen[0], Known) and isinstance(seen[1], Known)
    return [seen[0].state, seen[1].state]


def test_what_lives_needs_no_sacct(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", queued(0, "RUNNING") + queued(1, "PENDING"))
    assert states(slurm) == [JobState.RUNNING, JobState.PENDING]
    assert len(fake.calls("squeue")) == 1
    assert fake.calls("sacct") == []


def test_what_has_left_the_queue_is_in_sacct(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", queued(1, "RUNNING"))
    fake.says("sacct", accounted(0, "OUT_OF_MEMORY", "0:125") + accounted(1, "RUNNING"))
    assert states(slurm) == [JobState.OUT_OF_MEMORY, JobState.RUNNING]
    (call,) = fake.calls("sacct")
    assert "--jobs=12" in call


def test_sacct_may_lag_behind_the_end(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", queued(0, "COMPLETED") + queued(1, "FAILED", 7 << 8))
    fake.says("sacct", accounted(0, "RUNNING") + accounted("[1]", "PENDING"))
    good, bad = look(slurm)
    assert isinstance(good, Known) and isinstance(bad, Known)
    assert (good.state, good.exit_code) == (JobState.COMPLETED, 0)
    assert (bad.state, bad.exit_code) == (JobState.FAILED, 7)


def test_sacct_alone_cannot_say_that_a_job_lives(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    """A database that lost the end says RUNNING for ever."""
    fake.says("sacct", accounted(0, "RUNNING") + accounted(1, "COMPLETED"))
    assert look(slurm)[0] == Missing()
    assert isinstance(look(slurm)[1], Known)


def test_an_element_s_own_row_counts_more_than_one_for_the_rest(
    slurm: SlurmScheduler, fake: FakeSlurm
) -> None:
    fake.says("sacct", accounted(0, "COMPLETED") + accounted("[0-1%1]", "CANCELLED by 0"))
    assert states(slurm) == [JobState.COMPLETED, JobState.CANCELLED]


def test_a_cancelled_remainder_without_indices(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", queued("N/A", "CANCELLED") + queued(0, "COMPLETED"))
    fake.says("sacct", stderr=NO_DATABASE, code=1)
    assert states(slurm) == [JobState.COMPLETED, JobState.CANCELLED]


def test_cancelled_before_the_start_without_any_row(
    slurm: SlurmScheduler, fake: FakeSlurm, tmp_path: Path
) -> None:
    """It is told from a task that has ended and is forgotten by the log that this one has."""
    fake.says("squeue", queued(0, "RUNNING"))
    fake.says("sacct", accounted(0, "RUNNING"))
    job = replace(JOB, folder=str(tmp_path))
    assert second(slurm, job) == Missing(withdrawn=True)
    only = replace(job, indices=(1,))
    assert second(slurm, only) == Missing(withdrawn=True), "others are known"
    (tmp_path / "array_tok_1.log").touch()
    assert second(slurm, job) == Missing()
    fake.says("squeue")
    fake.says("sacct")
    assert second(slurm, job) == Missing(), "nothing is known of the whole array"


@pytest.mark.parametrize(
    "error", [NO_DATABASE, "Slurm accounting storage is disabled\n", "anything else"]
)
def test_without_accounting(slurm: SlurmScheduler, fake: FakeSlurm, error: str) -> None:
    fake.says("sacct", stderr=error, code=1)
    fake.says("squeue", queued(0, "TIMEOUT", 15))
    statuses = look(slurm)
    assert isinstance(statuses[0], Known) and statuses[0].state is JobState.TIMEOUT
    assert isinstance(statuses[1], Missing)


def test_without_controller_only_ends_are_known(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", stderr=DOWN, code=1)
    fake.says("sacct", accounted(0, "COMPLETED") + accounted(1, "RUNNING"))
    ended, other = look(slurm)
    assert isinstance(ended, Known) and ended.state is JobState.COMPLETED
    assert isinstance(other, Unavailable)
    assert "Unable to contact" in other.reason


def test_without_any_answer_nothing_follows(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", stderr=DOWN, code=1)
    fake.says("sacct", stderr=NO_DATABASE, code=1)
    assert all(isinstance(status, Unavailable) for status in look(slurm))


def test_an_unreadable_answer_is_none(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", "12|0|tok|RUNN\n")
    assert all(isinstance(status, Unavailable) for status in look(slurm))


def test_a_command_that_hangs_is_no_answer(fake: FakeSlurm) -> None:
    slurm = SlurmScheduler(SlurmSettings(timeout=0.3), fake.environ)
    (fake.folder / "squeue").write_text("#!/bin/bash\nsleep 20\n")
    (fake.folder / "sbatch").write_text("#!/bin/bash\nsleep 20\n")
    (fake.folder / "scancel").write_text("#!/bin/bash\nsleep 20\n")
    assert all(isinstance(status, Unavailable) for status in look(slurm))
    for indices in (None, [1]):
        with pytest.raises(SchedulerUnavailable):
            slurm.cancel(JOB, indices)
    with pytest.raises(SubmitUnknown):
        slurm.submit(batch(fake.folder))


def test_a_command_that_is_not_there_is_no_answer(fake: FakeSlurm) -> None:
    slurm = SlurmScheduler(SlurmSettings(), {**fake.environ, "PATH": str(fake.folder / "none")})
    assert all(isinstance(status, Unavailable) for status in look(slurm))
    with pytest.raises(SubmitRefused) as caught:
        slurm.submit(batch(fake.folder))
    assert caught.value.transient


def test_a_strange_word_is_neither_success_nor_failure(
    slurm: SlurmScheduler, fake: FakeSlurm
) -> None:
    fake.says("squeue", queued(0, "VAPORISED"))
    fake.says("sacct", accounted(1, "EVAPORATED"))
    assert states(slurm) == [JobState.UNKNOWN, JobState.UNKNOWN]


@pytest.mark.parametrize("change", [{"name": "other"}, {"when": "2017-05-01T10:00:00"}])
def test_an_id_used_again_is_another_job(
    slurm: SlurmScheduler, fake: FakeSlurm, change: dict[str, str]
) -> None:
    fake.says("squeue", queued(0, "RUNNING", **change))
    fake.says("sacct", accounted(0, "COMPLETED", **change) + accounted(1, "FAILED", **change))
    assert look(slurm) == (Missing(), Missing())


def test_the_last_of_several_runs_counts(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    rows = accounted(0, "COMPLETED", when="2017-05-01T10:00:00")
    rows += accounted(0, "REQUEUED") + accounted(0, "FAILED", "1:0")
    fake.says("sacct", rows + accounted(1, "COMPLETED"))
    assert states(slurm) == [JobState.FAILED, JobState.COMPLETED]


def asked_of(fake: FakeSlurm) -> list[list[int]]:
    """Job ids of each sacct call."""
    return [
        [int(number.partition("_")[0]) for number in word.removeprefix("--jobs=").split(",")]
        for call in fake.calls("sacct")
        for word in call
        if word.startswith("--jobs=")
    ]


MANY = [JobRef(f"tok{i}", str(100 + i), SUBMITTED, 1, "/nowhere") for i in range(250)]


def test_one_call_of_each_command_whatever_the_number_of_jobs(
    slurm: SlurmScheduler, fake: FakeSlurm
) -> None:
    statuses = slurm.poll(MANY).statuses(MANY)
    assert len(fake.calls("squeue")) == 1
    (asked,) = asked_of(fake)
    assert len(asked) == len(set(asked)) == 100
    # the others were not asked about: nothing is said of them
    assert statuses == {(f"tok{number - 100}", 0): Missing() for number in asked}


def test_by_lot_every_job_has_its_turn_soon(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    for _ in range(20):
        slurm.poll(MANY).statuses(MANY)
    assert {number for call in asked_of(fake) for number in call} == set(range(100, 350))


def test_what_squeue_has_forgotten_is_asked_about_first(
    slurm: SlurmScheduler, fake: FakeSlurm
) -> None:
    when = "2026-11-21T00:41:08"
    rows = [
        f"{100 + i}|0|tok{i}|COMPLETED|0|{when}|n1|N/A|N/A|None|\n"
        for i in range(250)
        if i % 50 != 7
    ]
    fake.says("squeue", "".join(rows))
    statuses = slurm.poll(MANY).statuses(MANY)
    assert len(statuses) == 250, "what squeue shows as ended needs no sacct"
    (asked,) = asked_of(fake)
    assert len(asked) == 100 and {107, 157, 207, 257, 307} <= set(asked)


def test_without_accounting_squeue_s_silence_counts_for_all(
    slurm: SlurmScheduler, fake: FakeSlurm
) -> None:
    fake.says("sacct", stderr=NO_DATABASE, code=1)
    assert slurm.poll(MANY).statuses(MANY) == {(job.token, 0): Missing() for job in MANY}
    assert len(fake.calls("sacct")) == 1


def test_elements_that_ended_long_ago_are_not_asked_about(
    slurm: SlurmScheduler, fake: FakeSlurm
) -> None:
    fake.says("squeue", queued(1, "RUNNING"))
    job = JobRef("tok", "12", SUBMITTED, 2, "/nowhere", indices=(1,))
    assert set(slurm.poll([job]).statuses([job])) == {("tok", 1)}
    assert fake.calls("sacct") == []


def test_rows_of_some_say_nothing_of_the_others(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    """squeue may be empty while accounting has heard of a part of the ends, and all of those are
    good: the others have not ended well because of it."""
    fake.says("sacct", accounted(0, "COMPLETED"))
    good, other = look(slurm)
    assert isinstance(good, Known) and good.state is JobState.COMPLETED
    assert isinstance(other, Missing)


def test_a_look_leaves_nothing_out_and_trusts_no_json(
    slurm: SlurmScheduler, fake: FakeSlurm
) -> None:
    """A job may be moved to another partition; JSON differs between the versions of Slurm, and
    that of 22.05 calls every exit code 0. One unknown id makes `squeue --jobs` fail."""
    fake.says("squeue", queued(1, "RUNNING"))
    look(slurm)
    slurm.find_jobs({"other": SUBMITTED})
    (queue, again), (books, found) = fake.calls("squeue"), fake.calls("sacct")
    words = {word.partition("=")[0] for word in [*queue, *again, *books, *found]}
    assert not words & {"-p", "--partition", "-r", "--json", "--yaml", "-q", "--qos", "-A"}
    assert "--states=all" in queue and "-j" not in queue and "--jobs" not in queue


def test_of_few_ends_no_more_is_asked_than_is_wanted(
    slurm: SlurmScheduler, fake: FakeSlurm
) -> None:
    """Not about the thousand others of the array."""
    fake.says("squeue", queued(0, "COMPLETED") + queued(1, "RUNNING") + queued("2-999", "PENDING"))
    slurm.poll([replace(JOB, size=1000)]).statuses([replace(JOB, size=1000)])
    assert [word for word in fake.calls("sacct")[0] if "jobs" in word] == ["--jobs=12_0"]
    fake.says("squeue", queued("0-199", "CANCELLED") + queued("200-999", "PENDING"))
    slurm.poll([replace(JOB, size=1000)]).statuses([replace(JOB, size=1000)])
    assert [word for word in fake.calls("sacct")[1] if "jobs" in word] == ["--jobs=12"]


def test_what_has_changed_is_told_by_the_rows(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    job = replace(JOB, size=10)

    def look(*rows: str) -> Snapshot:
        fake.says("squeue", "".join(rows))
        return slurm.poll([job])

    ended, running, waiting = queued(0, "COMPLETED"), queued(1, "RUNNING"), queued("2-9", "PENDING")
    mark = look(ended, running, waiting).signature(job)
    assert look(waiting, running, ended).changed(job, mark) == (), "their order does not matter"
    assert look(ended, queued("1-2", "RUNNING"), queued("3-9%5", "PENDING")).changed(job, mark) == [
        2
    ]
    assert look(ended, queued(1, "FAILED", 256), waiting).changed(job, mark) == [1]
    assert look(running, waiting).changed(job, mark) == (), "what had ended is forgotten"
    assert look(ended, waiting).changed(job, mark) == [1]
    assert look(running, waiting, queued(1, "RUNNING", name="other")).changed(job, mark) == []
    assert look(running, waiting, queued(0, "PENDING")).changed(job, mark) == [0]
    for rows in ((), (ended,), (running, queued("N/A", "PENDING"))):
        assert look(*rows).changed(job, mark) is None, "all must be looked at"
    assert look(running).changed(job, "") is None
    fake.says("squeue", stderr=DOWN, code=1)
    silent = slurm.poll([job])
    assert silent.signature(job) == "" and silent.changed(job, mark) is None


def test_nothing_is_asked_without_jobs(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    """An empty list of ids would make sacct tell of other people's jobs."""
    assert slurm.poll([]).statuses([]) == {}
    assert fake.calls("squeue") == fake.calls("sacct") == []


def test_find_asks_sacct_where_squeue_has_forgotten(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("sacct", accounted(0, "COMPLETED") + accounted(1, "COMPLETED"))
    assert slurm.find_jobs({"tok": SUBMITTED})["tok"] == "12"
    (call,) = fake.calls("sacct")
    assert "--name=tok" in call
    assert "--starttime=2026-11-21T00:36:10" in call


def test_many_are_found_at_the_price_of_one(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", queued(0, "RUNNING"))
    fake.says("sacct", accounted(0, "COMPLETED", name="gone").replace("12_", "9_"))
    since = dict.fromkeys(["tok", "gone", "never"], SUBMITTED)
    assert slurm.find_jobs(since) == {"tok": "12", "gone": "9", "never": Missing()}
    assert len(fake.calls("squeue")) == 1
    (call,) = fake.calls("sacct")
    assert "--name=gone,never" in call
    assert slurm.find_jobs({}) == {}
    assert len(fake.calls("squeue")) == 1


def test_find_takes_no_older_job(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", queued(0, "RUNNING", when="2026-11-21T00:30:00"))
    assert slurm.find_jobs({"tok": SUBMITTED})["tok"] == Missing()


@pytest.mark.parametrize(
    ("squeue_up", "sacct_up", "answer"),
    [
        (True, True, Missing),
        (True, False, Missing),
        (False, True, Unavailable),
        (False, False, Unavailable),
    ],
)
def test_find_says_missing_only_with_squeue_s_word(
    slurm: SlurmScheduler, fake: FakeSlurm, squeue_up: bool, sacct_up: bool, answer: type
) -> None:
    if not squeue_up:
        fake.says("squeue", stderr=DOWN, code=1)
    if not sacct_up:
        fake.says("sacct", stderr=NO_DATABASE, code=1)
    assert isinstance(slurm.find_jobs({"tok": SUBMITTED})["tok"], answer)


def test_cancel_names_job_and_elements(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    job = JobRef("tok", "12", SUBMITTED, 9, "/nowhere")
    fake.says("squeue", queued(1, "PENDING"))
    slurm.cancel(job)
    slurm.cancel(job, [7, 1, 2, 3])
    slurm.cancel(job, [])
    assert fake.calls("scancel") == [["--me", "--name=tok", "12"], ["12_[1-3,7]"]]


def test_cancel_of_elements_leaves_other_jobs_alone(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("squeue", queued(1, "PENDING", name="other"))
    slurm.cancel(JOB, [1])
    fake.says("squeue", stderr=DOWN, code=1)
    with pytest.raises(SchedulerUnavailable):
        slurm.cancel(JOB, [1])
    assert fake.calls("scancel") == []


def test_cancel_of_a_job_that_is_gone_is_fine(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    error = "scancel: error: Kill job error on job id 12: Invalid job id specified\n"
    fake.says("scancel", stderr=error, code=1)
    slurm.cancel(JOB)
    fake.says("scancel", stderr=DOWN, code=8)
    with pytest.raises(SchedulerUnavailable):
        slurm.cancel(JOB)


def batch(folder: Path) -> Batch:
    return Batch(
        token="tok",
        label="Crab20231207\ndl2",
        scripts=("/scripts/one.sh", "/scripts/two.sh"),
        logs=(str(folder / "logs" / "one.log"), str(folder / "logs" / "two.log")),
        tokens=("tok.0", "tok.1"),
        resources=Resources(cpus=2, memory_mb=16000, time_min=240),
        folder=str(folder / "batch 100%"),
        throttle=5,
        exclude=("cp07", "cp08"),
    )


def test_the_command_line_of_sbatch(fake: FakeSlurm) -> None:
    settings = SlurmSettings(
        partition="short",
        account="lst",
        qos="fast",
        constraint="big",
        options=("--nice=100", "--gres=lustre:1"),
    )
    fake.says("sbatch", "77;astran\n")
    job = batch(fake.folder)
    assert SlurmScheduler(settings, fake.environ).submit(job) == "77"
    (call,) = fake.calls("sbatch")
    double = job.folder.replace("%", "%%")
    assert call == [
        "--parsable",
        "--job-name=tok",
        "--comment=Crab20231207 dl2",
        "--array=0-1%5",
        "--no-requeue",
        "--export=NONE",
        f"--chdir={job.folder}",
        f"--output={double}/array_tok_%a.log",
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=2",
        "--mem=16000M",
        "--time=240",
        "--partition=short",
        "--account=lst",
        "--qos=fast",
        "--constraint=big",
        "--exclude=cp07,cp08",
        "--nice=100",
        "--gres=lustre:1",
        f"{job.folder}/array_tok.sh",
    ]
    manifest = (Path(job.folder) / "array_tok.tsv").read_text().splitlines()
    assert manifest[1] == f"1\t/scripts/two.sh\t{job.logs[1]}\ttok.1"


def test_senders_may_be_treated_differently(fake: FakeSlurm) -> None:
    """What a sender's own entry leaves out is the site's; a domain stands for all its senders."""
    users = {
        "Shifter@institute.example": {"qos": "fast", "reservation": "night", "account": "shift"},
        "@guests.example": {"partition": "guests", "constraint": "old"},
    }
    settings = SlurmSettings.model_validate(
        {"partition": "short", "account": "lst", "reservation": "lst", "users": users}
    )
    fake.says("sbatch", "77\n")
    slurm = SlurmScheduler(settings, fake.environ)
    for sender in ("shifter@Institute.example", "a@guests.example", "b@else.example", ""):
        slurm.submit(replace(batch(fake.folder), requester=sender))
    slurm.submit(replace(batch(fake.folder), requester="shifter@institute.example", account="mine"))
    ours = ("--partition", "--account", "--qos", "--constraint", "--reservation")
    said = [
        [word for word in call if word.partition("=")[0] in ours] for call in fake.calls("sbatch")
    ]
    site = ["--partition=short", "--account=lst", "--reservation=lst"]
    assert said == [
        ["--partition=short", "--account=shift", "--qos=fast", "--reservation=night"],
        ["--partition=guests", "--account=lst", "--constraint=old", "--reservation=lst"],
        site,
        site,
        ["--partition=short", "--account=mine", "--qos=fast", "--reservation=night"],
    ]
    with pytest.raises(ValidationError, match="neither a mail address"):
        SlurmSettings.model_validate({"users": {"shifter": {}}})


@pytest.mark.parametrize(
    "option",
    [
        "--array=1-9",
        "-Jname",
        "--output=x",
        "--export=ALL",
        "--dependency=afterok:1",
        "--depend=afterok:1",
        "--job=mine",
        "--out=elsewhere",
        "--uid=1000",
        "-M",
        "--wait",
    ],
)
def test_options_that_would_lose_a_job_from_sight_are_refused(option: str) -> None:
    with pytest.raises(ValidationError, match=r"ASTRAN|jobs"):
        SlurmSettings(options=(option,))
    fine = ("--nice=5", "--exclusive", "--wait-all-nodes=1", "--constraint=a")
    assert SlurmSettings(options=fine).options == fine


def test_the_array_limit_is_asked_once(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("scontrol", "Configuration data as of now\nMaxArraySize            = 301\n")
    assert slurm.max_batch == 301
    assert slurm.max_batch == 301
    assert len(fake.calls("scontrol")) == 1


def test_the_array_limit_of_a_silent_cluster(slurm: SlurmScheduler, fake: FakeSlurm) -> None:
    fake.says("scontrol", stderr=DOWN, code=1)
    assert slurm.max_batch == 1001


@pytest.mark.parametrize(("timeout", "age_s"), [(0.5, 90), (60, 90), (600, 900)])
def test_no_submission_is_looked_up_while_sbatch_may_still_answer(
    timeout: float, age_s: float
) -> None:
    scheduler = SlurmScheduler(SlurmSettings(timeout=timeout))
    assert scheduler.unconfirmed_age.total_seconds() == age_s
