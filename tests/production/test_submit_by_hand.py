"""Hand tools through Slurm, as users of LAPP-ana call them, and what they say of gaps."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from production_samples import TOOLS, a_config, a_night, a_site
from services.daemon import wait_until
from services.slurm import SlurmCluster

from astran import api
from astran.base.errors import CatalogueError, ConfigError, SubmitRefused
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.night_data import MissingRun
from astran.base.process import Completed
from astran.base.text import number_ranges
from astran.cli.production import create
from astran.telescopes.lst.manual import Workspace, dl2_tasks


class FakeSbatch:
    """Gives each job the next number."""

    def __init__(self, refuses: int = 0) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._refuses = refuses

    def __call__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        words = tuple(map(str, argv))
        self.calls.append(words)
        if len(self.calls) == self._refuses:
            return Completed(words, 1, "", "sbatch: error: Invalid account\n")
        return Completed(words, 0, f"{100 + len(self.calls)}\n", "")


def work(
    tmp_path: Path, python: str = "/opt/astran/bin/python3", **scheduler: object
) -> api.ProductionRun:
    site = a_site(tmp_path / "work", scheduler={"kind": "slurm", **scheduler})
    bench = Workspace(site, TOOLS, tmp_path / "work" / "Crab20231213", python)
    return api.ProductionRun(dl2_tasks(a_config(), a_night(), bench), bench)


def test_each_run_is_a_job_of_its_script(tmp_path: Path) -> None:
    sbatch = FakeSbatch()
    slurm = {"partition": "short", "account": "aswg", "options": ["--nice=5"]}
    made = work(tmp_path, kind="slurm", slurm=slurm)
    assert [(task.key, job) for task, job in made.submit(sbatch)] == [
        ("dl2-15861", "101"),
        ("dl2-15862", "102"),
    ]
    jobs = tmp_path / "work" / "Crab20231213" / "jobmanager"
    script = jobs / "v0.12.3" / "Script_dl2_15861.sh"
    assert os.access(script, os.X_OK), "where users of LAPP-ana look for it"
    first = sbatch.calls[0]
    assert first[0] == "sbatch" and Path(first[-1]).samefile(script)
    assert {"--partition=short", "--account=aswg", "--nice=5", "--job-name=dl2-15861"} < {*first}
    assert any(word.startswith("--mem=") for word in first)
    assert not any(word.startswith("--dependency") for word in first)


def test_what_needs_another_job_waits_for_it(tmp_path: Path) -> None:
    sbatch = FakeSbatch()
    site = a_site(tmp_path / "work", scheduler={"kind": "slurm"})
    bench = Workspace(site, TOOLS, tmp_path / "work" / "Crab20231213", "/opt/astran/bin/python3")
    night = a_night()
    parts = tuple(
        type(night.runs[0].file)(f"/data/DL1/dl1_LST-1.Run15861.{part:04d}.h5", 1000, 5)
        for part in range(2)
    )
    run = type(night.runs[0])(15861, parts[0], parts=parts)
    data = a_night(runs=(run,))
    made = api.ProductionRun(dl2_tasks(a_config(), data, bench), bench)
    assert [task.key for task, _ in made.submit(sbatch)] == ["pack-15861-0000", "dl2-15861"]
    assert "--dependency=afterok:101" in sbatch.calls[1]
    assert "--kill-on-invalid-dep=yes" in sbatch.calls[1]


def test_a_refusal_tells_what_was_submitted_before(tmp_path: Path) -> None:
    made = work(tmp_path)
    jobs = []
    with pytest.raises(SubmitRefused, match="Invalid account"):
        jobs.extend(job for _, job in made.submit(FakeSbatch(refuses=2)))
    assert jobs == ["101"]


def test_a_site_without_slurm_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the local pool") as refused:
        list(work(tmp_path, kind="local").submit(FakeSbatch()))
    assert refused.value.cure == "Leave --submit out."


def test_one_line_for_a_range_of_runs() -> None:
    gaps = [MissingRun(run, "no DL1 yet", True) for run in (15864, 15865, 15866, 15868)]
    gaps.append(MissingRun(15870, "its DL1 file is still empty", True))
    assert list(create.describe_gaps(gaps)) == [
        "Runs 15864-15866, 15868 are left out: no DL1 yet.",
        "Run 15870 is left out: its DL1 file is still empty.",
    ]
    assert number_ranges([3, 1, 2, 7, 9, 8, 3]) == "1-3, 7-9"
    assert number_ranges([]) == ""


def test_dl3_without_dl2_tells_how_to_make_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.yml"
    site.write_text(yaml.safe_dump({"site": "test", "workdir": str(tmp_path / "work")}))
    words = ["-t", "Mrk 421", "-d", "20231213", "--site", str(site)]
    assert create.create_dl3(words) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"There is no DL2 (dl2_*.h5) in {tmp_path}/work/Mrk42120231213/DL2" in told
    assert "create_dl2_LP -t 'Mrk 421' -d 20231213" in told
    with pytest.raises(CatalogueError):
        api.prepare_dl3(a_site(tmp_path / "work"), a_config())


@pytest.mark.services
def test_slurm_runs_the_scripts(tmp_path: Path, slurm_env: SlurmCluster) -> None:
    """There is no lstchain at that place: the records of the jobs say so."""
    made = work(tmp_path, python=sys.executable)
    jobs = {task.key: job for task, job in made.submit()}
    assert all(job.isdigit() for job in jobs.values())
    records = [Path(task.record) for task in made.tasks]
    wait_until("the records of the jobs", lambda: all(record.is_file() for record in records))
    for task in made.tasks:
        record = ExitRecord.read(Path(task.record))
        assert record is not None and record.key == task.key
        assert record.outcome is not TaskOutcome.OK
