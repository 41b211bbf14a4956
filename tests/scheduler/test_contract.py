"""What every scheduler must do: the same tests on the local pool, on real Slurm clusters and on the
fake one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.condor.pool import FakePool
from fakes.slurm.cluster import FakeCluster
from scheduler.benches import Bench, condor_bench, gone, local_bench, slurm_bench, state_of

from astran.base.errors import SubmitRefused
from astran.base.scheduler import JobRef, JobState, Known, Missing
from astran.base.tasks import Resources
from astran.config.slurm import SlurmSettings
from astran.scheduler.slurm.controller import SlurmScheduler

FAKES: dict[str, dict[str, object]] = {
    "fake-slurm": {"version": "22.05"},
    "fake-slurm-without-accounting": {"version": "24.11", "accounting": False},
}
KINDS = ["local", "slurm", "slurm-without-accounting", "htcondor", "fake-htcondor", *FAKES]


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "local":
        made = local_bench(tmp_path)
    elif request.param == "htcondor":
        made = condor_bench(request.getfixturevalue("condor_pool"), tmp_path)
    elif request.param == "fake-htcondor":
        made = condor_bench(FakePool(tmp_path / "pool"), tmp_path)
    elif request.param in FAKES:
        made = slurm_bench(FakeCluster(tmp_path / "cluster", **FAKES[request.param]), tmp_path)
    else:
        fixture = "slurm_cluster" if request.param == "slurm" else "slurm_without_accounting"
        made = slurm_bench(request.getfixturevalue(fixture), tmp_path)
    yield made
    made.close()


def test_from_submission_to_end(bench: Bench) -> None:
    """Logs, tokens, exit codes and signals belong to the right elements."""
    batch = bench.batch(
        'echo "I am $ASTRAN_TOKEN"; sleep 1',
        'echo "I am $ASTRAN_TOKEN"; echo trouble >&2; exit 7',
        'echo "I am $ASTRAN_TOKEN"; kill -SEGV $$',
    )
    job = bench.submit(batch)
    statuses = bench.ended(job)
    states = [state_of(statuses[i]) for i in range(3)]
    assert states == [JobState.COMPLETED, JobState.FAILED, JobState.FAILED]
    good, bad, crashed = (statuses[i] for i in range(3))
    assert isinstance(good, Known) and isinstance(bad, Known) and isinstance(crashed, Known)
    assert (good.exit_code, good.signal) == (0, None)
    assert (bad.exit_code, bad.signal) == (7, None)
    assert (crashed.exit_code, crashed.signal) == (0, 11)
    assert good.node and good.elapsed_s is not None
    for index, log in enumerate(batch.logs):
        text = Path(log).read_text()
        assert f"I am {batch.tokens[index]}\n" in text
        assert ("trouble" in text) == (index == 1)


def test_is_seen_running_before_its_end(bench: Bench) -> None:
    go_on = bench.folder / "go-on"
    job = bench.submit(bench.batch(f'until [ -e "{go_on}" ]; do sleep 0.1; done'))
    assert state_of(bench.look(job)[0]) in (JobState.PENDING, JobState.RUNNING)
    bench.until_all(job, JobState.RUNNING)
    go_on.touch()
    bench.until_all(job, JobState.COMPLETED)


def test_is_found_by_its_token(bench: Bench) -> None:
    before = datetime.now(UTC)
    batch = bench.batch("sleep 60")
    job = bench.submit(batch)
    assert bench.find(batch.token, before) == job.job_id
    bench.scheduler.cancel(job)
    bench.until(job, "cancelled", lambda s: gone(s[0]))
    assert bench.find(batch.token, before) == job.job_id


def test_an_unknown_token_is_missing(bench: Bench) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    assert bench.find("astran-never-submitted", since) == Missing()
    stranger = JobRef("astran-never-submitted", "987654", since, 2, str(bench.folder))
    assert bench.look(stranger) == {0: Missing(), 1: Missing()}


def test_nothing_asked_nothing_answered(bench: Bench) -> None:
    assert bench.scheduler.poll([]).statuses([]) == {}


def test_many_jobs_at_one_look(bench: Bench) -> None:
    batches = [bench.batch("exit 0", "exit 1"), bench.batch("exit 2")]
    jobs = [bench.submit(batch) for batch in batches]
    for job in jobs:
        bench.ended(job)
    statuses = bench.scheduler.poll(jobs).statuses(jobs)
    codes = {key: status.exit_code for key, status in statuses.items() if isinstance(status, Known)}
    first, second = jobs
    assert codes == {(first.token, 0): 0, (first.token, 1): 1, (second.token, 0): 2}


def test_an_unknown_job_does_not_hide_the_others(bench: Bench) -> None:
    job = bench.submit(bench.batch("exit 4"))
    bench.ended(job)
    unknown = JobRef("astran-never-submitted", "987654", job.submitted, 1, str(bench.folder))
    statuses = bench.scheduler.poll([unknown, job]).statuses([unknown, job])
    known = statuses[job.token, 0]
    assert statuses[unknown.token, 0] == Missing()
    assert isinstance(known, Known) and known.exit_code == 4
    bench.scheduler.cancel(unknown)


def test_one_element_is_cancelled(bench: Bench) -> None:
    job = bench.submit(bench.batch("sleep 3", "sleep 100"))
    bench.until_all(job, JobState.RUNNING)
    bench.scheduler.cancel(job, [1])
    statuses = bench.ended(job)
    assert [state_of(statuses[i]) for i in range(2)] == [JobState.COMPLETED, JobState.CANCELLED]
    bench.scheduler.cancel(job, [1])  # once more does no harm
    bench.scheduler.cancel(job, [])


def test_all_elements_are_cancelled(bench: Bench) -> None:
    """Running ones end with all that they started; waiting ones never start."""
    child = bench.folder / "child"
    body = f'touch "$0.began"; (while :; do date +%s%N > "{child}"; sleep 0.1; done) & wait'
    job = bench.submit(bench.batch(body, body, body, throttle=1))
    bench.until(job, "one running", lambda s: JobState.RUNNING in map(state_of, s.values()))
    bench.until(job, "its child at work", lambda _: child.exists())
    bench.scheduler.cancel(job)
    bench.until(job, "all cancelled", lambda s: all(map(gone, s.values())))
    last = child.read_text()
    time.sleep(1)
    assert child.read_text() == last
    assert len(list(bench.folder.glob("**/*.began"))) == 1


def test_a_job_that_has_ended_can_be_cancelled_in_vain(bench: Bench) -> None:
    job = bench.submit(bench.batch("exit 0"))
    bench.ended(job)
    bench.scheduler.cancel(job)
    assert state_of(bench.look(job)[0]) is JobState.COMPLETED


def test_the_time_limit_ends_a_task(bench: Bench) -> None:
    if bench.pool is not None:
        bench.scheduler = condor_bench(bench.pool, bench.folder, minute_s=2.0).scheduler
    elif bench.cluster is None:
        bench.scheduler = local_bench(bench.folder, minute_s=1.0).scheduler
    batch = bench.batch("echo begin; sleep 300", resources=Resources(1, 100, 1))
    job = bench.submit(batch)
    bench.until_all(job, JobState.RUNNING)
    if bench.cluster is not None:
        # Slurm's limits are whole minutes, looked at every half minute
        job_id = f"{job.job_id}_0"
        bench.cluster.run("scontrol", "update", f"jobid={job_id}", "EndTime=now+1")
    bench.until_all(job, JobState.TIMEOUT, patience=90)
    text = Path(batch.logs[0]).read_text()
    assert text.startswith("begin\n")
    assert re.search("time limit", text, re.IGNORECASE), "the log does not tell why it ends"


def test_no_more_at_once_than_throttled(bench: Bench) -> None:
    marks = bench.folder / "marks"
    marks.mkdir()
    body = f'echo "+ $(date +%s%N)" > "{marks}/$ASTRAN_TOKEN"; sleep 0.7; '
    body += f'echo "- $(date +%s%N)" >> "{marks}/$ASTRAN_TOKEN"'
    job = bench.submit(bench.batch(body, body, body, throttle=1))
    bench.ended(job)
    assert most_at_once(marks) == 1


def most_at_once(marks: Path) -> int:
    """From files with `+ time` and `- time` of each element."""
    moments = []
    for mark in marks.iterdir():
        for line in mark.read_text().splitlines():
            sign, moment = line.split()
            moments.append((int(moment), 1 if sign == "+" else -1))
    alive = most = 0
    for _, step in sorted(moments):
        alive += step
        most = max(most, alive)
    return most


def test_secrets_stay_here(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAN_IMAP_PASSWORD", "open-sesame")
    monkeypatch.setenv("SBATCH_EXPORT", "ALL")
    if bench.pool is not None:
        bench.scheduler = condor_bench(bench.pool, bench.folder).scheduler
    if bench.cluster is not None:
        bench.scheduler = slurm_bench(bench.cluster, bench.folder).scheduler
    batch = bench.batch("env")
    bench.ended(bench.submit(batch))
    text = Path(batch.logs[0]).read_text()
    assert f"ASTRAN_TOKEN={batch.tokens[0]}" in text
    assert "open-sesame" not in text


def test_the_environment_s_defaults_for_slurm_do_not_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crontab or an outer job may hold such variables."""
    for name, value in {
        "SBATCH_PARTITION": "nowhere",
        "SBATCH_ARRAY_INX": "5-6",
        "SQUEUE_FORMAT": "%i",
        "SQUEUE_STATES": "PENDING",
        "SACCT_FORMAT": "JobID",
        "SLURM_JOB_ID": "1",
        "SLURM_TIME_FORMAT": "relative",
    }.items():
        monkeypatch.setenv(name, value)
    if bench.cluster is not None:
        monkeypatch.setenv("SLURM_CONF", str(bench.cluster.conf))
        monkeypatch.setenv("PATH", bench.cluster.env["PATH"])
        bench.scheduler = SlurmScheduler(SlurmSettings())
    job = bench.submit(bench.batch("exit 4"))
    status = bench.ended(job)[0]
    assert isinstance(status, Known) and status.exit_code == 4


def test_paths_with_blanks_and_signs(bench: Bench) -> None:
    bench.folder = bench.folder / "a b %j $HOME 'c'"
    batch = bench.batch("pwd")
    bench.ended(bench.submit(batch))
    assert Path(batch.logs[0]).read_text().strip() == batch.folder


@pytest.mark.parametrize("token", ["", "a b", "a/b", "a,b", "-x", "x" * 300])
def test_bad_tokens_are_refused(bench: Bench, token: str) -> None:
    good = bench.batch("true")
    with pytest.raises(ValueError, match="token"):
        bench.scheduler.submit(replace(good, token=token))


def test_a_folder_that_cannot_be_written_is_a_refusal(bench: Bench) -> None:
    blocked = bench.folder / "blocked"
    blocked.write_text("a file where a folder is wanted")
    batch = replace(bench.batch("true"), folder=str(blocked / "batch"))
    with pytest.raises(SubmitRefused):
        bench.scheduler.submit(batch)
    assert bench.find(batch.token, datetime.now(UTC)) == Missing()


def test_batches_may_be_large(bench: Bench) -> None:
    assert bench.scheduler.max_batch >= 1000


def test_held_elements_wait_until_they_are_released(bench: Bench) -> None:
    """Two elements, one at a time: the second waits."""
    job = bench.submit(bench.batch("sleep 3", "true", throttle=1))
    bench.scheduler.hold(job, [1])
    bench.until(job, "held", lambda s: state_of(s[1]) is JobState.HELD)
    statuses = bench.until(job, "ended", lambda s: state_of(s[0]) is JobState.COMPLETED)
    assert state_of(statuses[1]) is JobState.HELD
    bench.scheduler.hold(job, [0])  # has ended: nothing happens
    bench.scheduler.release(job, [1])
    bench.until_all(job, JobState.COMPLETED)
