"""Monte Carlo: diffuse gammas and protons to train on, gammas on a ring for the IRFs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from astran.demo import dl1_format
from astran.demo.sampling import FieldOfView, SampledSpectrum, field_showers, power_law
from astran.demo.shower import FOCAL_LENGTH, GAMMA, PROTON, Array, Images, Rng, Traits

MAX_IMPACT = 700.0
"""Radius of the disc onto which showers are thrown, at zenith [m]."""
_INDEX = -2.0
_REUSE = 10
# geomagnetic field at La Palma as lstchain has it: total [uT], inclination and declination [deg]
_FIELD = (38.5896, 37.3663, -4.8443)
_POSITION = (-6.337, 60.405, 12.5)  # of LST-1 in the simulated array [m]


class EventSample(Enum):
    """What a Monte Carlo file is for."""

    GAMMA_DIFFUSE = "GammaDiffuse"
    PROTONS = "Protons"
    GAMMA_RING = "Gamma"
    """Gammas 0.4 deg off the pointing, for point-like IRFs."""

    @property
    def traits(self) -> Traits:
        return PROTON if self is EventSample.PROTONS else GAMMA

    @property
    def field(self) -> FieldOfView:
        return {
            EventSample.GAMMA_DIFFUSE: FieldOfView(0.0, 6.0),
            EventSample.PROTONS: FieldOfView(0.0, 8.0),
            # lstchain takes less than 0.1 deg for a ring, that is, a point-like source
            EventSample.GAMMA_RING: FieldOfView(0.3995, 0.4005),
        }[self]

    @property
    def spectrum(self) -> SampledSpectrum:
        limits = (0.01, 100.0) if self is EventSample.PROTONS else (0.005, 50.0)
        return power_law(*limits, _INDEX)


@dataclass(frozen=True, slots=True, order=True)
class SimulatedNode:
    """A pointing of the Monte Carlo, angles in degrees, azimuth in [0, 360)."""

    zenith: float
    azimuth: float

    @property
    def name(self) -> str:
        """`node_theta_23.630_az_259.265_`, as the folders on La Palma."""
        return f"node_theta_{self.zenith:.3f}_az_{self.azimuth:.3f}_"


def simulate_node(
    path: Path, sample: EventSample, node: SimulatedNode, thrown: int, number: int, seed: int
) -> int:
    """Write a DL1 file of `thrown` showers at a pointing; returns how many triggered.

    Parameters
    ----------
    number : run number of the simulation
    seed : the file's own; the same seed gives the same events
    """
    rng = np.random.default_rng(seed)
    max_impact = MAX_IMPACT / np.cos(np.radians(node.zenith)) ** 0.5
    thrown -= thrown % _REUSE
    images = field_showers(
        rng, thrown, sample.spectrum, sample.field, max_impact, node.zenith, sample.traits
    )
    mixed = rng.permutation(len(images))
    rows = _rows(images, sample, node, number, rng)[mixed]
    rows["event_id"] = 100 * np.arange(1, len(rows) + 1)
    dl1_format.write_dl1(path, dl1_format.MC_COLUMNS, rows)
    _write_header(path, sample, node, thrown, max_impact, number)
    return len(rows)


def _rows(images: Images, sample: EventSample, node: SimulatedNode, number: int, rng: Rng) -> Array:
    import astropy.units as u
    from lstchain.reco.disp import disp
    from lstchain.reco.utils import camera_to_altaz

    n = len(images)
    altitude, azimuth = np.radians(90.0 - node.zenith), np.radians(node.azimuth)
    direction = camera_to_altaz(
        images.source_x * u.m,
        images.source_y * u.m,
        FOCAL_LENGTH * u.m,
        np.full(n, altitude) * u.rad,
        np.full(n, azimuth) * u.rad,
    )
    columns = images.columns
    names = ("disp_dx", "disp_dy", "disp_norm", "disp_angle", "disp_sign")
    found = disp(columns["x"], columns["y"], images.source_x, images.source_y, columns["psi"])
    around = rng.uniform(-np.pi, np.pi, n)
    showers = images.showers
    values = {
        **columns,
        **dict(zip(names, found, strict=True)),
        "src_x": images.source_x,
        "src_y": images.source_y,
        "obs_id": number,
        "alt_tel": altitude,
        "az_tel": azimuth,
        "sin_az_tel": np.sin(azimuth),
        "calibration_id": -1,
        "mc_energy": showers.energy,
        "log_mc_energy": np.log10(showers.energy),
        "mc_alt": direction.alt.rad,
        "mc_az": direction.az.wrap_at(360 * u.deg).rad,
        "mc_core_x": showers.impact * np.cos(around),
        "mc_core_y": showers.impact * np.sin(around),
        "mc_core_distance": showers.impact,
        "mc_h_first_int": 17000.0 + rng.exponential(3000.0, n),
        "mc_type": sample.traits.mc_type,
        "mc_alt_tel": altitude,
        "mc_az_tel": azimuth,
        "mc_x_max": showers.depth,
        "tel_id": dl1_format.TELESCOPE,
        "tel_pos_x": _POSITION[0],
        "tel_pos_y": _POSITION[1],
        "tel_pos_z": _POSITION[2],
        "trigger_type": int(dl1_format.EventType.SUBARRAY),
        "event_type": int(dl1_format.EventType.SUBARRAY),
        "trigger_time": np.arange(n) * 1e-3,
    }
    return dl1_format.make_table(dl1_format.MC_COLUMNS, values, n)


def _write_header(
    path: Path,
    sample: EventSample,
    node: SimulatedNode,
    thrown: int,
    max_impact: float,
    number: int,
) -> None:
    """What was thrown: lstchain's effective areas rest on it."""
    import astropy.units as u
    from ctapipe.containers import SimulationConfigContainer
    from ctapipe.io import HDF5TableWriter
    from lstchain.io import HDF5_ZSTD_FILTERS, global_metadata, write_mcheader
    from lstchain.io.lstcontainers import ThrownEventsHistogram

    spectrum, field = sample.spectrum, sample.field
    total, inclination, declination = _FIELD
    altitude = np.radians(90.0 - node.zenith) * u.rad
    azimuth = np.radians(node.azimuth) * u.rad
    header = SimulationConfigContainer(
        run_number=np.int32(number),
        corsika_version=7710,
        simtel_version=1593356843,
        energy_range_min=float(spectrum.energy[0]) * u.TeV,
        energy_range_max=float(spectrum.energy[-1]) * u.TeV,
        prod_site_B_total=total * u.uT,
        prod_site_B_inclination=np.radians(inclination) * u.rad,
        prod_site_B_declination=np.radians(declination) * u.rad,
        prod_site_alt=2158.0 * u.m,
        spectral_index=_INDEX,
        shower_prog_start=0,
        shower_prog_id=1,
        detector_prog_start=0,
        detector_prog_id=1,
        n_showers=np.int64(thrown // _REUSE),
        shower_reuse=_REUSE,
        max_alt=altitude,
        min_alt=altitude,
        max_az=azimuth,
        min_az=azimuth,
        diffuse=True,
        max_viewcone_radius=field.outer * u.deg,
        min_viewcone_radius=field.inner * u.deg,
        max_scatter_range=max_impact * u.m,
        min_scatter_range=0.0 * u.m,
        core_pos_mode=1,
        atmosphere=36,
        corsika_iact_options=187,
        corsika_low_E_model=2,
        corsika_high_E_model=4,
        corsika_bunchsize=5.0,
        corsika_wlen_min=240 * u.nm,
        corsika_wlen_max=1000 * u.nm,
        corsika_low_E_detail=1,
        corsika_high_E_detail=303,
    )
    write_mcheader(header, str(path), obs_id=number, metadata=global_metadata())
    energies = np.geomspace(spectrum.energy[0], spectrum.energy[-1], 101)
    impacts = np.linspace(0.0, max_impact, 51)
    # expected numbers: showers out of reach are counted, not drawn
    per_energy = np.diff(np.interp(energies, spectrum.energy, spectrum.cumulative)) / spectrum.total
    per_impact = np.diff(impacts**2) / max_impact**2
    histogram = ThrownEventsHistogram(
        obs_id=number,
        hist_id=6,
        num_entries=thrown,
        bins_energy=energies,
        bins_core_dist=impacts,
        histogram=thrown * np.outer(per_energy, per_impact),
    )
    with HDF5TableWriter(
        str(path), group_name="simulation", mode="a", filters=HDF5_ZSTD_FILTERS
    ) as writer:
        writer.write("thrown_event_distribution", [histogram])
