"""The local pool: cores and memory, order, going on by itself, and every kind of sudden death."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import require
from scheduler.benches import Bench, local_bench, state_of
from scheduler.test_contract import most_at_once
from services.daemon import wait_until

from astran.base.clock import SystemClock
from astran.base.errors import SchedulerUnavailable, SubmitRefused
from astran.base.scheduler import JobRef, JobState, Known, Missing, Unavailable
from astran.base.tasks import Resources
from astran.config.site import LocalSettings
from astran.scheduler.local import pool as local_pool
from astran.scheduler.local.controller import LocalScheduler
from astran.scheduler.local.job_files import JobFolder, pool_lock
from astran.scheduler.local.machine import usable_cores, usable_memory_mb
from astran.scheduler.local.processes import with_token


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = local_bench(tmp_path)
    yield made
    made.close()


def folder_of(bench: Bench, job: JobRef) -> JobFolder:
    return JobFolder(bench.folder / "pool" / "jobs" / job.job_id)


def wrapper_of(bench: Bench, job: JobRef, index: int = 0) -> int:
    """Process id of the wrapper, once it has started."""
    folder = folder_of(bench, job)
    wait_until("the wrapper has started", lambda: folder.read_start(index), timeout=20)
    start = folder.read_start(index)
    assert start is not None
    return start.pid


def marking(marks: Path, seconds: float) -> str:
    return (
        f'echo "+ $(date +%s%N)" > "{marks}/$ASTRAN_TOKEN"; sleep {seconds}; '
        f'echo "- $(date +%s%N)" >> "{marks}/$ASTRAN_TOKEN"'
    )


# cores, memory, order


@pytest.mark.parametrize(
    ("cores", "memory_mb", "resources", "most"),
    [
        (3, 4000, Resources(1, 100, 5), 3),
        (4, 4000, Resources(2, 100, 5), 2),
        (4, 1000, Resources(1, 400, 5), 2),
        (2, 1000, Resources(16, 64000, 5), 1),
    ],
    ids=["cores", "cores per task", "memory", "larger than the machine"],
)
def test_no_more_than_fits_runs_at_once(
    tmp_path: Path, cores: int, memory_mb: int, resources: Resources, most: int
) -> None:
    bench = local_bench(tmp_path, cores=cores, memory_mb=memory_mb)
    marks = tmp_path / "marks"
    marks.mkdir()
    job = bench.submit(bench.batch(*[marking(marks, 0.8)] * 4, resources=resources))
    bench.until_all(job, JobState.COMPLETED)
    assert most_at_once(marks) == most


def test_what_waits_says_why(tmp_path: Path) -> None:
    bench = local_bench(tmp_path, cores=1)
    first = bench.submit(bench.batch("sleep 30"))
    second = bench.submit(bench.batch("true"))
    status = bench.look(second)[0]
    assert isinstance(status, Known)
    assert (status.state, status.reason) == (JobState.PENDING, "Resources")
    bench.scheduler.cancel(second)
    assert state_of(bench.look(second)[0]) is JobState.CANCELLED
    bench.scheduler.cancel(first)
    bench.until_all(first, JobState.CANCELLED)


def test_a_large_task_is_not_overtaken_for_ever(tmp_path: Path) -> None:
    bench = local_bench(tmp_path, cores=2)
    marks = tmp_path / "marks"
    marks.mkdir()
    jobs = [
        bench.submit(bench.batch(marking(marks, seconds), resources=Resources(cpus, 100, 5)))
        for cpus, seconds in ((1, 0.6), (2, 0.1), (1, 0.1))
    ]
    for job in jobs:
        bench.until_all(job, JobState.COMPLETED)
    begins = [int((marks / f"{job.token}.0").read_text().split()[1]) for job in jobs]
    assert begins == sorted(begins)


def test_the_next_task_starts_without_anybody_s_look(tmp_path: Path) -> None:
    bench = local_bench(tmp_path, cores=1)
    job = bench.submit(bench.batch("sleep 0.2", "sleep 0.2", "sleep 0.2"))
    folder = folder_of(bench, job)
    wait_until(
        "all have ended", lambda: all(folder.read_end(i) for i in range(3)), timeout=20, every=0.2
    )


def test_the_machine_is_the_measure_where_nothing_is_set(tmp_path: Path) -> None:
    scheduler = LocalScheduler(tmp_path / "pool", LocalSettings(), SystemClock())
    assert scheduler.capacity.cores == usable_cores() >= 1
    assert scheduler.capacity.memory_mb == usable_memory_mb()
    assert 100 < usable_memory_mb() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def test_libraries_are_told_how_many_cores_they_have(bench: Bench) -> None:
    batch = bench.batch('echo "threads $OMP_NUM_THREADS"', resources=Resources(2, 100, 5))
    bench.until_all(bench.submit(batch), JobState.COMPLETED)
    assert Path(batch.logs[0]).read_text() == "threads 2\n"


def test_memory_in_use_is_measured(bench: Bench) -> None:
    batch = bench.batch(f"exec {sys.executable} -c 'x = b\"1\" * 100_000_000'")
    status = bench.until_all(bench.submit(batch), JobState.COMPLETED)[0]
    assert isinstance(status, Known) and status.max_rss_mb is not None
    assert 100 < status.max_rss_mb < 400


def test_processor_time_is_recorded_with_that_of_children(bench: Bench) -> None:
    busy = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    job = bench.submit(bench.batch(f"{sys.executable} -c '{busy}'; true", "sleep 0.5"))
    bench.until_all(job, JobState.COMPLETED)
    hot, idle = (folder_of(bench, job).read_end(i) for i in range(2))
    assert hot is not None and hot.cpu_s is not None and 0.5 <= hot.cpu_s < 5
    assert idle is not None and idle.cpu_s is not None and idle.cpu_s < 0.5


def test_users_share_the_machine_and_start_only_their_own_tasks(tmp_path: Path) -> None:
    """What runs for another user takes its cores; what waits for another is left to that user."""
    require(os.geteuid() == 0, "the rights of root", "Run the tests as root to play two users.")
    bench = local_bench(tmp_path, cores=2)
    theirs = bench.submit(bench.batch("sleep 60"))
    bench.until_all(theirs, JobState.RUNNING)
    ours = bench.submit(bench.batch("sleep 60", "sleep 60"))
    waiting = bench.submit(bench.batch("true"))
    nobody = 65534
    for job in (theirs, waiting):
        os.chown(folder_of(bench, job).path, nobody, nobody)
    states = [state_of(status) for status in bench.look(ours).values()]
    assert sorted(filter(None, states)) == [JobState.PENDING, JobState.RUNNING]
    bench.scheduler.cancel(ours)
    bench.until_all(ours, JobState.CANCELLED)
    assert state_of(bench.look(waiting)[0]) is JobState.PENDING, "there is room, but it is not ours"
    for job in (theirs, waiting):
        os.chown(folder_of(bench, job).path, 0, 0)
    bench.until_all(waiting, JobState.COMPLETED)
    bench.close()


# submission


def test_the_same_token_is_taken_once(bench: Bench) -> None:
    runs = bench.folder / "runs"
    batch = bench.batch(f'echo run >> "{runs}"; sleep 0.3')
    jobs = [bench.submit(batch) for _ in range(3)]
    bench.until_all(jobs[0], JobState.COMPLETED)
    bench.submit(batch)
    time.sleep(0.5)
    assert runs.read_text() == "run\n"


def test_a_log_that_cannot_be_written_is_a_failure(bench: Bench) -> None:
    blocked = bench.folder / "blocked"
    blocked.write_text("a file where a folder is wanted")
    batch = replace(bench.batch("true"), logs=(str(blocked / "log"),))
    status = bench.until_all(bench.submit(batch), JobState.FAILED)[0]
    assert isinstance(status, Known) and "could not be started" in status.reason


def test_a_wrapper_that_cannot_start_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = bench.folder / "python"
    broken.write_text("#!/bin/bash\necho no such interpreter >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    status = bench.until_all(bench.submit(bench.batch("true")), JobState.NODE_FAIL)[0]
    assert isinstance(status, Known) and "no such interpreter" in status.reason


def test_the_wrapper_is_light() -> None:
    """It is started for every task."""
    heavy = ("pydantic", "yaml", "jinja2", "sqlalchemy", "numpy", "asyncio", "email")
    module = "astran.scheduler.local.task_wrapper"
    code = f"import sys, {module}\nprint([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# sudden deaths


def test_the_wrapper_is_killed(bench: Bench) -> None:
    """Its task, which nobody watches any more, is ended and told as lost."""
    batch = bench.batch("sleep 300")
    job = bench.submit(batch)
    pid = wrapper_of(bench, job)
    wait_until("the task runs", lambda: list(with_token(batch.tokens[0])))
    os.kill(pid, signal.SIGKILL)
    status = bench.until_all(job, JobState.NODE_FAIL)[0]
    assert isinstance(status, Known) and "vanished" in status.reason
    assert list(with_token(batch.tokens[0])) == []


def test_the_task_is_killed(bench: Bench) -> None:
    """The wrapper tells so, and ends what the task had started."""
    batch = bench.batch("(trap '' TERM; sleep 300) & setsid sleep 300 & sleep 300")
    job = bench.submit(batch)
    wrapper_of(bench, job)
    wait_until("all run", lambda: len(list(with_token(batch.tokens[0]))) >= 4)
    script = batch.scripts[0].encode()
    (main,) = (
        pid
        for pid in with_token(batch.tokens[0])
        if script in Path(f"/proc/{pid}/cmdline").read_bytes() and os.getpgid(pid) == pid
    )
    os.kill(main, signal.SIGKILL)
    status = bench.until_all(job, JobState.FAILED)[0]
    assert isinstance(status, Known) and status.signal == signal.SIGKILL
    assert list(with_token(batch.tokens[0])) == []


def test_everything_is_killed_as_by_a_reboot(bench: Bench) -> None:
    batch = bench.batch("sleep 300", "sleep 300", "echo later")
    job = bench.submit(batch)
    pids = [wrapper_of(bench, job, index) for index in range(2)]
    for index, pid in enumerate(pids):
        wait_until("the task runs", lambda i=index: list(with_token(batch.tokens[i])))
        os.kill(pid, signal.SIGKILL)
        for task in with_token(batch.tokens[index]):
            os.kill(task, signal.SIGKILL)
    statuses = bench.until(job, "at rest", lambda s: state_of(s[2]) is JobState.COMPLETED)
    assert [state_of(statuses[i]) for i in range(2)] == [JobState.NODE_FAIL] * 2
    assert Path(batch.logs[2]).read_text() == "later\n"


def test_the_wrapper_is_asked_to_end(bench: Bench) -> None:
    """As on the shutdown of a machine."""
    job = bench.submit(bench.batch("sleep 300"))
    os.kill(wrapper_of(bench, job), signal.SIGTERM)
    status = bench.until_all(job, JobState.NODE_FAIL)[0]
    assert isinstance(status, Known) and "outside" in status.reason


def test_a_task_that_will_not_end_is_killed(bench: Bench) -> None:
    batch = bench.batch("trap 'echo not me' TERM; while :; do sleep 0.2; done")
    job = bench.submit(batch)
    bench.until(job, "its trap is set", lambda _: list(with_token(batch.tokens[0])))
    time.sleep(0.5)
    bench.scheduler.cancel(job)
    bench.until_all(job, JobState.CANCELLED, patience=30)
    assert "not me" in Path(batch.logs[0]).read_text()
    assert list(with_token(batch.tokens[0])) == []


def test_the_wrapper_is_frozen_and_the_element_is_not_run_twice(bench: Bench) -> None:
    runs = bench.folder / "runs"
    job = bench.submit(bench.batch(f'echo run >> "{runs}"; sleep 1'))
    pid = wrapper_of(bench, job)
    wait_until("it runs", runs.exists)
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(15):
            assert state_of(bench.look(job)[0]) is JobState.RUNNING
            time.sleep(0.1)
    finally:
        os.kill(pid, signal.SIGCONT)
    bench.until_all(job, JobState.COMPLETED)
    assert runs.read_text() == "run\n"


_TICK = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from astran.base.clock import SystemClock
from astran.base.scheduler import Batch, JobRef
from astran.base.tasks import Resources
from astran.config.site import LocalSettings
from astran.scheduler.local.controller import LocalScheduler

here, token, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
pool = LocalScheduler(here / "pool", LocalSettings(cores=3, memory_mb=4000), SystemClock())
(here / "ready").write_text("")
pool.submit(Batch(
    token=token, label="random", scripts=(str(here / "script.sh"),) * size,
    logs=tuple(str(here / "logs" / f"{token}.{i}") for i in range(size)),
    tokens=tuple(f"{token}.{i}" for i in range(size)),
    resources=Resources(1, 100, 5), folder=str(here / "batch"),
))
while True:
    jobs = [JobRef(token, token, datetime.now(UTC), size, "")]
    pool.poll(jobs).statuses(jobs)
"""

_ALONE = """
# fails if another run of the same element is under way; the kernel drops the lock with us
exec 9> "{here}/alone.$ASTRAN_TOKEN"
flock -n 9 || {{ echo "$ASTRAN_TOKEN" >> "{here}/doubled"; exit 1; }}
echo "$ASTRAN_TOKEN" >> "{here}/began"
sleep 0.$((RANDOM % 5))
echo "$ASTRAN_TOKEN" >> "{here}/finished"
"""


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """Submitters, wrappers and tasks die at random; at the end each element has one end."""
    bench = local_bench(tmp_path, cores=3)
    (tmp_path / "script.sh").write_text(_ALONE.format(here=tmp_path))
    dice = random.Random(20231207)
    size = 4
    tokens = [f"astran-random-{number}" for number in range(14)]
    for token in tokens:
        (tmp_path / "ready").unlink(missing_ok=True)
        words = [sys.executable, "-c", _TICK, str(tmp_path), token, str(size)]
        ticking = subprocess.Popen(words)
        wait_until("the submitter is ready", (tmp_path / "ready").exists, every=0.001)
        time.sleep(dice.random() * 0.5)
        for _ in range(dice.randrange(3)):
            kill_one(bench, dice)
            time.sleep(dice.random() * 0.1)
        ticking.kill()
        ticking.wait()
    finished = (tmp_path / "finished").read_text().split()
    began = (tmp_path / "began").read_text().split()
    known = [t for t in tokens if bench.find(t, SystemClock().now()) == t]
    assert len(known) >= len(tokens) // 2, "the submitters died too early to test anything"
    for token in known:
        job = JobRef(token, token, SystemClock().now(), size, "")
        statuses = bench.ended(job)
        for index, status in statuses.items():
            name = f"{token}.{index}"
            finished = (tmp_path / "finished").read_text().split()
            began = (tmp_path / "began").read_text().split()
            assert began.count(name) <= 1, f"{name} was run again"
            if state_of(status) is JobState.COMPLETED:
                assert finished.count(name) == 1
            else:
                assert state_of(status) in (JobState.NODE_FAIL, JobState.FAILED)
    assert not (tmp_path / "doubled").exists()
    completed = sum(1 for name in finished if name.rpartition(".")[0] in known)
    assert completed > size, "nearly nothing got through"
    unknown = set(tokens) - set(known)
    assert not any(name.rpartition(".")[0] in unknown for name in began)


def kill_one(bench: Bench, dice: random.Random) -> None:
    """Kill a wrapper or a task of this pool, whichever the dice say."""
    home = str(bench.folder).encode()
    victims = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        wrapper = b"astran.scheduler.local.task_wrapper" in words
        task = words[:1] == [b"/bin/bash"]
        if entry.name.isdigit() and (wrapper or task) and any(home in word for word in words):
            victims.append(int(entry.name))
    if victims:
        try:
            os.kill(dice.choice(sorted(victims)), signal.SIGKILL)
        except ProcessLookupError:
            return


# files


def test_old_folders_are_removed(bench: Bench) -> None:
    old = bench.submit(bench.batch("true"))
    bench.until_all(old, JobState.COMPLETED)
    bench.look(old)
    folder = folder_of(bench, old)
    assert folder.done.exists()
    long_ago = time.time() - (local_pool.KEEP + timedelta(hours=1)).total_seconds()
    os.utime(folder.done, (long_ago, long_ago))
    assert bench.look(old) == {0: Missing()}
    assert not folder.path.exists()


def test_one_damaged_job_does_not_stop_the_others(bench: Bench) -> None:
    first = bench.submit(bench.batch("sleep 300"))
    wrapper_of(bench, first)
    (folder_of(bench, first).path / "job.json").write_text("{")
    bench.until_all(bench.submit(bench.batch("true")), JobState.COMPLETED)
    assert bench.look(first) == {0: Missing()}
    stop_all(first.token + ".0")


def stop_all(token: str) -> None:
    for pid in with_token(token):
        os.kill(pid, signal.SIGKILL)


def test_a_damaged_end_is_no_success(bench: Bench) -> None:
    job = bench.submit(bench.batch("true"))
    bench.until_all(job, JobState.COMPLETED)
    folder_of(bench, job).file(0, "end.json").write_text('{"state": "comple')
    status = bench.look(job)[0]
    assert isinstance(status, Known)
    assert status.state is JobState.NODE_FAIL and "damaged" in status.reason


def test_a_pool_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "pool").write_text("a file where a folder is wanted")
    bench = local_bench(tmp_path)
    job = JobRef("tok", "tok", SystemClock().now(), 1, "")
    assert isinstance(bench.look(job)[0], Unavailable)
    assert isinstance(bench.find("tok", SystemClock().now()), Unavailable)
    with pytest.raises(SchedulerUnavailable):
        bench.scheduler.cancel(job)
    with pytest.raises(SubmitRefused) as caught:
        bench.scheduler.submit(bench.batch("true"))
    assert caught.value.transient


def test_a_pool_that_is_held_by_another_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = bench.folder / "pool"
    job = JobRef("tok", "tok", SystemClock().now(), 1, "")
    narrow: Callable[..., object] = lambda path: pool_lock(path, wait_s=0.2)  # noqa: E731
    monkeypatch.setattr("astran.scheduler.local.controller.pool_lock", narrow)
    with pool_lock(pool):
        assert isinstance(bench.look(job)[0], Unavailable)
    assert bench.look(job)[0] == Missing()


def test_no_secret_is_on_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAN_IMAP_PASSWORD", "open-sesame")
    job = bench.submit(bench.batch("true"))
    spec = (folder_of(bench, job).path / "job.json").read_text()
    assert "open-sesame" not in spec
    assert json.loads(spec)["environment"]["PATH"] == os.environ["PATH"]
