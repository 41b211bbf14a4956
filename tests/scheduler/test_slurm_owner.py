"""Of all jobs with the same files one runs them at most: the array's script itself sees to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fakes.slurm.cluster import FakeCluster
from scheduler.benches import Bench, slurm_bench, state_of

from astran.base.errors import SchedulerUnavailable
from astran.base.scheduler import Batch, JobState, Known
from astran.scheduler.array_files import DECLINED
from astran.scheduler.slurm import submit_script


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = slurm_bench(FakeCluster(tmp_path / "cluster"), tmp_path)
    yield made
    made.close()


def begin(batch: Batch, job: int, index: int = 0) -> int:
    """Run the array's script as Slurm would; its return code."""
    environment = {
        "PATH": os.environ["PATH"],
        "SLURM_ARRAY_JOB_ID": str(job),
        "SLURM_ARRAY_TASK_ID": str(index),
        "SLURM_JOB_ID": str(job + index),
    }
    script = f"{batch.folder}/array_{batch.token}.sh"
    done = subprocess.run(["/bin/bash", script], env=environment, capture_output=True)
    return done.returncode


def test_the_first_job_that_begins_keeps_the_files(bench: Bench) -> None:
    """Put back into the queue it may begin again; another one may not."""
    batch = bench.batch("exit 0", "exit 5")
    submit_script.write_files(batch)
    assert [begin(batch, 12), begin(batch, 12, 1), begin(batch, 12)] == [0, 5, 0]
    assert begin(batch, 13) == DECLINED
    assert bench.scheduler.forbid(batch.token, batch.folder) == "12"
    assert begin(batch, 12) == 0, "what has begun goes on"


def test_what_was_given_up_never_runs(bench: Bench) -> None:
    """A request that Slurm carries out long after sbatch gave up waiting."""
    batch = bench.batch(f"touch '{bench.folder}/ran'")
    assert bench.scheduler.forbid(batch.token, batch.folder) is None
    assert bench.scheduler.forbid(batch.token, batch.folder) is None
    status = bench.ended(bench.submit(batch))[0]
    assert isinstance(status, Known)
    assert (status.state, status.exit_code) == (JobState.FAILED, DECLINED)
    assert not (bench.folder / "ran").exists()
    assert "given-up" in Path(batch.logs[0]).read_text()


def test_of_many_that_begin_at_once_one_runs(bench: Bench) -> None:
    batch = bench.batch(f"echo ran >> '{bench.folder}/runs'")
    submit_script.write_files(batch)
    with ThreadPoolExecutor(8) as threads:
        codes = list(threads.map(lambda job: begin(batch, job), range(1, 17)))
    assert sorted(codes) == [0] + [DECLINED] * 15
    assert (bench.folder / "runs").read_text() == "ran\n"


def test_it_is_known_that_a_job_has_begun_whatever_slurm_forgets(bench: Bench) -> None:
    job = bench.submit(bench.batch("true"))
    bench.until_all(job, JobState.COMPLETED)
    assert isinstance(bench.cluster, FakeCluster)
    bench.cluster.set(accounting=False, jobs=[])
    assert state_of(bench.look(job)[0]) is None
    assert bench.scheduler.forbid(job.token, job.folder) == job.job_id


def test_without_its_folder_nothing_is_concluded(bench: Bench) -> None:
    blocked = bench.folder / "blocked"
    blocked.write_text("a file where a folder is wanted")
    with pytest.raises(SchedulerUnavailable):
        bench.scheduler.forbid("astran-token", str(blocked / "batch"))
