"""Flux against time: by run, night, week and month, and in finer bins of a bright source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from astran.highlevel.arrays import Floats, Ints
from astran.highlevel.spectral.limits import expected_limit
from astran.highlevel.spectral.norm import Norm, measure_norm
from astran.highlevel.spectral.shapes import Shape
from astran.highlevel.spectral.spectra import CountsSpectrum, RunSpectrum, WideCounts
from astran.highlevel.spectral.stacks import SpectrumStack
from astran.highlevel.spectral.wstat import wstat

FINE_SIGMAS = 5.0
"""Significance that a fine bin should have on average."""
SHORTEST_S = 60.0
MOST_FINE_BINS = 400
ENOUGH_OFF_COUNTS = 10


@dataclass(frozen=True)
class LightCurvePoint:
    """Flux of one stretch of time."""

    label: str
    start: datetime
    stop: datetime
    livetime_s: float
    n_on: int
    n_off: int
    norm: Norm
    likeliest: float
    """The norm that describes the counts best; `norm` is without bias."""
    data: tuple[Floats, Floats, Floats, Floats]
    """n_on, n_off, alpha and the signal expected for norm 1, by wide energy bin."""
    expected_limit: float | None = None
    """The upper limit that this exposure was to give without a source, in units of the norm."""

    @property
    def has_enough_off(self) -> bool:
        """Whether each energy bin holds so many OFF counts that WSTAT has no bias to speak of."""
        _, n_off, alpha, expected = self.data
        used = (alpha > 0) & (expected > 0)
        return bool(used.any() and n_off[used].min() >= ENOUGH_OFF_COUNTS)


@dataclass(frozen=True)
class LightCurveBasis:
    """What all points of a light curve have in common."""

    stacked: CountsSpectrum
    shape: Shape
    typical: float
    """Norm of all together."""
    confidence: float
    bounds: Ints
    """Of the wide energy bins."""


def _limits(parts: Sequence[RunSpectrum]) -> tuple[datetime, datetime]:
    starts = [part.part.run.start for part in parts]
    stops = [part.part.run.start + timedelta(seconds=_length(part)) for part in parts]
    return min(starts), max(stops)


def _length(part: RunSpectrum) -> float:
    gti = part.part.run.gti
    return float(gti[-1, 1] - gti[0, 0])


def _point(
    label: str,
    spectrum: CountsSpectrum,
    basis: LightCurveBasis,
    when: tuple[datetime, datetime],
    livetime: float,
) -> LightCurvePoint | None:
    wide = spectrum.wide(basis.bounds, basis.shape)
    background = basis.stacked.background_of(spectrum, basis.bounds)
    point = _measure(label, wide, background, basis, when, livetime)
    if point is None:
        return None
    used = (wide.alpha > 0) & (wide.expected > 0)
    limit = expected_limit(
        wide.n_off[used], wide.alpha[used], wide.expected[used], basis.confidence
    )
    return replace(point, expected_limit=limit)


def _measure(
    label: str,
    wide: WideCounts,
    background: Floats,
    basis: LightCurveBasis,
    when: tuple[datetime, datetime],
    livetime: float,
) -> LightCurvePoint | None:
    found = measure_norm(*wide.data, background, basis.typical, basis.confidence)
    if found is None:
        return None
    counts = int(wide.n_on.sum()), int(wide.n_off.sum())
    return LightCurvePoint(label, *when, livetime, *counts, *found, wide.data)


def light_curve_by_run(
    parts: Sequence[RunSpectrum], basis: LightCurveBasis
) -> list[LightCurvePoint]:
    """One point per run."""
    points = [
        _point(
            str(part.part.run.obs_id),
            part.spectrum,
            basis,
            _limits([part]),
            part.part.run.livetime_s,
        )
        for part in parts
    ]
    return [point for point in points if point is not None]


def light_curve_by_stack(
    stacks: Sequence[SpectrumStack], basis: LightCurveBasis
) -> list[LightCurvePoint]:
    """One point per night, week or month, from its stacked spectrum."""
    points = [
        _point(stack.name, stack.spectrum, basis, _limits(stack.parts), stack.livetime_s)
        for stack in stacks
    ]
    return [point for point in points if point is not None]


def light_curve_fine(
    parts: Sequence[RunSpectrum], basis: LightCurveBasis, significance: float
) -> list[LightCurvePoint]:
    """Bins within the runs, where the source is bright enough for them; else empty."""
    total = sum(part.part.run.ontime_s for part in parts)
    if significance <= FINE_SIGMAS:
        return []
    length = max(total * (FINE_SIGMAS / significance) ** 2, SHORTEST_S, total / MOST_FINE_BINS)
    points: list[LightCurvePoint] = []
    cut = False
    for part in parts:
        run = part.part.run
        pieces = max(1, int(run.ontime_s / length))
        cut = cut or pieces > 1
        on = run.piece_of(part.on_time, pieces)
        off = run.piece_of(part.off_time, pieces)
        whole = part.spectrum.wide(basis.bounds, basis.shape)
        background = basis.stacked.background_of(part.spectrum, basis.bounds) / pieces
        edges, used = part.spectrum.edges, part.spectrum.used
        ends = run.piece_ends(pieces)
        for k in range(pieces):
            n_on, n_off = (
                np.add.reduceat(np.histogram(energy, edges)[0] * used, basis.bounds[:-1])
                for energy in (part.on_energy[on == k], part.off_energy[off == k])
            )
            wide = WideCounts(
                n_on.astype(float), n_off.astype(float), whole.alpha, whole.expected / pieces
            )
            start, stop = (run.start + timedelta(seconds=float(s)) for s in ends[k : k + 2])
            label = f"{run.obs_id}.{k + 1}"
            livetime = run.livetime_s / pieces
            point = _measure(label, wide, background, basis, (start, stop), livetime)
            points += [] if point is None else [point]
    return points if cut else []


def constancy_test(points: Sequence[LightCurvePoint], mean: float) -> tuple[float, int]:
    """How much worse one common norm describes the points than each its own: the difference of
    the statistics, about chi2 distributed, and the degrees of freedom."""
    worse = 0.0
    for point in points:
        n_on, n_off, alpha, expected = (part[point.data[2] > 0] for part in point.data)
        common = wstat(n_on, n_off, alpha, mean * expected)
        worse += max(common - wstat(n_on, n_off, alpha, point.likeliest * expected), 0.0)
    return worse, len(points) - 1
