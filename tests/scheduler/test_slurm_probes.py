"""`astran doctor` against a real Slurm, and against one that does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from doctor_patient import Make, found, make_patient
from services.slurm import SlurmCluster

from astran.base.findings import Finding, Result
from astran.scheduler.slurm.probes import minutes
from astran.service.doctor import scheduler_and_data

STAGES = ("dl2", "irf", "dl3", "index", "highlevel")


@pytest.fixture
def patient(tmp_path: Path) -> Make:
    return make_patient(tmp_path)


def look(patient: Make, **settings: Any) -> dict[str, Finding]:
    return found(
        scheduler_and_data.probe_scheduler, patient(scheduler={"kind": "slurm", **settings})
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30:00", 30),
        ("1:30:00", 90),
        ("2-00:00:30", 2880.5),
        ("infinite", None),
        ("n/a", None),
    ],
)
def test_time_limits(text: str, value: float | None) -> None:
    assert minutes(text) == value


def test_no_slurm_at_all(patient: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = look(patient)
    assert set(findings) == {"slurm"}
    assert findings["slurm"].result is Result.FAIL
    assert "sbatch" in findings["slurm"].message


def test_a_slurm_that_hangs(patient: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sbatch").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = look(patient, slurm={"timeout": 0.3})["slurm"]
    assert finding.result is Result.FAIL
    assert "within 0.3 s" in finding.message


@pytest.mark.services
def test_all_is_well(patient: Make, slurm_env: SlurmCluster) -> None:
    # jobs of other tests stay in the queue for a while after their end
    before = set(slurm_env.run("squeue", "-h", "-t", "all", "-o", "%A").split())
    findings = look(patient)
    findings.pop("slurm workdir", None)  # depends on where the tests keep their files
    assert {part: f.result for part, f in findings.items()} == {
        "slurm": Result.OK,
        "slurm accounting": Result.OK,
        "slurm partition": Result.OK,
        "slurm tasks": Result.OK,
    }
    after = set(slurm_env.run("squeue", "-h", "-t", "all", "-o", "%A").split())
    assert after <= before, "a probe submits nothing"


@pytest.mark.services
@pytest.mark.parametrize(("kind", "warned"), [("ext4", True), ("nfs4", False)])
def test_a_work_folder_that_nodes_may_not_see(
    patient: Make,
    slurm_env: SlurmCluster,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    warned: bool,
) -> None:
    monkeypatch.setattr(scheduler_and_data, "file_system", lambda _: kind)
    assert ("slurm workdir" in look(patient)) == warned


@pytest.mark.services
def test_auto_finds_slurm(patient: Make, slurm_env: SlurmCluster) -> None:
    assert "slurm" in look(patient, kind="auto")


@pytest.mark.services
def test_a_partition_that_is_not_there(patient: Make, slurm_env: SlurmCluster) -> None:
    finding = look(patient, slurm={"partition": "long"})["slurm partition"]
    assert finding.result is Result.FAIL
    assert "short" in finding.cure


@pytest.mark.services
def test_a_partition_that_is_down(patient: Make, slurm_env: SlurmCluster) -> None:
    slurm_env.run("scontrol", "update", "partition=short", "state=down")
    try:
        finding = look(patient)["slurm partition"]
    finally:
        slurm_env.run("scontrol", "update", "partition=short", "state=up")
    assert finding.result is Result.WARN
    assert "down" in finding.message


@pytest.mark.services
def test_tasks_that_would_never_start(patient: Make, slurm_env: SlurmCluster) -> None:
    finding = look(patient, resources={"dl2": {"time_min": 3 * 1440}})["slurm tasks"]
    assert finding.result is Result.FAIL
    assert "1440 min" in finding.message
    finding = look(patient, resources={"irf": {"memory_mb": 10_000_000}})["slurm tasks"]
    assert finding.result is Result.FAIL
    assert "stage irf" in finding.message


@pytest.mark.services
def test_options_that_sbatch_refuses(patient: Make, slurm_env: SlurmCluster) -> None:
    finding = look(patient, slurm={"constraint": "gpu"})["slurm tasks"]
    assert finding.result is Result.FAIL
    finding = look(patient, slurm={"options": ["--no-such-option"]})["slurm tasks"]
    assert finding.result is Result.FAIL


@pytest.mark.services
@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"partition": "long"}, "users.a@guests.example.partition to one of: "),
        ({"reservation": "night"}, "of a@guests.example"),
        ({"qos": ""}, ""),
    ],
)
def test_a_sender_who_is_treated_differently(
    patient: Make, slurm_env: SlurmCluster, wishes: dict[str, str], told: str
) -> None:
    patient_ = patient(
        scheduler={"kind": "slurm", "slurm": {"users": {"a@guests.example": wishes}}}
    )
    findings = list(scheduler_and_data.probe_scheduler(patient_))
    bad = [f for f in findings if f.result is Result.FAIL]
    assert bool(bad) == bool(told)
    assert all(told in f.message + f.cure for f in bad)
    assert told or any("of a@guests.example" in f.message for f in findings)


@pytest.mark.services
def test_no_accounting(
    patient: Make, slurm_without_accounting: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(slurm_without_accounting.conf))
    findings = look(patient)
    assert findings["slurm accounting"].result is Result.WARN
    assert findings["slurm"].result is Result.OK


@pytest.mark.services
def test_no_controller(
    patient: Make, slurm_env: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a configuration that leads to a port where nobody listens
    conf = tmp_path / "slurm.conf"
    text = slurm_env.conf.read_text()
    lines = ["SlurmctldPort=1" if x.startswith("SlurmctldPort=") else x for x in text.split("\n")]
    conf.write_text("\n".join(lines))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    finding = look(patient)["slurm"]
    assert finding.result is Result.FAIL
