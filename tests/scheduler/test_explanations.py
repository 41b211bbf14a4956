"""Each thing that a scheduler can say has a sentence."""

from __future__ import annotations

import pytest
from scheduler.slurm_reasons import REASONS as ALL_REASONS
from scheduler.slurm_reasons import TEXTS

from astran.base.scheduler import JobState, Known
from astran.scheduler.explanations import REASONS, explain_reason
from astran.scheduler.slurm.job_states import STATES, STUCK, read_state


@pytest.mark.parametrize("word", sorted(STATES))
def test_every_state_has_a_sentence(word: str) -> None:
    said = explain_reason(Known(read_state(word), word))
    assert said[0].isupper() and said.endswith(".") and word not in said


@pytest.mark.parametrize("reason", sorted({*STUCK, *REASONS, *ALL_REASONS, *TEXTS}))
def test_every_reason_has_a_sentence(reason: str) -> None:
    """One that is written for it or for its family, not the reason itself."""
    said = explain_reason(Known(read_state("PENDING", reason), "PENDING", reason=reason))
    assert said[0].isupper() and said.endswith(".") and ". " not in said
    assert reason not in said and not said.startswith("It waits: ")


def test_what_can_never_start_is_told_apart_from_what_waits() -> None:
    held = {reason for reason in ALL_REASONS if read_state("PENDING", reason) is JobState.HELD}
    assert {"QOSMaxMemoryPerJob", "AssocMaxCpuPerNode", "QOSMinGRES", "ReservationInvalid"} <= held
    waits = {"AssocGrpCpuLimit", "QOSMaxCpuPerUserLimit", "MaxJobsPerAccount", "Priority", "Prolog"}
    assert not waits & held


@pytest.mark.parametrize(
    ("seen", "part"),
    [
        (Known(JobState.PENDING, "PENDING", reason="JobArrayTaskLimit"), "at once"),
        (Known(JobState.PENDING, "PENDING", reason="ReqNodeNotAvail, UnavailableNodes:n1"), "node"),
        (Known(JobState.HELD, "PENDING", reason="JobHeldAdmin"), "administrator"),
        (Known(JobState.HELD, "PENDING", reason="(launch failed requeued held)"), "held"),
        (Known(JobState.PENDING, "PENDING", reason="QOSMaxCpuPerUserLimit"), "user"),
        (Known(JobState.PENDING, "PENDING", reason="AssocGrpCPUMinutesLimit"), "account"),
        (Known(JobState.PENDING, "PENDING", reason="NeverHeardOf"), "NeverHeardOf"),
        (Known(JobState.PENDING, "PENDING"), "queue"),
        (Known(JobState.FAILED, "FAILED", exit_code=127), "exit code 127: a program was not found"),
        (Known(JobState.FAILED, "FAILED", exit_code=0, signal=9), "memory"),
        (Known(JobState.FAILED, "FAILED", exit_code=0, signal=53), "could not start"),
        (Known(JobState.FAILED, "FAILED", exit_code=3), "exit code 3."),
        (Known(JobState.FAILED, "FAILED", signal=42), "signal 42."),
        (Known(JobState.FAILED, "FAILED", reason="it could not be started: no bash"), "no bash"),
        (Known(JobState.FAILED, "FAILED", signal=1, reason="BadConstraints"), "No node"),
        (Known(JobState.FAILED, "FAILED", signal=9, reason="JobLaunchFailure"), "memory"),
        (Known(JobState.NODE_FAIL, "NODE_FAIL", node="cp07"), "cp07"),
        (Known(JobState.NODE_FAIL, "NODE_FAIL", reason="its process vanished"), "vanished"),
        (Known(JobState.OUT_OF_MEMORY, "OUT_OF_MEMORY", signal=125), "memory"),
        (Known(JobState.CANCELLED, "CANCELLED by 0"), "cancelled"),
        (Known(JobState.UNKNOWN, "VAPORISED"), "'VAPORISED'"),
    ],
)
def test_sentences(seen: Known, part: str) -> None:
    said = explain_reason(seen)
    assert part in said
    assert (said.count(".") == 1 and said.endswith(".")) or "." in seen.reason
