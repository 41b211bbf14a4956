"""Absorption of gamma rays by the extragalactic background light (EBL).

Optical depths are those of published models, as the package `ebltable` ships their tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from astran.base.errors import AstranError
from astran.config.analysis import EblModel
from astran.highlevel.arrays import Floats
from astran.highlevel.maps.known_sources import KnownSource, nearest_source

_TABLES = {
    EblModel.DOMINGUEZ_2011: ("dominguez", "Domínguez et al. 2011, MNRAS 410, 2556"),
    EblModel.FRANCESCHINI_2008: ("franceschini", "Franceschini et al. 2008, A&A 487, 837"),
    EblModel.GILMORE_2012: ("gilmore", "Gilmore et al. 2012, MNRAS 422, 3189"),
    EblModel.SALDANA_LOPEZ_2021: ("saldana-lopez", "Saldana-Lopez et al. 2021, MNRAS 507, 5144"),
}
"""Names in `ebltable`, and publications."""
TABLE_ENERGIES = 300
SAME_SOURCE_DEG = 0.1
"""A position so near to a source of the catalogue has its redshift."""


class NoAbsorption(AstranError):
    """The absorption that was asked for cannot be applied."""


@dataclass(frozen=True)
class Absorption:
    """The EBL between us and a source."""

    model: EblModel
    redshift: float

    @classmethod
    def load(cls, model: EblModel, redshift: float) -> Absorption:
        """Raises NoAbsorption where the tables are not installed."""
        _load(model)
        return cls(model, redshift)

    @property
    def citation(self) -> str:
        """Where the optical depths were published."""
        return _TABLES[self.model][1]

    def transmission(self, energy: Floats) -> Floats:
        """The share of gamma rays that arrives, exp(-tau).

        Parameters
        ----------
        energy : at Earth [TeV], any shape

        Returns
        -------
        Between 0 and 1, of the shape of `energy`
        """
        flat = np.ravel(np.asarray(energy, float))
        order = np.argsort(flat)
        found = np.empty(flat.size)
        # the tables' interpolation wants energies in rising order
        found[order] = np.ravel(_load(self.model).opt_depth(self.redshift, flat[order]))
        share: Floats = np.exp(-np.clip(found, 0, None)).reshape(np.shape(energy))
        return share

    def tabulate(self, low: float, high: float) -> tuple[Floats, Floats]:
        """Energies between two [TeV] and the shares that arrive there, for an interpolation of
        their logarithms."""
        energy = np.geomspace(low, high, TABLE_ENERGIES)
        # a share that underflows has no logarithm
        return energy, np.clip(self.transmission(energy), 1e-200, None)


def find_absorption(
    model: EblModel, redshift: float | None, position: tuple[float, float]
) -> Absorption | None:
    """The absorption that was asked for; none for `EblModel.NONE`.

    Parameters
    ----------
    redshift : that was given; none: of the source of the catalogue at the position
    position : RA, Dec (ICRS) [deg]

    Raises
    ------
    NoAbsorption : no redshift is known, or `ebltable` is not installed
    """
    if model is EblModel.NONE:
        return None
    if redshift is None:
        redshift = _catalogue_redshift(position)
    if redshift is None:
        raise NoAbsorption("no redshift of the source is known.", "Give it: `redshift: 0.05`.")
    return Absorption.load(model, redshift)


def _catalogue_redshift(position: tuple[float, float]) -> float | None:
    source: KnownSource | None = nearest_source(position, SAME_SOURCE_DEG)
    return source.redshift if source else None


@cache
def _load(model: EblModel) -> Any:
    try:
        from ebltable.tau_from_model import OptDepth
    except ImportError as error:
        raise NoAbsorption(
            "the package ebltable, which holds the EBL models, is not installed.",
            "Install it beside ASTRAN: pip install ebltable",
        ) from error
    return OptDepth.readmodel(model=_TABLES[model][0])
