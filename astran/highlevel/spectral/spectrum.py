"""Spectrum, flux points and light curve of a night or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
from scipy.stats import chi2

from astran.base.failures import reason_of
from astran.highlevel.aperture.counts import RunCounts, ThetaCut
from astran.highlevel.failures import Failures
from astran.highlevel.maps.known_sources import KnownSource
from astran.highlevel.options import Threshold
from astran.highlevel.spectral import lightcurve
from astran.highlevel.spectral.fit import Model, fit_model, make_dataset
from astran.highlevel.spectral.irfs import NoResponse
from astran.highlevel.spectral.norm import Norm, fit_norm
from astran.highlevel.spectral.reflected import off_events
from astran.highlevel.spectral.shapes import CRAB, Shape, integrate_flux, power_law
from astran.highlevel.spectral.spectra import (
    CountsSpectrum,
    RunSpectrum,
    energy_edges,
    run_spectrum,
    stack_spectra,
)
from astran.results.document import PartKind

LEAST_FIT_SIGMAS = 5.0
"""A weaker signal gets an upper limit, no fit."""
CURVED = 9.0
"""The log-parabola is the model of choice where it improves the statistic by so much."""
ASSUMED_INDEX = 2.5
VARIABLE = 1e-6
"""Less likely than that, a flux is not called constant from run to run."""
CLEAN = 3.0
"""Excess over background from which on few OFF counts do not bias a fit of single runs."""
MOST_JOINT_RUNS = 60
POINTS_PER_DECADE = 5
POINT_SIGMAS = 3.0
LEAST_EXPECTED = 0.5
"""Bins of a flux point in which fewer gammas are expected, and none came, tell nothing."""


@dataclass(frozen=True)
class FluxPoint:
    """Differential flux in an energy bin; energies in TeV."""

    energy_min: float
    energy_max: float
    energy: float
    reference_flux: float
    """Of the model, at `energy` [cm-2 s-1 TeV-1]; the norm is relative to it."""
    norm: Norm
    n_on: int
    n_off: int
    expected: float

    @property
    def is_limit(self) -> bool:
        return self.norm.sqrt_ts < POINT_SIGMAS


@dataclass(frozen=True)
class Spectral:
    """What was found about the spectrum."""

    parts: tuple[RunSpectrum, ...]
    nights: dict[str, tuple[list[RunSpectrum], CountsSpectrum]]
    stacked: CountsSpectrum
    energy_min: float
    energy_max: float
    """Edges of the range that was used [TeV]."""
    models: tuple[Model, ...]
    joint: bool
    """Whether the models were fitted to the runs together, instead of to stacked nights."""
    best: Model | None
    shape: Shape
    """The best model's, or the assumed one."""
    total: Norm
    """In units of `shape`."""
    points: tuple[FluxPoint, ...]
    runs: tuple[lightcurve.LightCurvePoint, ...]
    night_points: tuple[lightcurve.LightCurvePoint, ...]
    fine: tuple[lightcurve.LightCurvePoint, ...]
    crab: Norm | None
    """All counts in units of the Crab's spectrum."""
    crab_by_run: dict[int, Norm]
    crab_by_night: dict[str, Norm]
    warnings: tuple[str, ...]

    @property
    def flux(self) -> float:
        """Integral flux of `shape` in the range [cm-2 s-1]."""
        return integrate_flux(self.shape, self.energy_min, self.energy_max)


@dataclass(frozen=True)
class NoSpectrum:
    """Why there is none, in words."""

    reason: str
    told: bool = False
    """It needs no warning: it was a wish, or is told elsewhere."""


def make_spectrum(
    runs: Sequence[RunCounts],
    cut: ThetaCut,
    energies: tuple[float | None, float | None],
    chosen_low: bool,
    rule: Threshold,
    off_regions: int | None,
    sources: Sequence[KnownSource],
    failures: Failures,
) -> Spectral | NoSpectrum:
    """Spectrum and light curve, where the IRFs allow them. Parts that fail go to `failures`.

    Parameters
    ----------
    energies : range of reconstructed energy [TeV]; none: no limit
    chosen_low : whether the lower one was asked for
    off_regions : number that was asked for; none: as many as fit
    """
    edges = energy_edges(*energies)
    parts: list[RunSpectrum] = []
    refused: dict[str, list[int]] = {}
    for run in runs:
        try:
            off = off_events(run, cut, sources, off_regions)
            parts.append(run_spectrum(run, cut, edges, chosen_low, rule, off))
        except NoResponse as error:
            refused.setdefault(str(error), []).append(run.run.obs_id)
        except Exception as error:  # noqa: BLE001 - one odd run must not cost the others
            refused.setdefault(reason_of(error), []).append(run.run.obs_id)
    warnings = _told(refused, len(runs))
    if not parts:
        reason = next(iter(refused), "no run")
        return NoSpectrum(f"No spectrum: {_plural(len(runs))}: {reason}.")
    warnings += sorted({f"Spectrum: {p.response.note}" for p in parts if p.response.note})
    nights = _by_night(parts)
    stacked = stack_spectra([spectrum for _, spectrum in nights.values()])
    used = np.flatnonzero(stacked.used & (stacked.alpha > 0) & (stacked.matrix.sum(axis=0) > 0))
    if used.size == 0:
        return NoSpectrum("No spectrum: no energy bin lies above the threshold of the IRFs.")
    low, high = float(edges[used[0]]), float(edges[used[-1] + 1])
    crab = _norm(stacked, CRAB.shape)
    if crab is None:
        return NoSpectrum("No spectrum: no events in the energy range of the IRFs.")
    attempt = partial(failures.attempt, PartKind.CALCULATION)
    fits = attempt("fit", "The fit of the spectrum", lambda: _fits(parts, nights, stacked, crab))
    if fits is None:
        fits = Fits()
    warnings += fits.warnings
    best, shape = _best(fits.models), fits.shape
    total = _norm(stacked, shape) or crab
    if best is None and crab.sqrt_ts >= LEAST_FIT_SIGMAS:
        warnings.append(
            "The fit of the spectrum did not converge: fluxes are for a power law of index "
            f"{ASSUMED_INDEX:g}."
        )
    runs_in_time = attempt(
        "light_curve", "The light curve by run", lambda: lightcurve.light_curve_by_run(parts, shape)
    )
    if runs_in_time is not None:
        warnings += _without_flux(parts, runs_in_time)
    in_time = partial(attempt, "light_curve")
    return Spectral(
        parts=tuple(parts),
        nights=nights,
        stacked=stacked,
        energy_min=low,
        energy_max=high,
        models=fits.models,
        joint=fits.joint,
        best=best,
        shape=shape,
        total=total,
        points=tuple(
            attempt("flux_points", "The list of flux points", lambda: _points(stacked, shape)) or ()
        ),
        runs=tuple(runs_in_time or ()),
        night_points=tuple(
            in_time(
                "The light curve by night", lambda: lightcurve.light_curve_by_night(nights, shape)
            )
            or ()
        ),
        fine=tuple(
            in_time(
                "The light curve in fine bins",
                lambda: lightcurve.light_curve_fine(parts, shape, total.sqrt_ts) if best else [],
            )
            or ()
        ),
        crab=crab,
        crab_by_run=attempt(
            "crab_units",
            "The list of the runs' fluxes in Crab units",
            lambda: _in_crab({part.part.run.obs_id: part.spectrum for part in parts}),
        )
        or {},
        crab_by_night=attempt(
            "crab_units",
            "The list of the nights' fluxes in Crab units",
            lambda: _in_crab({night: spectrum for night, (_, spectrum) in nights.items()}),
        )
        or {},
        warnings=tuple(warnings),
    )


@dataclass(frozen=True)
class Fits:
    """What the fits of the spectrum gave."""

    models: tuple[Model, ...] = ()
    joint: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """The best model's, or the assumed one."""
        best = _best(self.models)
        return best.shape if best else power_law(3e-12, ASSUMED_INDEX)


def _fits(
    parts: Sequence[RunSpectrum],
    nights: dict[str, tuple[list[RunSpectrum], CountsSpectrum]],
    stacked: CountsSpectrum,
    crab: Norm,
) -> Fits:
    """Fits to stacked nights; to single runs where the flux changes between these."""
    found = Fits(tuple(_fit(nights, crab)))
    if not found.models or not _varies(lightcurve.light_curve_by_run(parts, found.shape)):
        return found
    said = "The flux changes from run to run: the spectrum is an average over them"
    if len(parts) > MOST_JOINT_RUNS or not _clean(stacked):
        return replace(found, warnings=(f"{said}.",))
    models = _fit({str(p.part.run.obs_id): ([p], p.spectrum) for p in parts}, crab)
    return Fits(
        tuple(models) or found.models,
        joint=bool(models),
        warnings=(f"{said}{', fitted to the runs together' if models else ''}.",),
    )


Key = TypeVar("Key")


def _in_crab(spectra: dict[Key, CountsSpectrum]) -> dict[Key, Norm]:
    norms = {key: _norm(spectrum, CRAB.shape) for key, spectrum in spectra.items()}
    return {key: norm for key, norm in norms.items() if norm is not None}


def _without_flux(
    parts: Sequence[RunSpectrum], points: Sequence[lightcurve.LightCurvePoint]
) -> list[str]:
    """Runs that have neither a flux nor a limit."""
    known = {point.label for point in points}
    absent = [run for part in parts if str(run := part.part.run.obs_id) not in known]
    if not absent:
        return []
    return [
        f"No flux and no limit of {_listed(absent)}: no events, or no gammas are expected, in "
        "the energy range."
    ]


def _listed(runs: Sequence[int]) -> str:
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    return ", ".join(str(run) for run in runs[:5]) + more


def _plural(number: int) -> str:
    return "the run" if number == 1 else f"all {number} runs"


def _told(refused: dict[str, list[int]], number: int) -> list[str]:
    if sum(map(len, refused.values())) == number:
        return []
    said = []
    for reason, runs in refused.items():
        said.append(f"Not in the spectrum: {_listed(runs)}: {reason}.")
    return said


def _by_night(parts: Sequence[RunSpectrum]) -> dict[str, tuple[list[RunSpectrum], CountsSpectrum]]:
    found: dict[str, list[RunSpectrum]] = {}
    for part in parts:
        found.setdefault(str(part.part.run.night), []).append(part)
    return {
        night: (members, stack_spectra([part.spectrum for part in members]))
        for night, members in found.items()
    }


def _norm(spectrum: CountsSpectrum, shape: Shape) -> Norm | None:
    return fit_norm(spectrum.n_on, spectrum.n_off, spectrum.alpha, spectrum.expected(shape))


def _fit(nights: dict[str, tuple[list[RunSpectrum], CountsSpectrum]], crab: Norm) -> list[Model]:
    if crab.sqrt_ts < LEAST_FIT_SIGMAS:
        return []
    sets = [
        make_dataset(spectrum, night, sum(part.part.run.livetime_s for part in parts))
        for night, (parts, spectrum) in nights.items()
    ]
    fitted = (fit_model(sets, kind) for kind in ("power-law", "log-parabola"))
    return [model for model in fitted if model is not None]


def _varies(points: Sequence[lightcurve.LightCurvePoint]) -> bool:
    """Whether the runs' fluxes disagree beyond chance with one that is common to all."""
    if len(points) < 2:
        return False
    common = fit_norm(
        *(np.concatenate(values) for values in zip(*(p.data for p in points), strict=True))
    )
    if common is None:
        return False
    worse, degrees = lightcurve.constancy_test(points, common.value)
    return float(chi2.sf(worse, degrees)) < VARIABLE


def _clean(spectrum: CountsSpectrum) -> bool:
    """Whether the signal stands so far above the background that runs can be fitted singly.

    A stack of runs with different thresholds weighs a variable flux differently at each energy;
    runs fitted together do not have that fault, but suffer from a bias where OFF counts are few.
    """
    background = float(spectrum.background.sum())
    return float(spectrum.n_on.sum()) - background > CLEAN * background


def _best(models: Sequence[Model]) -> Model | None:
    by_name = {model.name: model for model in models}
    straight, curved = by_name.get("power-law"), by_name.get("log-parabola")
    if straight is None or curved is None:
        return straight or curved
    return curved if straight.statistic - curved.statistic >= CURVED else straight


def _points(spectrum: CountsSpectrum, shape: Shape) -> list[FluxPoint]:
    """Points at five per decade, their edges among those of the spectrum."""
    decades = np.round(np.log10(spectrum.edges) * POINTS_PER_DECADE, 6)
    inner = np.flatnonzero(np.abs(decades - np.round(decades)) < 1e-3)
    bounds = np.unique(np.concatenate([[0], inner, [spectrum.edges.size - 1]]))
    if inner.size < 3:
        bounds = np.arange(spectrum.edges.size)
    expected = spectrum.expected(shape)
    found = []
    for first, last in pairwise(bounds):
        bins = slice(int(first), int(last))
        used = np.flatnonzero(spectrum.used[bins] & (spectrum.alpha[bins] > 0))
        if used.size == 0:
            continue
        n_on, n_off, alpha = spectrum.part(bins)
        norm = fit_norm(n_on, n_off, alpha, expected[bins])
        gammas = float(expected[bins].sum())
        if norm is None or (gammas < LEAST_EXPECTED and n_on.sum() == 0):
            continue
        low = float(spectrum.edges[first + used[0]])
        high = float(spectrum.edges[first + used[-1] + 1])
        middle = float(np.sqrt(low * high))
        found.append(
            FluxPoint(
                energy_min=low,
                energy_max=high,
                energy=middle,
                reference_flux=float(shape(np.array([middle]))[0]),
                norm=norm,
                n_on=int(n_on.sum()),
                n_off=int(n_off.sum()),
                expected=gammas,
            )
        )
    return found
