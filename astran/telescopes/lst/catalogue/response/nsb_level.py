"""The level of night-sky background (NSB) of a run, which chooses its models and Monte Carlo.

Formats: the log and the JSON file of lstchain_find_tailcuts (lstchain, scripts/
lstchain_find_tailcuts.py); the rule by which LST-1 data are processed on La Palma: of the levels
whose Monte Carlo was cleaned as the run was, the nearest (lstosa, osa.utils.utils.get_nsb_level).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from astran.base.night_data import RunFile
from astran.config.nsb import NsbSettings
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts

_TOLD = re.compile(r"Additional NSB rate \(over dark MC\):\s*(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)")
_FOLDER = re.compile(r"nsb(?:_tuning)?_(\d+(?:\.\d+)?)")
_TAILCUT = re.compile(r"tailcut(\d+)$")
MOST_BYTES = 1_000_000
"""Of a log or JSON file; they have some kB."""


@dataclass(frozen=True, slots=True)
class SkyBrightness:
    """How bright the sky was in a run, and how that is known."""

    level: float
    """[p.e./ns above the dark sky of the Monte Carlo]"""
    source: str
    """What told it, in words."""
    picture: int | None
    """Picture threshold that the run was cleaned with [p.e.]; None: not known, or of no matter."""


def sky_brightness(
    run: RunFile, wanted: float | None, settings: NsbSettings, check: CheckFacts
) -> SkyBrightness:
    """The level of a run from the first source that tells it.

    Parameters
    ----------
    wanted : the level that the request names
    """
    # what is chosen already is not weighed against the cleaning
    if wanted is not None:
        return SkyBrightness(wanted, "the request (dl2.nsb)", None)
    if used := level_in_name(run.origin.models):
        return SkyBrightness(float(used), "the models that its DL2 was made with", None)
    if named := level_in_name(run.file.path):
        return SkyBrightness(float(named), "the name of its folder", None)
    picture = _picture(run, settings)
    log = _of_run(settings.log, run.run)
    if (level := _by_log(log)) is not None:
        return SkyBrightness(level, f"the log of lstchain_find_tailcuts in {log.parent}", picture)
    if check.nsb is not None and settings.of_spread:
        return SkyBrightness(_by_spread(check.nsb, settings.of_spread), "the data check", picture)
    return SkyBrightness(settings.default, "default of the site (data.nsb.default)", picture)


def tailcuts_advice(run: RunFile, settings: NsbSettings) -> SkyBrightness | None:
    """What lstchain_find_tailcuts found for a run, where its log is kept."""
    log = _of_run(settings.log, run.run) if settings.log else None
    level = _by_log(log) if log else None
    if level is None:
        return None
    return SkyBrightness(level, "lstchain_find_tailcuts", _picture(run, settings))


def describe_cleaning(run: RunFile, settings: NsbSettings) -> str:
    """Where DL1 was cleaned otherwise than lstchain_find_tailcuts asked for; empty: nowhere."""
    asked, done = _picture(run, settings), _by_folder(run.tailcut, settings)
    if asked is None or done is None or asked == done:
        return ""
    return (
        f"Run {run.run}: its DL1 was cleaned at {done} p.e. ({run.tailcut}), "
        f"lstchain_find_tailcuts asks for {asked} p.e."
    )


def nearest_level(levels: Collection[float], sky: SkyBrightness, settings: NsbSettings) -> float:
    """The level whose models fit a run best; a run cleaned like none of them gets the nearest."""
    alike = settings.cleaned.get(sky.picture, ()) if sky.picture is not None else ()
    fitting = [level for level in levels if any(math.isclose(level, one) for one in alike)]
    return min(fitting or levels, key=lambda level: (abs(level - sky.level), level))


def level_in_name(path: str) -> str:
    """The level that a path names last, `0.14` of `.../nsb_tuning_0.14/...`; nothing if none."""
    found = _FOLDER.findall(path)
    return str(found[-1]) if found else ""


def _of_run(pattern: str, run: int) -> Path:
    return Path(pattern.replace("{run}", f"{run:05d}"))


def _by_log(path: Path) -> float | None:
    found = _TOLD.findall(_text(path))
    return float(found[-1]) if found else None


def _by_spread(spread: float, table: dict[float, float]) -> float:
    """Interpolated between the points of the table, constant beyond them."""
    points = sorted(table.items())
    for (low, at_low), (high, at_high) in pairwise(points):
        if low <= spread <= high:
            return at_low + (at_high - at_low) * (spread - low) / (high - low)
    return points[0][1] if spread < points[0][0] else points[-1][1]


def _picture(run: RunFile, settings: NsbSettings) -> int | None:
    try:
        content = json.loads(_text(_of_run(settings.cleaning, run.run)) or "{}")
        return int(content["tailcuts_clean_with_pedestal_threshold"]["picture_thresh"])
    except (ValueError, KeyError, TypeError):
        return _by_folder(run.tailcut, settings)


def _by_folder(tailcut: str, settings: NsbSettings) -> int | None:
    """tailcut84 was cleaned at 8 p.e. (boundary 4), tailcut1005 at 10 (boundary 05)."""
    match = _TAILCUT.search(tailcut)
    if match is None:
        return None
    digits = match[1]
    told = [int(text) for text in (digits[:-1], digits[:-2]) if text]
    return next((picture for picture in told if picture in settings.cleaned), None)


def _text(path: Path) -> str:
    """Nothing where there is no such file (yet)."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
