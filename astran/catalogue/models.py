"""Random forests: which folder of models is for a source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from astran.base.errors import CatalogueError
from astran.base.nightdata import Models
from astran.catalogue.patterns import look

LATITUDE = 28.7615
"""Of LST-1 [deg], as in lstchain's LST1_LOCATION."""
ALWAYS = ("reg_energy.sav", "cls_gh.sav")
DIRECTION = (("reg_disp_norm.sav", "cls_disp_sign.sav"), ("reg_disp_vector.sav",))
"""One of these sets, by lstchain's disp_method."""
DIRECTIONS_FILE = "training_dirs.ecsv"
_LINE = re.compile(r"dec_(min_)?(\d+)")


@dataclass(frozen=True, slots=True)
class Choice:
    """The models for a source, and why."""

    models: Models
    line: str
    """Name of the declination line (`dec_2276`), as in the paths of Monte Carlo; may be empty."""
    note: str


def choose(root: Path, wanted: str, declination: float) -> Choice:
    """The folder of models for a source.

    `root` holds the forests themselves, or one folder per declination line (dec_2276 is at
    +22.76 deg). Of the lines that do not culminate lower than the source, the nearest is taken, as
    the zenith range of the training must cover the observation; between the two lines next to the
    zenith of the site, simply the nearest.

    Parameters
    ----------
    wanted : folder below `root`, or empty. Forests are pickles, which run code when they are
        loaded: nothing outside `root` is taken.
    declination : of the source [deg]

    Raises
    ------
    CatalogueError : not there, outside, or incomplete
    """
    folder = _below(root, wanted) if wanted else root
    if not folder.is_dir():
        raise CatalogueError(f"The folder of models {folder} does not exist.")
    line = ""
    note = f"Models: {folder.name}."
    if not (folder / ALWAYS[0]).is_file():
        folders = [path for path in sorted(folder.iterdir()) if _is_line(path)]
        lines = {_declination(path.name): path for path in folders}
        if not lines:
            raise CatalogueError(
                f"{folder} holds neither forests ({ALWAYS[0]}) nor declination lines (dec_...).",
                cure="Choose a folder with the key `dl2.models`, or correct data.models.",
            )
        chosen = nearest_line(list(lines), declination)
        folder = lines[chosen]
        note = f"Models: {folder.name}, trained along declination {chosen:+.2f} deg."
    if _LINE.fullmatch(folder.name):
        line = folder.name
    return Choice(_models(folder), line, note)


def nearest_line(lines: list[float], declination: float) -> float:
    """The declination line [deg] for a source; see `choose`."""

    def culmination(dec: float) -> float:
        return abs(dec - LATITUDE)

    top = sorted(lines, key=culmination)[:2]
    between = min(top) <= declination <= max(top)
    limit = culmination(declination)
    fitting = [line for line in lines if between or culmination(line) <= limit] or lines
    return min(fitting, key=lambda line: abs(line - declination))


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
        raise CatalogueError(f"The models in {folder} lack {', '.join(lacking)}.")
    names = [*complete[0], DIRECTIONS_FILE]
    files = [file for name in names if (file := look(folder / name)) is not None]
    return Models(str(folder), tuple(files), any(f.name == DIRECTIONS_FILE for f in files))
