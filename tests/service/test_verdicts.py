"""The end of an attempt: success needs every voice, the unknown is never success."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astran.base.jobs import JobState, Seen
from astran.base.records import ExitRecord, Outcome, ProductRecord
from astran.base.tasks import Resources
from astran.config.site import ResourceLimits
from astran.scheduler.words import explain
from astran.service.verdicts import RECORD_LAG, Cause, End, Step, judge, raised

NOW = datetime(2023, 12, 8, 6, tzinfo=UTC)
LATER = NOW + RECORD_LAG + timedelta(seconds=1)


def record(tmp_path: Path, outcome: Outcome = Outcome.OK) -> ExitRecord:
    product = tmp_path / "dl2.h5"
    product.write_bytes(b"12345")
    products = (ProductRecord(str(product), 5, product.stat().st_mtime_ns, "0" * 64, "dl2"),)
    return ExitRecord(
        token="t.0",
        key="dl2-1",
        outcome=outcome,
        returncode=0 if outcome is Outcome.OK else 1,
        message="said the task",
        started=NOW.isoformat(),
        ended=NOW.isoformat(),
        host="n1",
        products=products if outcome is Outcome.OK else (),
    )


def end(sight: JobState | None, rec: ExitRecord | None, **more: object) -> End:
    values = {"word": "WORD", "exit_code": None, "node": "n1", "ended": NOW, **more}
    return End(sight=sight, record=rec, **values)  # type: ignore[arg-type]


def test_all_three_voices_make_success(tmp_path: Path) -> None:
    assert judge(end(JobState.COMPLETED, record(tmp_path)), NOW).step is Step.DONE


def test_without_accounting_record_and_products_suffice(tmp_path: Path) -> None:
    assert judge(end(None, record(tmp_path)), NOW).step is Step.DONE


def test_completed_without_record_waits_then_fails(tmp_path: Path) -> None:
    silent = end(JobState.COMPLETED, None)
    assert judge(silent, NOW).step is Step.WAIT
    verdict = judge(silent, LATER)
    assert (verdict.step, verdict.cause) == (Step.RETRY, Cause.NO_RECORD)


def test_a_product_that_vanished_is_no_success(tmp_path: Path) -> None:
    rec = record(tmp_path)
    Path(rec.products[0].path).unlink()
    assert judge(end(JobState.COMPLETED, rec), NOW).step is Step.WAIT
    assert judge(end(JobState.COMPLETED, rec), LATER).cause is Cause.PRODUCT


def test_a_product_of_another_size_is_no_success(tmp_path: Path) -> None:
    rec = record(tmp_path)
    Path(rec.products[0].path).write_bytes(b"1")
    assert judge(end(JobState.COMPLETED, rec), LATER).step is Step.RETRY


def test_a_record_without_products_is_no_success(tmp_path: Path) -> None:
    rec = replace(record(tmp_path), products=())
    assert judge(end(JobState.COMPLETED, rec), LATER).step is not Step.DONE


@pytest.mark.parametrize("sight", [s for s in JobState if s.ended and s is not JobState.COMPLETED])
def test_a_good_record_does_not_overrule_the_scheduler(sight: JobState, tmp_path: Path) -> None:
    assert judge(end(sight, record(tmp_path)), LATER).step in (Step.RETRY, Step.CANCELLED)


@pytest.mark.parametrize(
    ("sight", "cause"),
    [
        (JobState.OUT_OF_MEMORY, Cause.MEMORY),
        (JobState.TIMEOUT, Cause.TIME),
        (JobState.NODE_FAIL, Cause.NODE),
        (JobState.PREEMPTED, Cause.PREEMPTED),
    ],
)
def test_causes_that_another_attempt_may_cure(sight: JobState, cause: Cause) -> None:
    verdict = judge(end(sight, None), NOW)
    assert (verdict.step, verdict.cause) == (Step.RETRY, cause)


def test_an_exit_code_of_zero_does_not_make_a_time_out_a_success(tmp_path: Path) -> None:
    timed_out = replace(end(JobState.TIMEOUT, record(tmp_path)), word="TIMEOUT", exit_code=0)
    verdict = judge(timed_out, LATER)
    assert (verdict.step, verdict.cause) == (Step.RETRY, Cause.TIME)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (
            Seen(JobState.FAILED, "FAILED", exit_code=127),
            "the task ended with exit code 127: a program was not found; it left no exit record",
        ),
        (
            Seen(JobState.FAILED, "FAILED", exit_code=0, signal=53),
            "the task could not start: its log or its work folder could not be opened on the "
            "node; it left no exit record",
        ),
        (
            Seen(JobState.TIMEOUT, "DEADLINE"),
            "the task was ended because it reached its deadline",
        ),
        (Seen(JobState.TIMEOUT, "TIMEOUT"), "the task did not end within its time limit"),
        (
            Seen(JobState.NODE_FAIL, "BOOT_FAIL", node="n1"),
            "the task was lost because its node did not boot (n1)",
        ),
    ],
)
def test_what_the_scheduler_said_is_told_in_words(seen: Seen, reason: str) -> None:
    said = {"word": seen.word, "exit_code": seen.exit_code, "said": explain(seen)}
    assert judge(end(seen.state, None, **said), LATER).reason == reason


def test_a_cancelled_job_is_not_repeated() -> None:
    assert judge(end(JobState.CANCELLED, None), NOW).step is Step.CANCELLED


def test_a_failed_tool_is_final_unless_its_code_passes(tmp_path: Path) -> None:
    bad = record(tmp_path, Outcome.TOOL_FAILED)
    verdict = judge(end(JobState.FAILED, bad, meaning="it crashed"), NOW)
    assert (verdict.step, verdict.reason) == (Step.FAIL, "said the task (it crashed)")
    assert judge(end(JobState.FAILED, bad, transient_exit=True), NOW).step is Step.RETRY


@pytest.mark.parametrize("outcome", [Outcome.CHECK_FAILED, Outcome.INPUT_MISSING])
def test_bad_products_and_inputs_are_final(outcome: Outcome, tmp_path: Path) -> None:
    assert judge(end(JobState.FAILED, record(tmp_path, outcome)), NOW).step is Step.FAIL


def test_more_memory_or_time_for_the_next_attempt() -> None:
    asked = Resources(cpus=2, memory_mb=4000, time_min=61)
    free = ResourceLimits()
    assert raised(asked, Cause.MEMORY, free) == Resources(2, 8000, 61)
    assert raised(asked, Cause.TIME, free) == Resources(2, 4000, 92)
    assert raised(asked, Cause.NODE, free) == asked


def test_a_site_allows_no_more_than_its_limits() -> None:
    asked = Resources(cpus=2, memory_mb=4000, time_min=60)
    limits = ResourceLimits(memory_mb=6000, time_min=60)
    assert raised(asked, Cause.MEMORY, limits) == Resources(2, 6000, 60)
    assert raised(Resources(2, 6000, 60), Cause.MEMORY, limits) is None
    assert raised(asked, Cause.TIME, limits) is None
    assert raised(asked, Cause.PREEMPTED, limits) == asked
