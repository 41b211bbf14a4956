"""What is handed to HTCondor, and that an attempt begins once whatever HTCondor does."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.condor.pool import FakePool
from scheduler.benches import Bench, condor_bench

from astran.base.errors import ConfigError, SubmitRefused
from astran.base.scheduler import Batch, JobRef
from astran.base.tasks import Resources
from astran.config.htcondor import HTCondorSettings
from astran.config.model import build_settings
from astran.scheduler.array_files import DECLINED
from astran.scheduler.htcondor.submit_description import (
    AGAIN_SIGNAL,
    describe_submission,
    event_log,
    has_begun,
    write_files,
)

PLAIN = HTCondorSettings()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return condor_bench(FakePool(tmp_path / "pool"), tmp_path)


def described(batch: Batch, **settings: object) -> dict[str, str]:
    text = describe_submission(batch, HTCondorSettings.model_validate(settings), 3600)
    pairs = (line.partition(" = ") for line in text.splitlines() if " = " in line)
    return {name: value for name, _, value in pairs}


def begin(batch: Batch, cluster: int, process: int = 0) -> int:
    """Run the array's script as HTCondor does; its return code, negative: by a signal."""
    script = Path(batch.folder) / f"array_{batch.token}.sh"
    words = ["/bin/bash", str(script), str(cluster), str(process)]
    environment = {"PATH": os.environ["PATH"]}
    process_ = subprocess.Popen(words, env=environment, start_new_session=True)
    code = process_.wait(30)
    subprocess.run(["pkill", "-g", str(process_.pid)], check=False)  # the watch on the time limit
    return code


def test_an_attempt_begins_once(bench: Bench) -> None:
    """A second start, after the schedd has forgotten the first, touches nothing."""
    batch = bench.batch("echo ran", "exit 5")
    write_files(batch, PLAIN, 60)
    job = JobRef(batch.token, "12", None, 2, batch.folder)  # type: ignore[arg-type]
    assert not has_begun(job, batch.tokens[0])
    assert begin(batch, 12) == 0
    log = Path(batch.logs[0])
    before = (log.read_text(), log.stat().st_mtime_ns)
    assert begin(batch, 12) == -AGAIN_SIGNAL
    assert (log.read_text(), log.stat().st_mtime_ns) == before == ("ran\n", before[1])
    assert begin(batch, 12, 1) == 5
    assert has_begun(job, batch.tokens[0])


def test_of_many_starts_at_once_one_runs(bench: Bench) -> None:
    batch = bench.batch(f"echo ran >> '{bench.folder}/runs'")
    write_files(batch, PLAIN, 60)
    with ThreadPoolExecutor(8) as threads:
        codes = list(threads.map(lambda _: begin(batch, 12), range(16)))
    assert sorted(codes) == [-AGAIN_SIGNAL] * 15 + [0]
    assert (bench.folder / "runs").read_text() == "ran\n"


def test_what_was_given_up_never_begins(bench: Bench) -> None:
    batch = bench.batch(f"echo ran >> '{bench.folder}/runs'")
    write_files(batch, PLAIN, 60)
    assert bench.scheduler.forbid(batch.token, batch.folder) is None
    assert begin(batch, 12) == DECLINED
    assert not (bench.folder / "runs").exists()


def test_the_event_log_alone_may_know_a_submission(bench: Bench) -> None:
    """Queue and history have forgotten it, and it has not begun."""
    batch = bench.batch("true")
    write_files(batch, PLAIN, 60)
    line = "000 (077.000.000) 2026-11-30 17:24:38 Job submitted from host: <127.0.0.1>\n...\n"
    event_log(batch.token, batch.folder).write_text(line)
    assert bench.scheduler.forbid(batch.token, batch.folder) == "77"
    assert begin(batch, 77) == 0  # it is followed again, so it may begin


def test_one_start_a_time_limit_and_no_secrets(bench: Bench) -> None:
    batch = replace(bench.batch("true", "true"), resources=Resources(2, 4000, 60))
    lines = described(batch)
    assert lines["requirements"] == "((MY.NumJobStarts ?: 0) == 0)"
    assert "JobStatus == 1 && NumJobStarts > 0" in lines["periodic_hold"]
    assert "time() - JobCurrentStartDate > 3600" in lines["periodic_hold"]
    assert (lines["request_cpus"], lines["request_memory"]) == ("2", "4000M")
    assert lines["My.AstranToken"] == f'"{batch.token}"'
    assert lines["should_transfer_files"] == "NO"
    assert "getenv" not in lines and "leave_in_queue" not in lines


def test_what_a_site_and_a_sender_want(bench: Bench) -> None:
    batch = replace(bench.batch("true"), exclude=("wn01.a.example",), throttle=3, requester="x@b.c")
    lines = described(
        batch,
        accounting_group="group_a",
        requirements="TARGET.HasAVX",
        concurrency_limits="disk",
        users={"@b.c": {"accounting_group": "group_b"}},
        lines=["job_lease_duration = 600", "+WantShort = True"],
        file_transfer=True,
    )
    assert lines["accounting_group"] == "group_b"
    assert "(TARGET.HasAVX)" in lines["requirements"]
    assert 'regexp("(^|@)wn01[.]a[.]example$", TARGET.Name, "i")' in lines["requirements"]
    assert lines["concurrency_limits"] == f"disk,{batch.token.replace('-', '_')}:{2308032 // 3}"
    assert (lines["job_lease_duration"], lines["+WantShort"]) == ("600", "True")
    assert lines["should_transfer_files"] == "YES"
    assert lines["transfer_executable"] == "False"
    assert described(replace(batch, account="payer"))["accounting_group"] == "payer"


def test_nodes_are_left_out_as_long_as_there_are_others(bench: Bench) -> None:
    """The fake pool has n1 and n2. Without any machine left, the job would wait for ever."""
    bench.submit(replace(bench.batch("true"), exclude=("n1",)))
    with pytest.raises(SubmitRefused, match="no nodes but those") as refused:
        bench.submit(replace(bench.batch("true"), exclude=("n1", "n2")))
    assert not refused.value.transient


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("queue 3", "set by ASTRAN"),
        ("log = /dev/null", "set by ASTRAN"),
        ("Periodic_Hold = true", "set by ASTRAN"),
        ("+AstranToken = \"x\"", "set by ASTRAN"),
        ("max_retries = 3", "run a task again"),
        ("on_exit_remove = ExitCode == 0", "run a task again"),
        ("leave_in_queue = true", "out of|from sight"),
        ("max_materialize = 10", "from sight"),
        ("getenv = True", "secrets"),
        ("accounting_group = a", "scheduler.htcondor.accounting_group"),
        ("requirements = true", "scheduler.htcondor.requirements"),
        ("job_lease_duratoin = 5", "did you mean 'job_lease_duration'"),
        ("max_retris = 5", "did you mean 'max_retries'"),
        ("nonsense", "no line of the form"),
        ("rank = 1\nqueue 5", "one line"),
    ],
)  # fmt: skip
def test_lines_that_would_lose_a_job_are_refused(line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_settings(HTCondorSettings, {"lines": [line]}, "The site configuration")


@pytest.mark.parametrize(
    "line", ["rank = Memory", "environment = A=b", '+Flavour = "long"', "MY.X = 1", "a_macro = 3"]
)
def test_other_lines_are_taken(line: str) -> None:
    assert HTCondorSettings.model_validate({"lines": [line]}).lines == (line,)


def test_senders_are_addresses() -> None:
    with pytest.raises(ConfigError, match="neither a mail address"):
        build_settings(HTCondorSettings, {"users": {"me": {}}}, "The site configuration")
