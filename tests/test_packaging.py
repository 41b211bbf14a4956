"""The wheel holds everything, and an installed ASTRAN works from any folder."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import astran

ROOT = Path(__file__).parent.parent
SOURCES = (
    "setup.cfg",
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
)
TREES = ("astran", "templates", "configs")


def pip(*words: str | Path) -> None:
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy to build from, so that nothing left over in the checkout gets in."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copy(ROOT / name, source / name)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in TREES:
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    return source


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", folder, source)
    (path,) = folder.glob("astran-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Folder with the installed wheel; its requirements come from this environment."""
    folder = wheel.parent / "installed"
    pip("install", "--no-deps", "--target", folder, wheel)
    return folder


def run(installed: Path, cwd: Path, *argv: str | Path) -> str:
    """Run Python with the installed wheel in front of everything, from another folder."""
    env = {**os.environ, "PYTHONPATH": str(installed), "HOME": str(cwd)}
    env.pop("ASTRAN_SITE", None)
    done = subprocess.run(
        [sys.executable, *map(str, argv)],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    code = files_below(ROOT / "astran")
    data = {f"astran/{name}" for tree in TREES[1:] for name in files_below(ROOT / tree)}
    assert sorted((code | data) - packed) == []
    assert sorted(packed - code - data) == []


def test_the_source_archive_makes_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    code = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, timeout=300)
    (archive,) = (source / "dist").glob("astran-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("astran-*")
    assert {name for name in SOURCES if not (unpacked / name).is_file()} == set()
    pip("wheel", "--no-deps", "--wheel-dir", tmp_path, unpacked)
    (again,) = tmp_path.glob("astran-*.whl")
    assert again.name == wheel.name
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(\S+)\]", text, re.M)
    assert next(one for one in versions if one != "Unreleased") == astran.__version__


def test_the_metadata(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"lst", "demo", "postgres", "test"} <= set(metadata.get_all("Provides-Extra", []))
    needs = metadata.get_all("Requires-Dist", [])
    # lstchain brings a gammapy of its own: only the extra may ask for it
    assert [n for n in needs if n.startswith("lstchain")] == ['lstchain>=0.12; extra == "lst"']
    assert "gammapy>=1.2" in needs


def test_it_is_the_installed_one_that_runs(installed: Path, tmp_path: Path) -> None:
    said = run(installed, tmp_path, "-c", "import astran; print(astran.__file__)")
    assert Path(said.strip()).is_relative_to(installed)


def test_commands_from_any_folder(installed: Path, tmp_path: Path) -> None:
    program = installed / "bin" / "astran"
    assert run(installed, tmp_path, program, "--version").startswith("ASTRAN ")
    run(installed, tmp_path, program, "init")
    assert "Nothing is under way" in run(installed, tmp_path, program, "status")
    run(installed, tmp_path, installed / "bin" / "astran-launcher")
    assert (tmp_path / "astran" / "heartbeat.json").is_file()


def test_every_command_is_installed_and_loads(installed: Path, tmp_path: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].split("\n")
    wanted = {line.partition("=")[0].strip() for line in lines if line}
    assert {path.name for path in (installed / "bin").iterdir()} == wanted
    code = (
        "from importlib.metadata import distribution\n"
        "points = distribution('astran').entry_points\n"
        "print(sorted(point.name for point in points if callable(point.load())))"
    )
    assert run(installed, tmp_path, "-c", code).strip() == str(sorted(wanted))


def test_templates_and_configs_are_found(installed: Path, tmp_path: Path) -> None:
    code = """
from astran.base.files import packaged_path
from astran.config.examples import analysis_example, site_example
from astran.telescopes.lst.settings import LstConfig
from astran.production.job.scripts import render_job_script

assert packaged_path("templates").parent.name == "astran", packaged_path("templates")
assert (packaged_path("configs") / "site.example.yml").read_text() == site_example()
example = analysis_example(LstConfig)
assert (packaged_path("configs") / "analysis.example.yml").read_text() == example
words = {"title": "x", "setup": (), "bin": "", "variables": (), "command": ["true", "a b"]}
text = render_job_script("task.sh.j2", **words)
assert text.rstrip().endswith("exec true 'a b'"), text
"""
    run(installed, tmp_path, "-c", code)
