"""Observed runs: a source in wobble mode above a rain of cosmic-ray protons.

The event rate is kept above 2 kHz on purpose: lstchain counts as livetime only the gaps below 10 ms
between showers, so a thinned event list would lose livetime.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from astran.demo import dl1_format
from astran.demo.sampling import (
    FieldOfView,
    crab_spectrum,
    field_showers,
    power_law,
    source_showers,
)
from astran.demo.shower import FOCAL_LENGTH, GAMMA, PROTON, Array, Rng, make_image

WOBBLE_OFFSET = 0.4
"""Distance of the source from the pointing [deg]."""
DEAD_TIME = 7.1e-6
"""[s]"""
_MAX_IMPACT = 700.0
_SKY = FieldOfView(0.0, 6.0)
_CALIBRATION_RATE = 100.0  # Hz, of interleaved pedestals, and of flat-field events
# cosmic-ray protons, 1/(m2 s sr TeV) at 1 TeV; below the lower limit they do not trigger
_PROTONS = (0.03, 100.0, -2.62, 0.098)
_POSITION = (-5.824, 60.367, 0.885)  # of LST-1 [m]


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """One run to be observed."""

    number: int
    start: datetime
    """UTC."""
    duration: float
    """[s]"""
    ra: float
    """Source, ICRS [deg]."""
    dec: float
    wobble_angle: float
    """Position angle of the pointing as seen from the source, from north over east [deg]."""
    flux: float
    """Of the source, in Crab units."""
    cosmic_rays: float = 0.7
    """Flux of protons relative to nature's."""


@dataclass(frozen=True, slots=True)
class ObservedEvents:
    """What happened in a run."""

    run: SimulatedRun
    pointing_ra: float
    pointing_dec: float
    zenith: float
    """Mean, [deg]."""
    azimuth: float
    events: int
    """All rows, interleaved calibration events included."""
    protons: int
    gammas: Array
    """Event ids of the gammas in the file, (n,)."""
    gamma_energies: Array
    """Their energies [TeV], (n,)."""
    gammas_thrown: int
    protons_thrown: int


@dataclass(frozen=True, slots=True)
class _Track:
    """Pointing and source on a grid of times; interpolated in between."""

    time: Array
    altitude: Array
    azimuth: Array
    """Unwrapped."""
    source_x: Array
    source_y: Array
    pointing_ra: float
    pointing_dec: float

    def at(self, values: Array, time: Array) -> Array:
        return np.interp(time, self.time, values)


def _track(run: SimulatedRun) -> _Track:
    import astropy.units as u
    from astropy.coordinates import AltAz, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers
    from ctapipe_io_lst.constants import LST1_LOCATION
    from lstchain.reco.utils import radec_to_camera

    seconds = np.arange(0.0, run.duration + 2.0)
    source = SkyCoord(run.ra, run.dec, unit="deg")
    pointing = source.directional_offset_by(run.wobble_angle * u.deg, WOBBLE_OFFSET * u.deg)
    # the Earth rotation tables that astropy brings are good enough, and need no network
    with iers.conf.set_temp("auto_download", False):
        moments = Time(run.start) + seconds * u.s
        sky = pointing.transform_to(AltAz(obstime=moments, location=LST1_LOCATION))
        camera = radec_to_camera(source, moments, sky.alt, sky.az, FOCAL_LENGTH * u.m)
    return _Track(
        time=seconds,
        altitude=sky.alt.rad,
        azimuth=np.unwrap(sky.az.rad),
        source_x=camera.x.to_value("m"),
        source_y=camera.y.to_value("m"),
        pointing_ra=float(pointing.ra.deg),
        pointing_dec=float(pointing.dec.deg),
    )


def observe_run(path: Path, run: SimulatedRun, seed: int) -> ObservedEvents:
    """Write the DL1 file of a run; the same seed gives the same events."""
    rng = np.random.default_rng(seed)
    track = _track(run)
    zenith = 90.0 - float(np.degrees(track.altitude.mean()))
    hadrons, protons_thrown = _protons(rng, run, zenith)
    gammas, energies, gammas_thrown = _gammas(rng, run, track, zenith)
    calibration = _calibration(rng, run.duration)
    parts = [hadrons, gammas, calibration]
    origin = np.repeat(np.arange(len(parts)), [len(part["time"]) for part in parts])
    energy = np.full(len(origin), np.nan)
    energy[origin == 1] = energies
    events = {name: np.concatenate([part[name] for part in parts]) for name in hadrons}
    order = np.argsort(events["time"], kind="stable")
    order = order[_alive(events["time"][order])]
    events = {name: values[order] for name, values in events.items()}
    origin, energy = origin[order], energy[order]
    rows = _rows(run, track, events)
    dl1_format.write_dl1(path, dl1_format.DATA_COLUMNS, rows)
    _name_source_file(path)
    return ObservedEvents(
        run=run,
        pointing_ra=track.pointing_ra,
        pointing_dec=track.pointing_dec,
        zenith=zenith,
        azimuth=float(np.degrees(track.azimuth.mean()) % 360.0),
        events=len(rows),
        protons=int(np.count_nonzero(origin == 0)),
        gammas=rows["event_id"][origin == 1],
        gamma_energies=energy[origin == 1],
        gammas_thrown=gammas_thrown,
        protons_thrown=protons_thrown,
    )


def _alive(time: Array) -> Array:
    """Which of the sorted events find the camera ready after the event before."""
    return np.concatenate([[True], np.diff(time) > DEAD_TIME])


def _protons(rng: Rng, run: SimulatedRun, zenith: float) -> tuple[dict[str, Array], int]:
    low, high, index, norm = _PROTONS
    spectrum = power_law(low, high, index, norm * run.cosmic_rays)
    rate = spectrum.total * np.pi * _MAX_IMPACT**2 * _SKY.solid_angle
    thrown = int(rng.poisson(rate * run.duration))
    images = field_showers(rng, thrown, spectrum, _SKY, _MAX_IMPACT, zenith, PROTON)
    time = rng.uniform(0.0, run.duration, len(images))
    return _showers(images.columns, time), thrown


def _gammas(
    rng: Rng, run: SimulatedRun, track: _Track, zenith: float
) -> tuple[dict[str, Array], Array, int]:
    spectrum = crab_spectrum(0.005, 50.0, run.flux)
    thrown, showers = source_showers(rng, run.duration, spectrum, _MAX_IMPACT, zenith, GAMMA)
    time = rng.uniform(0.0, run.duration, len(showers))
    x, y = track.at(track.source_x, time), track.at(track.source_y, time)
    images = make_image(rng, showers, x, y, GAMMA)
    return _showers(images.columns, time[images.kept]), images.showers.energy, thrown


def _showers(columns: dict[str, Array], time: Array) -> dict[str, Array]:
    return {
        **columns,
        "time": time,
        "event_type": np.full(len(time), int(dl1_format.EventType.SUBARRAY)),
    }


def _calibration(rng: Rng, duration: float) -> dict[str, Array]:
    """Interleaved pedestals (no image, all NaN) and flat-field flashes (the whole camera)."""
    n = int(_CALIBRATION_RATE * duration)
    flash = {
        "intensity": rng.normal(1.3e5, 2e3, n),
        "x": rng.normal(0.0, 0.01, n),
        "y": rng.normal(0.0, 0.01, n),
        "length": rng.normal(1.10, 0.01, n),
        "width": rng.normal(1.05, 0.01, n),
        "psi": rng.uniform(-np.pi / 2, np.pi / 2, n),
        "skewness": rng.normal(0.0, 0.02, n),
        "kurtosis": rng.normal(2.0, 0.02, n),
        "time_gradient": rng.normal(0.0, 0.05, n),
        "intercept": rng.normal(17.0, 0.1, n),
    }
    flash["r"] = np.hypot(flash["x"], flash["y"])
    flash["phi"] = np.arctan2(flash["y"], flash["x"])
    flash["log_intensity"] = np.log10(flash["intensity"])
    flash["wl"] = flash["width"] / flash["length"]
    for size in ("length", "width"):
        flash[f"{size}_uncertainty"] = flash[size] / np.sqrt(2.0 * flash["intensity"])
    for ring, share in ((1, 0.1), (2, 0.2)):
        flash[f"leakage_intensity_width_{ring}"] = np.full(n, share)
        flash[f"leakage_pixels_width_{ring}"] = np.full(n, share)
    for part in ("cog", "core", "pixel"):
        flash[f"concentration_{part}"] = np.full(n, 0.01)
    flash["n_pixels"], flash["n_islands"] = np.full(n, 1855), np.full(n, 1)
    beat = np.arange(n) / _CALIBRATION_RATE
    columns = {
        name: np.concatenate([np.zeros(n, int) if name[:2] == "n_" else np.full(n, np.nan), values])
        for name, values in flash.items()
    }
    kinds = (dl1_format.EventType.SKY_PEDESTAL, dl1_format.EventType.FLATFIELD)
    return {
        **columns,
        "time": np.concatenate([beat + 0.25 / _CALIBRATION_RATE, beat + 0.75 / _CALIBRATION_RATE]),
        "event_type": np.repeat([int(kind) for kind in kinds], n),
    }


def _rows(run: SimulatedRun, track: _Track, events: dict[str, Array]) -> Array:
    from astropy.time import Time

    events = dict(events)
    time, kind = events.pop("time"), events["event_type"]
    unix = Time(run.start).unix + time
    azimuth = track.at(track.azimuth, time) % (2 * np.pi)
    shower, pedestal = (
        kind == dl1_format.EventType.SUBARRAY,
        kind == dl1_format.EventType.SKY_PEDESTAL,
    )
    values: dict[str, Any] = {
        **events,
        "obs_id": run.number,
        "event_id": np.arange(1, len(time) + 1),
        "alt_tel": track.at(track.altitude, time),
        "az_tel": azimuth,
        "sin_az_tel": np.sin(azimuth),
        "dragon_time": unix,
        "trigger_time": unix,
        "mc_type": -9999,
        "tel_id": dl1_format.TELESCOPE,
        "tel_pos_x": _POSITION[0],
        "tel_pos_y": _POSITION[1],
        "tel_pos_z": _POSITION[2],
        # bits of the trigger words: mono shower 1, calibration 4, pedestal 64 (TIB) or 32 (UCTS)
        "trigger_type": np.select([shower, pedestal], [1, 64], 4),
        "ucts_trigger_type": np.select([shower, pedestal], [1, 32], 4),
    }
    return dl1_format.make_table(dl1_format.DATA_COLUMNS, values, len(time))


def _name_source_file(path: Path) -> None:
    from lstchain.io.io import add_source_filenames

    add_source_filenames(str(path), [path.name])
