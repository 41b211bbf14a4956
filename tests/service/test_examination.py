"""`astran doctor` finds each thing that is wrong with this machine and its data, and names a cure.

The mail side and Slurm have files of their own: test_doctor_mail.py, test_doctor_slurm.py.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import require
from doctor_patient import NOW, Make, found, make_patient
from services.postgres import Postgres

from astran.base.clock import SystemClock
from astran.base.findings import Finding, Result, ok
from astran.cli.main import main
from astran.database.connection import Database
from astran.service.doctor import machine, scheduler_and_data
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.doctor.examination import CHECKS, Probe, run_bounded, run_probes


@pytest.fixture
def patient(tmp_path: Path) -> Make:
    return make_patient(tmp_path)


# ---- the examination itself ----------------------------------------------------------------------


def test_a_check_that_hangs_is_left_behind(patient: Make) -> None:
    def hang(_: DoctorContext) -> Iterator[Finding]:
        yield ok("first", "fine")
        time.sleep(30)

    begun = time.monotonic()
    findings = run_bounded(Probe("hanging", hang, 0.2), patient())
    assert time.monotonic() - begun < 10
    assert [f.result for f in findings] == [Result.OK, Result.FAIL]
    assert "within 0.2 s" in findings[1].message


def test_an_error_of_the_system_is_a_finding(patient: Make) -> None:
    def read(_: DoctorContext) -> Iterator[Finding]:
        Path("/nowhere/file").read_text()
        yield ok("?", "?")

    (finding,) = run_bounded(Probe("reading", read, 10), patient())
    assert finding.result is Result.FAIL
    assert "/nowhere/file" in finding.message


def test_a_mistake_in_a_check_is_not_hidden(patient: Make) -> None:
    def wrong(_: DoctorContext) -> Iterator[Finding]:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        run_bounded(Probe("wrong", wrong, 10), patient())


def test_a_site_that_cannot_be_read_is_the_only_finding(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text("sight: Here\nworkdir: /x\n")
    (finding,) = run_probes(path, SystemClock(), sys.executable)
    assert (finding.part, finding.result) == ("site", Result.FAIL)
    assert "'site'" in finding.message
    assert finding.cure


def test_every_part_is_examined() -> None:
    assert len({check.part for check in CHECKS}) == len(CHECKS)
    assert all(0 < check.limit < 3600 for check in CHECKS)


# ---- the command ---------------------------------------------------------------------------------


def write_site(tmp_path: Path, more: str = "") -> str:
    path = tmp_path / "site.yml"
    text = f"site: Test\nworkdir: {tmp_path / 'work'}\nscheduler: {{kind: local}}\n"
    path.write_text(text + more)
    return str(path)


def test_json_and_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert main(["doctor", "--json", "--site", write_site(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {tuple(row) for row in rows} == {("part", "result", "message", "cure")}
    by_part = {row["part"]: row for row in rows}
    assert by_part["python"]["result"] == "ok"
    assert by_part["lstchain default"]["result"] == "warn"
    assert not (tmp_path / "work").exists()


def test_words_and_exit_code_where_something_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = write_site(tmp_path, "data: {roots: [/nowhere/dl3]}\n")
    assert main(["doctor", "--site", site]) == 1
    said = capsys.readouterr().out
    assert "fail data roots: /nowhere/dl3" in said
    assert "1 failure" in said


def test_no_site_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ASTRAN_SITE", raising=False)
    assert main(["doctor"]) == 1
    assert "astran init" in capsys.readouterr().out


# ---- work folder and disk ------------------------------------------------------------------------


def test_a_work_folder_that_is_not_there_yet(patient: Make, tmp_path: Path) -> None:
    assert found(machine.probe_workdir, patient())["workdir"].result is Result.OK
    assert not (tmp_path / "work").exists()


def test_a_good_work_folder_stays_clean(patient: Make, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    assert found(machine.probe_workdir, patient())["workdir"].result is Result.OK
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("folder", ["/proc", "/proc/astran/work"])
def test_a_work_folder_that_cannot_be_used(patient: Make, folder: str) -> None:
    # /proc takes no folders, not even from root
    finding = found(machine.probe_workdir, patient(workdir=folder))["workdir"]
    assert finding.result is Result.FAIL
    assert folder in finding.message


def test_the_folder_of_shared_products(patient: Make, tmp_path: Path) -> None:
    assert "shared" not in found(machine.probe_workdir, patient())
    assert found(machine.probe_workdir, patient(shared=str(tmp_path)))["shared"].result is Result.OK
    assert found(machine.probe_workdir, patient(shared="/proc"))["shared"].result is Result.FAIL


def test_the_store_of_products(patient: Make, tmp_path: Path) -> None:
    assert "products" not in found(machine.probe_workdir, patient())
    here = found(machine.probe_workdir, patient(products=str(tmp_path / "store")))
    assert here["products"].result is Result.OK
    there = found(machine.probe_workdir, patient(products="/proc/store"))
    assert there["products"].result is not Result.OK


@pytest.mark.parametrize(
    ("free", "result"),
    [(2**30, Result.FAIL), (10 * 2**30, Result.WARN), (100 * 2**30, Result.OK)],
)
def test_free_disk(
    patient: Make, monkeypatch: pytest.MonkeyPatch, free: int, result: Result
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    finding = found(machine.probe_disk, patient())["disk"]
    assert finding.result is result
    assert f"{free // 2**30} GiB" in finding.message


def test_kind_of_file_system(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    (tmp_path / "a b").mkdir()
    blank = str(tmp_path / "a b").replace(" ", "\\040")
    mounts.write_text(
        f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\nnone {blank} tmpfs rw 0 0\n"
    )
    assert machine.file_system(tmp_path / "x" / "y", mounts) == "nfs4"
    assert machine.file_system(tmp_path / "a b" / "y", mounts) == "tmpfs"
    assert machine.file_system(Path("/"), mounts) == "ext4"
    assert machine.file_system(tmp_path, tmp_path / "no such table") == ""


# ---- database ------------------------------------------------------------------------------------


def test_a_database_that_is_not_there_yet(patient: Make, tmp_path: Path) -> None:
    assert found(machine.probe_database, patient())["database"].result is Result.OK
    assert not (tmp_path / "work").exists()


def test_a_good_database(patient: Make, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    subject = patient()
    Database.open(subject.site.database_url).close()
    finding = found(machine.probe_database, subject)["database"]
    assert finding.result is Result.OK
    assert "can be written" in finding.message


def test_a_database_of_another_version(patient: Make, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    subject = patient()
    Database.open(subject.site.database_url).close()
    with sqlite3.connect(tmp_path / "work" / "astran.sqlite") as connection:
        connection.execute("update alembic_version set version_num = '0000'")
    finding = found(machine.probe_database, subject)["database"]
    assert finding.result is Result.FAIL
    assert "astran db upgrade" in finding.cure


def test_a_file_that_is_no_database(patient: Make, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "astran.sqlite").write_text("not a database, however long it may be" * 9)
    finding = found(machine.probe_database, patient())["database"]
    assert finding.result is Result.FAIL
    assert "not a database" in finding.message


def test_a_wrong_url(patient: Make) -> None:
    finding = found(machine.probe_database, patient(database="no url"))["database"]
    assert finding.result is Result.FAIL
    finding = found(machine.probe_database, patient(database="oracle://x/y"))["database"]
    assert finding.result is Result.FAIL


def test_sqlite_on_a_network_file_system(patient: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "file_system", lambda _: "lustre")
    finding = found(machine.probe_database, patient())["database"]
    assert finding.result is Result.WARN
    assert "lustre" in finding.message


@pytest.mark.services
def test_a_postgres_database(patient: Make, postgres: Postgres) -> None:
    subject = patient(database=postgres.url(postgres.new_database()))
    assert "empty" in found(machine.probe_database, subject)["database"].message
    Database.open(subject.site.database_url).close()
    assert "can be written" in found(machine.probe_database, subject)["database"].message


@pytest.mark.services
def test_a_database_that_cannot_be_written(patient: Make, postgres: Postgres) -> None:
    subject = patient(database=postgres.url(postgres.new_database()))
    store = Database.open(subject.site.database_url)
    with store.begin() as db:
        name = db.exec_driver_sql("select current_database()").scalar_one()
        db.exec_driver_sql(f'alter database "{name}" set default_transaction_read_only = on')
    store.close()
    finding = found(machine.probe_database, subject)["database"]
    assert finding.result is Result.FAIL
    assert "read-only" in finding.message


@pytest.mark.services
def test_a_postgres_database_that_is_not_there(patient: Make, postgres: Postgres) -> None:
    url = postgres.url(postgres.new_database())
    finding = found(machine.probe_database, patient(database=f"{url}x"))["database"]
    assert finding.result is Result.FAIL
    assert "does not exist" in finding.message


# ---- interpreter and launcher --------------------------------------------------------------------


def test_this_interpreter_has_everything(patient: Make) -> None:
    finding = found(machine.probe_python, patient())["python"]
    assert finding.result is Result.OK
    assert "gammapy" in finding.message


def test_an_interpreter_without_our_packages(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    subject = make_patient(tmp_path, python=str(bare))()
    finding = found(machine.probe_python, subject)["python"]
    assert finding.result is Result.FAIL
    assert "ModuleNotFoundError" in finding.message


def test_an_interpreter_that_is_gone(tmp_path: Path) -> None:
    subject = make_patient(tmp_path, python=str(tmp_path / "python"))()
    assert found(machine.probe_python, subject)["python"].result is Result.FAIL


MAIL = {
    "address": "a@b.example",
    "imap": {"host": "localhost", "port": 1},
    "smtp": {"host": "localhost", "port": 1},
}


def test_without_mailbox_nothing_is_said_of_the_launcher(patient: Make) -> None:
    assert found(machine.probe_launcher, patient()) == {}


def test_a_launcher_that_never_ran(patient: Make) -> None:
    finding = found(machine.probe_launcher, patient(mail=MAIL))["launcher"]
    assert finding.result is Result.WARN
    assert "astran-launcher" in finding.cure


@pytest.mark.parametrize(
    ("age", "faults", "result", "words"),
    [
        (40, [], Result.OK, "40 s ago"),
        (40, ["mailbox: gone"], Result.WARN, "mailbox: gone"),
        (3600, [], Result.WARN, "1 h"),
    ],
)
def test_the_last_tick(
    patient: Make, tmp_path: Path, age: int, faults: list[str], result: Result, words: str
) -> None:
    (tmp_path / "work").mkdir()
    at = (NOW - timedelta(seconds=age)).isoformat()
    beat = tmp_path / "work" / "heartbeat.json"
    beat.write_text(json.dumps({"at": at, "faults": faults}))
    finding = found(machine.probe_launcher, patient(mail=MAIL))["launcher"]
    assert finding.result is result
    assert words in finding.message


def test_a_heartbeat_that_cannot_be_read(patient: Make, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "heartbeat.json").write_text("{")
    assert found(machine.probe_launcher, patient(mail=MAIL))["launcher"].result is Result.WARN


# ---- local pool, lstchain, data ------------------------------------------------------------------


def test_the_local_pool(patient: Make) -> None:
    small = {s: {"memory_mb": 100} for s in ("dl2", "irf", "dl3", "index", "highlevel")}
    good = {"kind": "local", "resources": small}
    assert (
        found(scheduler_and_data.probe_scheduler, patient(scheduler=good))["local pool"].result
        is Result.OK
    )
    tight = {"kind": "local", "local": {"cores": 1, "memory_mb": 1000}}
    finding = found(scheduler_and_data.probe_scheduler, patient(scheduler=tight))["local pool"]
    assert finding.result is Result.WARN
    assert "dl2 (2 cores, 16000 MB)" in finding.message


def environment(tmp_path: Path, *tools: str) -> dict[str, object]:
    """A site's lstchain environment with stand-ins for these tools, whose version is unknown."""
    folder = tmp_path / "env" / "bin"
    folder.mkdir(parents=True)
    for name in tools:
        (folder / name).write_text(f"#!{sys.executable}\nprint('--option TEXT')\n")
        (folder / name).chmod(0o755)
    return {"default": "here", "environments": {"here": {"bin": str(folder)}}}


def test_an_environment_without_lstchain(patient: Make, tmp_path: Path) -> None:
    lstchain = environment(tmp_path)
    part = "lstchain here"
    finding = found(scheduler_and_data.probe_software, patient(lstchain=lstchain))[part]
    assert finding.result is Result.WARN
    data = {"dl1": "/data/dl1_LST-1.Run{run}.h5"}
    finding = found(scheduler_and_data.probe_software, patient(lstchain=lstchain, data=data))[part]
    assert finding.result is Result.FAIL
    assert "lstchain_dl1_to_dl2" in finding.message


@pytest.mark.lstchain
def test_an_environment_with_lstchain(patient: Make) -> None:
    beside = Path(sys.executable).parent
    require((beside / "lstchain_dl1_to_dl2").exists(), "lstchain", "pip install 'astran[lst]'")
    lstchain = {"default": "here", "environments": {"here": {"bin": str(beside)}}}
    finding = found(scheduler_and_data.probe_software, patient(lstchain=lstchain))["lstchain here"]
    assert finding.result is Result.OK
    assert version("lstchain") in finding.message


def test_data_of_a_site(patient: Make, tmp_path: Path) -> None:
    for name in ("dl1", "mc/node_theta_10.0_az_20.0", "models", "dl3"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "mc/node_theta_10.0_az_20.0/dl2_x.h5").touch()
    for name in ("reg_energy.sav", "cls_gh.sav", "reg_disp_norm.sav", "cls_disp_sign.sav"):
        (tmp_path / "models" / name).touch()
    (tmp_path / "lst.json").write_text("{}")
    data = {
        "dl1": f"{tmp_path}/dl1/{{date}}/{{version}}/dl1_LST-1.Run{{run}}.h5",
        "mc_dl2": f"{tmp_path}/mc/*/dl2_*.h5",
        "models": str(tmp_path / "models"),
        "lstchain_config": str(tmp_path / "lst.json"),
        "roots": [str(tmp_path / "dl3")],
    }
    findings = found(scheduler_and_data.probe_data, patient(data=data))
    assert {f.result for f in findings.values()} == {Result.OK}
    assert set(findings) == {
        "data dl1",
        "data mc_dl2",
        "data models",
        "data lstchain_config",
        "data roots",
    }
    assert findings["data mc_dl2"].message == "1 file."


@pytest.mark.parametrize(
    ("data", "part", "result", "words"),
    [
        ({}, "data dl1", Result.WARN, "empty"),
        ({"dl1": "{tmp}/none/{date}/x.h5"}, "data dl1", Result.FAIL, "There is no folder"),
        ({"dl1": "{tmp}/{night}/x.h5"}, "data dl1", Result.FAIL, "{night}"),
        ({"dl1": "here/{run}.h5"}, "data dl1", Result.FAIL, ""),
        ({"dl1": "{tmp}/x{run}.h5"}, "data models", Result.FAIL, "not set"),
        ({"models": "{tmp}/none"}, "data models", Result.FAIL, "does not exist"),
        ({"models": "{tmp}"}, "data models", Result.FAIL, "neither forests"),
        ({"mc_dl2": "{tmp}/*/dl2.h5"}, "data mc_dl2", Result.WARN, "No file"),
        ({"lstchain_config": "{tmp}/none"}, "data lstchain_config", Result.FAIL, "cannot be read"),
        ({"lstchain_config": "{tmp}/bad"}, "data lstchain_config", Result.FAIL, "no JSON"),
        ({"roots": ["{tmp}/none"]}, "data roots", Result.FAIL, "no folder"),
    ],
)
def test_data_that_are_not_there(
    patient: Make, tmp_path: Path, data: dict[str, str], part: str, result: Result, words: str
) -> None:
    (tmp_path / "bad").write_text("{")
    real = json.loads(json.dumps(data).replace("{tmp}", str(tmp_path)))
    finding = found(scheduler_and_data.probe_data, patient(data=real))[part]
    assert finding.result is result
    assert words in finding.message
