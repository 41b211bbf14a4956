"""The spectrum and the light curve as parts of results.json, and as files for further work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from astran.highlevel.dl3.folder import SPECTRA
from astran.highlevel.failures import Failures
from astran.highlevel.spectral import lightcurve
from astran.highlevel.spectral.fit import LOG10, Model, make_dataset
from astran.highlevel.spectral.norm import LIMIT_METHOD, NO_RISE, Norm
from astran.highlevel.spectral.shapes import CRAB, CRAB_HESS, ERG_PER_TEV, integrate_flux
from astran.highlevel.spectral.spectra import BINS_PER_DECADE
from astran.highlevel.spectral.spectrum import ASSUMED_INDEX, FluxPoint, NoSpectrum, Spectral
from astran.results.document import PartKind

POINTS, LIGHT_CURVE = "flux_points.ecsv", "light_curve.ecsv"
CURVE_ENERGIES = 60


def spectrum_part(found: Spectral | NoSpectrum) -> dict[str, Any]:
    """`spectrum` of results.json."""
    if isinstance(found, NoSpectrum):
        return {"model": None, "reason": found.reason}
    low, high = found.energy_min, found.energy_max
    flux = found.flux
    stacked = found.stacked
    data: dict[str, Any] = {
        "model": found.best.name if found.best else None,
        "reason": None
        if found.best
        else "the signal is too weak for a fit: fluxes and limits are for a power law of index "
        f"{ASSUMED_INDEX:g}",
        "parameters": found.best.parameters if found.best else {},
        "errors": found.best.errors if found.best else {},
        "units": {"amplitude": "cm-2 s-1 TeV-1"},
        "limit_method": LIMIT_METHOD,
        "reference_energy_tev": 1.0,
        "energy_min_tev": low,
        "energy_max_tev": high,
        "bins_per_decade": BINS_PER_DECADE,
        "models": [model_part(model, low, high) for model in found.models],
        "fitted_to": "runs" if found.joint else "nights",
        "flux": {
            **_flux(found.total, flux),
            "unit": "cm-2 s-1",
            "energy_min_tev": low,
            "energy_max_tev": high,
        },
        "significance": found.total.sqrt_ts,
        "n_on": int(stacked.n_on.sum()),
        "n_off": int(stacked.n_off.sum()),
        "excess": float((stacked.n_on - stacked.background).sum()),
        "off_regions": min(part.off_regions for part in found.parts),
        "runs": [part.part.run.obs_id for part in found.parts],
        "nights": list(found.nights),
        "flux_points": [_point(point) for point in found.points],
        "curve": _curve(found),
        "references": [
            {"name": item.name, "citation": item.citation} for item in (CRAB, CRAB_HESS)
        ],
    }
    if found.crab:
        data["crab"] = _crab(found.crab, low, high)
    return data


def light_curve_part(found: Spectral | NoSpectrum) -> dict[str, Any] | None:
    """`light_curve` of results.json; none without a spectrum."""
    if isinstance(found, NoSpectrum):
        return None
    flux = found.flux
    data: dict[str, Any] = {
        "energy_min_tev": found.energy_min,
        "energy_max_tev": found.energy_max,
        "unit": "cm-2 s-1",
        "crab_flux": integrate_flux(CRAB.shape, found.energy_min, found.energy_max),
        "crab_citation": CRAB.citation,
    }
    for name, points in (
        ("runs", found.runs),
        ("nights", found.night_points),
        ("fine", found.fine),
    ):
        data[name] = [_time_point(point, flux) for point in points]
        if len(points) > 1:
            chi2, ndf = lightcurve.constancy_test(points, found.total.value)
            data[f"{name}_constant"] = {
                "mean": found.total.value * flux,
                "error": found.total.error * flux,
                "chi2": chi2,
                "ndf": ndf,
            }
    return data


def crab_units(norm: Norm | None) -> dict[str, float | None]:
    """Fields of `stacked` and `runs`."""
    return {
        "crab_units": norm.value if norm else None,
        "crab_units_error": norm.error if norm else None,
    }


def write_files(found: Spectral, folder: Path, failures: Failures) -> dict[str, Any]:
    """Flux points and light curve as ECSV, and one OGIP spectrum per night; returns the names of
    those that could be written."""
    names: dict[str, Any] = {}
    points = found.fine or found.runs
    tables: tuple[tuple[str, str, Callable[[], list[dict[str, Any]]]], ...] = (
        ("flux_points", POINTS, lambda: [_point(point) for point in found.points]),
        ("light_curve", LIGHT_CURVE, lambda: [_time_point(p, found.flux) for p in points]),
    )
    for name, file, rows in tables:
        if failures.attempt(
            PartKind.FILE, name, f"The file {file}", partial(_write_rows, rows, folder / file)
        ):
            names[name] = file
    written = []
    for night in found.nights:
        file = f"{SPECTRA}/pha_{night}.fits"
        if failures.attempt(
            PartKind.FILE,
            "ogip",
            f"The file {file}",
            partial(_write_ogip, found, night, folder / file),
        ):
            written.append(file)
    return {**names, "ogip": written}


def _write_rows(rows: Callable[[], list[dict[str, Any]]], path: Path) -> bool:
    made = rows()
    if made:
        _write_table(made, path)
    return bool(made)


def _write_ogip(found: Spectral, night: str, path: Path) -> bool:
    parts, spectrum = found.nights[night]
    path.parent.mkdir(exist_ok=True)
    data = make_dataset(spectrum, night, sum(part.part.run.livetime_s for part in parts))
    data.write(path, format="ogip", overwrite=True)
    return True


def model_part(model: Model, low: float, high: float) -> dict[str, Any]:
    """One of `models` of results.json; the flux is that between two energies [TeV]."""
    flux, error = model.flux(low, high)
    above, above_error = model.flux(1.0, high) if low <= 1.0 < high else (None, None)
    data: dict[str, Any] = {
        "name": model.name,
        "parameters": model.parameters,
        "errors": model.errors,
        "covariance": model.covariance,
        "reference_energy_tev": model.reference,
        "statistic": model.statistic,
        "degrees_of_freedom": model.degrees,
        "flux": flux,
        "flux_error": error,
        "flux_above_1tev": above,
        "flux_above_1tev_error": above_error,
        "decorrelation_energy_tev": model.pivot(low, high),
    }
    if "beta" in model.parameters:
        data["beta_log10"] = model.parameters["beta"] * LOG10
        data["beta_log10_error"] = model.errors["beta"] * LOG10
    return data


def _flux(norm: Norm, unit: float) -> dict[str, Any]:
    return {
        "value": norm.value * unit,
        "error": norm.error * unit,
        **_limit(norm, upper_limit=unit),
        "is_limit": norm.sqrt_ts < 3,
        "sqrt_ts": norm.sqrt_ts,
    }


def _limit(norm: Norm, **units: float) -> dict[str, Any]:
    """Upper limits by name, each in its unit; where there are none, the reason beside them."""
    if norm.limit is None:
        return {**dict.fromkeys(units), "limit_reason": NO_RISE}
    return {name: norm.limit * unit for name, unit in units.items()}


def _crab(norm: Norm, low: float, high: float) -> dict[str, Any]:
    return {
        **_flux(norm, 1.0),
        "flux_of_crab": integrate_flux(CRAB.shape, low, high),
        "citation": CRAB.citation,
    }


def _point(point: FluxPoint) -> dict[str, Any]:
    flux, energy = point.reference_flux, point.energy
    to_erg = energy**2 * ERG_PER_TEV
    return {
        "energy_tev": energy,
        "energy_min_tev": point.energy_min,
        "energy_max_tev": point.energy_max,
        "dnde": point.norm.value * flux,
        "dnde_error": point.norm.error * flux,
        "dnde_error_low": point.norm.error_low * flux,
        "dnde_error_high": point.norm.error_high * flux,
        "e2dnde_erg": point.norm.value * flux * to_erg,
        "e2dnde_error_erg": point.norm.error * flux * to_erg,
        **_limit(point.norm, dnde_limit=flux, e2dnde_limit_erg=flux * to_erg),
        "is_limit": point.is_limit,
        "sqrt_ts": point.norm.sqrt_ts,
        "n_on": point.n_on,
        "n_off": point.n_off,
        "expected": point.expected,
    }


def _time_point(point: lightcurve.LightCurvePoint, flux: float) -> dict[str, Any]:
    return {
        "label": point.label,
        "start": point.start.isoformat(timespec="seconds"),
        "stop": point.stop.isoformat(timespec="seconds"),
        "livetime_h": point.livetime_s / 3600,
        "flux": point.norm.value * flux,
        "flux_error": point.norm.error * flux,
        **_limit(point.norm, flux_limit=flux),
        "is_limit": point.norm.sqrt_ts < 3,
        "sqrt_ts": point.norm.sqrt_ts,
        "n_on": point.n_on,
        "n_off": point.n_off,
    }


def _curve(found: Spectral) -> dict[str, Any]:
    energy = np.geomspace(found.energy_min, found.energy_max, CURVE_ENERGIES)
    value = found.shape(energy)
    error = found.best.error_band(energy) if found.best else np.zeros(energy.size)
    return {"energy_tev": energy, "dnde": value, "dnde_error": error}


def _write_table(rows: Sequence[dict[str, Any]], path: Path) -> None:
    names = [name for name in rows[0] if name != "limit_reason"]
    table = Table({name: [_cell(row[name]) for row in rows] for name in names})
    for name in table.colnames:
        if name.startswith("dnde"):
            table[name].unit = "cm-2 s-1 TeV-1"
        elif name.startswith("e2dnde"):
            table[name].unit = "erg cm-2 s-1"
        elif name.startswith("flux"):
            table[name].unit = "cm-2 s-1"
        elif name.endswith("_tev"):
            table[name].unit = "TeV"
        elif name.endswith("_h"):
            table[name].unit = "h"
    part = path.with_name(f".{path.name}.part")
    table.write(part, format="ascii.ecsv", overwrite=True)
    part.replace(path)


def _cell(value: Any) -> Any:
    return np.nan if value is None else value
