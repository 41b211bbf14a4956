"""What a run's files say about its response: theta cuts, background model, kind of IRFs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from astran.highlevel.dl3.background_model import CLASSES as BACKGROUND_CLASSES
from astran.highlevel.dl3.background_model import BackgroundModel
from astran.highlevel.dl3.fits_open import BROKEN, open_fits
from astran.highlevel.dl3.rad_max import RadMaxTable
from astran.highlevel.dl3.validation import RunRejected

LARGEST_RAD_MAX_DEG = 5.0


def has_irfs(hdus: Any) -> bool:
    """Whether a file has IRFs or an index, so that it need not have events."""
    kinds = {str(hdu.header.get("HDUCLAS1", "")).strip().upper() for hdu in hdus}
    return bool(kinds & {"RESPONSE", "INDEX"})


def is_point_like(hdus: Any) -> bool:
    """Whether a file's IRFs hold only the gammas within a theta cut."""
    return any(str(hdu.header.get("HDUCLAS3", "")).strip().upper() == "POINT-LIKE" for hdu in hdus)


def background_model(hdus: Any, irf_files: Sequence[Path]) -> BackgroundModel | None:
    """The first background model of a run's file, or of its further files."""
    found = _background_in(hdus)
    for path in irf_files:
        if found is None:
            found = _background_of_file(path)
    return found


@lru_cache(maxsize=64)
def _background_of_file(path: Path) -> BackgroundModel | None:
    with open_fits(path) as hdus:
        return _background_in(hdus)


def _background_in(hdus: Any) -> BackgroundModel | None:
    """The background model; none where there is none that can be used: a map can do without."""
    for hdu in hdus:
        if str(hdu.header.get("HDUCLAS4", "")).strip().upper() in BACKGROUND_CLASSES:
            try:
                return BackgroundModel.read(hdu)
            except BROKEN:
                return None
    return None


def theta_cuts(hdus: Any, irf_files: Sequence[Path]) -> tuple[float | None, RadMaxTable | None]:
    """The fixed cut [deg] or the table of a run's file, or of its further files."""
    fixed, table = _cuts_in(hdus)
    for path in irf_files:
        if fixed is None and table is None:
            fixed, table = _cuts_of_file(path)
    return fixed, table


@lru_cache(maxsize=64)
def _cuts_of_file(path: Path) -> tuple[float | None, RadMaxTable | None]:
    """An IRF file is often shared by all runs of a folder."""
    with open_fits(path) as hdus:
        return _cuts_in(hdus)


def _cuts_in(hdus: Any) -> tuple[float | None, RadMaxTable | None]:
    fixed: float | None = None
    for hdu in hdus:
        kind = str(hdu.header.get("HDUCLAS4", "")).strip().upper()
        if kind == "RAD_MAX_2D" or hdu.name.upper() == "RAD_MAX":
            try:
                return None, RadMaxTable.read(hdu)
            except BROKEN as error:
                raise RunRejected(f"its RAD_MAX table cannot be used: {error}") from error
        value = hdu.header.get("RAD_MAX")
        is_cut = str(hdu.header.get("HDUCLAS3", "")).strip().upper() == "POINT-LIKE"
        if fixed is None and value is not None and is_cut:
            if not (isinstance(value, int | float) and 0 < value < LARGEST_RAD_MAX_DEG):
                raise RunRejected(f"the theta cut of its IRFs is impossible (RAD_MAX = {value!r})")
            fixed = float(value)
    return fixed, None
