"""Background models that come with the data: BKG_2D and BKG_3D.

Format: https://gamma-astro-data-formats.readthedocs.io/en/latest/irfs/full_enclosure/bkg/index.html
Only the shape is used; the counts outside of the excluded regions give the normalisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from astran.gadf.fits_open import BROKEN, open_fits
from astran.highlevel.arrays import Floats

CLASSES = ("BKG_2D", "BKG_3D")


@dataclass(frozen=True)
class BackgroundModel:
    """Background rate over the field of view."""

    energy: Floats
    """Edges of the energy bins [TeV], shape (n + 1,)."""
    first: Floats
    """Centres of the bins along the offset, or along DETX [deg]."""
    second: Floats | None
    """Centres along DETY [deg]; none for a radial model."""
    rate: Floats
    """Per energy, solid angle and time, any unit; shape (n, m) or (n, DETY, DETX)."""
    aligned_with_sky: bool
    """Whether DETX and DETY are aligned with right ascension and declination."""
    radius: float
    """The model ends there [deg]."""

    @classmethod
    def read(cls, hdu: Any) -> BackgroundModel:
        """From a BinTableHDU; KeyError or ValueError where it is not one of these tables."""
        row, names = hdu.data[0], {name.upper() for name in hdu.columns.names}
        low = np.asarray(row["ENERG_LO"], float).ravel()
        high = np.asarray(row["ENERG_HI"], float).ravel()
        factor = {"GeV": 1e-3, "MeV": 1e-6}.get(str(hdu.columns["ENERG_LO"].unit), 1.0)
        edges = np.append(low, high[-1]) * factor
        kind = str(hdu.header.get("HDUCLAS4", "")).strip().upper()
        axes = ("THETA",) if kind == "BKG_2D" or "THETA_LO" in names else ("DETX", "DETY")
        ends = [
            (
                np.asarray(row[f"{axis}_LO"], float).ravel(),
                np.asarray(row[f"{axis}_HI"], float).ravel(),
            )
            for axis in axes
        ]
        centres = [(start + stop) / 2 for start, stop in ends]
        column = "BKG" if "BKG" in names else "BGD"
        shape = (low.size, *(centre.size for centre in reversed(centres)))
        rate = np.nan_to_num(np.asarray(row[column], float).reshape(shape))
        if not (np.diff(edges) > 0).all() or rate.max(initial=0.0) <= 0:
            raise ValueError("the background model is empty or its energies do not rise")
        return cls(
            energy=edges,
            first=centres[0],
            second=centres[1] if len(centres) > 1 else None,
            rate=np.clip(rate, 0.0, None),
            aligned_with_sky=str(hdu.header.get("FOVALIGN", "RADEC")).strip().upper() != "ALTAZ",
            radius=float(min(np.abs(stop).max() for _, stop in ends)),
        )

    def image(
        self, x: Floats, y: Floats, low: float | None, high: float | None, turn: float | None
    ) -> Floats:
        """Rate in an energy range, at points of the field of view.

        Parameters
        ----------
        x, y : in the tangential plane about the pointing, to the east and to the north [deg]
        low, high : energy range [TeV]; none: no limit
        turn : angle from north, through east, to the zenith [deg], for models in horizontal
            coordinates; where it is not known such a model is averaged over all directions
        """
        least = 0.0 if low is None else low
        most = np.inf if high is None else high
        width = np.clip(
            np.minimum(self.energy[1:], most) - np.maximum(self.energy[:-1], least), 0.0, None
        )
        if not width.any():
            width = np.diff(self.energy)
        plane = np.tensordot(width, self.rate, axes=1)
        offset = np.hypot(x, y)
        if self.second is None:
            found = np.interp(offset, self.first, plane)
        elif self.aligned_with_sky:
            found = self._plane(plane, -x, y)
        elif turn is not None:
            found = self._plane(plane, *_towards_zenith(x, y, turn))
        else:
            ring = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            radii = np.linspace(0, self.radius, 60)
            r, phi = np.meshgrid(radii, ring)
            mean = self._plane(plane, r * np.cos(phi), r * np.sin(phi)).mean(axis=0)
            found = np.interp(offset, radii, mean)
        return np.where(offset <= self.radius, found, 0.0)

    def _plane(self, plane: Floats, detx: Floats, dety: Floats) -> Floats:
        assert self.second is not None
        places = [
            np.interp(value, centres, np.arange(centres.size))
            for value, centres in ((dety, self.second), (detx, self.first))
        ]
        value: Floats = map_coordinates(plane, places, order=1, mode="nearest")
        return value


def _towards_zenith(x: Floats, y: Floats, turn: float) -> tuple[Floats, Floats]:
    """Coordinates along the horizon, to lower azimuth, and up to the zenith."""
    angle = np.radians(turn)
    up = x * np.sin(angle) + y * np.cos(angle)
    side = x * np.cos(angle) - y * np.sin(angle)
    return side, up


def find_background_model(hdus: Iterable[Any], irf_files: Sequence[Path]) -> BackgroundModel | None:
    """The first background model of a run's file, or of its further files."""
    found = _find_in(hdus)
    for path in irf_files:
        if found is None:
            found = _read_file(path)
    return found


@lru_cache(maxsize=64)
def _read_file(path: Path) -> BackgroundModel | None:
    with open_fits(path) as hdus:
        return _find_in(hdus)


def _find_in(hdus: Iterable[Any]) -> BackgroundModel | None:
    """The background model; none where there is none that can be used: a map can do without."""
    for hdu in hdus:
        if str(hdu.header.get("HDUCLAS4", "")).strip().upper() in CLASSES:
            try:
                return BackgroundModel.read(hdu)
            except BROKEN:
                return None
    return None
