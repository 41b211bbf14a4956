"""Job scripts: what they set up, and that nothing in a path can break them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from production_samples import a_site

from astran.base.errors import ConfigError
from astran.base.tasks import Stage, Task
from astran.production.job.scripts import render_job_script, write_scripts

PRINT_ENVIRONMENT = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"


def a_task(folder: Path, **more: Any) -> Task:
    return Task(
        key="dl2-1",
        stage=Stage.DL2,
        argv=("tool",),
        outputs=(),
        folder=str(folder),
        script=str(folder / "jobmanager" / "Script_dl2_1.sh"),
        log=str(folder / "log" / "dl2-1.log"),
        record=str(folder / "jobmanager" / "dl2-1.record.json"),
        **more,
    )


def site_with(tmp_path: Path, **environment: Any) -> Any:
    return a_site(
        tmp_path, lstchain={"default": "e", "environments": {"e": {"bin": None, **environment}}}
    )


def run_with_fake_python(script: Path, tmp_path: Path) -> tuple[dict[str, str], list[str]]:
    """Run a script whose interpreter only tells its environment and its arguments."""
    teller = tmp_path / "teller"
    teller.write_text(f"#!/bin/bash\nexec {sys.executable} -c '{PRINT_ENVIRONMENT}' \"$@\"\n")
    teller.chmod(0o755)
    done = subprocess.run(
        ["bash", script], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == 0, done.stderr
    variables, argv = json.loads(done.stdout)
    return variables, argv


def test_script_runs_the_runner_on_the_task(tmp_path: Path) -> None:
    task = a_task(tmp_path, environment="e", variables=(("OMP_NUM_THREADS", "2"),))
    script = write_scripts(
        task, site_with(tmp_path, bin="/opt/lst/bin"), "lstchain 0.12.1", str(tmp_path / "teller")
    )
    variables, argv = run_with_fake_python(script, tmp_path)
    assert argv[:4] == ["-E", "-P", "-m", "astran.production.run_task"]
    assert Task.from_json(json.loads(Path(argv[4]).read_text())) == task
    assert variables["PATH"].startswith("/opt/lst/bin:")
    assert variables["OMP_NUM_THREADS"] == "2"


def test_nothing_in_a_name_can_break_the_script(tmp_path: Path) -> None:
    folder = tmp_path / "it's $(touch owned) `x` \"&; #"
    value = "a 'b' $HOME\n; exit 1"
    task = a_task(folder, environment="e", variables=(("STRANGE", value),))
    tools = str(tmp_path / "bin with ' and $(x)")
    script = write_scripts(task, site_with(tmp_path, bin=tools), None, str(tmp_path / "teller"))
    variables, argv = run_with_fake_python(script, tmp_path)
    assert variables["STRANGE"] == value
    assert variables["PATH"].startswith(tools + ":")
    assert Path(argv[4]).parent == folder / "jobmanager"
    assert not list(tmp_path.rglob("owned"))
    assert not Path("owned").exists()


def test_setup_lines_run_first_and_the_sites_variables_win(tmp_path: Path) -> None:
    site = site_with(
        tmp_path,
        setup=["if true; then", "  export FROM_SETUP=yes", "fi", 'echo "$UNSET_IS_FINE" >&2'],
        variables={"OMP_NUM_THREADS": "7"},
    )
    task = a_task(tmp_path, environment="e", variables=(("OMP_NUM_THREADS", "2"),))
    script = write_scripts(task, site, None, str(tmp_path / "teller"))
    variables, _ = run_with_fake_python(script, tmp_path)
    assert variables["FROM_SETUP"] == "yes"
    assert variables["OMP_NUM_THREADS"] == "7"


def test_own_tasks_get_no_lstchain_environment(tmp_path: Path) -> None:
    site = site_with(tmp_path, bin="/opt/lst/bin", setup=["export FROM_SETUP=yes"])
    script = write_scripts(a_task(tmp_path), site, None, str(tmp_path / "teller"))
    variables, _ = run_with_fake_python(script, tmp_path)
    assert "FROM_SETUP" not in variables
    assert "/opt/lst" not in variables["PATH"]


def test_small_files_and_the_log_folder_are_made(tmp_path: Path) -> None:
    config = tmp_path / "jobmanager" / "deep" / "selection.json"
    task = a_task(tmp_path, files=((str(config), "{}\n"),))
    script = write_scripts(task, site_with(tmp_path), None, "/usr/bin/python3")
    assert config.read_text() == "{}\n"
    assert Path(task.log).parent.is_dir()
    assert os.access(script, os.X_OK)
    assert not list(tmp_path.rglob("*.part"))


def test_an_environment_that_is_gone_is_an_error(tmp_path: Path) -> None:
    task = replace(a_task(tmp_path), environment="0.9")
    with pytest.raises(ConfigError, match=r"0\.9"):
        write_scripts(task, site_with(tmp_path), None, "/usr/bin/python3")


def test_a_line_feed_in_a_folder_cannot_end_the_comment(tmp_path: Path) -> None:
    text = render_job_script(
        "task.sh.j2", title="x", setup=(), bin="", variables=(), command=["python", "a\nb"]
    )
    assert text.splitlines()[1] == "# x"
    script = write_scripts(a_task(tmp_path / "a\necho owned"), site_with(tmp_path), None, "true")
    assert "\necho owned" not in script.read_text().split("set -u")[0]
