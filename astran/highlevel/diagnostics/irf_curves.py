"""The instrument response of a night in a few curves: `diagnostics.irf` of results.json."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy import units

from astran.highlevel.aperture.counts import RunCounts
from astran.highlevel.arrays import Floats, as_tuple
from astran.highlevel.spectral.irfs import FAULTS, NoResponse, load_irfs
from astran.results.diagnostic_parts import ResponseCurves

MOST_RUNS = 6
"""The IRFs of so many runs, spread over the night, are looked at."""
PER_DECADE = 10
MIGRATIONS = np.geomspace(0.1, 5.0, 800)
"""Reconstructed over true energy."""
CONTAINED = 0.68


def irf_summary(parts: Sequence[RunCounts]) -> ResponseCurves | None:
    """Effective area, angular and energy resolution by true energy, at the target's offset.

    Means over some runs, weighted with their livetimes. None where no run has IRFs, or where they
    reach nowhere at the target; a curve that the files do not allow is none.
    """
    chosen = [parts[k] for k in np.unique(np.linspace(0, len(parts) - 1, MOST_RUNS).astype(int))]
    curves: list[dict[str, Floats | None]] = []
    weights: list[float] = []
    energy = np.geomspace(0.01, 100.0, 4 * PER_DECADE + 1)
    point_like = False
    for part in chosen:
        try:
            irfs = load_irfs(part)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                curves.append(_curves(irfs, part.offset * units.deg, energy * units.TeV))
        except (*FAULTS, NoResponse):
            continue
        point_like = point_like or bool(irfs["aeff"].is_pointlike)
        weights.append(part.run.livetime_s)
    if not curves:
        return None
    found = {name: _mean([c[name] for c in curves], weights) for name in curves[0]}
    area = found["area_m2"]
    assert area is not None
    keep = area > 0
    if not keep.any():
        return None
    shown = {
        name: None if values is None else as_tuple(values[keep]) for name, values in found.items()
    }
    return ResponseCurves(
        runs=len(curves),
        point_like=point_like,
        energy_tev=as_tuple(energy[keep]),
        area_m2=shown["area_m2"] or (),
        angular_resolution_deg=shown["angular_resolution_deg"],
        energy_bias=shown["energy_bias"] or (),
        energy_resolution=shown["energy_resolution"] or (),
    )


def _curves(irfs: dict[str, Any], offset: Any, energy: Any) -> dict[str, Floats | None]:
    """By true energy; NaN where the IRFs say nothing."""
    axis = irfs["aeff"].axes["energy_true"].edges
    inside = (energy >= axis[0]) & (energy <= axis[-1])
    area = irfs["aeff"].evaluate(offset=offset, energy_true=energy).to_value("m2").ravel()
    resolution = None
    if "psf" in irfs:
        radius = irfs["psf"].containment_radius(
            fraction=CONTAINED, energy_true=energy, offset=offset
        )
        resolution = np.where(inside, units.Quantity(radius).to_value("deg").ravel(), np.nan)
        resolution[resolution <= 0] = np.nan
    bias, width = _migration(irfs["edisp"], offset, energy[inside])
    return {
        "area_m2": np.where(inside, np.nan_to_num(area), 0.0),
        "angular_resolution_deg": resolution,
        "energy_bias": _spread(bias, inside),
        "energy_resolution": _spread(width, inside),
    }


def _migration(dispersion: Any, offset: Any, energy: Any) -> tuple[Floats, Floats]:
    """Median of E_reco / E_true - 1, and half of the central 68 %, by energy."""
    density = dispersion.evaluate(
        offset=offset, energy_true=energy[:, np.newaxis], migra=MIGRATIONS[np.newaxis, :]
    )
    values = np.nan_to_num(np.asarray(units.Quantity(density).value, float))
    values = values.reshape(energy.size, MIGRATIONS.size)
    steps = (values[:, 1:] + values[:, :-1]) / 2 * np.diff(MIGRATIONS)
    summed = np.concatenate([np.zeros((energy.size, 1)), np.cumsum(steps, axis=1)], axis=1)
    bias, width = np.full(energy.size, np.nan), np.full(energy.size, np.nan)
    for k, row in enumerate(summed):
        if row[-1] > 0:
            low, middle, high = np.interp([0.16, 0.5, 0.84], row / row[-1], MIGRATIONS)
            bias[k], width[k] = middle - 1, (high - low) / 2
    return bias, width


def _spread(values: Floats, places: Any) -> Floats:
    found = np.full(places.size, np.nan)
    found[places] = values
    return found


def _mean(curves: Sequence[Floats | None], weights: Sequence[float]) -> Floats | None:
    known = [
        (curve, weight) for curve, weight in zip(curves, weights, strict=True) if curve is not None
    ]
    if not known:
        return None
    values, shares = np.stack([c for c, _ in known]), np.array([w for _, w in known])
    good = np.isfinite(values)
    total = (good * shares[:, np.newaxis]).sum(axis=0)
    summed = np.where(good, values, 0.0) * shares[:, np.newaxis]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = summed.sum(axis=0) / np.where(total > 0, total, np.nan)
    return mean
