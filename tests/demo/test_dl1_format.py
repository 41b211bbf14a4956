"""The DL1 files are lstchain's own format."""

import importlib.util

import numpy as np
import pytest
from conftest import require

from astran.demo import dl1_format
from astran.demo.montecarlo import EventSample, SimulatedNode, simulate_node

NODE = SimulatedNode(23.63, 259.265)


@pytest.fixture
def lstchain():
    require(importlib.util.find_spec("lstchain"), "lstchain", "Install astran[lst].")


def test_rows_hold_numbers_arrays_and_gaps():
    rows = dl1_format.make_table(
        dl1_format.DATA_COLUMNS, {"obs_id": 7, "x": [0.1, 0.2], "ucts_jump": False}, 2
    )
    assert rows["obs_id"].tolist() == [7, 7]
    assert rows["x"].tolist() == [0.1, 0.2]
    assert np.all(np.isnan(rows["width"]))
    assert rows["n_pixels"].tolist() == [0, 0]


def test_a_misspelt_column_is_a_mistake():
    with pytest.raises(KeyError, match="widht"):
        dl1_format.make_table(dl1_format.DATA_COLUMNS, {"widht": 1.0}, 3)


@pytest.mark.lstchain
def test_every_parameter_of_lstchain_is_there(lstchain):
    from lstchain.io.lstcontainers import DL1ParametersContainer

    def names(columns):
        return {column.name for column in columns}

    ours = names(dl1_format.DATA_COLUMNS) | names(dl1_format.MC_COLUMNS)
    # of two more lstchain declares the name, but never writes a value
    assert set(DL1ParametersContainer().keys()) - ours == {"hadroness", "disp_miss"}


@pytest.mark.lstchain
@pytest.mark.parametrize("sample", list(EventSample))
def test_lstchain_reads_a_monte_carlo_file(lstchain, tmp_path, sample):
    import pandas as pd
    from ctapipe.instrument import SubarrayDescription
    from lstchain.io import get_dataset_keys, read_simu_info_merged_hdf5
    from lstchain.io.io import dl1_params_lstcam_key

    path = tmp_path / "dl1.h5"
    thrown = 200_000 if sample is not EventSample.PROTONS else 2_000_000
    n = simulate_node(path, sample, NODE, thrown, 3, seed=1)
    events = pd.read_hdf(path, key=dl1_params_lstcam_key)
    assert len(events) == n > 200
    assert events.event_id.is_unique
    assert set(events.mc_type) == {sample.traits.mc_type}
    assert np.allclose(np.degrees(events.mc_alt_tel), 90 - NODE.zenith)
    assert np.all((events.mc_az >= 0) & (events.mc_az < 2 * np.pi))
    header = read_simu_info_merged_hdf5(path)
    assert header["n_showers"] * header["shower_reuse"] == thrown
    assert header["min_viewcone_radius"].to_value("deg") == sample.field.inner
    optics = SubarrayDescription.from_hdf(path).tel[dl1_format.TELESCOPE].optics
    assert optics.effective_focal_length.to_value("m") == pytest.approx(29.30565)
    assert "simulation/thrown_event_distribution" in {k.strip("/") for k in get_dataset_keys(path)}


@pytest.mark.lstchain
def test_gammas_for_irfs_come_from_a_ring(lstchain, tmp_path):
    import astropy.units as u
    import pandas as pd
    from astropy.coordinates import angular_separation

    path = tmp_path / "dl1.h5"
    simulate_node(path, EventSample.GAMMA_RING, NODE, 200_000, 1, seed=1)
    events = pd.read_hdf(path, key=dl1_format.PARAMETERS)
    off = angular_separation(
        *(events[name].to_numpy() * u.rad for name in ("mc_az", "mc_alt", "az_tel", "alt_tel"))
    )
    assert np.allclose(off.to_value("deg"), 0.4, atol=0.001)


@pytest.mark.lstchain
def test_disp_points_from_image_to_source(lstchain, tmp_path):
    import pandas as pd

    path = tmp_path / "dl1.h5"
    simulate_node(path, EventSample.GAMMA_DIFFUSE, NODE, 400_000, 1, seed=1)
    events = pd.read_hdf(path, key=dl1_format.PARAMETERS)
    assert np.allclose(events.x + events.disp_dx, events.src_x)
    assert np.allclose(events.y + events.disp_dy, events.src_y)


@pytest.mark.lstchain
def test_files_say_that_they_are_simulated(lstchain, tmp_path):
    import tables

    path = tmp_path / "dl1.h5"
    simulate_node(path, EventSample.GAMMA_RING, NODE, 100_000, 1, seed=1)
    with tables.open_file(path) as file:
        assert file.root._v_attrs["SIMULATED"].startswith("SIMULATED")
        assert file.get_node(dl1_format.PARAMETERS).attrs["SIMULATED"].startswith("SIMULATED")


@pytest.mark.lstchain
def test_the_seed_decides(lstchain, tmp_path):
    import pandas as pd

    def energies(name, seed):
        simulate_node(tmp_path / name, EventSample.GAMMA_RING, NODE, 100_000, 1, seed)
        return pd.read_hdf(tmp_path / name, key=dl1_format.PARAMETERS).mc_energy.to_numpy()

    first = energies("a.h5", 1)
    assert np.array_equal(first, energies("b.h5", 1))
    assert not np.array_equal(first[:50], energies("c.h5", 2)[:50])


def test_nodes_are_named_as_on_la_palma():
    assert NODE.name == "node_theta_23.630_az_259.265_"
