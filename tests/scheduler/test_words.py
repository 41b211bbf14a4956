"""Each thing that a scheduler can say has a sentence."""

from __future__ import annotations

import pytest
from scheduler.slurm_reasons import REASONS as ALL_REASONS
from scheduler.slurm_reasons import TEXTS

from astran.base.jobs import JobState, Seen
from astran.scheduler.slurm_states import STATES, STUCK, read_state
from astran.scheduler.words import REASONS, explain


@pytest.mark.parametrize("word", sorted(STATES))
def test_every_state_has_a_sentence(word: str) -> None:
    said = explain(Seen(read_state(word), word))
    assert said[0].isupper() and said.endswith(".") and word not in said


@pytest.mark.parametrize("reason", sorted({*STUCK, *REASONS, *ALL_REASONS, *TEXTS}))
def test_every_reason_has_a_sentence(reason: str) -> None:
    """One that is written for it or for its family, not the reason itself."""
    said = explain(Seen(read_state("PENDING", reason), "PENDING", reason=reason))
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
        (Seen(JobState.PENDING, "PENDING", reason="JobArrayTaskLimit"), "at once"),
        (Seen(JobState.PENDING, "PENDING", reason="ReqNodeNotAvail, UnavailableNodes:n1"), "node"),
        (Seen(JobState.HELD, "PENDING", reason="JobHeldAdmin"), "administrator"),
        (Seen(JobState.HELD, "PENDING", reason="(launch failed requeued held)"), "held"),
        (Seen(JobState.PENDING, "PENDING", reason="QOSMaxCpuPerUserLimit"), "user"),
        (Seen(JobState.PENDING, "PENDING", reason="AssocGrpCPUMinutesLimit"), "account"),
        (Seen(JobState.PENDING, "PENDING", reason="NeverHeardOf"), "NeverHeardOf"),
        (Seen(JobState.PENDING, "PENDING"), "queue"),
        (Seen(JobState.FAILED, "FAILED", exit_code=127), "exit code 127: a program was not found"),
        (Seen(JobState.FAILED, "FAILED", exit_code=0, signal=9), "memory"),
        (Seen(JobState.FAILED, "FAILED", exit_code=0, signal=53), "could not start"),
        (Seen(JobState.FAILED, "FAILED", exit_code=3), "exit code 3."),
        (Seen(JobState.FAILED, "FAILED", signal=42), "signal 42."),
        (Seen(JobState.FAILED, "FAILED", reason="it could not be started: no bash"), "no bash"),
        (Seen(JobState.FAILED, "FAILED", signal=1, reason="BadConstraints"), "No node"),
        (Seen(JobState.FAILED, "FAILED", signal=9, reason="JobLaunchFailure"), "memory"),
        (Seen(JobState.NODE_FAIL, "NODE_FAIL", node="cp07"), "cp07"),
        (Seen(JobState.NODE_FAIL, "NODE_FAIL", reason="its process vanished"), "vanished"),
        (Seen(JobState.OUT_OF_MEMORY, "OUT_OF_MEMORY", signal=125), "memory"),
        (Seen(JobState.CANCELLED, "CANCELLED by 0"), "cancelled"),
        (Seen(JobState.STRANGE, "VAPORISED"), "'VAPORISED'"),
    ],
)
def test_sentences(seen: Seen, part: str) -> None:
    said = explain(seen)
    assert part in said
    assert (said.count(".") == 1 and said.endswith(".")) or "." in seen.reason
