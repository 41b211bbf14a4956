"""The spectrum and the light curve as parts of results.json, and as files for further work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from astran.highlevel.arrays import as_tuple
from astran.highlevel.dl3.folder import SPECTRA
from astran.highlevel.failures import Failures
from astran.highlevel.spectral import lightcurve
from astran.highlevel.spectral.fit import INVERSE_CUTOFF, LOG10, Model, make_dataset
from astran.highlevel.spectral.flux_points import FluxPoint
from astran.highlevel.spectral.limits import limit_method
from astran.highlevel.spectral.norm import NO_RISE, Norm
from astran.highlevel.spectral.shapes import CRAB, CRAB_HESS, ERG_PER_TEV
from astran.highlevel.spectral.spectra import BINS_PER_DECADE
from astran.highlevel.spectral.spectrum import NoSpectrum, Spectral
from astran.highlevel.spectral.stacks import SpectrumStack
from astran.results.codec import to_json
from astran.results.document import FileNames, PartKind
from astran.results.spectral_parts import (
    Citation,
    CrabFlux,
    EblAbsorption,
    EnergyThreshold,
    FluxConstancy,
    LightCurve,
    ModelCurve,
    ModelFit,
    ResponseGroup,
    SpectralPoint,
    Spectrum,
    SpectrumFlux,
    SpectrumNumbers,
    TimedFlux,
)

POINTS, LIGHT_CURVE = "flux_points.ecsv", "light_curve.ecsv"
CURVE_ENERGIES = 60
MJD_OF_UNIX_EPOCH = 40587.0


def spectrum_part(found: Spectral | NoSpectrum) -> Spectrum:
    """`spectrum` of results.json."""
    if isinstance(found, NoSpectrum):
        return Spectrum(None, found.reason)
    reason = (
        None
        if found.best
        else "the signal is too weak for a fit: fluxes and limits are for a power law of index "
        f"{found.assumed_index:g}"
    )
    return Spectrum(found.best.name if found.best else None, reason, _spectrum_numbers(found))


def _spectrum_numbers(found: Spectral) -> SpectrumNumbers:
    low, high = found.energy_min, found.energy_max
    stacked = found.stacked
    return SpectrumNumbers(
        parameters=found.best.parameters if found.best else {},
        errors=found.best.errors if found.best else {},
        fixed_parameters=found.best.fixed if found.best else {},
        ebl=_ebl(found.best),
        units={"amplitude": "cm-2 s-1 TeV-1", **_cutoff_unit(found.best)},
        limit_method=limit_method(found.confidence),
        limit_confidence=found.confidence,
        assumed_index=None if found.best else found.assumed_index,
        reference_energy_tev=1.0,
        energy_min_tev=low,
        energy_max_tev=high,
        thresholds=_thresholds(found),
        bins_per_decade=BINS_PER_DECADE,
        models=tuple(model_part(model, low, high) for model in found.models),
        fitted_to=_fitted_to(found),
        groups=_groups(found),
        flux=SpectrumFlux(
            **_flux(found.total, found, found.above.of_shape),
            unit="cm-2 s-1",
            energy_min_tev=found.above.energy_min,
            energy_max_tev=found.above.energy_max,
        ),
        significance=found.total.sqrt_ts,
        n_on=int(stacked.n_on.sum()),
        n_off=int(stacked.n_off.sum()),
        excess=float((stacked.n_on - stacked.background).sum()),
        off_regions=min(part.off_regions for part in found.parts),
        runs=tuple(part.part.run.obs_id for part in found.parts),
        nights=tuple(night.name for night in found.nights),
        flux_points=tuple(_point(point) for point in found.points),
        curve=_curve(found),
        references=tuple(Citation(item.name, item.citation) for item in (CRAB, CRAB_HESS)),
        crab=CrabFlux(
            **_flux(found.total, found, found.above.of_shape / found.above.of_crab),
            flux_of_crab=found.above.of_crab,
            citation=CRAB.citation,
            energy_min_tev=found.above.energy_min,
            energy_max_tev=found.above.energy_max,
            expected_excess=float(found.stacked.expected(CRAB.shape).sum()),
        ),
    )


def _ebl(best: Model | None) -> EblAbsorption | None:
    absorption = best and best.absorption
    if not absorption:
        return None
    return EblAbsorption(absorption.model.value, absorption.redshift, absorption.citation)


def _cutoff_unit(best: Model | None) -> dict[str, str]:
    return {INVERSE_CUTOFF: "TeV-1"} if best and INVERSE_CUTOFF in best.parameters else {}


def _fitted_to(found: Spectral) -> str:
    if found.joint:
        return "runs"
    return "nights" if found.fitted is found.nights else "groups"


def _groups(found: Spectral) -> tuple[ResponseGroup, ...]:
    """Stacks by response, where these were fitted."""
    if _fitted_to(found) != "groups":
        return ()
    return tuple(
        ResponseGroup(
            name=stack.name,
            response=stack.response,
            runs=tuple(part.part.run.obs_id for part in stack.parts),
            nights=stack.nights,
            zenith_min_deg=stack.zenith_range_deg and stack.zenith_range_deg[0],
            zenith_max_deg=stack.zenith_range_deg and stack.zenith_range_deg[1],
            livetime_h=stack.livetime_s / 3600,
            n_on=int(stack.spectrum.n_on.sum()),
            n_off=int(stack.spectrum.n_off.sum()),
        )
        for stack in found.fitted
    )


def _thresholds(found: Spectral) -> tuple[EnergyThreshold, ...]:
    """Those of the runs, with where they come from."""
    runs: dict[tuple[float, str], list[int]] = {}
    for part in found.parts:
        own = part.spectrum.edges[:-1][part.spectrum.used]
        least = float(own[0]) if own.size else part.threshold.energy_tev
        runs.setdefault((least, part.threshold.origin), []).append(part.part.run.obs_id)
    return tuple(EnergyThreshold(*key, tuple(members)) for key, members in sorted(runs.items()))


def light_curve_part(found: Spectral | NoSpectrum) -> LightCurve | None:
    """`light_curve` of results.json; none without a spectrum."""
    if isinstance(found, NoSpectrum):
        return None
    return LightCurve(
        energy_min_tev=found.above.energy_min,
        energy_max_tev=found.above.energy_max,
        unit="cm-2 s-1",
        crab_flux=found.above.of_crab,
        crab_citation=CRAB.citation,
        runs=tuple(_timed_flux(point, found) for point in found.runs),
        nights=tuple(_timed_flux(point, found) for point in found.night_points),
        weeks=tuple(_timed_flux(point, found) for point in found.week_points),
        months=tuple(_timed_flux(point, found) for point in found.month_points),
        fine=tuple(_timed_flux(point, found) for point in found.fine),
        runs_constant=_constancy(found, found.runs),
        nights_constant=_constancy(found, found.night_points),
        fine_constant=_constancy(found, found.fine),
    )


def _constancy(
    found: Spectral, points: Sequence[lightcurve.LightCurvePoint]
) -> FluxConstancy | None:
    if len(points) < 2:
        return None
    chi2, ndf = lightcurve.constancy_test(points, found.total.value)
    return FluxConstancy(*found.above.measure(found.total), chi2, ndf)


def write_files(found: Spectral, folder: Path, failures: Failures) -> FileNames:
    """Flux points and light curve as ECSV, and one OGIP spectrum per stack that was fitted (night,
    or group of many nights); returns the names of those that could be written."""

    def write(name: str, file: str, make: Callable[[], bool]) -> str | None:
        made = failures.attempt(PartKind.FILE, name, f"The file {file}", make)
        return file if made else None

    points = write(
        "flux_points",
        POINTS,
        lambda: _write_rows([_point(point) for point in found.points], folder / POINTS),
    )
    curve = write(
        "light_curve",
        LIGHT_CURVE,
        lambda: _write_rows(
            [_timed_flux(point, found) for point in found.fine or found.runs],
            folder / LIGHT_CURVE,
        ),
    )
    ogip = [
        write("ogip", file, partial(_write_ogip, stack, folder / file))
        for stack in found.fitted
        for file in (f"{SPECTRA}/pha_{stack.name}.fits",)
    ]
    return FileNames(
        flux_points=points, light_curve=curve, ogip=tuple(file for file in ogip if file)
    )


def _write_rows(rows: Sequence[SpectralPoint] | Sequence[TimedFlux], path: Path) -> bool:
    if rows:
        _write_table([to_json(row) for row in rows], path)
    return bool(rows)


def _write_ogip(stack: SpectrumStack, path: Path) -> bool:
    path.parent.mkdir(exist_ok=True)
    data = make_dataset(stack.spectrum, stack.name, stack.livetime_s)
    data.write(path, format="ogip", overwrite=True)
    return True


def model_part(model: Model, low: float, high: float) -> ModelFit:
    """One of `models` of results.json; the flux is that between two energies [TeV]."""
    flux, error = model.flux(low, high)
    above, above_error = model.flux(1.0, high) if low <= 1.0 < high else (None, None)
    curved = "beta" in model.parameters
    inverse = model.parameters.get(INVERSE_CUTOFF, 0.0)
    return ModelFit(
        name=model.name,
        parameters=model.parameters,
        errors=model.errors,
        covariance=model.covariance.tolist(),
        reference_energy_tev=model.reference,
        statistic=model.statistic,
        degrees_of_freedom=model.degrees,
        flux=flux,
        flux_error=error,
        flux_above_1tev=above,
        flux_above_1tev_error=above_error,
        decorrelation_energy_tev=model.pivot(low, high),
        beta_log10=model.parameters["beta"] * LOG10 if curved else None,
        beta_log10_error=model.errors["beta"] * LOG10 if curved else None,
        cutoff_energy_tev=1 / inverse if inverse > 0 else None,
        cutoff_energy_error_tev=model.errors[INVERSE_CUTOFF] / inverse**2 if inverse > 0 else None,
        fixed_parameters=model.fixed,
    )


def _flux(norm: Norm, found: Spectral, unit: float) -> dict[str, Any]:
    """Fields of `FluxValue`."""
    return {
        "value": norm.value * unit,
        "error": float(np.hypot(norm.error, norm.value * found.above.shape_error)) * unit,
        **_limit(norm, upper_limit=unit),
        "expected_limit": _times(found.expected_limit, unit),
        "is_limit": norm.sqrt_ts < 3,
        "sqrt_ts": norm.sqrt_ts,
    }


def _times(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _limit(norm: Norm, **units: float) -> dict[str, Any]:
    """Upper limits by name, each in its unit; where there are none, the reason beside them."""
    if norm.limit is None:
        return {**dict.fromkeys(units), "limit_reason": NO_RISE}
    return {name: norm.limit * unit for name, unit in units.items()}


def _point(point: FluxPoint) -> SpectralPoint:
    flux, energy = point.reference_flux, point.energy
    to_erg = energy**2 * ERG_PER_TEV
    return SpectralPoint(
        energy_tev=energy,
        energy_min_tev=point.energy_min,
        energy_max_tev=point.energy_max,
        dnde=point.norm.value * flux,
        dnde_error=point.norm.error * flux,
        dnde_error_low=point.norm.error_low * flux,
        dnde_error_high=point.norm.error_high * flux,
        e2dnde_erg=point.norm.value * flux * to_erg,
        e2dnde_error_erg=point.norm.error * flux * to_erg,
        **_limit(point.norm, dnde_limit=flux, e2dnde_limit_erg=flux * to_erg),
        dnde_limit_expected=_times(point.expected_limit, flux),
        is_limit=point.is_limit,
        sqrt_ts=point.norm.sqrt_ts,
        n_on=point.n_on,
        n_off=point.n_off,
        expected=point.expected,
    )


def flux_of_point(
    point: lightcurve.LightCurvePoint, found: Spectral
) -> tuple[float, float, float | None]:
    """Integral flux, its error, and its upper limit [cm-2 s-1]; none: the counts allow none."""
    return *found.above.measure(point.norm), _times(point.norm.limit, found.above.of_shape)


def _timed_flux(point: lightcurve.LightCurvePoint, found: Spectral) -> TimedFlux:
    flux, error, _ = flux_of_point(point, found)
    unit = found.above.of_shape
    return TimedFlux(
        label=point.label,
        start=point.start.isoformat(timespec="seconds"),
        stop=point.stop.isoformat(timespec="seconds"),
        flux_wstat=point.likeliest * unit if point.has_enough_off else None,
        mjd_start=mjd_of(point.start),
        mjd_stop=mjd_of(point.stop),
        livetime_h=point.livetime_s / 3600,
        flux=flux,
        flux_error=error,
        **_limit(point.norm, flux_limit=unit),
        flux_limit_expected=_times(point.expected_limit, unit),
        is_limit=point.norm.sqrt_ts < 3,
        sqrt_ts=point.norm.sqrt_ts,
        n_on=point.n_on,
        n_off=point.n_off,
    )


def mjd_of(moment: datetime) -> float:
    """Modified Julian Date, UTC, to a tenth of a second."""
    return round(moment.timestamp() / 86400 + MJD_OF_UNIX_EPOCH, 6)


def _curve(found: Spectral) -> ModelCurve:
    energy = np.geomspace(found.energy_min, found.energy_max, CURVE_ENERGIES)
    value = found.shape(energy)
    error = found.best.error_band(energy) if found.best else np.zeros(energy.size)
    return ModelCurve(as_tuple(energy), as_tuple(value), as_tuple(error))


def _write_table(rows: Sequence[dict[str, Any]], path: Path) -> None:
    names = dict.fromkeys(name for row in rows for name in row if name != "limit_reason")
    table = Table(
        {
            name: [np.nan if (value := row.get(name)) is None else value for row in rows]
            for name in names
        }
    )
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
