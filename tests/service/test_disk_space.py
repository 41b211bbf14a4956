"""Room on the disk: looked at before jobs are submitted, told where it lacks, and made."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from archive_fixtures import ArchiveHouse
from sqlalchemy import Connection

from astran.base.disk_space import disk_full_error, is_disk_full
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.states import AnalysisState
from astran.base.tasks import Stage
from astran.cli.main import main
from astran.database import analyses
from astran.database.live_tasks import tasks_under_way
from astran.database.location.identity import MARKER
from astran.database.tasks import TaskRow
from astran.service.jobs import disk_space
from astran.service.jobs.failure_classification import AttemptEnd, NextStep, classify_end
from astran.service.jobs.retry_policy import FailureCause
from astran.service.products.cleaning import RemovableItem, removable_items, remove_items
from astran.service.tick import run_tick

NOW = datetime(2023, 12, 18, 9, tzinfo=UTC)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the free space of every disk [GB]."""

    def leave(free_gb: float) -> None:
        free = int(free_gb * 1e9)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**13, 10**13 - free, free))

    return leave


@pytest.mark.lstchain
def test_tasks_wait_for_room_and_are_told_once(
    house: ArchiveHouse, disk: Callable[[float], None]
) -> None:
    disk(1.0)  # less than is to be kept free
    number = house.launch("20231213")
    for _ in range(3):
        house.tick(1, timedelta(minutes=11))
    assert house.scheduler.done == []
    ((kind, text),) = house.letters(number)
    assert kind == "no-room"
    assert "wait for room on the disk" in text
    assert "1.0 GB are free (2 GB are kept free)" in text
    disk(100.0)
    house.tick(1, timedelta(minutes=11))
    assert house.end(number).state is AnalysisState.DONE
    assert house.kinds(number) == ["no-room", "report"]


@pytest.mark.lstchain
def test_what_does_not_fit_waits_and_the_rest_goes_on(
    house: ArchiveHouse, disk: Callable[[float], None]
) -> None:
    size = house.file(100).stat().st_size
    disk(2.0 + 2.5 * size / 1e9)  # room for the DL2 of one of the two runs
    number = house.launch("20231213")
    house.tick()
    assert house.runs_of(Stage.DL2) == [100]
    assert house.state(number).state is AnalysisState.RUNNING


@pytest.mark.lstchain
def test_what_others_will_write_counts_as_used(
    house: ArchiveHouse, disk: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.scheduler, "_do", lambda task, token: None)
    monkeypatch.setattr(house.scheduler, "statuses_of", lambda jobs: {})
    disk(100.0)
    house.launch("20231213")
    house.tick()
    assert house.runs_of(Stage.DL2) == [100, 101]
    promised = 1.6 * sum(house.file(run).stat().st_size for run in (100, 101))
    disk(2.0 + (promised + 1000) / 1e9)  # enough for them, and for nothing else
    second = house.launch("20231216")
    house.tick()
    assert house.runs_of(Stage.DL2) == [100, 101]
    assert house.kinds(second) == ["no-room"]


@pytest.mark.lstchain
def test_what_is_under_way_is_read_once_in_a_tick(
    house: ArchiveHouse, disk: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many analyses submit: there may be thousands of tasks. What they add counts."""
    calls: list[int] = []

    def counted(db: Connection) -> list[TaskRow]:
        calls.append(1)
        return tasks_under_way(db)

    monkeypatch.setattr(disk_space, "tasks_under_way", counted)
    monkeypatch.setattr(house.scheduler, "_do", lambda task, token: None)
    monkeypatch.setattr(house.scheduler, "statuses_of", lambda jobs: {})
    promised = 1.6 * sum(house.file(run).stat().st_size for run in (100, 101))
    disk(2.0 + (promised + 1000) / 1e9)  # enough for the first alone
    house.launch("20231213")
    second = house.launch("20231216")
    house.tick()
    assert house.runs_of(Stage.DL2) == [100, 101]
    assert house.kinds(second) == ["no-room"]
    assert len(calls) == 1


@pytest.mark.lstchain
def test_a_full_disk_in_a_tick_ends_no_analysis(
    house: ArchiveHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = house.launch("20231213")

    def full(*_: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "config.yml")

    with monkeypatch.context() as patch:
        patch.setattr("astran.service.planning.write_config", full)
        for _ in range(4):
            (fault,) = run_tick(house.context, mail=False).faults
            assert "the disk quota of the account is used up (config.yml)" in fault
            assert "astran clean" in fault
    assert house.end(number).state is AnalysisState.DONE
    assert house.kinds(number) == ["report"], "an operator's matter"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("OSError: [Errno 122] Disk quota exceeded: 'x.h5'", "the disk quota of the account"),
        ("h5py: (errno = 28, error message = 'No space left on device')", "the disk is full"),
        ("sqlite3.OperationalError: database or disk is full", "the disk is full"),
        ("OSError: [Errno 2] No such file", ""),
    ],
)
def test_logs_that_tell_of_a_full_disk(line: str, said: str) -> None:
    assert disk_full_error(["something else", line]).startswith(said)
    assert bool(disk_full_error([line])) == bool(said)


def test_errors_that_tell_of_a_full_disk() -> None:
    assert is_disk_full(OSError(errno.ENOSPC, "No space left on device", "a")) == (
        "the disk is full (a)"
    )
    assert is_disk_full(OSError(errno.ENOENT, "No such file", "a")) == ""
    assert is_disk_full(ValueError("No space left on device")) == ""


def test_a_task_without_room_is_tried_again_later() -> None:
    record = ExitRecord(
        token="t",
        key="dl2-1",
        outcome=TaskOutcome.TOOL_FAILED,
        returncode=1,
        message="lstchain_dl1_to_dl2 ended with return code 1.",
        started=NOW.isoformat(),
        ended=NOW.isoformat(),
        host="node1",
        log_excerpt=("tables.exceptions.HDF5ExtError: No space left on device",),
    )
    verdict = classify_end(AttemptEnd(None, "", "node1", record, NOW), NOW)
    assert (verdict.step, verdict.cause) == (NextStep.RETRY, FailureCause.DISK_FULL)
    assert verdict.reason == "the disk is full"


# ---- clean ---------------------------------------------------------------------------------------


@pytest.mark.lstchain
def test_clean_removes_what_no_report_points_to(
    house: ArchiveHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = house.launch("20231214")  # of subruns
    folder = house.end(first).folder
    again = house.launch("20231214", dl3={"theta_cut": 0.3})
    other = house.end(again).folder
    shared = Path("DL2", "dl2_LST-1.Run00200.h5")
    assert (other / shared).samefile(folder / shared)
    dead = folder / "DL2" / ".work-dl2-200-0123"
    dead.mkdir()
    (dead / "half.h5").write_bytes(b"x" * 1000)
    os.utime(dead, (1, 1))
    site = tmp_path / "site.yml"
    site.write_text(yaml.safe_dump(house.context.site.model_dump(mode="json", exclude={"mail"})))

    def clean(*words: str) -> list[str]:
        capsys.readouterr()
        assert main(["clean", *words, "--json", "--site", str(site)]) == 0
        return [item["path"] for item in json.loads(capsys.readouterr().out)["items"]]

    def files() -> set[Path]:
        found = (tmp_path / "work").rglob("*")
        own = ("batches", MARKER, ".astran.use.lock")
        return {path for path in found if not any(name in path.parts for name in own)}

    before = files()
    assert clean("--dry-run", "--older-than", "1e6") == []
    listed = clean("--dry-run")  # years ago, by the clock of this machine
    assert files() == before, "a dry run removes nothing"
    assert str(dead) in listed
    assert clean() == listed
    store = house.context.site.products_dir
    gone = {str(path) for path in before - files() if store not in path.parents}
    assert {Path(path).parent.name for path in gone if path.endswith(".h5")} <= {
        "subruns",
        dead.name,
    }
    assert not dead.exists()
    for kept in (folder / "results" / "results.json", folder / "DL2" / "dl2_LST-1.Run00200.h5"):
        assert kept.exists()
    # the second analysis, which ended just now, has the DL2 of the first
    with house.context.db.begin() as db:
        analyses.change_analysis(db, again, ended=datetime.now(UTC))
    assert clean("--dl2") == []
    assert (other / shared).exists()
    assert len(list(store.rglob("dl2_*.h5"))) == 2, "those of subruns went with their last name"
    shutil.rmtree(other)
    listed = clean("--dl2")
    assert {Path(path).name for path in listed} == {shared.name, "dl2_LST-1.Run00201.h5"}
    assert len(listed) == 4, "of each its name in the folder, and its place in the store"
    assert list(store.rglob("dl2_*.h5")) == []
    assert (folder / "results" / "results.json").exists()
    assert len(list(store.rglob("dl3_*.fits"))) == 4


@pytest.mark.lstchain
def test_clean_frees_the_store_of_what_no_analysis_has_any_more(house: ArchiveHouse) -> None:
    number = house.launch("20231213")
    folder = house.end(number).folder
    beside = house.end(house.launch("20231214")).folder  # tells that the disk is there
    store = house.context.site.products_dir
    held = folder.parent / "kept.fits"
    held.hardlink_to(folder / "DL3" / "dl3_LST-1.Run00100.fits")
    shutil.rmtree(folder)
    house.clock.time = datetime.now(UTC)
    assert in_store(house, timedelta()) == [], "nobody has it since just now"
    house.clock.time += timedelta(days=20)
    items = in_store(house)
    names = {item.path.name for item in items}
    assert {"dl2_LST-1.Run00100.h5", "dl3_LST-1.Run00101.fits", "results"} <= names
    assert "dl3_LST-1.Run00100.fits" not in names, "somebody has it by a link of his own"
    assert remove_items(house.context, items) == sum(item.size for item in items)
    left = [path.name for path in store.rglob("dl?_LST-1.Run0010?.*")]
    assert left == ["dl3_LST-1.Run00100.fits"]
    assert held.read_text()
    assert list(store.rglob("dl3_LST-1.Run00200.fits"))
    shutil.rmtree(beside)
    house.clock.time += timedelta(days=20)
    assert in_store(house) == [], "no folder is left that tells a deleted one from a lost disk"
    beside.mkdir()
    assert "dl3_LST-1.Run00200.fits" in {item.path.name for item in in_store(house)}


@pytest.fixture
def linked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is on another disk: analysis folders hold symbolic links."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr("astran.base.product_store.os.link", refuse)


@pytest.mark.lstchain
@pytest.mark.usefixtures("linked")
def test_clean_keeps_what_folders_it_cannot_see_may_have(
    house: ArchiveHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = house.end(house.launch("20231213")).folder
    again = house.end(house.launch("20231213", dl3={"theta_cut": 0.3})).folder
    assert (folder / "DL3" / "dl3_LST-1.Run00100.fits").is_symlink()
    house.clock.time = datetime.now(UTC) + timedelta(days=20)
    assert in_store(house) == []
    away = folder.parent.with_name("unmounted")
    for gone in (folder, again):
        away.mkdir(exist_ok=True)
        gone.rename(away / gone.name)
    assert in_store(house) == [], "not mounted"
    (away / again.name).rename(again)
    assert in_store(house) == [], "one was moved"
    (away / folder.name).rename(folder)

    plain = os.scandir

    def stale(path: str | Path = ".") -> object:
        if Path(path) == folder / "DL3":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return plain(path)

    for link in (folder / "DL3").glob("dl3_*"):
        link.unlink()  # as if not to be seen
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", stale)
        assert in_store(house) == [], "cannot be read"
    names = {item.path.name for item in in_store(house)}
    assert "dl3_LST-1.Run00100.fits" in names, "seen whole, and without it"


def in_store(
    house: ArchiveHouse, older_than: timedelta = timedelta(days=14)
) -> list[RemovableItem]:
    """What would go from the store, but for DL2 of subruns."""
    return [
        item
        for item in removable_items(house.context, older_than, dl2=False)
        if house.context.site.products_dir in item.path.parents
        and not re.search(r"Run\d+\.\d{4}", item.path.name)
    ]


@pytest.mark.lstchain
def test_clean_leaves_live_analyses_alone(
    house: ArchiveHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.clock.time = datetime(2023, 12, 16, 9, tzinfo=UTC)
    number = house.launch("20231215")
    house.tick(4)
    assert house.state(number).state is AnalysisState.WAITING
    site = tmp_path / "site.yml"
    site.write_text(yaml.safe_dump(house.context.site.model_dump(mode="json", exclude={"mail"})))
    assert main(["clean", "--dl2", "--older-than", "0", "--site", str(site)]) == 0
    assert "There is nothing to remove." in capsys.readouterr().out
