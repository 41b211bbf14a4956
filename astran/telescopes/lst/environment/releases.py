"""The site's lstchain environments: which one a request gets, and what its tools can do.

Importing lstchain takes seconds, so an environment is asked once (the `--help` of all tools in one
process, the version from the package's metadata), and the answers are kept in
`<shared>/cache/environment-<name>.json` until the environment changes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from astran.base.clock import Clock, SystemClock
from astran.base.errors import ConfigError, ProcessError, SiteNotReady
from astran.base.files import packaged_path, write_json
from astran.base.process import run_command
from astran.base.tasks import fingerprint
from astran.config.analysis import nested, slug
from astran.config.site import Environment, SiteConfig
from astran.production.job.scripts import render_job_script, shell_values
from astran.telescopes.lst.environment.toolset import Tool, Toolset

PROBE_TIMEOUT = 300.0
"""Longest wait for all answers of an environment on a slow, shared disk [s]."""
TRUST_HIDDEN = timedelta(days=1)
"""An environment that may change unseen (a module, shell lines) is asked again after this time."""
_TOO_NEW = (
    (re.compile(r"\b(?:trapz|in1d)\b|'numpy' has no attribute"), "numpy<2.4"),
    (re.compile(r"numpy\.core|_ARRAY_API|NumPy 1\.x|NumPy 2|numpy\.\w+ size"), "numpy<2"),
    (re.compile(r"scipy"), "scipy<1.14"),
    (re.compile(r"astropy"), "astropy<7"),
)
"""Words of the error of an import, and what cures it: numpy removed trapz and in1d in 2.4, scipy
its old names of integrals in 1.14, both after the releases of lstchain that use them."""
_OPTION = re.compile(r"(?<![\w-])--([A-Za-z][A-Za-z0-9_-]*)")
_VERSION = re.compile(r"v?\d+(\.\d+)+((a|b|rc|\.post|\.dev)\d+)?")
"""A name that is a version and nothing else: `0.12.3-gpu` is a name like any other."""


class NoSuchRelease(ConfigError):
    """The site has no such release of lstchain."""


def find_toolset(
    site: SiteConfig, wanted: str = "", *, keep: bool = True, clock: Clock | None = None
) -> Toolset:
    """The environment for a wanted lstchain version, with what its tools can do.

    Parameters
    ----------
    wanted : a name from the site configuration, a version, or its beginning (`0.12`, `0.12.x` and
        `0.12.*` get the newest 0.12); empty: the site's default
    keep : whether new answers are written to the cache

    Raises
    ------
    ConfigError : no such environment, or it does not hold lstchain
    """
    clock = clock or SystemClock()
    if not wanted:
        return _known_or_probed(site, site.lstchain.default, keep, clock)
    name = by_name(site.lstchain.environments, wanted)
    if name is None:
        return _by_version(site, wanted, keep, clock)
    tools = _known_or_probed(site, name, keep, clock)
    if _VERSION.fullmatch(name) and not _matches(tools.version, name):
        raise SiteNotReady(
            f"The environment {name!r} of this site holds lstchain {tools.version}.",
            cure="Correct lstchain.environments in the site configuration.",
        )
    return tools


def with_release(
    site: SiteConfig, wanted: str, *, keep: bool = True, clock: Clock | None = None
) -> SiteConfig:
    """The site with the models and Monte Carlo of the release that `wanted` gets.

    Raises
    ------
    ConfigError : as `toolset`; a site whose releases share their data is not asked
    """
    if not site.lstchain.differ:
        return site
    return site.with_release(find_toolset(site, wanted, keep=keep, clock=clock).name)


def by_name(names: Iterable[str], wanted: str) -> str | None:
    """The environment of that name, or the newest whose name begins with that version."""
    choices = list(names)
    if wanted in choices:
        return wanted
    wanted = first_lines(wanted)
    fitting = [name for name in choices if _VERSION.fullmatch(name) and _matches(name, wanted)]
    return max(fitting, key=version_key, default=None)


def first_lines(wanted: str) -> str:
    """The fixed part of a version: `0.12` of 0.12.x, 0.12.* and v0.12."""
    return re.sub(r"(\.[x*])+$", "", wanted.strip().lower()).removeprefix("v")


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Sorts versions as people do: 0.9 before 0.12, 0.12.0rc1 before 0.12.0."""
    parts = re.findall(r"\d+|[A-Za-z]+", version.removeprefix("v"))
    return (*((int(p), "") if p.isdigit() else (-1, p) for p in parts), (0, ""))


def parse_options(text: str) -> frozenset[str]:
    """Long options in the help text of an argparse script or a ctapipe tool."""
    found: set[str] = set()
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith(("-", "[")) or bare.startswith("usage:"):
            found.update(_OPTION.findall(bare))
    return frozenset(found)


def probe_environment(name: str, environment: Environment) -> Toolset:
    """Ask an environment (some seconds).

    Raises
    ------
    ConfigError : it does not hold lstchain, or its tools do not start
    """
    with TemporaryDirectory(prefix="astran-probe-") as folder:
        answers = Path(folder)
        script = answers / "probe.sh"
        programs = packaged_path("templates") / "jobs"
        values = shell_values(environment, (answers, programs))
        asker = [*environment.prefix, "bash", programs / "ask_tools.sh", answers]
        asker += [programs / "ask_tools.py"]
        # by their full names where these are known: PATH may lead to another environment
        asker += [environment.folder / tool if environment.folder else tool for tool in Tool]
        text = render_job_script("probe.sh.j2", command=asker, **values)
        script.write_text(text)
        try:
            run_command(["bash", script], timeout=PROBE_TIMEOUT)
        except ProcessError as error:
            if failure := _text(answers / "failure"):
                raise _not_importable(name, _text(answers / "version"), failure) from error
            raise SiteNotReady(
                f"The lstchain environment {name!r} could not be asked: {error.message}",
                cure=f"Check lstchain.environments.{name} in the site configuration.",
            ) from error
        return _answers(name, environment, answers)


def _not_importable(name: str, version: str, failure: str) -> SiteNotReady:
    """lstchain is installed and does not start: mostly a package beside it is too new."""
    error, _, beside = failure.partition("\n")
    limit = next((limit for words, limit in _TOO_NEW if words.search(error)), "")
    cure = f"Check the packages of lstchain.environments.{name}: {beside or 'unknown'}."
    if limit:
        cure = f"In the environment {name!r}: pip install '{limit}' (it has {beside})."
    return SiteNotReady(
        f"The lstchain environment {name!r} could not be asked: lstchain {version} cannot be "
        f"imported: {error}.",
        cure=cure,
    )


def _answers(name: str, environment: Environment, answers: Path) -> Toolset:
    """What the environment said of itself."""
    there = {Path(line).name for line in _text(answers / "tools").splitlines()}
    version = _text(answers / "version")
    if Tool.DL1_TO_DL2 not in there or not version:
        what = "its package is not installed" if there else f"{Tool.DL1_TO_DL2} was not found"
        raise SiteNotReady(
            f"The environment {name!r} has no lstchain: {what}.",
            cure=f"Check lstchain.environments.{name} in the site configuration, and PATH.",
        )
    helps = {tool: _text(answers / f"{tool}.help") for tool in Tool if tool in there}
    return Toolset(
        name,
        version,
        str(environment.folder or ""),
        {tool: parse_options(text) for tool, text in helps.items() if text},
        environment.prefix,
        _mapping(answers / "standard.json"),
        _mapping(answers / "traits.json"),
    )


def _mapping(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = nested(json.loads(_text(path) or "{}"))
    return found


def _by_version(site: SiteConfig, wanted: str, keep: bool, clock: Clock) -> Toolset:
    """The newest environment whose lstchain has that version, whatever its name."""
    found: list[Toolset] = []
    told: list[str] = []
    silent = 0
    for name in site.lstchain.environments:
        try:
            tools = _known_or_probed(site, name, keep, clock)
        except ConfigError as error:
            told.append(f"{name} ({error.message})")
            silent += 1
            continue
        told.append(name if _matches(tools.version, name) else f"{name} (lstchain {tools.version})")
        if _matches(tools.version, wanted):
            found.append(tools)
    if not found:
        # where none answered it is the site that is at fault, not the wish
        kind = SiteNotReady if silent == len(told) else NoSuchRelease
        raise kind(
            f"This site has no lstchain {wanted}. It has: {', '.join(told)}.",
            cure="Leave `lstchain` out to get the site's default.",
        )
    return max(found, key=lambda tools: version_key(tools.version))


def _known_or_probed(site: SiteConfig, name: str, keep: bool, clock: Clock) -> Toolset:
    environment = site.lstchain.environments[name]
    path = site.shared_dir / "cache" / f"environment-{slug(name)}.json"
    stamp = _stamp(environment)
    known = _read(path, name, environment, stamp, clock.now())
    if known is not None:
        return known
    tools = probe_environment(name, environment)
    if keep:
        options = {tool.value: sorted(found) for tool, found in tools.options.items()}
        asked = clock.now().isoformat()
        answer = {
            "stamp": stamp,
            "asked": asked,
            "version": tools.version,
            "options": options,
            "standard": tools.standard,
            "traits": tools.traits,
        }
        write_json(path, answer)
    return tools


def _read(
    path: Path, name: str, environment: Environment, stamp: str, now: datetime
) -> Toolset | None:
    """The kept answer, if it is of this environment as it is now."""
    try:
        data: Any = json.loads(path.read_text())
        if data["stamp"] != stamp:
            return None
        if environment.hidden and now - datetime.fromisoformat(data["asked"]) > TRUST_HIDDEN:
            return None
        options = {Tool(tool): frozenset(found) for tool, found in data["options"].items()}
        return Toolset(
            name,
            str(data["version"]),
            str(environment.folder or ""),
            options,
            environment.prefix,
            dict(data["standard"]),
            dict(data["traits"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _stamp(environment: Environment) -> str:
    """Changes with the definition of the environment and, where it can be seen, with lstchain."""
    image, folder = environment.apptainer, environment.folder
    seen: list[object] = []
    if image is not None:
        seen = [image.stat().st_mtime_ns] if image.exists() else []
    elif not environment.hidden:
        where = os.environ.get("PATH") if folder is None else str(folder)
        tool = shutil.which(Tool.DL1_TO_DL2, path=where)
        if tool is not None:
            root = Path(tool).resolve().parent.parent
            packages = sorted(root.glob("lib/python3*/site-packages/lstchain-*.dist-info"))
            seen = [[str(path), path.stat().st_mtime_ns] for path in (Path(tool), *packages)]
    definition = environment.model_dump(mode="json", exclude={"data"})
    return fingerprint(definition=definition, seen=seen)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _matches(version: str, wanted: str) -> bool:
    have, want = version.removeprefix("v"), first_lines(wanted)
    return have == want or have.startswith(f"{want}.")
