"""From what was measured to the content of results.json, which docs/results.md describes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np

from astran import __version__
from astran.highlevel.aperture.binned_counts import counts_by_energy, counts_by_night
from astran.highlevel.aperture.counts import RunCounts
from astran.highlevel.aperture.statistics import Counts, stack
from astran.highlevel.arrays import as_tuple
from astran.highlevel.diagnostics.data_taking import event_diagnostics
from astran.highlevel.diagnostics.notes import describe_observations
from astran.highlevel.failures import Failures, add_left_out
from astran.highlevel.geometry import project
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Options
from astran.highlevel.output.map_numbers import map_numbers
from astran.highlevel.output.warnings import find_warnings
from astran.highlevel.spectral.norm import Norm
from astran.highlevel.spectral.result_parts import light_curve_part, spectrum_part
from astran.highlevel.spectral.spectrum import NoSpectrum, Spectral
from astran.results.codec import results_from_json, results_to_json
from astran.results.document import (
    SCHEMA,
    CumulativeNumbers,
    CutRange,
    EnergyBandNumbers,
    ExcludedRun,
    FileNames,
    MissingPart,
    NightNumbers,
    PartKind,
    RateConstancy,
    Results,
    RunNumbers,
    StackedNumbers,
    TargetPosition,
    Theta2Histogram,
    Theta2Tail,
)
from astran.results.spectral_parts import LightCurve, Spectrum

PACKAGES = ("gammapy", "astropy", "numpy", "scipy", "matplotlib")


def assemble_results(found: FolderMeasurement, options: Options, now: datetime) -> Results:
    """The content of results.json, all but `files` and `plots`.

    The counts of the runs and of all together must be there; every other part that cannot be made
    is none, and is named in `left_out` and `warnings`.
    """
    nights = sorted({part.run.night for part in found.runs})
    failures = Failures(found.left_out)
    table = partial(failures.attempt, PartKind.TABLE)
    tables: dict[str, Any] = {
        name: table(name, title, partial(make, found)) for name, title, make in TABLES
    }
    results = Results(
        schema=SCHEMA,
        made=now.isoformat(timespec="seconds"),
        target=TargetPosition(found.target.name, found.target.ra, found.target.dec),
        night=str(nights[0]) if len(nights) == 1 else f"{nights[0]}-{nights[-1]}",
        nights=tuple(str(night) for night in nights),
        telescopes=tuple(sorted({part.run.telescope for part in found.runs if part.run.telescope})),
        simulated=options.simulated,
        preliminary=True,
        versions={
            "astran": __version__,
            **{name: metadata.version(name) for name in PACKAGES},
            **dict(options.versions),
        },
        stacked=_stacked(found),
        runs=tuple(_run(part, found.spectral) for part in found.runs),
        excluded=tuple(ExcludedRun(item.obs_id, item.file, item.reason) for item in found.excluded),
        **tables,
        spectrum=table("spectrum", "The spectrum", lambda: spectrum_part(found.spectral))
        or Spectrum(None, "No spectrum: it could not be put into numbers."),
        diagnostics=event_diagnostics(found.runs, found.sky, found.irf, failures),
        files=FileNames(),
        plots=(),
        left_out=(),
        warnings=(),
    )
    # what the plots and warnings see is what the file holds
    results, _ = results_from_json(results_to_json(results))
    warnings = (*found.warnings, *_warnings(results, found, options, failures))
    return add_left_out(replace(results, warnings=warnings), failures.found)


def unfinished(results: Results) -> Results:
    """The content of results.json before files and plots are made: it names none, and says so."""
    said = "Files and plots are not there: the analysis ended before they were made."
    part = MissingPart(PartKind.PLOT, "plots", "the analysis ended before")
    return replace(results, left_out=(*results.left_out, part), warnings=(*results.warnings, said))


def _warnings(
    results: Results, found: FolderMeasurement, options: Options, failures: Failures
) -> list[str]:
    def attempt(name: str, title: str, make: Callable[[], list[str]]) -> list[str]:
        return failures.attempt(PartKind.TABLE, name, title, make) or []

    spectral = found.spectral
    if isinstance(spectral, Spectral):
        of_spectrum = spectral.warnings
    else:
        of_spectrum = () if spectral.told else (spectral.reason,)
    return [
        *attempt(
            "concerns",
            "The look at the numbers for what is odd",
            lambda: find_warnings(results, options.settings.off_regions),
        ),
        *attempt(
            "observations",
            "The look at the data taking for what is odd",
            lambda: describe_observations(results.diagnostics),
        ),
        *of_spectrum,
    ]


def _step_numbers(counts: Counts) -> dict[str, Any]:
    """Fields of `StepNumbers`."""
    return {
        "n_on": counts.n_on,
        "n_off": counts.n_off,
        "alpha": counts.alpha,
        "excess": counts.excess,
        "excess_error": counts.excess_error,
        "significance": counts.significance,
        "livetime_h": counts.livetime_s / 3600,
    }


def _count_numbers(counts: Counts) -> dict[str, Any]:
    """Fields of `CountNumbers`."""
    return {
        **_step_numbers(counts),
        "rate_per_min": counts.rate,
        "rate_error": counts.rate_error,
        "background_per_min": counts.background_rate,
        "background_error": counts.background_rate_error,
    }


def _crab_numbers(norm: Norm | None, spectral: Spectral | NoSpectrum) -> dict[str, Any]:
    """Fields that `FluxNumbers` adds."""
    flux: tuple[float | None, float | None] = (None, None)
    if norm is not None and isinstance(spectral, Spectral):
        value, error = spectral.above.measure(norm)
        flux = value / spectral.above.of_crab, error / spectral.above.of_crab
    return {"crab_units": flux[0], "crab_units_error": flux[1]}


def _norm_of_run(part: RunCounts, spectral: Spectral | NoSpectrum) -> Norm | None:
    """By its start as well: a number may be that of two runs."""
    label, start = str(part.run.obs_id), part.run.start
    points = spectral.runs if isinstance(spectral, Spectral) else ()
    return next((p.norm for p in points if (p.label, p.start) == (label, start)), None)


def _stacked(found: FolderMeasurement) -> StackedNumbers:
    positive = [part.limit[part.limit > 0] for part in found.runs]
    limits = np.array([end(part) for part in positive if part.size for end in (np.min, np.max)])
    return StackedNumbers(
        **_count_numbers(found.stacked),
        **_crab_numbers(
            found.spectral.total if isinstance(found.spectral, Spectral) else None, found.spectral
        ),
        n_runs=len(found.runs),
        ontime_h=sum(part.run.ontime_s for part in found.runs) / 3600,
        events=sum(part.run.energy.size for part in found.runs),
        off_regions=min(part.off_regions for part in found.runs),
        theta_cut_deg=found.cut.theta_deg,
        theta_cut=CutRange(
            kind=found.cut.kind.value,
            origin=found.cut.origin,
            min_deg=limits.min() if limits.size else None,
            max_deg=limits.max() if limits.size else None,
            typical_deg=found.radius,
        ),
        energy_min_tev=found.energy_min,
        energy_max_tev=found.energy_max,
    )


def _run(part: RunCounts, spectral: Spectral | NoSpectrum) -> RunNumbers:
    run = part.run
    norm = _norm_of_run(part, spectral)
    return RunNumbers(
        obs_id=run.obs_id,
        **_count_numbers(part.counts),
        **_crab_numbers(norm, spectral),
        file=run.path.name,
        object=run.object,
        night=str(run.night),
        tstart=run.start.isoformat(timespec="seconds"),
        ontime_h=run.ontime_s / 3600,
        deadc=run.deadc,
        zenith_deg=run.zenith,
        offset_deg=part.offset,
        position_angle_deg=position_angle(part),
        ra_pnt_deg=run.ra_pnt,
        dec_pnt_deg=run.dec_pnt,
        off_regions=part.off_regions,
        off_spoiled_by=tuple(part.spoiled),
        events=run.energy.size,
    )


def position_angle(part: RunCounts) -> float:
    """Of the target as seen from the pointing, north through east [deg]."""
    x, y = project(part.target, part.run.pointing)
    return math.degrees(math.atan2(float(x), float(y))) % 360.0


def _by_night(found: FolderMeasurement) -> tuple[NightNumbers, ...]:
    spectral = found.spectral
    points = spectral.night_points if isinstance(spectral, Spectral) else ()
    norms = {point.label: point.norm for point in points}
    return tuple(
        NightNumbers(
            night=str(night),
            n_runs=len(parts),
            runs=tuple(part.run.obs_id for part in parts),
            **_zenith_range(parts),
            **_night_flux(norms.get(str(night)), spectral),
            **_count_numbers(stack([part.counts for part in parts])),
            **_crab_numbers(norms.get(str(night)), spectral),
            ontime_h=sum(part.run.ontime_s for part in parts) / 3600,
        )
        for night, parts in counts_by_night(found.runs).items()
    )


def _zenith_range(parts: Sequence[RunCounts]) -> dict[str, Any]:
    """Fields of `NightNumbers`."""
    angles = [part.run.zenith for part in parts if part.run.zenith is not None]
    return {
        "zenith_min_deg": min(angles, default=None),
        "zenith_max_deg": max(angles, default=None),
    }


def _night_flux(norm: Norm | None, spectral: Spectral | NoSpectrum) -> dict[str, Any]:
    """The flux as in the light curve; nothing without a spectrum."""
    if norm is None or not isinstance(spectral, Spectral):
        return {}
    flux, error = spectral.above.measure(norm)
    limit = None if norm.limit is None else norm.limit * spectral.above.of_shape
    return {"flux": flux, "flux_error": error, "flux_limit": limit, "is_limit": norm.sqrt_ts < 3}


def _bands(found: FolderMeasurement) -> tuple[EnergyBandNumbers, ...]:
    return tuple(
        EnergyBandNumbers(
            energy_min_tev=band.energy_min,
            energy_max_tev=band.energy_max,
            **_count_numbers(band.counts),
        )
        for band in counts_by_energy(found.runs)
    )


def _rate(found: FolderMeasurement) -> RateConstancy:
    """Is the excess rate of the runs one and the same?

    The mean is that of all runs together. For chi2 the error of each run is the one expected at
    that mean: with errors from the run's own counts, runs with few counts would weigh too much.
    """
    parts = [part.counts for part in found.runs]
    total = stack(parts)
    mean = total.rate
    chi2, used = 0.0, 0
    for part in parts:
        on_expected = part.background + mean * part.minutes
        variance = max(on_expected, 0.0) + part.background_variance
        if variance > 0:
            chi2 += (part.excess - mean * part.minutes) ** 2 / variance
            used += 1
    return RateConstancy(mean, total.rate_error, chi2, max(used - 1, 0))


def _cumulative(found: FolderMeasurement) -> tuple[CumulativeNumbers, ...] | None:
    if found.steps is None:
        return None
    return tuple(
        CumulativeNumbers(obs_id=step.obs_id, **_step_numbers(step.counts)) for step in found.steps
    )


def _light_curve(found: FolderMeasurement) -> LightCurve | None:
    return light_curve_part(found.spectral)


def _theta2(found: FolderMeasurement) -> Theta2Histogram | None:
    if found.theta2 is None:
        return None
    bins, tail = found.theta2, found.theta2.tail
    return Theta2Histogram(
        edges_deg2=as_tuple(bins.edges),
        on=as_tuple(bins.on),
        off=as_tuple(bins.off),
        background=as_tuple(bins.background),
        background_error=as_tuple(bins.background_error),
        tail_from_deg2=bins.tail_from,
        tail=None if tail is None else Theta2Tail(*tail),
    )


TABLES: tuple[tuple[str, str, Callable[[FolderMeasurement], Any]], ...] = (
    ("by_night", "The table of nights", _by_night),
    ("energy_bands", "The table of energy bands", _bands),
    ("rate", "The test for a constant rate", _rate),
    ("theta2", "The theta2 distribution", _theta2),
    ("cumulative", "The growth of the significance", _cumulative),
    ("map", "The sky map", map_numbers),
    ("light_curve", "The light curve", _light_curve),
)
"""Parts of results.json with the beginning of a sentence about them; each is made by itself."""
