"""Flux points, light curves and data sets as gammapy reads them: `FluxPoints.read` with the format
`gadf-sed` or `lightcurve`, `Datasets.read`.

Flux points: https://gamma-astro-data-formats.readthedocs.io/en/latest/spectra/flux_points/index.html
Light curves have one energy bin and times in MJD (UTC).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy import units as u
from astropy.table import Table

from astran.base.files import write_atomic
from astran.highlevel.spectral.flux_points import POINT_SIGMAS
from astran.highlevel.spectral.lightcurve import LightCurvePoint
from astran.highlevel.spectral.result_parts import flux_of_point, mjd_of
from astran.highlevel.spectral.spectrum import Spectral

FLUX_POINTS, LIGHT_CURVE = "flux_points.fits", "light_curve_{}.fits"
DATASETS = "datasets.yaml"
PER_TEV, INTEGRAL = "cm-2 s-1 TeV-1", "cm-2 s-1"


def write_gammapy_files(found: Spectral, ogip: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Write what there is; returns the names.

    Parameters
    ----------
    ogip : names of the OGIP spectra, which are the data sets
    """
    written: list[str] = []
    if found.points:
        _write_table(_flux_points(found), folder / FLUX_POINTS)
        written.append(FLUX_POINTS)
    for name, points in (
        ("runs", found.runs),
        ("nights", found.night_points),
        ("weeks", found.week_points),
        ("months", found.month_points),
    ):
        if points:
            file = LIGHT_CURVE.format(name)
            _write_table(_light_curve(points, found), folder / file)
            written.append(file)
    if ogip:
        write_atomic(folder / DATASETS, _datasets(ogip))
        written.append(DATASETS)
    return tuple(written)


def _flux_points(found: Spectral) -> Table:
    points = found.points
    norms = [point.norm for point in points]
    scale = u.Quantity([point.reference_flux for point in points], PER_TEV)

    def energies(name: str) -> Any:
        return u.Quantity([getattr(point, name) for point in points], "TeV")

    return Table(
        {
            "e_ref": energies("energy"),
            "e_min": energies("energy_min"),
            "e_max": energies("energy_max"),
            "dnde": scale * [norm.value for norm in norms],
            "dnde_err": scale * [norm.error for norm in norms],
            "dnde_errn": scale * [norm.error_low for norm in norms],
            "dnde_errp": scale * [norm.error_high for norm in norms],
            "dnde_ul": scale * [_known(norm.limit) for norm in norms],
            "sqrt_ts": [norm.sqrt_ts for norm in norms],
            "is_ul": [point.is_limit for point in points],
        },
        meta={"SED_TYPE": "dnde", "UL_CONF": found.confidence},
    )


def _light_curve(points: Sequence[LightCurvePoint], found: Spectral) -> Table:
    low, high = found.above.energy_min, found.above.energy_max
    number = len(points)

    def column(values: Sequence[float], unit: str = "") -> Any:
        """gammapy has an axis of energies, of length one here."""
        return u.Quantity(np.reshape(np.array(values, float), (number, 1)), unit)

    fluxes = [flux_of_point(point, found) for point in points]
    return Table(
        {
            "time_min": [mjd_of(point.start) for point in points],
            "time_max": [mjd_of(point.stop) for point in points],
            "e_ref": column([float(np.sqrt(low * high))] * number, "TeV"),
            "e_min": column([low] * number, "TeV"),
            "e_max": column([high] * number, "TeV"),
            "flux": column([flux for flux, _, _ in fluxes], INTEGRAL),
            "flux_err": column([error for _, error, _ in fluxes], INTEGRAL),
            "flux_ul": column([_known(limit) for _, _, limit in fluxes], INTEGRAL),
            "sqrt_ts": column([point.norm.sqrt_ts for point in points]),
            "is_ul": np.reshape([point.norm.sqrt_ts < POINT_SIGMAS for point in points], (-1, 1)),
        },
        meta={"SED_TYPE": "flux", "TIMESYS": "utc", "UL_CONF": found.confidence},
    )


def _known(value: float | None) -> float:
    return np.nan if value is None else value


def _datasets(ogip: Sequence[str]) -> str:
    """The list that `gammapy.datasets.Datasets.read` takes; paths are from its folder."""
    rows = [
        {
            "name": Path(file).stem.removeprefix("pha_"),
            "type": "SpectrumDatasetOnOff",
            "filename": file,
        }
        for file in ogip
    ]
    return yaml.safe_dump({"datasets": rows}, sort_keys=False)


def _write_table(table: Table, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    table.write(part, format="fits", overwrite=True)
    part.replace(path)
