"""Random forests: which folder of models is for a source and a level of night-sky background."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from astran.base.errors import CatalogueError, DataUnavailable
from astran.base.files import name_trunk
from astran.base.night_data import Models
from astran.catalogue import path_patterns
from astran.catalogue.ecsv import read_rows
from astran.telescopes.lst.catalogue.response.nsb_level import level_in_name

LATITUDE = 28.7615
"""Of LST-1 [deg], as in lstchain's LST1_LOCATION."""
ALWAYS = ("reg_energy.sav", "cls_gh.sav")
DIRECTION = (("reg_disp_norm.sav", "cls_disp_sign.sav"), ("reg_disp_vector.sav",))
"""One of these sets, by lstchain's disp_method."""
DIRECTIONS_FILE = "training_dirs.ecsv"
_LINE = re.compile(r"dec_(min_)?(\d+)")
_LEVEL = re.compile(r"nsb_tuning_(\d+\.\d+)$")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models for a source, and why."""

    models: Models
    line: str
    """Name of the declination line (`dec_2276`), as in the paths of Monte Carlo; may be empty."""
    note: str


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that holds forests, or declination lines with forests."""

    folder: Path
    level: str = ""
    """NSB level as in its name (`0.14`); empty: it names none."""


def model_folders(where: Path, wanted: str = "") -> tuple[ModelFolder, ...]:
    """What `data.models` stands for: one folder, or one for each NSB level.

    Parameters
    ----------
    where : a folder; or a pattern with {nsb} (and {dec} for its declination lines). A plain folder
        that holds nothing but folders named ...nsb_tuning_X.XX stands for these.
    wanted : folder below the fixed part of `where`, or empty. Forests are pickles, which run code
        when they are loaded: nothing outside is taken.

    Raises
    ------
    DataUnavailable : the site's folder is not there
    CatalogueError : outside, not there below the site's folder, or several productions of one level
    """
    root = name_trunk(where)
    if wanted:
        _there(root)
        folder = _below(root, wanted)
        if not folder.is_dir():
            raise CatalogueError(f"The folder of models {folder} does not exist.")
        named = level_in_name(str(folder.relative_to(root.resolve())))
        return (not named and _levels_in(folder)) or (ModelFolder(folder, named),)
    if root == where:
        return _levels_in(_there(root)) or (ModelFolder(root),)
    # the lines are found in the folder, whether or not the pattern ends with them
    base = where.parent if where.name == "{dec}" else where
    found = [
        ModelFolder(folder, values.get("nsb") or "")
        for folder, values in path_patterns.find_folders(str(base))
        if folder.resolve().is_relative_to(root.resolve())
    ]
    if not found:
        raise DataUnavailable(
            f"There is no folder of models like {where}.", cure="Correct data.models."
        )
    return _one_each(found)


def choose_models(
    places: Sequence[ModelFolder], declination: float, level: str = ""
) -> ModelChoice:
    """The folder of models for a source and a level among those of `places`.

    A place holds the forests themselves, or one folder per declination line (dec_2276 is at
    +22.76 deg). Of the lines that do not culminate lower than the source, the nearest is taken, as
    the zenith range of the training must cover the observation; between the two lines next to the
    zenith of the site, simply the nearest (the rule of lstosa, osa.utils.utils.get_RF_model).

    Parameters
    ----------
    declination : of the source [deg]

    Raises
    ------
    DataUnavailable : no forests, or incomplete ones
    """
    folder = next(place.folder for place in places if place.level == level)
    line = ""
    note = f"Models: {_name(folder, level)}."
    if not (folder / ALWAYS[0]).is_file():
        folders = [path for path in sorted(folder.iterdir()) if _is_line(path)]
        lines = {_declination(path.name): path for path in folders}
        if not lines:
            raise DataUnavailable(
                f"{folder} holds neither forests ({ALWAYS[0]}) nor declination lines (dec_...).",
                cure="Choose a folder with the key `dl2.models`, or correct data.models.",
            )
        chosen = nearest_line(list(lines), declination)
        folder = lines[chosen]
        note = f"Models: {_name(folder, level)}, trained along declination {chosen:+.2f} deg: "
        note += _why(list(lines), chosen, declination)
    if _LINE.fullmatch(folder.name):
        line = folder.name
    return ModelChoice(_models(folder), line, note)


def nearest_line(lines: list[float], declination: float) -> float:
    """The declination line [deg] for a source; see `choose`."""
    limit = _culmination(declination)
    between = _near_zenith(lines, declination)
    fitting = [line for line in lines if between or _culmination(line) <= limit] or lines
    return min(fitting, key=lambda line: abs(line - declination))


def _culmination(declination: float) -> float:
    """Least zenith distance [deg]."""
    return abs(declination - LATITUDE)


def _near_zenith(lines: list[float], declination: float) -> bool:
    """Whether the source is between the two lines next to the zenith of the site."""
    top = sorted(lines, key=_culmination)[:2]
    return min(top) <= declination <= max(top)


def _why(lines: list[float], chosen: float, declination: float) -> str:
    source = f"the source at {declination:+.2f} deg"
    if chosen == min(lines, key=lambda line: abs(line - declination)):
        return f"the nearest to {source}."
    high, its = _culmination(chosen), _culmination(declination)
    return (
        f"the nearest to {source} of those that culminate at least as high "
        f"({high:.1f} deg from the zenith, the source {its:.1f})."
    )


def _name(folder: Path, level: str) -> str:
    """A folder as people know it: with the production where it says more."""
    return (
        f"{folder.parent.name}/{folder.name}" if level and _LINE.match(folder.name) else folder.name
    )


def _levels_in(folder: Path) -> tuple[ModelFolder, ...]:
    """The folders of levels in a folder that holds no models itself."""
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    if (folder / ALWAYS[0]).is_file() or any(_is_line(path) for path in inside):
        return ()
    found = [ModelFolder(path, match[1]) for path in inside if (match := _LEVEL.search(path.name))]
    return _one_each(found)


def _one_each(found: list[ModelFolder]) -> tuple[ModelFolder, ...]:
    """By level; CatalogueError if there are several of one."""
    twice = [level for level, count in Counter(place.level for place in found).items() if count > 1]
    if twice:
        names = ", ".join(place.folder.name for place in found if place.level == twice[0])
        what = f"of the NSB level {twice[0]}" if twice[0] else "that fit data.models"
        raise CatalogueError(
            f"There are several folders of models {what}: {names}.",
            cure="Let data.models name one production, for example .../<production>_{nsb}.",
        )
    return tuple(sorted(found, key=lambda place: float(place.level or 0)))


def _there(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataUnavailable(f"The folder of models {folder} does not exist.")
    return folder


def _below(root: Path, wanted: str) -> Path:
    folder = (root / wanted).resolve()
    if not folder.is_relative_to(root.resolve()):
        raise CatalogueError(
            f"The models {wanted!r} are not below {root}.",
            cure="`dl2.models` names a folder below the site's folder of models.",
        )
    return folder


def _is_line(path: Path) -> bool:
    return bool(_LINE.fullmatch(path.name)) and (path / ALWAYS[0]).is_file()


def _declination(name: str) -> float:
    """`dec_min_413` is -4.13 deg."""
    match = _LINE.fullmatch(name)
    assert match is not None
    return (-1 if match[1] else 1) * int(match[2]) / 100


def _models(folder: Path) -> Models:
    sets = [(*ALWAYS, *direction) for direction in DIRECTION]
    complete = [names for names in sets if all((folder / name).is_file() for name in names)]
    if not complete:
        lacking = [name for name in sets[0] if not (folder / name).is_file()]
        raise DataUnavailable(f"The models in {folder} lack {', '.join(lacking)}.")
    names = [*complete[0], DIRECTIONS_FILE]
    files = [file for name in names if (file := path_patterns.stat_file(folder / name)) is not None]
    interpolated = any(file.name == DIRECTIONS_FILE for file in files)
    training = _training_nodes(folder / DIRECTIONS_FILE) if interpolated else ()
    return Models(str(folder), tuple(files), interpolated, training)


def _training_nodes(path: Path) -> tuple[tuple[float, float], ...] | None:
    try:
        rows = read_rows(path, "table of training pointings")
        return tuple((float(row["zd"]), float(row["az"])) for row in rows) or None
    except (DataUnavailable, KeyError, TypeError, ValueError):
        return None
