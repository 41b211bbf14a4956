"""The end of an attempt: success needs every witness, the unknown is never success."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astran.base.exit_record import ExitRecord, ProductRecord, TaskOutcome
from astran.base.scheduler import JobState, Known
from astran.base.tasks import Resources
from astran.config.site import ResourceLimits
from astran.scheduler.explanations import explain_reason
from astran.service.jobs.failure_classification import (
    RECORD_LAG,
    AttemptEnd,
    NextStep,
    classify_end,
)
from astran.service.jobs.retry_policy import FailureCause, escalate_resources

NOW = datetime(2023, 12, 8, 6, tzinfo=UTC)
LATER = NOW + RECORD_LAG + timedelta(seconds=1)


def record(tmp_path: Path, outcome: TaskOutcome = TaskOutcome.OK) -> ExitRecord:
    product = tmp_path / "dl2.h5"
    product.write_bytes(b"12345")
    products = (ProductRecord(str(product), 5, product.stat().st_mtime_ns, "0" * 64, "dl2"),)
    return ExitRecord(
        token="t.0",
        key="dl2-1",
        outcome=outcome,
        returncode=0 if outcome is TaskOutcome.OK else 1,
        message="said the task",
        started=NOW.isoformat(),
        ended=NOW.isoformat(),
        host="n1",
        products=products if outcome is TaskOutcome.OK else (),
    )


def end(status: JobState | None, rec: ExitRecord | None, **more: object) -> AttemptEnd:
    values = {"raw_state": "WORD", "node": "n1", "ended": NOW, **more}
    return AttemptEnd(status=status, record=rec, **values)  # type: ignore[arg-type]


def test_all_three_witnesses_make_success(tmp_path: Path) -> None:
    assert classify_end(end(JobState.COMPLETED, record(tmp_path)), NOW).step is NextStep.DONE


def test_without_accounting_record_and_products_suffice(tmp_path: Path) -> None:
    assert classify_end(end(None, record(tmp_path)), NOW).step is NextStep.DONE


def test_completed_without_record_waits_then_fails(tmp_path: Path) -> None:
    silent = end(JobState.COMPLETED, None)
    assert classify_end(silent, NOW).step is NextStep.WAIT
    verdict = classify_end(silent, LATER)
    assert (verdict.step, verdict.cause) == (NextStep.RETRY, FailureCause.NO_RECORD)


def test_a_product_that_vanished_is_no_success(tmp_path: Path) -> None:
    rec = record(tmp_path)
    Path(rec.products[0].path).unlink()
    assert classify_end(end(JobState.COMPLETED, rec), NOW).step is NextStep.WAIT
    assert classify_end(end(JobState.COMPLETED, rec), LATER).cause is FailureCause.PRODUCT


def test_a_product_of_another_size_is_no_success(tmp_path: Path) -> None:
    rec = record(tmp_path)
    Path(rec.products[0].path).write_bytes(b"1")
    assert classify_end(end(JobState.COMPLETED, rec), LATER).step is NextStep.RETRY


def test_a_record_without_products_is_no_success(tmp_path: Path) -> None:
    rec = replace(record(tmp_path), products=())
    assert classify_end(end(JobState.COMPLETED, rec), LATER).step is not NextStep.DONE


@pytest.mark.parametrize("status", [s for s in JobState if s.ended and s is not JobState.COMPLETED])
def test_a_good_record_does_not_overrule_the_scheduler(status: JobState, tmp_path: Path) -> None:
    assert classify_end(end(status, record(tmp_path)), LATER).step in (
        NextStep.RETRY,
        NextStep.CANCELLED,
    )


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (JobState.OUT_OF_MEMORY, FailureCause.MEMORY),
        (JobState.TIMEOUT, FailureCause.TIME),
        (JobState.NODE_FAIL, FailureCause.NODE),
        (JobState.PREEMPTED, FailureCause.PREEMPTED),
    ],
)
def test_causes_that_another_attempt_may_cure(status: JobState, cause: FailureCause) -> None:
    verdict = classify_end(end(status, None), NOW)
    assert (verdict.step, verdict.cause) == (NextStep.RETRY, cause)


def test_a_good_record_does_not_make_a_time_out_a_success(tmp_path: Path) -> None:
    timed_out = replace(end(JobState.TIMEOUT, record(tmp_path)), raw_state="TIMEOUT")
    verdict = classify_end(timed_out, LATER)
    assert (verdict.step, verdict.cause) == (NextStep.RETRY, FailureCause.TIME)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (
            Known(JobState.FAILED, "FAILED", exit_code=127),
            "the task ended with exit code 127: a program was not found; it left no exit record",
        ),
        (
            Known(JobState.FAILED, "FAILED", exit_code=0, signal=53),
            "the task could not start: its log or its work folder could not be opened on the "
            "node; it left no exit record",
        ),
        (
            Known(JobState.TIMEOUT, "DEADLINE"),
            "the task was ended because it reached its deadline",
        ),
        (Known(JobState.TIMEOUT, "TIMEOUT"), "the task did not end within its time limit"),
        (
            Known(JobState.NODE_FAIL, "BOOT_FAIL", node="n1"),
            "the task was lost because its node did not boot (n1)",
        ),
    ],
)
def test_what_the_scheduler_said_is_told_in_words(seen: Known, reason: str) -> None:
    report = {"raw_state": seen.raw_state, "explanation": explain_reason(seen)}
    assert classify_end(end(seen.state, None, **report), LATER).reason == reason


def test_a_cancelled_job_is_not_repeated() -> None:
    assert classify_end(end(JobState.CANCELLED, None), NOW).step is NextStep.CANCELLED


def test_a_failed_tool_is_final_unless_its_code_passes(tmp_path: Path) -> None:
    bad = record(tmp_path, TaskOutcome.TOOL_FAILED)
    verdict = classify_end(end(JobState.FAILED, bad, exit_meaning="it crashed"), NOW)
    assert (verdict.step, verdict.reason) == (NextStep.FAIL, "said the task (it crashed)")
    assert classify_end(end(JobState.FAILED, bad, transient_exit=True), NOW).step is NextStep.RETRY


@pytest.mark.parametrize("outcome", [TaskOutcome.CHECK_FAILED, TaskOutcome.INPUT_MISSING])
def test_bad_products_and_inputs_are_final(outcome: TaskOutcome, tmp_path: Path) -> None:
    assert classify_end(end(JobState.FAILED, record(tmp_path, outcome)), NOW).step is NextStep.FAIL


def test_more_memory_or_time_for_the_next_attempt() -> None:
    asked = Resources(cpus=2, memory_mb=4000, time_min=61)
    free = ResourceLimits()
    assert escalate_resources(asked, FailureCause.MEMORY, free) == Resources(2, 8000, 61)
    assert escalate_resources(asked, FailureCause.TIME, free) == Resources(2, 4000, 92)
    assert escalate_resources(asked, FailureCause.NODE, free) == asked


def test_a_site_allows_no_more_than_its_limits() -> None:
    asked = Resources(cpus=2, memory_mb=4000, time_min=60)
    limits = ResourceLimits(memory_mb=6000, time_min=60)
    assert escalate_resources(asked, FailureCause.MEMORY, limits) == Resources(2, 6000, 60)
    assert escalate_resources(Resources(2, 6000, 60), FailureCause.MEMORY, limits) is None
    assert escalate_resources(asked, FailureCause.TIME, limits) is None
    assert escalate_resources(asked, FailureCause.PREEMPTED, limits) == asked
