"""The directional cut as the files give it: one RAD_MAX value, or a RAD_MAX_2D table.

Format: https://gamma-astro-data-formats.readthedocs.io/en/latest/irfs/point_like/index.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units

from astran.gadf.arrays import Floats
from astran.gadf.axis_order import read_array


@dataclass(frozen=True)
class RadMaxTable:
    """RAD_MAX_2D: largest theta by reconstructed energy and offset of the source."""

    energy: Floats
    """Edges of the energy bins [TeV], shape (n + 1,)."""
    offset_low: Floats
    offset_high: Floats
    """Edges of the offset bins [deg], shape (m,)."""
    theta: Floats
    """The cut [deg], shape (m, n)."""

    @classmethod
    def read(cls, hdu: Any) -> RadMaxTable:
        """From a BinTableHDU; KeyError or ValueError where it is not one of these tables."""
        row = hdu.data[0]
        low = np.asarray(row["ENERG_LO"], float).ravel()
        high = np.asarray(row["ENERG_HI"], float).ravel()
        theta_low = np.asarray(row["THETA_LO"], float).ravel()
        theta_high = np.asarray(row["THETA_HI"], float).ravel()
        values = read_array(hdu, "RAD_MAX", ("ENERG", "THETA")).T
        low, high = (part * _factor(hdu, "ENERG_LO", "TeV") for part in (low, high))
        theta_low, theta_high = (
            part * _factor(hdu, "THETA_LO", "deg") for part in (theta_low, theta_high)
        )
        values = np.nan_to_num(values * _factor(hdu, "RAD_MAX", "deg"), nan=0.0)
        if not (values > 0).any():
            raise ValueError("it has no positive value")
        edges = np.append(low, high[-1])
        if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            raise ValueError("the energy bins are not in rising order")
        return cls(edges, theta_low, theta_high, values)

    @property
    def offset_range(self) -> tuple[float, float]:
        """Smallest and largest source offset for which the table holds [deg]."""
        return float(self.offset_low.min()), float(self.offset_high.max())

    def at_offset(self, offset: float) -> Floats:
        """The cut by energy bin [deg] at the nearest offset of the table, shape (n,)."""
        centre = (self.offset_low + self.offset_high) / 2
        return self.theta[int(np.argmin(np.abs(centre - offset)))]

    def bins(self, energy: Floats) -> Floats:
        """Index of the energy bin of each event, -1 outside of the table."""
        index = np.searchsorted(self.energy, energy, side="right") - 1
        return np.where((index >= 0) & (index < self.energy.size - 1), index, -1)

    def evaluate(self, energy: Floats, offset: float) -> Floats:
        """The cut for each event [deg]; 0, which no event passes, outside of the energy bins."""
        index = self.bins(energy)
        return np.where(index >= 0, self.at_offset(offset)[index], 0.0)


def _factor(hdu: Any, name: str, unit: str) -> float:
    """From the unit of a column to the wanted one. UnitsError is a ValueError."""
    written = hdu.columns[name].unit
    return float(units.Unit(written).to(unit)) if written else 1.0
