"""What differs between two results: settings, counts, fluxes.

Two fluxes of the same night share events, so that the plain pull, which takes them for
independent, is too small. Here

    pull = (F_new - F_old) / sqrt(s_old^2 + s_new^2 - 2 rho s_old s_new),
    rho  = n_common / sqrt(n_old n_new)

with n the events in the ON region. rho is the correlation of two Poisson counts with n_common
events in common. Where one sample is a part of the other, the variance becomes |s_new^2 - s_old^2|,
which is that of R. Barlow, "Systematic errors: facts and fictions" (hep-ex/0207026), section 5.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from astran.highlevel.comparison.changes import Change, ChangeKind
from astran.results.document import Results, RunNumbers
from astran.results.spectral_parts import LightCurve, TimedFlux

SAME_FRACTION = 1e-6
SAME_POSITION_DEG = 1e-5
SAME_DATA = 1e-2
"""A standard deviation of the difference below this part of the errors: both have the same events,
and no difference between them is statistical."""


@dataclass(frozen=True)
class FluxDifference:
    """Two fluxes of one night [cm-2 s-1]."""

    old: float
    old_error: float
    new: float
    new_error: float
    correlation: float | None
    """None: the events in common are not known."""
    pull: float | None
    """None: not known, or the events are the same, so that no difference is statistical."""

    @property
    def shift(self) -> float:
        """(new - old) / old; NaN where the old is 0."""
        return (self.new - self.old) / self.old if self.old else math.nan


@dataclass(frozen=True)
class CountSums:
    """Counts of the runs of a night."""

    n_on: float
    n_off: float
    livetime_h: float
    runs: int


def correlated_pull(
    old: float, old_error: float, new: float, new_error: float, correlation: float
) -> float | None:
    """The pull of two correlated values; None: their difference has no statistical error."""
    variance = old_error**2 + new_error**2 - 2 * correlation * old_error * new_error
    if not variance > (SAME_DATA * min(old_error, new_error)) ** 2:
        return None
    return (new - old) / math.sqrt(variance)


def count_correlation(n_old: int, n_new: int, n_common: int) -> float | None:
    """Correlation of two counts with events in common; None: one of them is 0."""
    return n_common / math.sqrt(n_old * n_new) if n_old and n_new else None


def sum_counts(results: Results, night: str) -> CountSums | None:
    """ON and OFF counts of a night; None: it has no run in the results."""
    runs = [run for run in results.runs if run.night == night]
    if not runs:
        return None
    return CountSums(
        sum(run.n_on for run in runs),
        sum(run.n_off for run in runs),
        sum(run.livetime_h for run in runs),
        len(runs),
    )


def compare_fluxes(
    old: Results, new: Results, night: str, on_events: tuple[int, int, int] | None
) -> FluxDifference | None:
    """The fluxes of a night; None: not both are there, or they are not of the same energies.

    Parameters
    ----------
    on_events : in the ON region: of old, of new, in common; None: not known
    """
    one, other = old.light_curve, new.light_curve
    if one is None or other is None or not same_energies(one, other):
        return None
    first, second = _flux(one, night), _flux(other, night)
    if first is None or second is None:
        return None
    rho = None if on_events is None else count_correlation(*on_events)
    values = first.flux, first.flux_error, second.flux, second.flux_error
    return FluxDifference(*values, rho, None if rho is None else correlated_pull(*values, rho))


def same_energies(old: LightCurve, new: LightCurve) -> bool:
    """Whether two light curves are of the same energies."""
    return _same(old.energy_min_tev, new.energy_min_tev) and _same(
        old.energy_max_tev, new.energy_max_tev
    )


def _flux(curve: LightCurve, night: str) -> TimedFlux | None:
    found = next((one for one in curve.nights if one.label.replace("-", "") == night), None)
    return found if found is not None and math.isfinite(found.flux_error) else None


def changed_settings(old: Results, new: Results) -> Iterator[Change]:
    """Target, cuts and software of two results."""
    first, second = old.target, new.target
    away = math.hypot(
        (second.ra_deg - first.ra_deg) * math.cos(math.radians(first.dec_deg)),
        second.dec_deg - first.dec_deg,
    )
    if away > SAME_POSITION_DEG:
        yield Change(ChangeKind.TARGET, f"target moved by {away:.3g} deg")
    one, other = old.stacked, new.stacked
    cuts = (
        ("theta cut", one.theta_cut_deg, other.theta_cut_deg, "deg"),
        ("least energy", one.energy_min_tev, other.energy_min_tev, "TeV"),
        ("largest energy", one.energy_max_tev, other.energy_max_tev, "TeV"),
    )
    for name, before, after, unit in cuts:
        if not _same(before, after):
            yield Change(ChangeKind.CUT, f"{name} {_show(before, unit)} -> {_show(after, unit)}")
    if one.off_regions != other.off_regions:
        text = f"OFF regions {one.off_regions} -> {other.off_regions}"
        yield Change(ChangeKind.SETTINGS, text)
    for name in sorted(old.versions.keys() & new.versions.keys()):
        if old.versions[name] != new.versions[name]:
            text = f"{name} {old.versions[name]} -> {new.versions[name]}"
            yield Change(ChangeKind.SOFTWARE, text)


def changed_numbers(old: Results, new: Results, changes: Collection[Change]) -> list[Change]:
    """Numbers that differ although no change is known that could make them differ."""
    concerned = {run for one in changes if one.kind is not ChangeKind.RUNS for run in one.runs}
    if any(not one.runs for one in changes):
        return []
    mine = {run.obs_id: run for run in old.runs}
    found = [
        Change(ChangeKind.RESULTS, text, (run.obs_id,))
        for run in new.runs
        if run.obs_id in mine and run.obs_id not in concerned
        if (text := _other_counts(mine[run.obs_id], run))
    ]
    if found or changes:
        return found
    totals = (
        ("significance", old.stacked.significance, new.stacked.significance),
        ("flux", _total_flux(old), _total_flux(new)),
    )
    return [
        Change(ChangeKind.RESULTS, f"{name} {_show(one)} -> {_show(other)}")
        for name, one, other in totals
        if not _same(one, other)
    ]


def _total_flux(results: Results) -> float | None:
    numbers = results.spectrum.numbers
    return None if numbers is None else numbers.flux.value


def _other_counts(old: RunNumbers, new: RunNumbers) -> str:
    pairs = (
        ("N_on", old.n_on, new.n_on),
        ("N_off", old.n_off, new.n_off),
        ("livetime [h]", old.livetime_h, new.livetime_h),
    )
    parts = [f"{name} {one:.6g} -> {two:.6g}" for name, one, two in pairs if not _same(one, two)]
    return ", ".join(parts)


def _same(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    if math.isnan(old) or math.isnan(new):
        return math.isnan(old) and math.isnan(new)
    return abs(old - new) <= SAME_FRACTION * max(abs(old), abs(new))


def _show(value: float | None, unit: str = "") -> str:
    return "none" if value is None else f"{value:.4g} {unit}".rstrip()
