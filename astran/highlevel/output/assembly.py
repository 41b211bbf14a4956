"""results.json, the run table and the map file. The format is described in docs/results.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from astran import __version__
from astran.base.night import Night
from astran.highlevel.aperture.binned_counts import EnergyBin, counts_by_energy, counts_by_night
from astran.highlevel.aperture.counts import RunCounts
from astran.highlevel.aperture.statistics import Counts, stack
from astran.highlevel.arrays import Floats
from astran.highlevel.diagnostics.data_taking import event_diagnostics
from astran.highlevel.diagnostics.notes import describe_observations
from astran.highlevel.failures import Failures, add_left_out
from astran.highlevel.geometry import project, radec
from astran.highlevel.output.warnings import WIDEST_OFF_SIGMA, find_warnings
from astran.highlevel.spectral.result_parts import crab_units, light_curve_part, spectrum_part
from astran.highlevel.spectral.spectrum import NoSpectrum, Spectral
from astran.results.document import PartKind

if TYPE_CHECKING:
    from astran.highlevel.measurement import FolderMeasurement
    from astran.highlevel.options import Options

SCHEMA = "astran-results-1"
PACKAGES = ("gammapy", "astropy", "numpy", "scipy", "matplotlib")


def assemble_results(found: FolderMeasurement, options: Options, now: datetime) -> dict[str, Any]:
    """The content of results.json, all but `files` and `plots`.

    The counts of the runs and of all together must be there; every other part that cannot be made
    is null, and is named in `left_out` and `warnings`.
    """
    nights = sorted({part.run.night for part in found.runs})
    failures = Failures(found.left_out)

    def table(name: str, title: str, make: Callable[[], Any]) -> Any:
        return failures.attempt(PartKind.TABLE, name, title, lambda: _plain(make()))

    data: dict[str, Any] = {
        "schema": SCHEMA,
        "made": now.isoformat(timespec="seconds"),
        "target": {
            "name": found.target.name,
            "ra_deg": found.target.ra,
            "dec_deg": found.target.dec,
        },
        "night": str(nights[0]) if len(nights) == 1 else f"{nights[0]}-{nights[-1]}",
        "nights": [str(night) for night in nights],
        "telescopes": sorted({part.run.telescope for part in found.runs if part.run.telescope}),
        "simulated": options.simulated,
        "preliminary": True,
        "versions": {
            "astran": __version__,
            **{name: metadata.version(name) for name in PACKAGES},
            **dict(options.versions),
        },
        "stacked": _stacked(found),
        "runs": [_run(part) for part in found.runs],
        "excluded": [
            {"obs_id": item.obs_id, "file": item.file, "reason": item.reason}
            for item in found.excluded
        ],
        **{name: table(name, title, partial(make, found)) for name, title, make in TABLES},
        "spectrum": table("spectrum", "The spectrum", lambda: spectrum_part(found.spectral))
        or {"model": None, "reason": "No spectrum: it could not be put into numbers."},
        "diagnostics": {
            **event_diagnostics(found.runs, found.sky, table),
            "irf": found.irf,
        },
        "files": {},
        "plots": [],
        "left_out": [],
        "warnings": [],
    }
    _enter_crab_units(data, found.spectral)
    data = _plain(data)
    data["warnings"] = [*found.warnings, *_concerns(data, found, options, failures)]
    add_left_out(data, failures.found)
    return data


def unfinished(data: dict[str, Any]) -> dict[str, Any]:
    """The content of results.json before files and plots are made: it names none, and says so."""
    said = "Files and plots are not there: the analysis ended before they were made."
    entry = {"kind": PartKind.PLOT.value, "name": "plots", "reason": "the analysis ended before"}
    return {
        **data,
        "left_out": [*data["left_out"], entry],
        "warnings": [*data["warnings"], said],
    }


def _enter_crab_units(data: dict[str, Any], spectral: Spectral | NoSpectrum) -> None:
    if isinstance(spectral, NoSpectrum):
        return
    data["stacked"].update(crab_units(spectral.crab))
    for run in data["runs"]:
        run.update(crab_units(spectral.crab_by_run.get(run["obs_id"])))
    for night in data["by_night"] or ():
        night.update(crab_units(spectral.crab_by_night.get(night["night"])))


def _concerns(
    data: dict[str, Any], found: FolderMeasurement, options: Options, failures: Failures
) -> list[str]:
    """Warnings in words."""

    def words(name: str, title: str, make: Callable[[], list[str]]) -> list[str]:
        return failures.attempt(PartKind.TABLE, name, title, make) or []

    spectral = found.spectral
    if isinstance(spectral, Spectral):
        told = spectral.warnings
    else:
        told = () if spectral.told else (spectral.reason,)
    return [
        *words(
            "concerns",
            "The look at the numbers for what is odd",
            lambda: find_warnings(data, options.settings.off_regions),
        ),
        *words(
            "observations",
            "The look at the data taking for what is odd",
            lambda: describe_observations(data["diagnostics"]),
        ),
        *told,
    ]


def _counts(counts: Counts) -> dict[str, Any]:
    return {
        "n_on": counts.n_on,
        "n_off": counts.n_off,
        "alpha": counts.alpha,
        "excess": counts.excess,
        "excess_error": counts.excess_error,
        "significance": counts.significance,
        "livetime_h": counts.livetime_s / 3600,
        "rate_per_min": counts.rate,
        "rate_error": counts.rate_error,
        "background_per_min": counts.background_rate,
        "background_error": counts.background_rate_error,
    }


def _stacked(found: FolderMeasurement) -> dict[str, Any]:
    positive = [part.limit[part.limit > 0] for part in found.runs]
    limits = np.array([end(part) for part in positive if part.size for end in (np.min, np.max)])
    return {
        **_counts(found.stacked),
        **crab_units(None),
        "n_runs": len(found.runs),
        "ontime_h": sum(part.run.ontime_s for part in found.runs) / 3600,
        "events": sum(part.run.energy.size for part in found.runs),
        "off_regions": min(part.off_regions for part in found.runs),
        "theta_cut_deg": found.cut.theta_deg,
        "theta_cut": {
            "kind": found.cut.kind.value,
            "origin": found.cut.origin,
            "min_deg": limits.min() if limits.size else None,
            "max_deg": limits.max() if limits.size else None,
            "typical_deg": found.radius,
        },
        "energy_min_tev": found.energy_min,
        "energy_max_tev": found.energy_max,
    }


def _run(part: RunCounts) -> dict[str, Any]:
    run = part.run
    return {
        "obs_id": run.obs_id,
        **_counts(part.counts),
        **crab_units(None),
        "file": run.path.name,
        "object": run.object,
        "night": str(run.night),
        "tstart": run.start.isoformat(timespec="seconds"),
        "ontime_h": run.ontime_s / 3600,
        "deadc": run.deadc,
        "zenith_deg": run.zenith,
        "offset_deg": part.offset,
        "position_angle_deg": position_angle(part),
        "ra_pnt_deg": run.ra_pnt,
        "dec_pnt_deg": run.dec_pnt,
        "off_regions": part.off_regions,
        "off_spoiled_by": list(part.spoiled),
        "events": run.energy.size,
    }


def position_angle(part: RunCounts) -> float:
    """Of the target as seen from the pointing, north through east [deg]."""
    x, y = project(part.target, part.run.pointing)
    return math.degrees(math.atan2(float(x), float(y))) % 360.0


def _night(night: Night, parts: Sequence[RunCounts]) -> dict[str, Any]:
    return {
        "night": str(night),
        "n_runs": len(parts),
        **_counts(stack([part.counts for part in parts])),
        **crab_units(None),
        "ontime_h": sum(part.run.ontime_s for part in parts) / 3600,
    }


def _band(band: EnergyBin) -> dict[str, Any]:
    return {
        "energy_min_tev": band.energy_min,
        "energy_max_tev": band.energy_max,
        **_counts(band.counts),
    }


def _constancy(parts: Sequence[Counts]) -> dict[str, Any]:
    """Is the excess rate of the runs one and the same?

    The mean is that of all runs together. For chi2 the error of each run is the one expected at
    that mean: with errors from the run's own counts, runs with few counts would weigh too much.
    """
    total = stack(parts)
    mean = total.rate
    chi2, used = 0.0, 0
    for part in parts:
        on_expected = part.background + mean * part.minutes
        variance = max(on_expected, 0.0) + part.background_variance
        if variance > 0:
            chi2 += (part.excess - mean * part.minutes) ** 2 / variance
            used += 1
    return {
        "mean_per_min": mean,
        "mean_error": total.rate_error,
        "chi2": chi2,
        "ndf": max(used - 1, 0),
    }


def _by_night(found: FolderMeasurement) -> list[dict[str, Any]]:
    return [_night(night, parts) for night, parts in counts_by_night(found.runs).items()]


def _bands(found: FolderMeasurement) -> list[dict[str, Any]]:
    return [_band(band) for band in counts_by_energy(found.runs)]


def _rate(found: FolderMeasurement) -> dict[str, Any]:
    return _constancy([part.counts for part in found.runs])


def _cumulative(found: FolderMeasurement) -> list[dict[str, Any]] | None:
    if found.steps is None:
        return None
    return [
        {
            "obs_id": step.obs_id,
            "livetime_h": step.counts.livetime_s / 3600,
            "n_on": step.counts.n_on,
            "n_off": step.counts.n_off,
            "alpha": step.counts.alpha,
            "excess": step.counts.excess,
            "excess_error": step.counts.excess_error,
            "significance": step.counts.significance,
        }
        for step in found.steps
    ]


def _light_curve(found: FolderMeasurement) -> dict[str, Any] | None:
    return light_curve_part(found.spectral)


def _theta2(found: FolderMeasurement) -> dict[str, Any] | None:
    if found.theta2 is None:
        return None
    bins, tail = found.theta2, found.theta2.tail
    return {
        "edges_deg2": bins.edges,
        "on": bins.on,
        "off": bins.off,
        "background": bins.background,
        "background_error": bins.background_error,
        "tail_from_deg2": bins.tail_from,
        "tail": None
        if tail is None
        else {"on": tail[0], "background": tail[1], "ratio": tail[2], "ratio_error": tail[3]},
    }


def _map(found: FolderMeasurement) -> dict[str, Any] | None:
    sky, peak, fit = found.sky, found.peak, found.fit
    if sky is None:
        return None
    off = sky.significance[sky.off_source]
    edges = np.linspace(-6, 6, 49)
    peak_place = sky.direction(peak.x, peak.y) if peak else (None, None)
    fit_place = sky.direction(fit.x, fit.y) if fit else (None, None)
    middle = len(sky.counts) // 2
    return {
        "background": sky.method.value,
        "method": "ring",
        "width_deg": len(sky.counts) * sky.bin_deg,
        "bin_deg": sky.bin_deg,
        "npix": len(sky.counts),
        "radius_deg": sky.radius_deg,
        "excluded_radius_deg": sky.excluded_deg,
        "field_radius_deg": sky.field_deg,
        "ring_inner_deg": sky.ring[0],
        "ring_outer_deg": sky.ring[1],
        "peak_significance": peak.significance if peak else None,
        "peak_ra_deg": peak_place[0],
        "peak_dec_deg": peak_place[1],
        "peak_offset_deg": peak.offset if peak else None,
        "target_significance": sky.significance[middle, middle],
        "target_excess": sky.excess[middle, middle],
        "fit": None
        if fit is None
        else {
            "ra_deg": fit_place[0],
            "dec_deg": fit_place[1],
            "error_deg": math.hypot(fit.x_error, fit.y_error) / math.sqrt(2),
            "offset_deg": fit.offset,
            "width_deg": fit.width,
            "excess": fit.excess,
        },
        "off_mean": off.mean() if off.size else None,
        "off_sigma": off.std() if off.size > 1 else None,
        "off_pixels": off.size,
        "off_max": off.max() if off.size else None,
        "flagged": bool(off.size > 1 and off.std() > WIDEST_OFF_SIGMA),
        "exclusions": [
            {"name": name, "radius_deg": radius, **_place(centre)}
            for name, centre, radius in zip(
                (found.target.name, *sky.exclusion.names),
                sky.exclusion.centres,
                sky.exclusion.radii,
                strict=True,
            )
        ],
        "distribution": {
            "edges": edges,
            "off_source": np.histogram(off, edges)[0],
            "all": np.histogram(sky.significance[sky.valid], edges)[0],
        },
    }


TABLES: tuple[tuple[str, str, Callable[[FolderMeasurement], Any]], ...] = (
    ("by_night", "The table of nights", _by_night),
    ("energy_bands", "The table of energy bands", _bands),
    ("rate", "The test for a constant rate", _rate),
    ("theta2", "The theta2 distribution", _theta2),
    ("cumulative", "The growth of the significance", _cumulative),
    ("map", "The sky map", _map),
    ("light_curve", "The light curve", _light_curve),
)
"""Parts of results.json with the beginning of a sentence about them; each is made by itself."""


def _place(direction: Floats) -> dict[str, float]:
    ra, dec = radec(direction)
    return {"ra_deg": ra, "dec_deg": dec}


def _plain(value: Any) -> Any:
    """JSON-able: numpy to Python, NaN and infinity to None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
