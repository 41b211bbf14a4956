"""Effective area and energy dispersion of a run at the source's place, by gammapy."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from astropy import units

from astran.gadf.fits_open import BROKEN
from astran.gadf.irf_hdus import describe_odd_area, describe_odd_energies
from astran.highlevel.aperture.counts import CutKind, RunCounts, ThetaCut
from astran.highlevel.arrays import Floats

AREA_FRACTION = 0.1
"""Without a threshold in the files a spectrum begins where the effective area is this part of
its maximum."""
SUPPORTED_FRACTION = 0.01
"""Below the energy of this part of the largest effective area no threshold is believed."""
OFFSET_MARGIN_DEG = 0.15
SAME_CUT_DEG = 0.002
SHARED_DIGITS = 6
"""Of offsets [deg] that are the same for the response."""
TRUE_PER_DECADE = 24
IRF_WORDS = {"aeff": "effective area", "edisp": "energy dispersion"}
"""IRFs without which there is no flux."""
FAULTS = (*BROKEN, units.UnitsError)
"""What gammapy raises on IRFs that are absent or damaged."""


class NoResponse(Exception):
    """The IRFs of a run cannot be used; the message says why."""


@dataclass(frozen=True)
class SpectralResponse:
    """Of one run, for one position and one theta cut."""

    true_edges: Floats
    """[TeV]."""
    exposure: Floats
    """Effective area within the cut times livetime [cm2 s], by true energy."""
    dispersion: Floats
    """Probability by true energy (first axis) and reconstructed energy."""
    stated: float | None
    """Least usable energy as the files state it [TeV]."""
    area_begins: float
    """Where the effective area reaches `AREA_FRACTION` of its maximum [TeV]."""
    area_supports: float
    """Where the effective area reaches `SUPPORTED_FRACTION` of its maximum [TeV]."""
    ceiling: float
    """Largest usable energy [TeV]."""
    note: str = ""
    kind: str = ""
    """Of the IRFs, with their axis of true energies, in words."""


def true_energies(edges: Floats) -> Floats:
    """Edges of the true energies that can end up in a range of reconstructed energy [TeV]."""
    low, high = np.log10(edges[0]) - 0.7, np.log10(edges[-1]) + 0.5
    number = int(np.ceil((high - low) * TRUE_PER_DECADE))
    return np.logspace(low, high, number + 1)


def load_irfs(part: RunCounts) -> dict[str, Any]:
    """gammapy's IRFs of a run by kind: aeff, edisp, perhaps psf, rad_max, bkg."""
    found: dict[str, Any] = {}
    for path in (part.run.path, *part.run.irf_files):
        if {"aeff", "edisp"} <= set(found):
            break
        try:
            found = {**_load(path), **found}
        except KeyError as error:  # gammapy looks for the cut of a point-like file there
            what = IRF_WORDS.get(str(error.args[0]), f"part {error}")
            raise NoResponse(f"it has no {what}") from error
        except FAULTS as error:
            raise NoResponse(f"its IRFs cannot be read: {_first_line(error)}") from error
    missing = [name for name in IRF_WORDS if name not in found]
    if missing:
        raise NoResponse(f"it has no {' and no '.join(IRF_WORDS[name] for name in missing)}")
    return found


@lru_cache(maxsize=2)
def _load(path: Path) -> dict[str, Any]:
    """A file is often shared by all runs of a folder."""
    from gammapy.irf import load_irf_dict_from_file

    logging.getLogger("gammapy").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Any] = load_irf_dict_from_file(path)
    return found


Responses: TypeAlias = dict[Hashable, "_Reduced"]
"""What was made of IRFs already, by these and the offset: many runs share both."""


@dataclass(frozen=True)
class _Reduced:
    """What IRFs give at an offset, before anything of the run itself."""

    response: SpectralResponse
    """For a livetime of 1 s."""
    largest_area_m2: float
    area_begins: float
    """Before energies at which the area is not finite are left out [TeV]."""


def make_response(
    part: RunCounts, cut: ThetaCut, edges: Floats, made: Responses | None = None
) -> SpectralResponse:
    """The response of a run in bins of reconstructed energy.

    Parameters
    ----------
    made : responses of other runs for the same cut and edges, to be shared; is added to

    Raises
    ------
    NoResponse : there are no IRFs, or they are for another cut
    """
    run = part.run
    key = (run.irf_hash, run.irf_files, run.rad_max, round(part.offset, SHARED_DIGITS))
    made = {} if made is None else made
    reduced = made.get(key)
    if reduced is None:
        irfs = load_irfs(part)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                reduced = _evaluate(irfs, part, cut, edges)
        except FAULTS as error:
            raise NoResponse(f"its IRFs cannot be used: {_first_line(error)}") from error
        if run.irf_hash is not None:
            made[key] = reduced
    found = reduced.response
    note = found.note + _odd_irfs(part, reduced) if run.irf_files else found.note
    return replace(found, exposure=found.exposure * run.livetime_s, note=note)


def _odd_irfs(part: RunCounts, reduced: _Reduced) -> str:
    """What is odd about IRFs in a file of their own: others were looked at when it was read."""
    note = describe_odd_area(reduced.largest_area_m2)
    if part.run.energy.size:
        median = float(np.median(part.run.energy))
        note += describe_odd_energies(median, reduced.area_begins)
    return note


def _evaluate(irfs: dict[str, Any], part: RunCounts, cut: ThetaCut, edges: Floats) -> _Reduced:
    from gammapy.maps import MapAxis

    area, dispersion = irfs["aeff"], irfs["edisp"]
    true_edges = true_energies(edges)
    true_axis = MapAxis.from_energy_edges(true_edges, unit="TeV", name="energy_true")
    axis = MapAxis.from_energy_edges(edges, unit="TeV", name="energy")
    offset = part.offset * units.deg
    value = area.evaluate(offset=offset, energy_true=true_axis.center).to_value("cm2").ravel()
    finite = _finite_range(area, part.offset)
    value = np.nan_to_num(np.clip(value, 0, None))
    energy = true_axis.center.to_value("TeV")
    begins = _where_area_begins(energy, value, AREA_FRACTION)
    supports = _where_area_begins(energy, value, SUPPORTED_FRACTION)
    note = _far_offset(area, part.offset)
    whole = float(value.max()) * 1e-4, begins
    if area.is_pointlike:
        _same_cut(part, cut)
    elif cut.theta_deg is None:
        raise NoResponse("its IRFs hold all gammas, but the theta cut depends on the energy")
    elif "psf" in irfs:
        inside = irfs["psf"].containment(
            rad=cut.theta_deg * units.deg, offset=offset, energy_true=true_axis.center
        )
        value = value * np.nan_to_num(np.asarray(units.Quantity(inside).value).ravel())
    else:
        note += "no point spread function: gammas outside of the theta cut are not allowed for."
    if not (value > 0).any():
        raise NoResponse(f"its effective area is zero at an offset of {part.offset:.2f} deg")
    matrix = _matrix(dispersion, offset, true_axis, axis)
    if not (matrix[value > 0] > 0).any():
        raise NoResponse("its energy dispersion is empty")
    ceiling = _number(area.meta, "HI_THRES")
    ceiling = ceiling or float(area.axes["energy_true"].edges[-1].to_value("TeV"))
    if finite is not None:
        note = (
            f"the effective area of some runs is finite only from {finite[0]:.3g} to "
            f"{finite[1]:.3g} TeV: only these energies are used. {note}".rstrip()
        )
        ceiling, begins = min(ceiling, finite[1]), max(begins, finite[0])
        supports = max(supports, finite[0])
    response = SpectralResponse(
        true_edges=true_edges,
        exposure=value,
        dispersion=matrix,
        stated=_number(area.meta, "LO_THRES"),
        area_begins=begins,
        area_supports=supports,
        ceiling=ceiling,
        note=note,
        kind=_kind(area),
    )
    return _Reduced(response, *whole)


def _kind(area: Any) -> str:
    energies = area.axes["energy_true"].edges.to_value("TeV")
    kind = "point-like" if area.is_pointlike else "full-enclosure"
    span = f"{energies[0]:.3g} to {energies[-1]:.3g} TeV"
    return f"{kind} IRFs of {energies.size - 1} energies from {span}"


def _matrix(dispersion: Any, offset: Any, true_axis: Any, axis: Any) -> Floats:
    """Probability by true and reconstructed energy."""
    try:
        kernel = dispersion.to_edisp_kernel(offset, energy_axis_true=true_axis, energy_axis=axis)
    except TypeError:  # gammapy 1.2 wants the edges
        kernel = dispersion.to_edisp_kernel(offset, energy_true=true_axis.edges, energy=axis.edges)
    return np.nan_to_num(np.asarray(kernel.data, float).reshape(true_axis.nbin, axis.nbin))


def _same_cut(part: RunCounts, cut: ThetaCut) -> None:
    """Point-like IRFs hold for one cut only."""
    run = part.run
    if cut.kind is CutKind.ENERGY_DEPENDENT:
        return
    if run.rad_max is None and run.rad_max_table is None:
        return
    if run.rad_max_table is not None:
        raise NoResponse("its IRFs are for an energy-dependent theta cut, not for a fixed one")
    assert cut.theta_deg is not None and run.rad_max is not None
    if abs(cut.theta_deg - run.rad_max) > SAME_CUT_DEG:
        raise NoResponse(
            f"its IRFs are for a theta cut of {run.rad_max:.3g} deg, not {cut.theta_deg:.3g} deg"
        )


def _where_area_begins(energy: Floats, area: Floats, fraction: float) -> float:
    index = int(np.argmax(area >= fraction * area.max()))
    return float(energy[index])


def _finite_range(area: Any, offset: float) -> tuple[float, float] | None:
    """Range of energies about the largest area of a table in which all values are finite [TeV];
    none where all are. gammapy takes the others for zero."""
    near = int(np.argmin(np.abs(area.axes["offset"].center.to_value("deg") - offset)))
    values = np.asarray(area.data, float)[:, near]
    good = np.isfinite(values)
    if good.all() or not good.any():
        return None
    edges = area.axes["energy_true"].edges.to_value("TeV")
    place = int(np.argmax(np.where(good, values, -np.inf)))
    bad = np.flatnonzero(~good)
    low = int(bad[bad < place].max(initial=-1)) + 1
    high = int(bad[bad > place].min(initial=values.size))
    return float(edges[low]), float(edges[high])


def _far_offset(area: Any, offset: float) -> str:
    """A word where the source lies outside of the offsets of the IRFs."""
    edges = area.axes["offset"].edges.to_value("deg")
    low, high = float(edges[0]), float(edges[-1])
    if low - OFFSET_MARGIN_DEG <= offset <= high + OFFSET_MARGIN_DEG:
        return ""
    return (
        f"the source lies {offset:.2f} deg from a pointing, the IRFs are for {low:.2f} to "
        f"{high:.2f} deg. "
    )


def _number(meta: Any, key: str) -> float | None:
    value = (meta or {}).get(key)
    if isinstance(value, int | float) and np.isfinite(value) and value > 0:
        return float(value)
    return None


def _first_line(error: BaseException) -> str:
    said = str(error).splitlines()
    return said[0][:160] if said and said[0] else type(error).__name__
