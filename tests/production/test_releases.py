"""Which lstchain environment a request gets, and what is known of its tools."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from production_samples import a_site

from astran.base.errors import ConfigError
from astran.config.site import SiteConfig
from astran.telescopes.lst.environment.releases import (
    NoSuchRelease,
    by_name,
    find_toolset,
    parse_options,
    version_key,
    with_release,
)
from astran.telescopes.lst.environment.toolset import Tool

CTAPIPE_HELP = """\
Create DL3. Use --nonsense in prose only.

Options
=======
--overwrite
    overwrite output file if True
    Equivalent to: [--DataReductionFITSWriter.overwrite=True]
-q, --quiet
    Disable console logging.
-d, --input-dl2=<Path>
    Input data DL2 file
--interp-method=<Unicode>
"""
ARGPARSE_HELP = """\
usage: lstchain_dl1_to_dl2 [-h] --input-files INPUT [INPUT ...]
                           [--path-models MODELS] [--output_dir OUT]

options:
  -h, --help            show this help message and exit
  --input-files INPUT [INPUT ...], -f INPUT
                        files; see also --prose
"""


FAKE_MODULES = {
    "lstchain/__init__.py": "",
    "lstchain/io.py": "def get_standard_config():\n    return {'limits': [0, float('inf')]}\n",
    "ctapipe/__init__.py": "",
    "ctapipe/core.py": "class Tool:\n    class_trait_names = classmethod(lambda c, config: ())\n",
}
"""What is asked for parameters beside the tools."""


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2023, 12, 14, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def make_environment(folder: Path, version: str, tools: Iterable[Tool] = tuple(Tool)) -> Path:
    """A bin folder with tools that answer --help and count how often they were asked."""
    binaries = folder / "bin"
    binaries.mkdir(parents=True)
    packages = folder / "lib" / "python3.11" / "site-packages"
    info = packages / f"lstchain-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lstchain\nVersion: {version}\n")
    entries = "".join(f"{tool} = fake_tools:{tool}\n" for tool in tools)
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{entries}")
    body = f"    open({str(folder / 'asked')!r}, 'a').write('x')\n    print({CTAPIPE_HELP!r})\n"
    (packages / "fake_tools.py").write_text("".join(f"def {tool}():\n{body}" for tool in tools))
    for module, text in FAKE_MODULES.items():
        (packages / module).parent.mkdir(exist_ok=True)
        (packages / module).write_text(text)
    python = binaries / "python3"
    python.write_text(f'#!/bin/bash\nPYTHONPATH="{packages}" exec "{sys.executable}" -S "$@"\n')
    for tool in tools:
        (binaries / tool).write_text(f"#!{python}\n")
    for path in binaries.iterdir():
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return binaries


def asked(folder: Path) -> int:
    path = folder / "asked"
    return len(path.read_text()) if path.exists() else 0


def site_with(tmp_path: Path, default: str, **environments: Any) -> SiteConfig:
    return a_site(tmp_path / "work", lstchain={"default": default, "environments": environments})


# ---- probing -------------------------------------------------------------------------------------


def test_an_environment_is_asked_once(tmp_path: Path) -> None:
    binaries = make_environment(tmp_path / "env", "0.12.3")
    site = site_with(tmp_path, "mine", mine={"bin": str(binaries)})
    tools = find_toolset(site)
    assert (tools.name, tools.version) == ("mine", "0.12.3")
    assert tools.command(Tool.CREATE_DL3) == (str(binaries / "lstchain_create_dl3_file"),)
    assert tools.knows(Tool.CREATE_DL3, "interp-method")
    assert not tools.knows(Tool.CREATE_DL3, "nonsense")
    assert asked(tmp_path / "env") == len(Tool)
    assert tools.standard == {"limits": [0, "inf"]}
    assert find_toolset(site) == tools
    assert asked(tmp_path / "env") == len(Tool)


def test_an_upgrade_is_noticed(tmp_path: Path) -> None:
    binaries = make_environment(tmp_path / "env", "0.12.3")
    site = site_with(tmp_path, "mine", mine={"bin": str(binaries)})
    find_toolset(site)
    packages = binaries.parent / "lib" / "python3.11" / "site-packages"
    old = packages / "lstchain-0.12.3.dist-info"
    metadata = old / "METADATA"
    metadata.write_text(metadata.read_text().replace("0.12.3", "0.13.0"))
    old.rename(packages / "lstchain-0.13.0.dist-info")
    assert find_toolset(site).version == "0.13.0"


def test_without_keep_nothing_is_written(tmp_path: Path) -> None:
    binaries = make_environment(tmp_path / "env", "0.12.3")
    site = site_with(tmp_path, "mine", mine={"bin": str(binaries)})
    assert find_toolset(site, keep=False).version == "0.12.3"
    assert not (tmp_path / "work").exists()


def test_setup_lines_and_variables(tmp_path: Path) -> None:
    binaries = make_environment(tmp_path / "env", "0.11.2")
    site = site_with(
        tmp_path, "module", module={"setup": [f'export PATH="{binaries}:$PATH"'], "variables": {}}
    )
    clock = FakeClock()
    tools = find_toolset(site, clock=clock)
    assert tools.version == "0.11.2"
    assert tools.command(Tool.CREATE_DL3) == ("lstchain_create_dl3_file",)
    find_toolset(site, clock=clock)
    assert asked(tmp_path / "env") == len(Tool)
    clock.sleep(2 * 86400)  # what stands behind setup lines may change unseen
    find_toolset(site, clock=clock)
    assert asked(tmp_path / "env") == 2 * len(Tool)


def test_a_damaged_cache_is_asked_anew(tmp_path: Path) -> None:
    binaries = make_environment(tmp_path / "env", "0.12.3")
    site = site_with(tmp_path, "mine", mine={"bin": str(binaries)})
    find_toolset(site)
    for path in (site.shared_dir / "cache").iterdir():
        path.write_text("{")
    assert find_toolset(site).version == "0.12.3"


def test_no_lstchain_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    site = site_with(tmp_path, "mine", mine={"bin": str(tmp_path / "empty")})
    with pytest.raises(ConfigError, match="has no lstchain"):
        find_toolset(site)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('numpy is broken')", "ImportError: numpy is broken"),
        ("def lstchain_dl1_to_dl2():\n    raise SystemExit(2)", "--help ended with 2"),
    ],
)
def test_a_tool_that_does_not_start_is_said(tmp_path: Path, code: str, said: str) -> None:
    make_environment(tmp_path / "env", "0.12.3")
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    (packages / "fake_tools.py").write_text(code)
    site = site_with(tmp_path, "mine", mine={"bin": str(tmp_path / "env" / "bin")})
    with pytest.raises(ConfigError, match=f"'mine' could not be asked.*{said}"):
        find_toolset(site)


def test_tools_without_their_package_are_said(tmp_path: Path) -> None:
    make_environment(tmp_path / "env", "0.12.3")
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    (packages / "lstchain-0.12.3.dist-info").rename(packages / "gone")
    site = site_with(tmp_path, "mine", mine={"bin": str(tmp_path / "env" / "bin")})
    with pytest.raises(ConfigError, match="package is not installed"):
        find_toolset(site)


def test_an_older_release_may_lack_a_tool(tmp_path: Path) -> None:
    some = (Tool.DL1_TO_DL2, Tool.CREATE_IRF)
    binaries = make_environment(tmp_path / "env", "0.12.3", some)
    tools = find_toolset(site_with(tmp_path, "mine", mine={"bin": str(binaries)}))
    assert set(tools.options) == {Tool.DL1_TO_DL2, Tool.CREATE_IRF}


# ---- choosing ------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> SiteConfig:
    """Three versions; the last one under a name that is no version."""
    environments = {
        name: {"bin": str(make_environment(tmp_path / name, version))}
        for name, version in (("0.12.3", "0.12.3"), ("0.12.10", "0.12.10"), ("old", "0.11.6"))
    }
    return site_with(tmp_path, "0.12.3", **environments)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("", "0.12.3"),
        ("0.12.3", "0.12.3"),
        ("v0.12.3", "0.12.3"),
        ("0.12", "0.12.10"),
        ("0.12.x", "0.12.10"),
        ("v0.12.X", "0.12.10"),
        ("0.12.*", "0.12.10"),
        ("0.x", "0.12.10"),
        ("0.11.x", "old"),
        ("old", "old"),
        ("0.11", "old"),
    ],
)
def test_choice_by_name_then_beginning_then_version(
    site: SiteConfig, wanted: str, name: str
) -> None:
    assert find_toolset(site, wanted).name == name


def test_a_release_may_have_data_of_its_own(tmp_path: Path) -> None:
    binaries = make_environment(tmp_path / "env", "0.10.18")
    site = a_site(
        tmp_path / "work",
        lstchain={
            "default": "new",
            "environments": {
                "new": {"bin": "/nowhere"},
                "old": {"bin": str(binaries), "data": {"models": "/m/0.10", "mc_dl2": "/mc/0.10"}},
            },
        },
        data={"models": "/m/0.12", "irf": "/irf"},
    )
    data = with_release(site, "0.10.x").data
    assert (data.models, data.mc_dl2, data.irf) == (Path("/m/0.10"), "/mc/0.10", "/irf")
    assert site.with_release("new") is site
    assert site.data.models == Path("/m/0.12")


def test_an_unknown_version_lists_what_there_is(site: SiteConfig) -> None:
    with pytest.raises(
        NoSuchRelease, match=r"0\.13.*0\.12\.3.*0\.12\.10.*old \(lstchain 0\.11\.6\)"
    ):
        find_toolset(site, "0.13")


def test_a_site_without_any_lstchain_does_not_blame_the_wish(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    site = site_with(tmp_path, "mine", mine={"bin": str(tmp_path / "empty")})
    with pytest.raises(ConfigError, match=r"mine \(The environment 'mine' has no lstchain") as told:
        find_toolset(site, "0.12.x")
    assert not isinstance(told.value, NoSuchRelease)


def test_0_1_is_not_the_beginning_of_0_12(site: SiteConfig) -> None:
    with pytest.raises(ConfigError, match=r"no lstchain 0\.1"):
        find_toolset(site, "0.1")


def test_a_name_that_lies_about_its_version_is_refused(tmp_path: Path) -> None:
    binaries = make_environment(tmp_path / "env", "0.12.3")
    lying = site_with(tmp_path, "0.11", **{"0.11": {"bin": str(binaries)}})
    with pytest.raises(ConfigError, match=r"'0\.11' of this site holds lstchain 0\.12\.3"):
        find_toolset(lying, "0.11")


@pytest.mark.parametrize("name", ["0.12.3-gpu", "2024-prod", "2024", "0.11_old"])
def test_a_name_that_only_begins_as_a_version_is_a_name(tmp_path: Path, name: str) -> None:
    binaries = make_environment(tmp_path / "env", "0.12.3")
    site = site_with(tmp_path, name, **{name: {"bin": str(binaries)}})
    assert find_toolset(site, name).name == name
    assert find_toolset(site, "0.12").name == name


def test_versions_are_sorted_as_people_do() -> None:
    names = ["0.12.10", "0.9.14", "0.12.0rc1", "0.12.0", "0.12.3"]
    assert sorted(names, key=version_key) == [
        "0.9.14",
        "0.12.0rc1",
        "0.12.0",
        "0.12.3",
        "0.12.10",
    ]
    assert by_name(["default", "0.12.3"], "0.12") == "0.12.3"
    assert by_name(["default"], "def") is None


# ---- help texts ----------------------------------------------------------------------------------


def test_options_of_both_kinds_of_help() -> None:
    assert parse_options(CTAPIPE_HELP) == {"overwrite", "quiet", "input-dl2", "interp-method"}
    assert parse_options(ARGPARSE_HELP) == {"help", "input-files", "path-models", "output_dir"}


@pytest.mark.lstchain
def test_the_installed_lstchain(tmp_path: Path) -> None:
    from conftest import require

    folder = Path(sys.executable).parent
    require((folder / Tool.DL1_TO_DL2).exists(), "lstchain", "Install astran[lst].")
    tools = find_toolset(site_with(tmp_path, "here", here={"bin": str(folder)}))
    assert tools.version[0].isdigit()
    assert set(tools.options) == set(Tool)
    tools.require(Tool.CREATE_DL3, "input-irf-path", "use-nearest-irf-node", "source-dec")
    assert tools.standard["random_forest_zd_interpolation"]["interpolate_energy"] is True
    assert tools.traits["DataBinning"]["true_energy_n_bins"]["kind"] == "Int"


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        ("module 'numpy' has no attribute 'trapz'", "pip install 'numpy<2.4'"),
        ("cannot import name 'in1d' from 'numpy'", "pip install 'numpy<2.4'"),
        ("numpy.core.multiarray failed to import", "pip install 'numpy<2'"),
        ("cannot import name 'simps' from 'scipy.integrate'", "pip install 'scipy<1.14'"),
        ("No module named 'protozfits'", "Check the packages of"),
    ],
)
def test_an_lstchain_that_cannot_be_imported_names_the_cure(
    tmp_path: Path, error: str, cure: str
) -> None:
    """pip takes the newest numpy that a release allows by its metadata, not that it can use."""
    binaries = make_environment(tmp_path / "env", "0.11.6")
    packages = tmp_path / "env/lib/python3.11/site-packages"
    numpy = packages / "numpy-2.4.1.dist-info"
    numpy.mkdir()
    (numpy / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.4.1\n")
    (packages / "fake_tools.py").write_text(f"raise ImportError({error!r})\n")
    site = site_with(tmp_path, "0.11", **{"0.11": {"bin": str(binaries)}})
    with pytest.raises(ConfigError, match=r"lstchain 0\.11\.6 cannot be imported") as refused:
        find_toolset(site)
    assert error in refused.value.message
    assert cure in refused.value.cure
    assert "numpy 2.4.1" in refused.value.cure
