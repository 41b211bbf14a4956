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

from astran.gadf.axis_order import read_array
from astran.gadf.columns import read_column
from astran.gadf.file_findings import FindingLog
from astran.gadf.fits_open import BROKEN, describe_damage, open_fits
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
        names = {name.upper() for name in hdu.columns.names}
        quiet = FindingLog()

        def ends(axis: str, unit: str) -> tuple[Floats, Floats]:
            low, high = (read_column(hdu, f"{axis}_{end}", unit, quiet) for end in ("LO", "HI"))
            return low.ravel(), high.ravel()

        kind = str(hdu.header.get("HDUCLAS4", "")).strip().upper()
        axes = ("THETA",) if kind == "BKG_2D" or "THETA_LO" in names else ("DETX", "DETY")
        low, high = ends("ENERG", "TeV")
        edges = np.append(low, high[-1])
        field = [ends(axis, "deg") for axis in axes]
        if quiet:
            raise ValueError(quiet[0].text)
        centres = [(start + stop) / 2 for start, stop in field]
        values = read_array(hdu, "BKG" if "BKG" in names else "BGD", ("ENERG", *axes))
        rate = np.nan_to_num(values.swapaxes(1, 2) if len(axes) > 1 else values)
        if not (np.diff(edges) > 0).all() or rate.max(initial=0.0) <= 0:
            raise ValueError("the background model is empty or its energies do not rise")
        return cls(
            energy=edges,
            first=centres[0],
            second=centres[1] if len(centres) > 1 else None,
            rate=np.clip(rate, 0.0, None),
            aligned_with_sky=str(hdu.header.get("FOVALIGN", "RADEC")).strip().upper() != "ALTAZ",
            radius=float(min(np.abs(stop).max() for _, stop in field)),
        )

    def image(
        self, x: Floats, y: Floats, low: float | None, high: float | None, turns: Sequence[float]
    ) -> Floats:
        """Rate in an energy range, at points of the field of view.

        Parameters
        ----------
        x, y : in the tangential plane about the pointing, to the east and to the north [deg]
        low, high : energy range [TeV]; none: no limit
        turns : angles from north, through east, to the zenith [deg] at even times of the run, for
            models in horizontal coordinates; where none is known such a model is averaged over all
            directions
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
        elif turns:
            views = [self._plane(plane, *_towards_zenith(x, y, turn)) for turn in turns]
            found = np.mean(views, axis=0)
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


def find_background_model(
    hdus: Iterable[Any], irf_files: Sequence[Path]
) -> tuple[BackgroundModel | None, tuple[str, ...]]:
    """The first background model of a run's file, or of its further files, and what to say of it
    in sentences whose subject is the run."""
    found, said = _find_in(hdus)
    for path in irf_files:
        if found is None and not said:
            found, said = _read_file(path)
    return found, said


@lru_cache(maxsize=64)
def _read_file(path: Path) -> tuple[BackgroundModel | None, tuple[str, ...]]:
    with open_fits(path) as hdus:
        return _find_in(hdus)


def _find_in(hdus: Iterable[Any]) -> tuple[BackgroundModel | None, tuple[str, ...]]:
    """The background model; none where there is none that can be used: a map can do without."""
    for hdu in hdus:
        if str(hdu.header.get("HDUCLAS4", "")).strip().upper() in CLASSES:
            try:
                model = BackgroundModel.read(hdu)
            except BROKEN as error:
                said = f"Its background model cannot be used: {describe_damage(error)}."
                return None, (said,)
            return model, _alignment(hdu, model)
    return None, ()


def _alignment(hdu: Any, model: BackgroundModel) -> tuple[str, ...]:
    """What is taken for granted about the orientation of a model."""
    told = str(hdu.header.get("FOVALIGN") or "").strip().upper()
    if model.second is None or told in ("ALTAZ", "RADEC"):
        return ()
    what = f"has an unknown FOVALIGN ({told})" if told else "does not tell FOVALIGN"
    return (f"Its background model {what}: its axes are taken for those of the sky (RADEC).",)
