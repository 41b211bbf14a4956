"""Examinations of what LST-1 analyses need: lstchain environments, data, models, Monte Carlo."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from astran.base.errors import CatalogueError, ConfigError
from astran.base.files import literal_prefix
from astran.base.findings import Finding, fail, failed_by, ok, warn
from astran.base.text import count_noun
from astran.catalogue.path_patterns import find_files
from astran.config.observations import MONTE_CARLO_KEYS
from astran.config.site import ReleaseData, SiteConfig
from astran.telescopes.lst.catalogue.response.models import choose_models, model_folders
from astran.telescopes.lst.environment.releases import probe_environment
from astran.telescopes.lst.environment.toolset import Tool

_MANY = 10_000
"""Files of a pattern that are counted at most."""


def probe_environments(site: SiteConfig) -> Iterator[Finding]:
    """Ask each lstchain environment for its version and tools."""
    needed = bool(site.data.dl1 or site.data.models)
    for name, environment in site.lstchain.environments.items():
        part = f"lstchain {name}"
        try:
            tools = probe_environment(name, environment)
        except ConfigError as error:
            cure = f"Check lstchain.environments.{name} in the site configuration."
            finding = failed_by(part, error, cure)
            if needed:
                yield finding
            else:
                yield warn(part, f"{finding.message} Only DL3 can be analysed.", finding.cure)
            continue
        missing = [tool.value for tool in Tool if tool not in tools.options]
        if missing:
            yield fail(
                part,
                f"lstchain {tools.version} lacks {', '.join(missing)}.",
                "Install a release of lstchain that has all of them.",
            )
        else:
            yield ok(part, f"lstchain {tools.version} with all its tools.")


def probe_data(site: SiteConfig) -> Iterator[Finding]:
    """Do the folders of the patterns exist, and do files that do not depend on the night?"""
    if not any(tree.dl1 for tree in site.data.all_trees):
        yield warn(
            "data dl1",
            "data.dl1 is empty: analyses can only start from DL2 or DL3.",
            "Set the pattern of the run-wise DL1 files.",
        )
    for key in ("dl1", "run_catalog"):
        yield from _pattern(site, key, "data", every_night=False)
    for name, tree in site.data.trees.items():
        for key in ("dl1", "run_catalog"):
            yield from _checked(f"trees.{name}.{key}", getattr(tree, key), "data", False)
    yield from _for_a_release(site, "data")
    for name, environment in site.lstchain.environments.items():
        if environment.data != ReleaseData():
            yield from _for_a_release(site.with_release(name), f"lstchain {name} data")
    for key in ("log", "cleaning"):
        if pattern := getattr(site.data.nsb, key):
            yield _folder(f"data nsb.{key}", Path(pattern).parent, f"Correct data.nsb.{key}.")
    for root in site.data.roots:
        yield _folder("data roots", root, "Correct data.roots, or make the folder.")


def _for_a_release(site: SiteConfig, section: str) -> Iterator[Finding]:
    """Models, Monte Carlo and IRFs, which may differ between releases of lstchain."""
    for key in (*MONTE_CARLO_KEYS, "irf"):
        yield from _pattern(site, key, section, every_night=True)
    yield from _models(site, section)
    if site.data.lstchain_config is not None:
        yield _json_file(site.data.lstchain_config, section)


def _pattern(site: SiteConfig, key: str, section: str, *, every_night: bool) -> Iterator[Finding]:
    return _checked(key, getattr(site.data, key), section, every_night)


def _checked(key: str, pattern: str, section: str, every_night: bool) -> Iterator[Finding]:
    if pattern:
        part = f"{section} {key}"
        try:
            yield from _files(part, key, pattern, every_night=every_night)
        except ConfigError as error:
            yield failed_by(part, error, f"Correct data.{key}.")


def _files(part: str, key: str, pattern: str, *, every_night: bool) -> Iterator[Finding]:
    folder = literal_prefix(pattern)
    if not folder.is_dir():
        yield fail(
            part,
            f"There is no folder {folder}, where the pattern {pattern} begins.",
            f"Correct data.{key}, or mount the file system.",
        )
        return
    # no night has this date: of a nightly pattern only the spelling is tried. The declination line
    # depends on the source: any will do.
    known = {} if every_night else {"date": "19000101"}
    number = sum(1 for _ in islice(find_files(pattern.replace("{dec}", "*"), **known), _MANY))
    if not every_night:
        yield ok(part, f"{folder} is there.")
    elif number:
        yield ok(part, f"{count_noun(number, 'file')}.")
    else:
        yield warn(part, f"No file fits {pattern}.", f"Check data.{key}.")


def _models(site: SiteConfig, section: str) -> Iterator[Finding]:
    root = site.data.models
    if root is None:
        if site.data.dl1:
            yield fail(
                f"{section} models",
                "data.models is not set: DL1 cannot be turned into DL2.",
                "Set it to the folder of the random forests.",
            )
        return
    try:
        # the declination of the Crab: any would do to see whether there are models at all
        found = model_folders(root)
        chosen = [choose_models(found, 22.0, place.level).models for place in found]
    except CatalogueError as error:
        yield failed_by(f"{section} models", error, "Correct data.models.")
    else:
        for models in chosen:
            yield ok(
                f"{section} models", f"{models.folder}: {count_noun(len(models.files), 'file')}."
            )


def _json_file(path: Path, section: str) -> Finding:
    part = f"{section} lstchain_config"
    try:
        json.loads(path.read_text())
    except OSError as error:
        return fail(
            part,
            f"{path} cannot be read: {error.strerror}.",
            "Correct data.lstchain_config.",
        )
    except ValueError as error:
        return fail(part, f"{path} is no JSON: {error}.", "Correct the file.")
    return ok(part, f"{path} is there.")


def _folder(part: str, path: Path, cure: str) -> Finding:
    if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
        return ok(part, f"{path} is there.")
    return fail(part, f"{path} is no folder that can be read.", cure)
