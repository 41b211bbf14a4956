"""Simulated fields without and with a source: is what the sky map says true?

Nights of one to ten runs with and without wobble pairs, acceptances of several shapes and widths,
and few to many events go through map, field search and counts. Judged, each at three standard
errors:

  empty   the distribution of significances off the target, where 10 or more ON counts are expected,
          has mean 0 +- 0.05 and width 1 +- 0.05; so have the target's own; peaks above 5 sigma are
          as many as their trials say
  source  a source of 0.1 to 1 Crab at a random place: found where its significance after trials
          allows, within 0.1 deg; the target's significance has mean 0

    benchmarks/empty_fields.py --nights 100 --seed 1 --json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.stats import norm

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import count_runs, map_field
from astran.highlevel.aperture.counts import CutKind, ThetaCut
from astran.highlevel.aperture.statistics import stack
from astran.highlevel.arrays import Floats
from astran.highlevel.dl3.run import Dl3Run
from astran.highlevel.geometry import deproject, radec, vector
from astran.highlevel.maps.field_search import FieldSearch, FieldSource
from astran.highlevel.options import Options

TARGET = (150.0, 40.0)
THETA_DEG, LEAST_EXPECTED = 0.15, 10.0
MEAN, WIDTH = 0.05, 0.05
CRAB_PER_RUN = 400.0


@dataclass(frozen=True)
class Field:
    """The truth of a night. The acceptance is exp(-(r / width)^power / 2), and tilted."""

    runs: int
    angles: tuple[float, ...]
    events: float
    width_deg: float
    power: float
    tilt: float
    source: tuple[float, float, float] | None
    """East, north [deg], brightness [Crab]."""


@dataclass(frozen=True)
class Judged:
    """What came of a night."""

    target: float
    off_mean: float
    off_width: float
    false_peaks: int
    expected_peaks: float
    found_away_deg: float | None
    """Of the nearest source that was found from the true one."""
    others: int


def draw_field(rng: np.random.Generator, *, with_source: bool) -> Field:
    """A field at random."""
    pair = rng.random() < 0.7
    first = rng.uniform(0, 360)
    source = None
    if with_source:
        away, turn = rng.uniform(0.45, 1.6), rng.uniform(0, 2 * np.pi)
        brightness = 10 ** rng.uniform(-1, 0)
        source = (float(away * np.sin(turn)), float(away * np.cos(turn)), float(brightness))
    return Field(
        runs=int(rng.integers(1 + pair, 11)),
        angles=(first, first + 180) if pair else (first,),
        events=float(10 ** rng.uniform(3.3, 4.3)),
        width_deg=float(rng.uniform(0.8, 1.3)),
        power=float(rng.uniform(2.0, 3.0)),
        tilt=float(rng.uniform(0, 0.15)) if pair else 0.0,
        source=source,
    )


def simulate_run(rng: np.random.Generator, field: Field, number: int) -> Dl3Run:
    """A run of the night, with only what maps and counts need."""
    turn, target = np.radians(field.angles[number % len(field.angles)]), vector(*TARGET)
    px, py = 0.4 * np.sin(turn), 0.4 * np.cos(turn)
    axis = deproject(np.array([px]), np.array([py]), target)[0]
    wanted = rng.poisson(field.events)
    x, y = rng.uniform(-3, 3, (2, 12 * wanted))
    seen = np.flatnonzero(rng.random(x.size) < accepted(field, x, y))[:wanted]
    parts = [deproject(x[seen], y[seen], axis)]
    if field.source is not None:
        sx, sy, brightness = field.source
        share = accepted(field, np.array(sx - px), np.array(sy - py))
        gammas = rng.poisson(brightness * CRAB_PER_RUN * float(share))
        spread = rng.normal(0, 0.08, (2, gammas))
        parts.append(deproject(*spread, deproject(np.array(sx), np.array(sy), target)))
    direction = np.concatenate(parts)
    ra, dec = radec(axis)
    return Dl3Run(
        obs_id=number + 1,
        path=Path(f"run{number}.fits"),
        object="target",
        telescope="simulated",
        ra_pnt=ra,
        dec_pnt=dec,
        zenith=20.0,
        start=datetime(2026, 1, 16, 22, tzinfo=UTC),
        gti=np.array([[0.0, 1200.0]]),
        deadc=1.0,
        time=np.linspace(0, 1200, len(direction)),
        direction=direction,
        energy=np.ones(len(direction)),
    )


def accepted(field: Field, x: Floats, y: Floats) -> Floats:
    """Relative acceptance, at most 1."""
    radial = np.exp(-((np.hypot(x, y) / field.width_deg) ** field.power) / 2)
    return radial * np.clip(1 + field.tilt * x, 0.2, 1.5) / 1.5


def judge_night(rng: np.random.Generator, field: Field, options: Options) -> Judged:
    """Simulate and analyse one night."""
    runs = [simulate_run(rng, field, number) for number in range(field.runs)]
    target, cut = vector(*TARGET), ThetaCut(CutKind.FIXED, THETA_DEG, "as requested")
    found = map_field(runs, target, THETA_DEG, (None, None), (), options)
    known = [source.as_known for source in found.sources]
    counts = stack([part.counts for part in count_runs(runs, target, cut, None, known).counted])
    sky = found.sky
    off = sky.significance[sky.off_source & (sky.alpha * sky.n_off >= LEAST_EXPECTED)]
    true = sum(_is_true(source, field) for source in found.sources)
    every = sky.significance[sky.off_source]
    return Judged(
        target=counts.significance if counts.background >= LEAST_EXPECTED else float("nan"),
        off_mean=float(off.mean()) if off.size else float("nan"),
        off_width=float(off.std()) if off.size else float("nan"),
        false_peaks=int((every > 5).any()) + len(found.sources) - true,
        expected_peaks=found.trials_at(5.0) * float(norm.sf(5.0)),
        found_away_deg=_distance(found, field),
        others=len(found.sources) - true,
    )


def _is_true(source: FieldSource, field: Field) -> bool:
    if field.source is None:
        return False
    x, y, _ = field.source
    return bool(np.hypot(source.peak.x - x, source.peak.y - y) < 0.1)


def _distance(found: FieldSearch, field: Field) -> float | None:
    if field.source is None or not found.sources:
        return None
    x, y, _ = field.source
    return min(float(np.hypot(one.peak.x - x, one.peak.y - y)) for one in found.sources)


def within(values: Sequence[float], wanted: float, tolerance: float) -> tuple[float, float, bool]:
    """Mean, its standard error, and whether it is as wanted at three of them."""
    known = np.array([value for value in values if np.isfinite(value)])
    mean, error = float(known.mean()), float(known.std(ddof=1) / np.sqrt(known.size))
    return mean, error, abs(mean - wanted) <= tolerance + 3 * error


def main() -> int:
    """Entry point; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nights", type=int, default=100, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bin", type=float, default=0.04, help="of the map [deg]")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    settings = HighlevelSettings(map_bin=given.bin)
    options = Options(Path(), Path(), "target", TARGET, settings)
    kinds: dict[bool, list[tuple[Field, Judged]]] = {False: [], True: []}
    for with_source, judged in kinds.items():
        for number in range(given.nights):
            rng = np.random.default_rng([given.seed, with_source, number])
            field = draw_field(rng, with_source=with_source)
            judged.append((field, judge_night(rng, field, options)))
    empty = [one for _, one in kinds[False]]
    targets = [one.target for one in empty if np.isfinite(one.target)]
    width, size = float(np.std(targets)), len(targets)
    peaks, expected = sum(o.false_peaks for o in empty), sum(o.expected_peaks for o in empty)
    found = [one for _, one in kinds[True] if one.found_away_deg is not None]
    report = {
        "off mean": within([one.off_mean for one in empty], 0.0, MEAN),
        "off width": within([one.off_width for one in empty], 1.0, WIDTH),
        "target mean": within(targets, 0.0, 0.0),
        "target width": (width, width / np.sqrt(2 * size), abs(width - 1) < 3 / np.sqrt(2 * size)),
        "false peaks": (peaks, expected, peaks <= expected + 3 * np.sqrt(expected) + 1),
        "target mean beside a source": within([one.target for _, one in kinds[True]], 0.0, 0.0),
        "sources found": (len(found), given.nights, True),
        "found within 0.1 deg": (
            sum(one.found_away_deg < 0.1 for one in found if one.found_away_deg is not None),
            len(found),
            all(one.found_away_deg < 0.1 for one in found if one.found_away_deg is not None),
        ),
        "found that are none": (sum(one.others for _, one in kinds[True]), 0, True),
    }
    for name, (value, error, good) in report.items():
        print(f"{name:28s} {value:8.3f} {error:8.3f}  {'as wanted' if good else 'MISSED'}")
    if given.json:
        rows = {name: [float(value), float(error)] for name, (value, error, _) in report.items()}
        print(json.dumps({"name": "empty_fields", "nights": given.nights, **rows}))
    return 0 if all(good for *_, good in report.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
