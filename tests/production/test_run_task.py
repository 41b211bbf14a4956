"""The runner: what it leaves behind, however a tool ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from astran.base.clock import SystemClock
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.files import sha256
from astran.base.tasks import Output, ProductKind, Stage, Task
from astran.production.run_task import RETURN_CODES, TOKEN, main, run_task

NUMBERS = {
    "n_on": 10,
    "n_off": 4,
    "alpha": 0.5,
    "excess": 8.0,
    "significance": 3.1,
    "livetime_h": 1.0,
}
RESULTS = {
    "stacked": NUMBERS,
    "runs": [{"obs_id": 1, **NUMBERS}],
    "plots": [{"file": "theta2.png"}],
}
GOOD = f"""
import os, sys
folder = sys.argv[1]
os.mkdir(folder)
open(folder + "/results.json", "w").write('''{json.dumps(RESULTS)}''')
open(folder + "/theta2.png", "wb").write(b"png")
print("made", folder)
"""


def a_task(folder: Path, code: str = GOOD, **more: Any) -> Task:
    """A task whose tool is Python code; its product is a folder of results."""
    task = Task(
        key="highlevel",
        stage=Stage.HIGHLEVEL,
        argv=(sys.executable, "-c", code, "{work}/results"),
        outputs=(Output("results", str(folder / "results"), ProductKind.RESULTS),),
        folder=str(folder),
        script=str(folder / "jobmanager" / "Script_highlevel.sh"),
        log=str(folder / "log" / "highlevel.log"),
        record=str(folder / "jobmanager" / "highlevel.record.json"),
    )
    return replace(task, **more)


def run(task: Task, token: str = "first") -> tuple[TaskOutcome, ExitRecord]:
    outcome = run_task(task, token, SystemClock())
    record = ExitRecord.read(Path(task.record))
    assert record is not None
    assert record.outcome is outcome
    return outcome, record


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_success_leaves_product_and_record(tmp_path: Path) -> None:
    outcome, record = run(a_task(tmp_path))
    assert outcome is TaskOutcome.OK
    assert json.loads((tmp_path / "results" / "results.json").read_text()) == RESULTS
    product = record.products[0]
    assert product.path == str(tmp_path / "results")
    assert product.facts["significance"] == 3.1
    assert product.size == sum(p.stat().st_size for p in (tmp_path / "results").iterdir())
    assert (record.token, record.key, record.returncode) == ("first", "highlevel", 0)
    assert record.max_rss_mb is not None and record.max_rss_mb > 1
    assert leftovers(tmp_path) == []


def test_a_file_product_has_its_checksum(tmp_path: Path) -> None:
    hdf5 = "import tables,sys; tables.open_file(sys.argv[1] + '.h5', 'w').close()"
    output = Output("results.h5", str(tmp_path / "x.h5"), ProductKind.DL2)
    outcome, record = run(a_task(tmp_path, hdf5, outputs=(output,)))
    assert outcome is TaskOutcome.CHECK_FAILED  # an HDF5 file without events is no DL2
    assert "holds no table of events" in record.message
    assert not (tmp_path / "x.h5").exists()


def test_success_without_a_product_is_a_failure(tmp_path: Path) -> None:
    """lstchain_dl1_to_dl2 with a missing configuration ends with 0 and writes nothing."""
    outcome, record = run(a_task(tmp_path, "print('nothing done')"))
    assert outcome is TaskOutcome.CHECK_FAILED
    assert record.returncode == 0
    assert "results is not there" in record.message


def test_return_code_and_the_telling_line(tmp_path: Path) -> None:
    task = a_task(tmp_path, "raise SystemExit(3)")
    log = Path(task.log)
    log.parent.mkdir()
    log.write_text("fine\nKeyError: 'GH_CUTS'\n")
    outcome, record = run(task)
    assert outcome is TaskOutcome.TOOL_FAILED
    assert record.returncode == 3
    assert "return code 3" in record.message
    assert record.log_excerpt == ("KeyError: 'GH_CUTS'",)


def test_a_killed_tool_is_told_as_lack_of_memory(tmp_path: Path) -> None:
    outcome, record = run(a_task(tmp_path, "import os; os.kill(os.getpid(), 9)"))
    assert outcome is TaskOutcome.TOOL_FAILED
    assert record.returncode == -9
    assert "SIGKILL" in record.message and "memory" in record.message


def test_a_tool_that_is_not_there(tmp_path: Path) -> None:
    outcome, record = run(a_task(tmp_path, argv=("/nowhere/lstchain_dl1_to_dl2", "x")))
    assert outcome is TaskOutcome.TOOL_FAILED
    assert "/nowhere/lstchain_dl1_to_dl2" in record.message


def test_missing_input_is_named_and_nothing_is_run(tmp_path: Path) -> None:
    gone = tmp_path / "dl1.h5"
    outcome, record = run(a_task(tmp_path, inputs=(str(gone),)))
    assert outcome is TaskOutcome.INPUT_MISSING
    assert str(gone) in record.message
    assert record.returncode is None
    assert not (tmp_path / "results").exists()


def test_a_failed_attempt_leaves_the_old_product(tmp_path: Path) -> None:
    run(a_task(tmp_path))
    before = sha256(tmp_path / "results" / "results.json")
    outcome, _ = run(a_task(tmp_path, GOOD + "\nraise SystemExit(1)"), "second")
    assert outcome is TaskOutcome.TOOL_FAILED
    assert sha256(tmp_path / "results" / "results.json") == before
    assert leftovers(tmp_path) == []


def test_a_new_folder_takes_the_place_of_the_old(tmp_path: Path) -> None:
    run(a_task(tmp_path))
    (tmp_path / "results" / "stale.png").write_bytes(b"old")
    run(a_task(tmp_path), "second")
    names = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert names == ["results.json", "theta2.png"]
    assert leftovers(tmp_path) == []


def test_a_finished_attempt_is_not_repeated(tmp_path: Path) -> None:
    count = tmp_path / "count"
    task = a_task(tmp_path, f"open({str(count)!r}, 'a').write('x')\n" + GOOD)
    run(task)
    run(task)
    assert count.read_text() == "x"
    run(task, "second")
    assert count.read_text() == "xx"


def test_a_finished_attempt_is_repeated_if_its_product_is_gone(tmp_path: Path) -> None:
    run(a_task(tmp_path))
    (tmp_path / "results").rename(tmp_path / "moved")
    run(a_task(tmp_path))
    assert (tmp_path / "results" / "results.json").exists()


def test_a_damaged_record_is_replaced(tmp_path: Path) -> None:
    task = a_task(tmp_path)
    Path(task.record).parent.mkdir()
    Path(task.record).write_text("{ not whole")
    assert run(task)[0] is TaskOutcome.OK


def test_by_hand_the_record_of_the_service_stays(tmp_path: Path) -> None:
    task = a_task(tmp_path)
    run(task)
    assert run_task(task, "", SystemClock()) is TaskOutcome.OK
    record = ExitRecord.read(Path(task.record))
    assert record is not None and record.token == "first"
    assert Path(task.record + ".by-hand").exists()


def test_work_folders_of_earlier_attempts_are_cleaned_but_no_others(tmp_path: Path) -> None:
    task = a_task(tmp_path, "raise SystemExit(1)")
    crash = GOOD + "\nimport os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    child = [sys.executable, "-c", RUN_ONE, str(tmp_path), crash]
    subprocess.run(child, check=False, env={**os.environ, TOKEN: "killed"})
    assert len(leftovers(tmp_path)) == 1
    other = tmp_path / ".work-highlevel-00000000-11111111"  # of another analysis
    other.mkdir()
    run(task, "second")
    assert leftovers(tmp_path) == [other.name]


def test_links_show_the_tool_what_was_planned(tmp_path: Path) -> None:
    irf = tmp_path / "irf_made_elsewhere.fits.gz"
    irf.write_text("irf")
    code = (
        "import os,sys; assert os.listdir('irf') == ['irf_a.fits.gz'], os.listdir('irf')\n" + GOOD
    )
    links = (("irf/irf_a.fits.gz", str(irf)),)
    assert run(a_task(tmp_path, code, links=links))[0] is TaskOutcome.OK
    assert irf.read_text() == "irf"


def test_a_link_that_leads_nowhere_is_a_missing_input(tmp_path: Path) -> None:
    """With fewer IRFs than planned the DL3 tool would silently take the nearest."""
    there = tmp_path / "there"
    there.write_text("x")
    links = (("irf/a", str(there)), ("irf/b", str(tmp_path / "gone")))
    outcome, record = run(a_task(tmp_path, links=links))
    assert outcome is TaskOutcome.INPUT_MISSING
    assert "gone" in record.message


def test_a_task_after_others_works_with_what_succeeded(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("x")
    links = (("a", str(there)), ("b", str(tmp_path / "gone")))
    after = ("dl3-1", "dl3-2")
    assert run(a_task(tmp_path, links=links, after=after))[0] is TaskOutcome.OK
    assert run(a_task(tmp_path, links=links[1:], after=after), "2")[0] is TaskOutcome.INPUT_MISSING


RUN_ONE = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_run_task import a_task
from astran.production.run_task import main
task = a_task(Path(sys.argv[1]), sys.argv[2])
path = Path(sys.argv[1], "task.json")
path.write_text(json.dumps(task.to_json()))
sys.exit(main([str(path)]))
"""
SLOW = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1] + ".pid", "w").write(str(child.pid))
open({mark!r}, "w").write(str(child.pid))
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_the_tools_group_and_is_recorded(
    tmp_path: Path, number: signal.Signals
) -> None:
    mark = tmp_path / "pid"
    code = SLOW.format(mark=str(mark))
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_ONE, str(tmp_path), code], env={**os.environ, TOKEN: "t"}
    )
    deadline = time.monotonic() + 30
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(timeout=30) == RETURN_CODES[TaskOutcome.STOPPED]
    record = ExitRecord.read(Path(a_task(tmp_path).record))
    assert record is not None
    assert record.outcome is TaskOutcome.STOPPED
    assert number.name in record.message
    assert leftovers(tmp_path) == []
    grandchild = int(mark.read_text())
    deadline = time.monotonic() + 5
    while _alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(grandchild)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = a_task(tmp_path)
    description = tmp_path / "task.json"
    description.write_text(json.dumps(task.to_json()))
    monkeypatch.setenv(TOKEN, "attempt-1")
    assert main([str(description)]) == 0
    record = ExitRecord.read(Path(task.record))
    assert record is not None and record.token == "attempt-1"
    assert main([]) == 2


def test_others_cannot_read_products(tmp_path: Path) -> None:
    """Whatever umask the node has; the group reads them."""
    before = os.umask(0o022)
    try:
        (tmp_path / "task.json").write_text(json.dumps(a_task(tmp_path).to_json()))
        assert main([str(tmp_path / "task.json")]) == 0
    finally:
        os.umask(before)
    product = tmp_path / "results"
    assert product.stat().st_mode & 0o777 == 0o750
    for path in product.iterdir():
        assert path.stat().st_mode & 0o777 == 0o640


def test_return_codes_differ() -> None:
    assert set(RETURN_CODES) == set(TaskOutcome)
    assert len(set(RETURN_CODES.values())) == len(TaskOutcome)


def test_products_are_kept_in_the_store_of_the_site(tmp_path: Path) -> None:
    store = tmp_path / "store"
    task = a_task(tmp_path / "a", store=str(store), fingerprint="ab" * 32)
    outcome, record = run(task)
    assert outcome is TaskOutcome.OK
    (product,) = record.products
    kept = Path(product.stored)
    assert kept.is_relative_to(store / "ab" / ("ab" * 32))
    assert sha256(kept / "theta2.png") == product.facts["files"]["theta2.png"]
    shutil.rmtree(tmp_path / "a" / "results")
    assert json.loads((kept / "results.json").read_text()) == RESULTS


def test_a_store_that_cannot_be_written_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store").write_text("a file")
    task = a_task(tmp_path / "a", store=str(tmp_path / "store"), fingerprint="ab" * 32)
    outcome, record = run(task)
    assert outcome is TaskOutcome.OK
    assert record.products[0].stored == ""
    assert "results is not kept in" in caplog.text


def test_by_hand_nothing_goes_to_the_store(tmp_path: Path) -> None:
    task = a_task(tmp_path / "a", store=str(tmp_path / "store"), fingerprint="ab" * 32)
    assert run_task(task, "", SystemClock()) is TaskOutcome.OK
    assert not (tmp_path / "store").exists()


def test_results_made_again_take_the_place_of_a_link_to_the_store(tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere"
    kept.mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "results").symlink_to(kept)
    outcome, _ = run(a_task(tmp_path / "a"))
    assert outcome is TaskOutcome.OK
    assert (tmp_path / "a" / "results" / "results.json").is_file()
    assert list(kept.iterdir()) == []


def test_what_the_log_of_a_success_warns_of_is_told_with_the_product(tmp_path: Path) -> None:
    task = a_task(tmp_path)
    Path(task.log).parent.mkdir(parents=True)
    Path(task.log).write_text(
        "base.py:442: InconsistentVersionWarning: Trying to unpickle estimator Forest "
        "from version 1.9.1 when using version 1.7.2. This might lead to breaking code.\n"
    )
    outcome, record = run(task)
    assert outcome is TaskOutcome.OK
    assert "scikit-learn 1.9.1" in record.products[0].facts["warnings"][-1]
