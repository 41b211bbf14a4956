"""Every way in which a site may keep lstchain: entered alike by the question and by the jobs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import require
from production_samples import a_site
from test_releases import make_environment

from astran.base.errors import ConfigError
from astran.base.tasks import Stage, Task
from astran.config.model import build_settings
from astran.config.site import Environment, SiteConfig
from astran.production.job.scripts import write_scripts
from astran.telescopes.lst.environment.releases import find_toolset
from astran.telescopes.lst.environment.toolset import Tool

MODULES = Path("/usr/share/modules/init/bash")


@dataclass(frozen=True)
class Kind:
    """How an environment is named in the site configuration, and what a job in it must see."""

    settings: dict[str, Any]
    sees: dict[str, str]


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def plain_path(root: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    return Kind({}, {})


def bin_folder(root: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    return Kind({"bin": str(binaries)}, {})


def venv(root: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    return Kind({"venv": str(binaries.parent)}, {"VIRTUAL_ENV": str(binaries.parent)})


def conda_folder(root: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    hook = binaries.parent / "etc" / "conda" / "activate.d" / "lib.sh"
    program(hook, 'export OF_THE_HOOK="$CONDA_PREFIX/share"\n')
    prefix = str(binaries.parent)
    return Kind({"conda": prefix}, {"CONDA_PREFIX": prefix, "OF_THE_HOOK": f"{prefix}/share"})


def conda_name(root: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """As conda does it: `conda shell.bash hook` prints the function that activates."""
    text = f"""#!/bin/bash
[ "$*" = "shell.bash hook" ] || exit 9
cat <<'EOF'
conda() {{
    [ "$*" = "activate lst-0.10" ] || return 1
    export CONDA_DEFAULT_ENV=lst-0.10 PATH={binaries}:"$PATH"
}}
EOF
"""
    program(root / "tools" / "conda", text)
    monkeypatch.delenv("CONDA_EXE", raising=False)
    monkeypatch.setenv("PATH", f"{root}/tools:/usr/bin:/bin")
    return Kind({"conda": "lst-0.10"}, {"CONDA_DEFAULT_ENV": "lst-0.10"})


def module(root: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    require(MODULES.is_file(), "environment-modules", "make services")
    file = root / "modulefiles" / "lstchain" / "0.10"
    program(file, f"#%Module1.0\nprepend-path PATH {binaries}\nsetenv LSTCHAIN_ROOT {root}\n")
    monkeypatch.setenv("MODULEPATH", str(root / "modulefiles"))
    monkeypatch.delenv("LOADEDMODULES", raising=False)
    return Kind({"module": "lstchain/0.10"}, {"LSTCHAIN_ROOT": str(root)})


def container(root: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Stands for apptainer: only what is bound is there, and PATH is the image's own."""
    text = f"""#!/bin/bash
[ "$1 $2" = "exec {root}/lst.sif" ] || exit 255
shift 2
export INSIDE=yes PATH={binaries}:/usr/bin:/bin
exec "$@"
"""
    program(root / "tools" / "apptainer", text)
    (root / "lst.sif").touch()
    monkeypatch.setenv("PATH", f"{root}/tools:/usr/bin:/bin")
    return Kind({"apptainer": f"{root}/lst.sif"}, {})


def shell_lines(root: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    return Kind({"setup": [f'export PATH="{binaries}:$PATH" MINE=1']}, {"MINE": "1"})


Make = Callable[[Path, Path, pytest.MonkeyPatch], Kind]
KINDS: tuple[Make, ...] = (
    *(plain_path, bin_folder, venv, conda_folder, conda_name, module, container, shell_lines),
)


def site_with(root: Path, settings: dict[str, Any], **more: Any) -> SiteConfig:
    return a_site(
        root / "work", lstchain={"default": "old", "environments": {"old": settings}}, **more
    )


def a_task(folder: Path, *words: str) -> Task:
    return Task(
        key="dl2-1",
        stage=Stage.DL2,
        argv=words,
        outputs=(),
        folder=str(folder),
        script=str(folder / "Script_dl2_1.sh"),
        log=str(folder / "dl2-1.log"),
        record=str(folder / "dl2-1.record.json"),
        environment="old",
    )


def run_job(site: SiteConfig, task: Task, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a task's script; in the place of ASTRAN's runner stands one that runs `task.argv`."""
    runner = program(
        root / "runner", f"#!/bin/bash\nenv > {root}/seen\nexec {' '.join(task.argv)}\n"
    )
    script = write_scripts(task, site, None, str(runner))
    return subprocess.run(["bash", script], capture_output=True, text=True, timeout=60)


def seen(root: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in (root / "seen").read_text().splitlines())
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_asked_and_used_alike(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries = make_environment(tmp_path / "env", "0.10.18")
    kind = make(tmp_path, binaries, monkeypatch)
    site = site_with(tmp_path, kind.settings)
    tools = find_toolset(site, "0.10.x")
    assert (tools.name, tools.version) == ("old", "0.10.18")
    assert tools.knows(Tool.CREATE_DL3, "interp-method")
    done = run_job(site, a_task(tmp_path / "a", *tools.command(Tool.DL1_TO_DL2)), tmp_path)
    assert done.returncode == 0, done.stderr
    assert kind.sees.items() <= seen(tmp_path).items()
    python = run_job(site, a_task(tmp_path / "b", *tools.program("python3"), "-V"), tmp_path)
    assert python.returncode == 0, python.stderr


def test_a_container_sees_the_folders_of_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = make_environment(tmp_path / "env", "0.10.18")
    kind = container(tmp_path, binaries, monkeypatch)
    for name in ("dl1", "old-models", "extra", "work"):
        (tmp_path / name).mkdir()
    settings = {
        **kind.settings,
        "binds": [str(tmp_path / "extra"), str(tmp_path / "absent")],
        "data": {"models": str(tmp_path / "old-models")},
    }
    data = {"dl1": f"{tmp_path}/dl1/{{date}}/*.h5", "models": str(tmp_path / "models")}
    site = site_with(tmp_path, settings, data=data)
    monkeypatch.setenv("APPTAINER_BIND", "/of/the/user")
    done = run_job(
        site, a_task(tmp_path / "a", *find_toolset(site).command(Tool.CREATE_IRF)), tmp_path
    )
    assert done.returncode == 0, done.stderr
    bound = seen(tmp_path)["APPTAINER_BIND"].split(",")
    for name in ("dl1", "old-models", "extra", "work"):
        assert str(tmp_path / name) in bound
    assert str(tmp_path / "absent") not in bound, "apptainer refuses to bind what is not there"
    assert bound[-1] == "/of/the/user"
    assert any(Path(folder, "dl2", "engine.py").exists() for folder in bound), "the fast engine"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"module": "lstchain/9.9"}, "module load lstchain/9.9 failed"),
        ({"conda": "nobody's"}, "conda activate nobody's failed"),
    ],
)
def test_what_cannot_be_entered_is_said(
    settings: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "module" in settings:
        require(MODULES.is_file(), "environment-modules", "make services")
    monkeypatch.delenv("CONDA_EXE", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    site = site_with(tmp_path, settings)
    with pytest.raises(ConfigError, match=said):
        find_toolset(site)
    done = run_job(site, a_task(tmp_path / "a", "true"), tmp_path)
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"venv": "/a", "conda": "b"}, "venv and conda contradict each other"),
        ({"venv": "not/absolute"}, "absolute path"),
        ({"conda": "not/absolute"}, "absolute path"),
        ({"runtime": "docker"}, "apptainer"),
        ({"vnev": "/a"}, "Did you mean 'venv'"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_settings(Environment, settings, "The environment")


def test_one_module_or_several() -> None:
    assert Environment(module="gcc/12 lstchain/0.12").module == ("gcc/12", "lstchain/0.12")
    assert Environment(module=["gcc/12", "lstchain/0.12"]).module == ("gcc/12", "lstchain/0.12")


def test_a_folder_is_taken_at_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though PATH leads to another lstchain."""
    make_environment(tmp_path / "other", "0.12.3")
    monkeypatch.setenv("PATH", f"{tmp_path}/other/bin:{os.environ['PATH']}")
    (tmp_path / "empty").mkdir()
    site = site_with(tmp_path, {"bin": str(tmp_path / "empty")})
    with pytest.raises(ConfigError, match="has no lstchain"):
        find_toolset(site)
