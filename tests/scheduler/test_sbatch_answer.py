"""An id, a clear no, or no clear answer: never mixed up."""

from __future__ import annotations

import pytest

from astran.base.errors import SubmitRefused, SubmitUnknown
from astran.base.process import Completed
from astran.scheduler.slurm.sbatch_answer import read_answer

FAILED = "sbatch: error: Batch job submission failed: "
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


def answer(stdout: str = "", stderr: str = "", code: int = 0) -> str:
    return read_answer(Completed(("sbatch",), code, stdout, stderr))


@pytest.mark.parametrize(
    "stdout",
    [
        "1234\n",
        "1234;cluster\n",
        "Welcome!\nYour quota: 80 of 100\n1234\n",
        "Submitted batch job 1234\n",
        "Submitted batch job 1234 on cluster astran\n",
        "  1234  \n\n1234\n",
    ],
)
def test_the_id_is_found(stdout: str) -> None:
    assert answer(stdout) == "1234"
    assert answer(stdout, stderr="sbatch: warning: be nice\n") == "1234"


@pytest.mark.parametrize(
    ("stdout", "stderr", "code"),
    [
        ("", FAILED + "Socket timed out on send/recv operation", 1),
        ("", FAILED + "Unable to contact slurm controller (connect failure)", 1),
        ("", FAILED + "Zero Bytes were transmitted or received", 1),
        ("", FAILED + "Protocol authentication error", 1),
        ("", "", 0),
        ("", "", 1),
        ("", "", -9),
        ("all is well\n", "", 0),
        ("1234\n5678\n", "", 0),
        ("1234\n", FAILED + "Unspecified error", 1),
        ("", "bash: fork: retry: Resource temporarily unavailable", 254),
        ("error text of a wrapper\n", FAILED + "Invalid account", 0),
    ],
)
def test_unclear_answers(stdout: str, stderr: str, code: int) -> None:
    with pytest.raises(SubmitUnknown):
        answer(stdout, stderr, code)


@pytest.mark.parametrize(
    ("stderr", "code"),
    [
        (
            "sbatch: error: invalid partition specified: nope\n"
            + FAILED
            + "Invalid partition name specified",
            1,
        ),
        (FAILED + "Invalid job array specification", 1),
        (
            "sbatch: error: Memory specification can not be satisfied\n"
            + FAILED
            + "Requested node configuration is not available",
            1,
        ),
        (FAILED + "Invalid account or account/partition combination specified", 1),
        (FAILED + "Invalid qos specification", 1),
        (FAILED + "Invalid feature specification", 1),
        ("sbatch: error: Unable to open file /nowhere/script.sh", 1),
        ("sbatch: error: Batch script is empty!", 1),
        ("sbatch: unrecognized option '--nope'\nTry \"sbatch --help\" for more information", 255),
        (
            "sbatch: error: QOSMaxWallDurationPerJobLimit\n" + FAILED + POLICY,
            1,
        ),
    ],
)
def test_clear_refusals(stderr: str, code: int) -> None:
    with pytest.raises(SubmitRefused) as caught:
        answer(stderr=stderr, code=code)
    assert not caught.value.transient
    assert "sbatch:" not in caught.value.message


@pytest.mark.parametrize(
    "stderr",
    [
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\n" + FAILED + POLICY,
        "sbatch: error: AssocMaxSubmitJobLimit\n" + FAILED + POLICY,
        FAILED + POLICY,
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
        + FAILED
        + "Resource temporarily unavailable",
        FAILED + "Required partition not available (inactive or drain)",
        "sbatch: error: ClusterName needs to be specified\n"
        "sbatch: fatal: Unable to process configuration file",
    ],
)
def test_refusals_that_pass(stderr: str) -> None:
    with pytest.raises(SubmitRefused) as caught:
        answer(stderr=stderr, code=1)
    assert caught.value.transient


def test_the_cure_names_the_setting() -> None:
    with pytest.raises(SubmitRefused) as caught:
        answer(stderr=FAILED + "Invalid partition name specified", code=1)
    assert "scheduler.slurm.partition" in str(caught.value)
