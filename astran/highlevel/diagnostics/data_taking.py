"""What the event lists say about the data taking: `diagnostics` of results.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from astran.highlevel.aperture.counts import RunCounts
from astran.highlevel.arrays import Floats, as_tuple
from astran.highlevel.failures import Failures
from astran.highlevel.geometry import project
from astran.highlevel.maps.acceptance import group_runs
from astran.highlevel.maps.ring import SkyMap
from astran.results.diagnostic_parts import (
    AcceptanceProfile,
    Diagnostics,
    EnergyHistogram,
    IntervalHistogram,
    ResponseCurves,
    RunRates,
    TimeRates,
    WobblePosition,
    ZenithCoverage,
)
from astran.results.document import PartKind

TIME_BINS = 120
"""About so many bins of time in a night."""
SHORTEST_S = 60.0
ENERGIES_PER_DECADE = 8
INTERVAL_BINS = 60
SAME_PLACE_DEG = 0.05
PROFILE_STEP_DEG = 0.1
ZENITH_STEP_DEG = 5.0
SOURCE_DEG = 0.3
"""Events further from the target than this are the field's."""


@dataclass(frozen=True, slots=True)
class TimeBin:
    """Counts in an equal part of a run's good time."""

    obs_id: int
    start: datetime
    stop: datetime
    ontime_s: float
    events: int
    excess: float
    excess_error: float
    livetime_s: float


def time_bins(parts: Sequence[RunCounts]) -> list[TimeBin]:
    """All events and the excess against time, in bins of a minute or more within the runs."""
    total = sum(part.run.ontime_s for part in parts)
    length = max(total / TIME_BINS, SHORTEST_S)
    found: list[TimeBin] = []
    for part in parts:
        run = part.run
        pieces = max(1, round(run.ontime_s / length))
        index = run.piece_of(run.time, pieces)
        passed = part.passed
        events = np.bincount(index, minlength=pieces)
        on = np.bincount(index[passed[0]], minlength=pieces)
        off = np.bincount(np.concatenate([index[p] for p in passed[1:]]), minlength=pieces)
        ends = run.piece_ends(pieces)
        for k in range(pieces):
            start, stop = (run.start + timedelta(seconds=float(s)) for s in ends[k : k + 2])
            found.append(
                TimeBin(
                    obs_id=run.obs_id,
                    start=start,
                    stop=stop,
                    ontime_s=run.ontime_s / pieces,
                    events=int(events[k]),
                    excess=float(on[k] - part.alpha * off[k]),
                    excess_error=math.sqrt(on[k] + part.alpha**2 * off[k]),
                    livetime_s=run.livetime_s / pieces,
                )
            )
    return found


def event_diagnostics(
    parts: Sequence[RunCounts], sky: SkyMap | None, irf: ResponseCurves | None, failures: Failures
) -> Diagnostics:
    """Everything about the events; a table that cannot be made is none."""
    tables: dict[str, Any] = {
        name: failures.attempt(
            PartKind.TABLE, f"diagnostics.{name}", title, partial(make, parts, sky)
        )
        for name, (title, make) in TABLES.items()
    }
    return Diagnostics(**tables, irf=irf)


def _time_rates(item: TimeBin) -> TimeRates:
    minutes = item.livetime_s / 60
    return TimeRates(
        obs_id=item.obs_id,
        start=item.start.isoformat(timespec="seconds"),
        stop=item.stop.isoformat(timespec="seconds"),
        events_per_s=item.events / item.ontime_s,
        events_error=math.sqrt(item.events) / item.ontime_s,
        gammas_per_min=item.excess / minutes,
        gammas_error=item.excess_error / minutes,
    )


def _run_rates(part: RunCounts) -> RunRates:
    run = part.run
    number = run.energy.size
    # a flare must not look like a change of the weather
    field = run.time[part.theta[0] > SOURCE_DEG]
    bins = max(1, round(run.ontime_s / SHORTEST_S))
    counts = np.bincount(run.piece_of(field, bins), minlength=bins)
    mean = field.size / bins
    return RunRates(
        obs_id=run.obs_id,
        events_per_s=number / run.ontime_s,
        events_error=math.sqrt(number) / run.ontime_s,
        field_per_s=field.size / run.ontime_s,
        field_error=math.sqrt(field.size) / run.ontime_s,
        steady_chi2=float(((counts - mean) ** 2 / mean).sum()) if mean else 0.0,
        steady_ndf=bins - 1,
        scatter=float(counts.std() / mean) if mean else 0.0,
        dead_time_percent=100 * (1 - run.deadc),
        zenith_deg=run.zenith,
        offset_deg=part.offset,
    )


def _energies(parts: Sequence[RunCounts]) -> EnergyHistogram:
    """Events by reconstructed energy: all, ON, and the background in the ON region."""
    energy = np.concatenate([part.run.energy for part in parts])
    if not energy.size:
        return EnergyHistogram((), (), (), ())
    low = math.floor(math.log10(energy.min()) * ENERGIES_PER_DECADE)
    high = math.ceil(math.log10(energy.max()) * ENERGIES_PER_DECADE + 1e-9)
    edges = 10 ** (np.arange(low, max(high, low + 1) + 1) / ENERGIES_PER_DECADE)
    on, background = np.zeros(edges.size - 1), np.zeros(edges.size - 1)
    for part in parts:
        passed = part.passed
        on += np.histogram(part.run.energy[passed[0]], edges)[0]
        off = np.concatenate([part.run.energy[p] for p in passed[1:]])
        background += part.alpha * np.histogram(off, edges)[0]
    return EnergyHistogram(
        edges_tev=as_tuple(edges),
        all=as_tuple(np.histogram(energy, edges)[0]),
        on=as_tuple(on.astype(int)),
        background=as_tuple(background),
    )


def _intervals(parts: Sequence[RunCounts]) -> IntervalHistogram:
    """Times between neighbouring events, in units of each run's mean: a steady random rate gives
    an exponential. The largest gap is in seconds."""
    waits: list[Floats] = []
    largest, shortest = 0.0, math.inf
    for part in parts:
        spent = np.sort(part.run.elapsed(part.run.time))
        if spent.size < 2:
            continue
        wait = np.diff(spent)
        largest, shortest = max(largest, float(wait.max())), min(shortest, float(wait.min()))
        waits.append(wait / wait.mean())
    edges = np.linspace(0, 12, INTERVAL_BINS + 1)
    if not waits:
        return IntervalHistogram(as_tuple(edges), (), (), None, None)
    values = np.concatenate(waits)
    return IntervalHistogram(
        edges=as_tuple(edges),
        counts=as_tuple(np.histogram(values, edges)[0]),
        expected=as_tuple(values.size * -np.diff(np.exp(-edges))),
        largest_s=largest,
        shortest_s=shortest,
    )


def _wobble(parts: Sequence[RunCounts]) -> tuple[WobblePosition, ...]:
    """Livetime by the place of the pointing, as seen from the target."""
    found: list[WobblePosition] = []
    for part in parts:
        x, y = (float(value) for value in project(part.run.pointing, part.target))
        index = next((k for k, one in enumerate(found) if _near(one, x, y)), len(found))
        if index == len(found):
            found.append(WobblePosition(x, y, livetime_h=0.0, runs=0, on=0, excess=0.0))
        before = found[index]
        found[index] = replace(
            before,
            livetime_h=before.livetime_h + part.run.livetime_s / 3600,
            runs=before.runs + 1,
            on=before.on + part.counts.n_on,
            excess=before.excess + part.counts.excess,
        )
    return tuple(found)


def _zenith_coverage(parts: Sequence[RunCounts]) -> tuple[ZenithCoverage, ...]:
    """Livetime by zenith distance, in the steps in which there are runs."""
    steps: dict[int, list[RunCounts]] = {}
    for part in parts:
        if part.run.zenith is not None:
            steps.setdefault(int(part.run.zenith // ZENITH_STEP_DEG), []).append(part)
    return tuple(
        ZenithCoverage(
            zenith_min_deg=step * ZENITH_STEP_DEG,
            zenith_max_deg=(step + 1) * ZENITH_STEP_DEG,
            runs=len(members),
            livetime_h=sum(part.run.livetime_s for part in members) / 3600,
        )
        for step, members in sorted(steps.items())
    )


def _near(position: WobblePosition, x_deg: float, y_deg: float) -> bool:
    return math.hypot(position.x_deg - x_deg, position.y_deg - y_deg) < SAME_PLACE_DEG


def _acceptance(parts: Sequence[RunCounts], sky: SkyMap | None) -> AcceptanceProfile | None:
    """Density of events against the offset from the pointing, outside of the sources, and that of
    the acceptance which the map used, scaled to it; none without a map."""
    if sky is None:
        return None
    groups = group_runs([part.run for part in parts], sky.exclusion)
    edges = np.arange(0, sky.field_deg + PROFILE_STEP_DEG / 2, PROFILE_STEP_DEG)
    counts, area, model = (np.zeros(edges.size - 1) for _ in range(3))
    axis = (np.arange(-80, 81)) * sky.field_deg / 80
    gx, gy = np.meshgrid(axis, axis)
    offset = np.hypot(gx, gy)
    cell = (axis[1] - axis[0]) ** 2
    for group, acceptance in zip(groups, sky.acceptances, strict=True):
        free = sky.exclusion.free_at(gx, gy, group.centre)
        counts += np.histogram(np.hypot(group.x, group.y)[group.free], edges)[0]
        seen = np.histogram(offset[free], edges)[0] * cell
        area += seen * group.livetime_s
        density = np.histogram(offset[free], edges, weights=acceptance.evaluate(gx, gy)[free])[0]
        total = density.sum()
        if total > 0:
            model += density / total * group.free_count(sky.field_deg)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(area > 0, sum(g.livetime_s for g in groups) / area, np.nan)
        return AcceptanceProfile(
            edges_deg=as_tuple(edges),
            events_per_deg2=as_tuple(counts * scale),
            events_error=as_tuple(np.sqrt(counts) * scale),
            model_per_deg2=as_tuple(model * scale),
        )


TABLES: dict[str, tuple[str, Callable[[Sequence[RunCounts], SkyMap | None], Any]]] = {
    "time": (
        "The table of rates against time",
        lambda parts, sky: tuple(_time_rates(item) for item in time_bins(parts)),
    ),
    "runs": ("The table of event rates", lambda parts, sky: tuple(map(_run_rates, parts))),
    "energy": ("The distribution of energies", lambda parts, sky: _energies(parts)),
    "intervals": ("The times between events", lambda parts, sky: _intervals(parts)),
    "wobble": ("The table of pointings", lambda parts, sky: _wobble(parts)),
    "zenith": ("The table of zenith distances", lambda parts, sky: _zenith_coverage(parts)),
    "acceptance": ("The acceptance over the field of view", _acceptance),
}
"""Tables by name, with the beginning of a sentence about each; each is made by itself."""
