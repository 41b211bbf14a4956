"""A campaign over simulated nights: pulls of fluxes, coverage of limits, significance of nothing.

    .venv/bin/python benchmarks/fluxes.py --nights 400 --json

The telescope is a simple one with an effective area, an energy dispersion and a background of its
own. Each night has four runs of 20 minutes, the counts of their ON and OFF regions are drawn, and
everything from the counts on is what `astran highlevel` does. Each figure stands with its standard
error; a bar is missed where it is more than three of these away.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.stats import norm as gaussian

from astran.highlevel.aperture.statistics import Counts, stack
from astran.highlevel.dl3.run import Dl3Run
from astran.highlevel.failures import Failures
from astran.highlevel.options import Threshold
from astran.highlevel.spectral import spectrum as spectrum_module
from astran.highlevel.spectral.irfs import SpectralResponse, true_energies
from astran.highlevel.spectral.shapes import CRAB, integrate_flux, integrate_fluxes, power_law
from astran.highlevel.spectral.spectra import (
    CountsSpectrum,
    RunSpectrum,
    RunThreshold,
    energy_edges,
)

SIGMAS = 3.0
RUNS, RUN_S, DEADC, OFF_REGIONS = 4, 1200.0, 0.95, 5
RESOLUTION = 0.18
"""Of the logarithm of the energy."""
SOURCES: dict[str, Callable[[Any], Any]] = {
    "empty": lambda energy: 0.0 * energy,
    "0.02 Crab": lambda energy: 0.02 * CRAB.shape(energy),
    "0.1 Crab": lambda energy: 0.1 * CRAB.shape(energy),
    "1 Crab": CRAB.shape,
    "soft": power_law(2.5e-12, 3.6),
}


def area_cm2(energy: Any) -> Any:
    """Rises steeply to 0.1 TeV, and slowly beyond."""
    return 1e9 * (1 + (energy / 0.12) ** -2.2) ** -1.3 * (1 + energy / 2.0) ** 0.15


def background_per_s(energy: Any) -> Any:
    """Events of cosmic rays within the theta cut [1 / (TeV s)]."""
    return 0.02 * (energy / 0.1) ** -2.9 * (1 + (energy / 0.08) ** -4) ** -1 / 0.1


@dataclass
class Telescope:
    """What is the same for all nights."""

    edges: Any = field(default_factory=lambda: energy_edges(None, None))

    def __post_init__(self) -> None:
        self.true_edges = true_energies(self.edges)
        centre = np.sqrt(self.true_edges[1:] * self.true_edges[:-1])
        distance = np.log(self.edges[None, :] / centre[:, None]) / RESOLUTION
        self.dispersion = np.diff(gaussian.cdf(distance), axis=1)
        area = area_cm2(centre)
        self.exposure = area * RUN_S * DEADC
        self.used = self.edges[:-1] >= centre[np.argmax(area >= 0.1 * area.max())]
        self.background = integrate_fluxes(background_per_s, self.edges) * RUN_S * DEADC
        self.response = SpectralResponse(
            self.true_edges, self.exposure, self.dispersion, None, 0.1, 0.05, 100.0
        )

    def run(self, number: int, source: Callable[[Any], Any], rng: Any) -> RunSpectrum:
        matrix = self.exposure[:, None] * self.dispersion * self.used
        flux = integrate_fluxes(source, self.true_edges)
        flux = np.where(flux > 1e-200, flux, 0.0)
        n_on = rng.poisson(flux @ matrix + self.background * self.used).astype(float)
        n_off = rng.poisson(self.background * self.used * OFF_REGIONS).astype(float)
        livetime = RUN_S * DEADC * self.used
        start = datetime(2026, 1, 1, 22, tzinfo=UTC) + timedelta(seconds=number * 1300)
        run = Dl3Run(
            obs_id=number,
            path=Path(f"{number}.fits"),
            object="",
            telescope="",
            ra_pnt=0.0,
            dec_pnt=0.0,
            zenith=20.0,
            start=start,
            gti=np.array([[0.0, RUN_S]]),
            deadc=DEADC,
            time=np.zeros(0),
            direction=np.zeros((0, 3)),
            energy=np.zeros(0),
        )
        spectrum = CountsSpectrum(
            edges=self.edges,
            true_edges=self.true_edges,
            n_on=n_on,
            n_off=n_off,
            background=n_off / OFF_REGIONS,
            off_exposure=livetime * OFF_REGIONS,
            livetime=livetime,
            exposure=self.exposure,
            matrix=matrix,
            used=self.used,
        )
        nothing = np.zeros(0)
        part: Any = SimpleNamespace(run=run)
        threshold = RunThreshold(float(self.edges[:-1][self.used][0]), "simulated")
        return RunSpectrum(
            part,
            threshold,
            spectrum,
            self.response,
            OFF_REGIONS,
            nothing,
            nothing,
            nothing,
            nothing,
        )


def analyse(telescope: Telescope, source: Callable[[Any], Any], rng: Any) -> Any:
    """One night through the spectral analysis."""
    parts = iter([telescope.run(number, source, rng) for number in range(RUNS)])
    runs: Any = [SimpleNamespace(run=SimpleNamespace(obs_id=n)) for n in range(RUNS)]
    given = spectrum_module.off_events, spectrum_module.run_spectrum
    spectrum_module.off_events = lambda *_: None  # type: ignore[assignment]
    spectrum_module.run_spectrum = lambda *_: next(parts)  # type: ignore[assignment]
    cut: Any = None
    try:
        return spectrum_module.make_spectrum(
            runs, cut, (None, None), False, Threshold.LOWEST, None, (), Failures()
        )
    finally:
        spectrum_module.off_events, spectrum_module.run_spectrum = given


@dataclass(frozen=True)
class Sample:
    """A figure with its standard error and what it is to be."""

    name: str
    value: float
    error: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        margin = SIGMAS * self.error
        return bool(self.low - margin <= self.value <= self.high + margin)


def moments(name: str, values: list[float], repeats: int = 1) -> list[Sample]:
    """Mean and width of pulls; `repeats`: values per night, which share an error of the shape."""
    found = np.array(values)
    number = len(found) / repeats
    return [
        Sample(f"{name}: mean", float(found.mean()), float(found.std() / number**0.5), 0.0, 0.0),
        Sample(
            f"{name}: width", float(found.std()), float(found.std() / (2 * number) ** 0.5), 1.0, 1.0
        ),
    ]


def coverage(name: str, held: list[bool], most: float) -> Sample:
    share = float(np.mean(held))
    error = max(np.sqrt(0.05 * 0.95 / len(held)), 1e-9)
    return Sample(f"{name}: limits that hold", share, float(error), 0.94, most)


def significance(found: Any) -> float:
    counts = [
        Counts(int(s.n_on.sum()), int(s.n_off.sum()), 1 / OFF_REGIONS, RUN_S)
        for s in (part.spectrum for part in found.parts)
    ]
    return stack(counts).significance


def campaign(name: str, nights: int, seed: int) -> list[Sample]:
    """All figures of one kind of source."""
    telescope, source = Telescope(), SOURCES[name]
    rng = np.random.default_rng(seed)
    total: list[float] = []
    by_run: list[float] = []
    sigmas: list[float] = []
    held: list[bool] = []
    held_by_run: list[bool] = []
    for _ in range(nights):
        found = analyse(telescope, source, rng)
        above = found.above
        truth = integrate_flux(source, above.energy_min, above.energy_max)
        truth = truth if truth > 1e-100 else 0.0
        flux, error = above.measure(found.total)
        total.append((flux - truth) / error)
        held.append(found.total.limit * above.of_shape > truth)
        for point in found.runs:
            flux, error = above.measure(point.norm)
            by_run.append((flux - truth) / error)
            held_by_run.append(point.norm.limit * above.of_shape > truth)
        sigmas.append(significance(found))
    samples = moments(f"{name}, flux", total) + moments(f"{name}, run fluxes", by_run, RUNS)
    if name in ("empty", "0.02 Crab"):
        samples += [coverage(f"{name}, nights", held, 1.0)]
        samples += [coverage(f"{name}, runs", held_by_run, 1.0)]
    if name == "empty":
        samples += moments("empty, Li & Ma", sigmas)
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nights", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--source", choices=SOURCES, action="append")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    samples: list[Sample] = []
    for name in args.source or SOURCES:
        for sample in campaign(name, args.nights, args.seed):
            samples.append(sample)
            mark = "ok" if sample.passed else "MISSED"
            print(
                f"{sample.name:40s} {sample.value:7.3f} +- {sample.error:.3f}  {mark}", flush=True
            )
    if args.json:
        print(json.dumps({"name": "fluxes", "samples": [vars(one) for one in samples]}))
    return 0 if all(sample.passed for sample in samples) else 1


if __name__ == "__main__":
    sys.exit(main())
