"""Observed runs: rates, wobble positions, dead time, and who is a gamma."""

import importlib.util
from datetime import UTC, datetime

import numpy as np
import pytest
from conftest import require

from astran.demo import dl1_format
from astran.demo.dl1_format import EventType
from astran.demo.observation import DEAD_TIME, SimulatedRun, observe_run

pytestmark = pytest.mark.lstchain
SECONDS = 20.0


def a_run(**changes):
    values = {
        "number": 15861,
        "start": datetime(2023, 12, 14, 2, 33, tzinfo=UTC),
        "duration": SECONDS,
        "ra": 83.6331,
        "dec": 22.0145,
        "wobble_angle": 90.0,
        "flux": 3.0,
    }
    return SimulatedRun(**{**values, **changes})


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    require(importlib.util.find_spec("lstchain"), "lstchain", "Install astran[lst].")
    import pandas as pd

    path = tmp_path_factory.mktemp("dl1") / "dl1_LST-1.Run15861.h5"
    told = observe_run(path, a_run(), seed=1)
    return told, pd.read_hdf(path, key=dl1_format.PARAMETERS)


def test_showers_come_often_enough_for_the_livetime(observed):
    _, events = observed
    showers = events[events.event_type == EventType.SUBARRAY]
    assert 1500 < len(showers) / SECONDS < 4000
    # lstchain counts gaps below 10 ms as livetime
    gaps = np.diff(showers.dragon_time)
    assert gaps[gaps < 0.01].sum() > 0.999 * SECONDS


def test_calibration_events_are_interleaved(observed):
    _, events = observed
    for kind in (EventType.SKY_PEDESTAL, EventType.FLATFIELD):
        assert np.mean(events.event_type == kind) * len(events) / SECONDS == pytest.approx(
            100, abs=5
        )
    pedestals = events[events.event_type == EventType.SKY_PEDESTAL]
    assert pedestals.width.isna().all()
    assert (events[events.event_type == EventType.FLATFIELD].intensity > 1e5).all()


def test_events_are_in_order_and_apart_by_the_dead_time(observed):
    told, events = observed
    assert len(events) == told.events
    assert np.array_equal(events.event_id, np.arange(1, len(events) + 1))
    # the clock's double holds about 0.2 us
    assert np.diff(events.dragon_time).min() > DEAD_TIME - 5e-7
    start = told.run.start.timestamp()
    assert start <= events.dragon_time.min() < events.dragon_time.max() <= start + SECONDS


def test_the_telescope_tracks_beside_the_source(observed):
    from astropy import units as u
    from astropy.coordinates import AltAz, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers
    from ctapipe_io_lst.constants import LST1_LOCATION

    told, events = observed
    source = SkyCoord(83.6331, 22.0145, unit="deg")
    some = events.iloc[:: len(events) // 10]
    with iers.conf.set_temp("auto_download", False):
        frame = AltAz(obstime=Time(some.dragon_time, format="unix"), location=LST1_LOCATION)
        here = source.transform_to(frame)
        az, alt = (some[name].to_numpy() * u.rad for name in ("az_tel", "alt_tel"))
        apart = SkyCoord(az, alt, frame=frame).separation(here)
    assert np.allclose(apart.deg, 0.4, atol=0.01)
    pointing = SkyCoord(told.pointing_ra, told.pointing_dec, unit="deg")
    assert source.position_angle(pointing).deg == pytest.approx(90, abs=0.5)
    assert 17 < told.zenith < 19


def test_wobble_positions_face_each_other(tmp_path, observed):
    other = observe_run(tmp_path / "other.h5", a_run(wobble_angle=270.0), seed=2)
    assert observed[0].pointing_ra > 83.6331 > other.pointing_ra
    middle = (observed[0].pointing_ra + other.pointing_ra) / 2
    assert middle == pytest.approx(83.6331, abs=1e-3)


def test_the_truth_names_the_gammas(observed):
    told, events = observed
    gammas = events[events.event_id.isin(told.gammas)]
    assert len(gammas) == len(told.gammas) == len(told.gamma_energies) > 100
    assert (gammas.event_type == EventType.SUBARRAY).all()
    assert told.protons + len(gammas) == (events.event_type == EventType.SUBARRAY).sum()
    # more energy, more light: the energies belong to these events and no others
    together = np.corrcoef(gammas.log_intensity, np.log10(told.gamma_energies))
    assert together[0, 1] > 0.6
    # and gammas are slim
    protons = events[(events.event_type == EventType.SUBARRAY) & ~events.event_id.isin(told.gammas)]
    assert gammas.width.median() < protons.width.median()


def test_flux_and_seed_change_what_is_seen(tmp_path, observed):
    told = observed[0]
    again = observe_run(tmp_path / "again.h5", a_run(), seed=1)
    assert np.array_equal(again.gammas, told.gammas)
    assert again.events == told.events
    faint = observe_run(tmp_path / "faint.h5", a_run(flux=0.5), seed=3)
    assert len(faint.gammas) < 0.4 * len(told.gammas)
    assert faint.protons == pytest.approx(told.protons, rel=0.03)
