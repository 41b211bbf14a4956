"""Flux against time: by run, by night, and in finer bins where the source is bright."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from astran.highlevel.arrays import Floats
from astran.highlevel.spectral.norm import Norm, fit_norm, wstat
from astran.highlevel.spectral.shapes import Shape
from astran.highlevel.spectral.spectra import CountsSpectrum, RunSpectrum

FINE_SIGMAS = 5.0
"""Significance that a fine bin should have on average."""
SHORTEST_S = 60.0
MOST_FINE_BINS = 400


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
    data: tuple[Floats, Floats, Floats, Floats]
    """n_on, n_off, alpha and the signal expected for norm 1, by energy bin."""


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
    shape: Shape,
    when: tuple[datetime, datetime],
    livetime: float,
) -> LightCurvePoint | None:
    data = spectrum.n_on, spectrum.n_off, spectrum.alpha, spectrum.expected(shape)
    norm = fit_norm(*data)
    if norm is None:
        return None
    counts = int(spectrum.n_on.sum()), int(spectrum.n_off.sum())
    return LightCurvePoint(label, *when, livetime, *counts, norm, data)


def light_curve_by_run(parts: Sequence[RunSpectrum], shape: Shape) -> list[LightCurvePoint]:
    """One point per run."""
    points = [
        _point(
            str(part.part.run.obs_id),
            part.spectrum,
            shape,
            _limits([part]),
            part.part.run.livetime_s,
        )
        for part in parts
    ]
    return [point for point in points if point is not None]


def light_curve_by_night(
    nights: dict[str, tuple[list[RunSpectrum], CountsSpectrum]], shape: Shape
) -> list[LightCurvePoint]:
    """One point per night, from its stacked spectrum."""
    points = [
        _point(
            night,
            spectrum,
            shape,
            _limits(parts),
            sum(part.part.run.livetime_s for part in parts),
        )
        for night, (parts, spectrum) in nights.items()
    ]
    return [point for point in points if point is not None]


def light_curve_fine(
    parts: Sequence[RunSpectrum], shape: Shape, significance: float
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
        expected = part.spectrum.expected(shape) / pieces
        alpha = np.full(expected.size, 1 / part.off_regions)
        edges, used = part.spectrum.edges, part.spectrum.used
        ends = run.piece_ends(pieces)
        for k in range(pieces):
            n_on = np.histogram(part.on_energy[on == k], edges)[0] * used
            n_off = np.histogram(part.off_energy[off == k], edges)[0] * used
            data = n_on.astype(float), n_off.astype(float), alpha, expected
            norm = fit_norm(*data)
            if norm is not None:
                start, stop = (run.start + timedelta(seconds=float(s)) for s in ends[k : k + 2])
                label = f"{run.obs_id}.{k + 1}"
                counts = int(n_on.sum()), int(n_off.sum())
                livetime = run.livetime_s / pieces
                points.append(LightCurvePoint(label, start, stop, livetime, *counts, norm, data))
    return points if cut else []


def constancy_test(points: Sequence[LightCurvePoint], mean: float) -> tuple[float, int]:
    """How much worse one common norm describes the points than each its own: the difference of
    the statistics, about chi2 distributed, and the degrees of freedom."""
    worse = 0.0
    for point in points:
        n_on, n_off, alpha, expected = (part[point.data[2] > 0] for part in point.data)
        common = wstat(n_on, n_off, alpha, mean * expected)
        worse += max(common - wstat(n_on, n_off, alpha, point.norm.value * expected), 0.0)
    return worse, len(points) - 1
