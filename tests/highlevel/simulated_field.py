"""Runs in memory with a known truth: background of a smooth acceptance, and point sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from astran.config.analysis import HighlevelSettings
from astran.highlevel.aperture.counts import CutKind, RunCounts, ThetaCut
from astran.highlevel.aperture.statistics import Counts, stack
from astran.highlevel.arrays import Floats
from astran.highlevel.dl3.run import Dl3Run
from astran.highlevel.geometry import deproject, radec, vector
from astran.highlevel.maps.field_search import FieldSearch
from astran.highlevel.options import Options

TARGET = (150.0, 40.0)
SETTINGS = HighlevelSettings(map_bin=0.04)
CUT = ThetaCut(CutKind.FIXED, 0.15, "as requested")
OPTIONS = Options((Path(),), Path(), "target", TARGET, SETTINGS)


@dataclass(frozen=True)
class PointSource:
    """Offset from the target to the east and north [deg], and gammas per run on the axis."""

    x: float
    y: float
    gammas: float


def accepted(offset: Floats) -> Floats:
    """Relative acceptance: a Gaussian of 1 deg."""
    return np.exp(-(offset**2) / 2)


def simulate_run(
    rng: np.random.Generator,
    obs_id: int,
    *,
    angle: float,
    offset: float = 0.4,
    background: float = 8000,
    sources: Sequence[PointSource] = (),
    psf: float = 0.08,
) -> Dl3Run:
    """A run that points `offset` deg from the target at a position angle [deg]."""
    turn, target = np.radians(angle), vector(*TARGET)
    px, py = offset * np.sin(turn), offset * np.cos(turn)
    axis = deproject(np.array([px]), np.array([py]), target)[0]
    parts = [deproject(*rng.normal(0, 1.0, (2, rng.poisson(background))), axis)]
    for source in sources:
        share = float(accepted(np.hypot(source.x - px, source.y - py)))
        number = rng.poisson(source.gammas * share)
        centre = deproject(np.array([source.x]), np.array([source.y]), target)[0]
        parts.append(deproject(*rng.normal(0, psf, (2, number)), centre))
    direction = np.concatenate(parts)
    ra, dec = radec(axis)
    return Dl3Run(
        obs_id=obs_id,
        path=Path(f"run{obs_id}.fits"),
        object="target",
        telescope="LST-1",
        ra_pnt=ra,
        dec_pnt=dec,
        zenith=20.0,
        start=datetime(2026, 1, 16, 22, tzinfo=UTC),
        gti=np.array([[0.0, 1200.0]]),
        deadc=1.0,
        time=np.sort(rng.random(len(direction)) * 1200),
        direction=direction,
        energy=0.03 * (1 - rng.random(len(direction))) ** (-1 / 1.7),
    )


def simulate_night(
    seed: int, runs: int = 4, angles: Sequence[float] = (90.0, 270.0), **values: object
) -> list[Dl3Run]:
    """Runs that take turns at wobble positions."""
    rng = np.random.default_rng(seed)
    make: Callable[..., Dl3Run] = simulate_run
    return [make(rng, 100 + k, angle=angles[k % len(angles)], **values) for k in range(runs)]


def search(runs: Sequence[Dl3Run]) -> FieldSearch:
    """The map with what is found in it."""
    from astran.highlevel.analysis import map_field

    return map_field(runs, vector(*TARGET), 0.15, (None, None), (), OPTIONS)


def count(runs: Sequence[Dl3Run], found: FieldSearch) -> tuple[list[RunCounts], Counts]:
    """Counts of the target, with what was found left out of the OFF regions."""
    from astran.highlevel.analysis import count_runs

    sources = [source.as_known for source in found.sources]
    parts = count_runs(runs, vector(*TARGET), CUT, None, sources, found.sky).counted
    return parts, stack([part.counts for part in parts])
