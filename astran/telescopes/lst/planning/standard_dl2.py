"""The observatory's own DL2 of a run: taken where it is what would be made, else why not.

lstosa makes it with lstchain_dl1_to_dl2 right at its final path, so that a file may be growing or
be the stub of a failed run; a whole one has the attributes `config` and LSTCHAIN_VERSION at its
table of events, which lstchain writes after the rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from astran.base.night_data import (
    FileRef,
    Models,
    MonteCarlo,
    NightData,
    RunFile,
    StandardDl2,
)
from astran.telescopes.lst.environment.toolset import Toolset

OF_DL2 = (
    "events_filters",
    "energy_regression_features",
    "disp_regression_features",
    "disp_classification_features",
    "particle_classification_features",
    "disp_method",
    "source_dependent",
    "random_forest_zd_interpolation",
    "allowed_tels",
)
"""Entries of lstchain's configuration on which DL2 depends; others are of other levels, or of the
training."""


def choose_for_night(
    data: NightData, models: Callable[[MonteCarlo], Models], tools: Toolset, settings: str
) -> dict[int, tuple[StandardDl2 | None, str]]:
    """The same for each run of a night that has such DL2."""
    return {
        run.run: choose_standard_dl2(
            run, models(data.of(run)), tools.version, settings, tools.standard
        )
        for run in data.runs
        if run.standard
    }


def choose_standard_dl2(
    run: RunFile, models: Models, version: str, settings: str, standard: Mapping[str, Any]
) -> tuple[StandardDl2 | None, str]:
    """The DL2 that may be taken for a run, and a sentence for people; none of both: there is none.

    Parameters
    ----------
    models : those that DL2 would be made with
    version : of the lstchain that would make it
    settings : JSON configuration that it would get; empty: none
    standard : lstchain's standard configuration, which that replaces entry by entry
    """
    wanted = {**standard, **(json.loads(settings) if settings else {})}
    why = ""
    for one in run.standard:
        why = _objection(one, run, models, version, wanted)
        if not why:
            return one, f"Run {run.run}: the observatory's DL2 is taken: {one.file.path}."
    return None, f"Run {run.run}: DL2 is made anew, as the observatory's {why}." if why else ""


def _objection(
    one: StandardDl2, run: RunFile, models: Models, version: str, wanted: Mapping[str, Any]
) -> str:
    """Why a DL2 is not what would be made, after `the observatory's`; empty: it is."""
    if one.problem:
        return f"is not whole: {one.problem}"
    if one.lstchain != version:
        return f"was made with lstchain {one.lstchain or 'of an unknown release'}, not {version}"
    if one.models.rstrip("/") != models.folder:
        return f"was made with the models {one.models or 'of an unknown folder'}"
    if _is_newer(models.files, one.file):
        return "is older than its models"
    if one.dl1 != run.file.path or run.parts:
        return f"was made from {one.dl1 or 'unknown DL1'}"
    if _is_newer((run.file,), one.file):
        return "is older than its DL1"
    if run.events and one.events > run.events:
        return f"holds {one.events:,} events, its DL1 {run.events:,}"
    theirs = json.loads(one.config or "null") or {}
    other = [name for name in OF_DL2 if _plain(theirs.get(name)) != _plain(wanted.get(name))]
    if other:
        return f"was made with another configuration ({', '.join(other)})"
    return ""


def _is_newer(files: tuple[FileRef, ...], dl2: FileRef) -> bool:
    return any(file.mtime_ns > dl2.mtime_ns for file in files)


def _plain(value: Any) -> Any:
    """With `inf` and Infinity alike."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, str) and value.lower() in ("inf", "-inf"):
        return float(value)
    return value
