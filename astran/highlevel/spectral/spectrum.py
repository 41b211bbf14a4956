"""Spectrum, flux points and light curve of a night or of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.stats import chi2

from astran.base.failures import reason_of
from astran.config.analysis import SpectralModel
from astran.highlevel.aperture.counts import RunCounts, ThetaCut
from astran.highlevel.failures import Failures
from astran.highlevel.maps.known_sources import KnownSource
from astran.highlevel.options import StackRule, Threshold
from astran.highlevel.spectral import lightcurve
from astran.highlevel.spectral.fit import (
    FREE,
    Model,
    SpectralChoice,
    best_model,
    fit_model,
    make_dataset,
)
from astran.highlevel.spectral.flux_points import FluxPoint, flux_points
from astran.highlevel.spectral.integral_flux import (
    IntegralFlux,
    assumed_shape_error,
    choose_threshold,
    integral_flux,
)
from astran.highlevel.spectral.irfs import NoResponse, Responses
from astran.highlevel.spectral.limits import CONFIDENCE, expected_limit
from astran.highlevel.spectral.norm import Norm, fit_norm, measure_norm
from astran.highlevel.spectral.reflected import off_events
from astran.highlevel.spectral.shapes import CRAB, Shape, power_law
from astran.highlevel.spectral.spectra import (
    CountsSpectrum,
    RunSpectrum,
    WideCounts,
    energy_edges,
    run_spectrum,
    stack_spectra,
)
from astran.highlevel.spectral.stacks import (
    SpectrumStack,
    stack_by_month,
    stack_by_night,
    stack_by_week,
    stack_for_fit,
)
from astran.results.document import PartKind

LEAST_FIT_SIGMAS = 5.0
"""A weaker signal gets an upper limit, no fit."""
VARIABLE = 1e-6
"""Less likely than that, a flux is not called constant from run to run."""
CLEAN = 3.0
"""Excess over background from which on few OFF counts do not bias a fit of single runs."""
MOST_JOINT_RUNS = 60
DEFAULT_INDEX = 2.5
POOR_FIT, POOR_CHANCE = 1.5, 1e-6
"""A fit that is worse per degree of freedom, and less likely, does not describe the data."""


@dataclass(frozen=True)
class Spectral:
    """What was found about the spectrum."""

    parts: tuple[RunSpectrum, ...]
    nights: tuple[SpectrumStack, ...]
    fitted: tuple[SpectrumStack, ...]
    """What the models were fitted to, unless `joint`: the nights, or stacks by response."""
    stacked: CountsSpectrum
    energy_min: float
    energy_max: float
    """Edges of the range that was used [TeV]."""
    models: tuple[Model, ...]
    joint: bool
    """Whether the models were fitted to the runs together, instead of to stacks of them."""
    best: Model | None
    shape: Shape
    """The best model's, or the assumed one."""
    total: Norm
    """In units of `shape`."""
    points: tuple[FluxPoint, ...]
    runs: tuple[lightcurve.LightCurvePoint, ...]
    night_points: tuple[lightcurve.LightCurvePoint, ...]
    week_points: tuple[lightcurve.LightCurvePoint, ...]
    month_points: tuple[lightcurve.LightCurvePoint, ...]
    """Empty where there is one night only."""
    fine: tuple[lightcurve.LightCurvePoint, ...]
    above: IntegralFlux
    """What norms are as fluxes above one threshold."""
    expected_limit: float | None
    """Upper limit that the exposure was to give without a source, in units of `shape`."""
    confidence: float
    """Of the upper limits."""
    assumed_index: float
    """Of the power law that stands where nothing was fitted."""
    warnings: tuple[str, ...]


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
    confidence: float = CONFIDENCE,
    assumed_index: float = DEFAULT_INDEX,
    stack_by: StackRule | None = None,
    choice: SpectralChoice = FREE,
) -> Spectral | NoSpectrum:
    """Spectrum and light curve, where the IRFs allow them. Parts that fail go to `failures`.

    Parameters
    ----------
    energies : range of reconstructed energy [TeV]; none: no limit
    chosen_low : whether the lower one was asked for
    off_regions : number that was asked for; none: as many as fit
    confidence : of upper limits
    assumed_index : of the power law where the signal is too weak for a fit
    stack_by : what is added before the fit
    choice : what is to be fitted
    """
    edges = energy_edges(*energies)
    parts: list[RunSpectrum] = []
    made: Responses = {}
    refused: dict[str, list[int]] = {}
    for run in runs:
        try:
            off = off_events(run, cut, sources, off_regions)
            parts.append(run_spectrum(run, cut, edges, chosen_low, rule, off, made))
        except NoResponse as error:
            refused.setdefault(str(error), []).append(run.run.obs_id)
        except Exception as error:  # noqa: BLE001 - one odd run must not cost the others
            refused.setdefault(reason_of(error), []).append(run.run.obs_id)
    warnings = _told(refused, len(runs))
    if not parts:
        reason = next(iter(refused), "no run")
        return NoSpectrum(f"No spectrum: {_plural(len(runs))}: {reason}.")
    warnings += sorted({f"Spectrum: {p.response.note}" for p in parts if p.response.note})
    nights = stack_by_night(parts)
    to_fit = stack_for_fit(nights, stack_by)
    stacked = stack_spectra([night.spectrum for night in nights])
    used = np.flatnonzero(stacked.used & (stacked.alpha > 0) & (stacked.matrix.sum(axis=0) > 0))
    if used.size == 0:
        return NoSpectrum("No spectrum: no energy bin lies above the threshold of the IRFs.")
    low, high = float(edges[used[0]]), float(edges[used[-1] + 1])
    crab = _norm(stacked, CRAB.shape)
    if crab is None:
        return NoSpectrum("No spectrum: no events in the energy range of the IRFs.")
    attempt = partial(failures.attempt, PartKind.CALCULATION)
    fits = attempt(
        "fit", "The fit of the spectrum", lambda: _fits(parts, to_fit, stacked, crab, choice)
    )
    if fits is None:
        fits = Fits()
    warnings += fits.warnings
    best = best_model(fits.models, choice.model)
    if best is not None and choice.model not in (SpectralModel.AUTO, best.name):
        warnings.append(
            f"The fit of the {choice.model} did not converge: the spectrum is a {best.name}."
        )
    shape = best.shape if best else power_law(3e-12, assumed_index)
    warnings += _poor_fit(best)
    bounds = stacked.wide_bounds()
    wide = stacked.wide(bounds, shape)
    total = _total(stacked, wide, shape, confidence, simple=best is not None and not fits.joint)
    if total is None:
        return NoSpectrum("No spectrum: no gammas are expected in the energy range of the IRFs.")
    energies = choose_threshold(low, high, chosen=chosen_low), high
    above = integral_flux(
        energies,
        shape,
        best,
        total.error / total.value if total.value > 0 else 0.0,
        assumed_shape_error(stacked, wide, energies, assumed_index),
    )
    basis = lightcurve.LightCurveBasis(stacked, shape, total.value, confidence, bounds)
    if best is None and crab.sqrt_ts >= LEAST_FIT_SIGMAS:
        warnings.append(
            "The fit of the spectrum did not converge: fluxes are for a power law of index "
            f"{assumed_index:g}."
        )
    runs_in_time = attempt(
        "light_curve", "The light curve by run", lambda: lightcurve.light_curve_by_run(parts, basis)
    )
    if runs_in_time is not None:
        warnings += _without_flux(parts, runs_in_time)
    in_time = partial(attempt, "light_curve")

    def by_period(
        stack_by: Callable[[Sequence[RunSpectrum]], Sequence[SpectrumStack]],
    ) -> list[lightcurve.LightCurvePoint]:
        return lightcurve.light_curve_by_stack(stack_by(parts), basis) if len(nights) > 1 else []

    return Spectral(
        parts=tuple(parts),
        nights=nights,
        fitted=to_fit,
        stacked=stacked,
        energy_min=low,
        energy_max=high,
        models=fits.models,
        joint=fits.joint,
        best=best,
        shape=shape,
        total=total,
        points=tuple(
            attempt(
                "flux_points",
                "The list of flux points",
                lambda: flux_points(stacked, shape, confidence),
            )
            or ()
        ),
        runs=tuple(runs_in_time or ()),
        night_points=tuple(
            in_time(
                "The light curve by night", lambda: lightcurve.light_curve_by_stack(nights, basis)
            )
            or ()
        ),
        week_points=tuple(
            in_time("The light curve by week", lambda: by_period(stack_by_week)) or ()
        ),
        month_points=tuple(
            in_time("The light curve by month", lambda: by_period(stack_by_month)) or ()
        ),
        fine=tuple(
            in_time(
                "The light curve in fine bins",
                lambda: lightcurve.light_curve_fine(parts, basis, total.sqrt_ts) if best else [],
            )
            or ()
        ),
        above=above,
        expected_limit=attempt(
            "expected_limit",
            "The limit expected without a source",
            lambda: _limit_without_source(wide, confidence),
        ),
        confidence=confidence,
        assumed_index=assumed_index,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True)
class Fits:
    """What the fits of the spectrum gave."""

    models: tuple[Model, ...] = ()
    joint: bool = False
    warnings: tuple[str, ...] = ()


def _fits(
    parts: Sequence[RunSpectrum],
    stacks: Sequence[SpectrumStack],
    stacked: CountsSpectrum,
    crab: Norm,
    choice: SpectralChoice,
) -> Fits:
    """Fits to stacks of runs; to single runs where the flux changes between these."""
    found = Fits(tuple(_fit(stacks, crab, choice)))
    best = best_model(found.models, choice.model)
    if best is None:
        return found
    bounds = stacked.wide_bounds()
    basis = lightcurve.LightCurveBasis(stacked, best.shape, 1.0, CONFIDENCE, bounds)
    if not _varies(lightcurve.light_curve_by_run(parts, basis)):
        return found
    said = "The flux changes from run to run: the spectrum is an average over them"
    if len(parts) > MOST_JOINT_RUNS or not _clean(stacked):
        return replace(found, warnings=(f"{said}.",))
    singly = [
        SpectrumStack(f"{n}-{p.part.run.obs_id}", (p,), p.spectrum) for n, p in enumerate(parts)
    ]
    models = _fit(singly, crab, choice)
    return Fits(
        tuple(models) or found.models,
        joint=bool(models),
        warnings=(f"{said}{', fitted to the runs together' if models else ''}.",),
    )


def _total(
    stacked: CountsSpectrum, wide: WideCounts, shape: Shape, confidence: float, *, simple: bool
) -> Norm | None:
    """The norm of all counts together. Of a shape that was fitted to them it is that of the fit;
    else it is the one without bias."""
    if simple:
        return _norm(stacked, shape, confidence)
    found = measure_norm(*wide.data, wide.alpha * wide.n_off, 0.0, confidence)
    return found and found[0]


def _limit_without_source(wide: WideCounts, confidence: float) -> float | None:
    used = (wide.alpha > 0) & (wide.expected > 0)
    if not used.any():
        return None
    return expected_limit(wide.n_off[used], wide.alpha[used], wide.expected[used], confidence)


def _poor_fit(best: Model | None) -> list[str]:
    """WSTAT is about chi2 distributed where there are enough counts."""
    if best is None or best.statistic <= POOR_FIT * best.degrees:
        return []
    if chi2.sf(best.statistic, best.degrees) > POOR_CHANCE:
        return []
    return [
        f"The spectrum is not well described by its {best.name} (statistic {best.statistic:.0f} "
        f"for {best.degrees} degrees of freedom): its parameters and errors mean little."
    ]


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


def _norm(spectrum: CountsSpectrum, shape: Shape, confidence: float = CONFIDENCE) -> Norm | None:
    return fit_norm(
        spectrum.n_on, spectrum.n_off, spectrum.alpha, spectrum.expected(shape), confidence
    )


def _fit(stacks: Sequence[SpectrumStack], crab: Norm, choice: SpectralChoice) -> list[Model]:
    if crab.sqrt_ts < LEAST_FIT_SIGMAS:
        return []
    sets = [make_dataset(stack.spectrum, stack.name, stack.livetime_s) for stack in stacks]
    fitted = (fit_model(sets, kind, choice) for kind in choice.kinds)
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
