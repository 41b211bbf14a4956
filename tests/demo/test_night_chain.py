"""The simulated night through lstchain's own tools: is the Crab found as it was simulated?"""

import json
from pathlib import Path

import numpy as np
import pytest

from astran.base.process import run_command
from astran.demo.forests import quiet_environment, run_tool
from astran.demo.truth import count_gammas

pytestmark = [pytest.mark.lstchain, pytest.mark.slow]
THETA = 0.2
SELECTION = {
    "EventSelector": {
        "filters": {
            "intensity": [50, float("inf")],
            "r": [0, 1],
            "wl": [0.01, 1],
            "leakage_intensity_width_2": [0, 1],
            "event_type": [32, 32],
        }
    }
}


@pytest.fixture(scope="module")
def dl3(simulated_night, tmp_path_factory) -> list[Path]:
    """DL3 of both runs, with IRFs interpolated between the three pointings."""
    tree = simulated_night.tree
    work = tmp_path_factory.mktemp("chain")
    env = quiet_environment(work / "settings")
    selection = work / "selection.json"
    selection.write_text(json.dumps(SELECTION))

    def lstchain(name, *words):
        run_command(
            [run_tool(name), *map(str, words), "--overwrite"], timeout=600, env=env, cwd=work
        )

    for dl2 in sorted(tree.root.glob("mc/DL2/**/dl2_*.h5")):
        node = dl2.parent.name
        lstchain(
            "lstchain_create_irf_files",
            *("-g", dl2, "-o", work / f"irf_{node}.fits.gz", "-c", selection),
            *("--point-like", "--global-gh-cut", 0.7, "--global-theta-cut", THETA),
        )
    files = []
    for number in simulated_night.runs:
        lstchain(
            "lstchain_dl1_to_dl2",
            *("-f", tree.dl1(number), "-p", tree.models, "-o", work, "-c", tree.lstchain_config),
        )
        lstchain(
            "lstchain_create_dl3_file",
            *("-d", work / f"dl2_LST-1.Run{number}.h5", "-o", work, "-i", work, "-c", selection),
            *("-p", "irf_*.fits.gz", "--source-name", "Crab"),
            *("--source-ra", "83.6331deg", "--source-dec", "22.0145deg"),
        )
        files.append(work / f"dl3_LST-1.Run{number}.fits")
    return files


def test_livetime_is_what_was_observed(simulated_night, dl3):
    from astropy.io import fits

    truth = json.loads(simulated_night.tree.truth.read_text())
    for entry, path in zip(truth["runs"], dl3, strict=True):
        header = fits.getheader(path, "EVENTS")
        assert header["ONTIME"] == pytest.approx(entry["duration_s"], rel=2e-3)
        assert header["LIVETIME"] == pytest.approx(entry["livetime_s"], rel=3e-3)


def test_the_excess_is_the_simulated_one(simulated_night, dl3):
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from astropy.io import fits

    source = SkyCoord(83.6331, 22.0145, unit="deg")
    on = off = 0
    for path in dl3:
        with fits.open(path) as file:
            header, events = file["EVENTS"].header, file["EVENTS"].data
            where = SkyCoord(events["RA"], events["DEC"], unit="deg")
        centre = SkyCoord(header["RA_PNT"], header["DEC_PNT"], unit="deg")
        distance, angle = centre.separation(source), centre.position_angle(source)
        assert distance.deg == pytest.approx(0.4, abs=0.01)
        on += np.count_nonzero(where.separation(source).deg < THETA)
        for turn in (90, 180, 270) * u.deg:
            place = centre.directional_offset_by(angle + turn, distance)
            off += np.count_nonzero(where.separation(place).deg < THETA)
    excess, error = on - off / 3, np.sqrt(on + off / 9)
    truth = count_gammas(simulated_night.tree.truth, dl3, THETA)
    assert excess / error > 10
    assert abs(excess - truth.on) < 3 * error
    # most of what passed the cuts lies near the source
    assert truth.on > 0.5 * truth.selected


def test_the_irfs_are_interpolated(simulated_night, dl3):
    from astropy.io import fits

    with fits.open(dl3[0]) as file:
        names = {hdu.name for hdu in file}
        area = file["EFFECTIVE AREA"]
        # lstchain gives interpolated IRFs the pointing of the data
        assert area.header["ZEN_PNT"] == pytest.approx(18, abs=1.5)
        assert np.nanmax(area.data["EFFAREA"]) > 3e4
    assert {"EVENTS", "GTI", "EFFECTIVE AREA", "ENERGY DISPERSION"} <= names


def test_the_forests_separate(simulated_night):
    import pandas as pd

    for path in simulated_night.root.glob("mc/DL2/**/dl2_*.h5"):
        gammas = pd.read_hdf(path, key="dl2/event/telescope/parameters/LST_LSTCam")
        bright = gammas[gammas.intensity > 100]
        assert (bright.gammaness > 0.7).mean() > 0.5
        assert np.median(np.abs(np.log(bright.reco_energy / bright.mc_energy))) < 0.3
