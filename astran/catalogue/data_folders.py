"""Folders that a request names: only below what the site allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from astran.base.errors import CatalogueError, DataUnavailable
from astran.base.night_data import FileRef
from astran.catalogue.path_patterns import stat_file

_DL2 = re.compile(r"dl2_LST-\d+(?:\.\d+)?\.Run0*(\d+)(\.\d{4})?.*\.h5")
_DL3 = re.compile(r".*\.fits(\.gz)?")
_INDEX = re.compile(r"(hdu|obs)-index\.fits(\.gz)?")


def allowed_folder(wanted: str, roots: Sequence[Path]) -> Path:
    """The folder of a request, with links followed.

    Parameters
    ----------
    wanted : absolute, or relative to one of the roots
    roots : of the site configuration

    Raises
    ------
    DataUnavailable : no root is there
    CatalogueError : it is not below a root, or not there
    """
    allowed = ", ".join(str(root) for root in roots) or "none"
    cure = f"Folders of this site for data: {allowed}."
    if not wanted:
        raise CatalogueError("To start from DL2 or DL3, name the `folder` of the data.", cure)
    tops = [root.resolve() for root in roots]
    try:
        # an absolute path replaces the root
        places = list(dict.fromkeys((root / wanted).resolve() for root in tops))
    except (OSError, ValueError, RuntimeError) as error:
        raise CatalogueError(f"{wanted!r} is no usable folder.", cure) from error
    inside = [place for place in places if any(place.is_relative_to(top) for top in tops)]
    if not inside:
        raise CatalogueError(f"The folder {wanted} may not be read.", cure)
    for place in inside:
        if place.is_dir():
            return place
    away = [root for root in roots if not root.is_dir()]
    if len(away) == len(roots):
        raise DataUnavailable(f"The site's folder of data {away[0]} is not there.", cure)
    raise CatalogueError(f"The folder {wanted} does not exist.", cure)


def dl2_files(folder: Path) -> dict[int, list[FileRef]]:
    """DL2 files of whole runs, by run number."""
    found: dict[int, list[FileRef]] = {}
    for path in sorted(folder.iterdir()):
        match = _DL2.fullmatch(path.name)
        if match and not match[2] and (file := stat_file(path)):
            found.setdefault(int(match[1]), []).append(file)
    return found


def dl3_files(folder: Path) -> tuple[FileRef, ...]:
    """FITS files of the folder and of those below it, but for the index: data stores often keep
    their files one level down."""
    names = (
        path
        for path in sorted(folder.rglob("*.fits*"))
        if _DL3.fullmatch(path.name) and not _INDEX.fullmatch(path.name)
    )
    return tuple(file for path in names if (file := stat_file(path)))
