"""The models that may be fitted to a spectrum, on counts that are exactly as a formula says.

Formulas: power law with exponential cut-off as H.E.S.S. writes it (A&A 457, 899, 2006), the EBL as
exp(-tau) by the tables of `ebltable`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from astran.config.analysis import EblModel, SpectralModel
from astran.highlevel.maps.known_sources import load_catalogue
from astran.highlevel.spectral.absorption import Absorption, NoAbsorption, find_absorption
from astran.highlevel.spectral.fit import FREE, Model, SpectralChoice, fit_model, make_dataset
from astran.highlevel.spectral.spectra import CountsSpectrum

EDGES = np.geomspace(0.1, 20, 31)
EXPOSURE_CM2_S = 4e14
MRK501 = (253.4676, 39.7602)


def counts_of(flux: Callable[[float], float]) -> CountsSpectrum:
    """An instrument that measures energies exactly, for which each count is as expected."""
    signal = np.array([quad(flux, low, high)[0] for low, high in pairwise(EDGES)])
    n_off = np.full(signal.size, 300.0)
    return CountsSpectrum(
        edges=EDGES,
        true_edges=EDGES,
        n_on=signal * EXPOSURE_CM2_S + n_off / 3,
        n_off=n_off,
        background=n_off / 3,
        off_exposure=np.full(signal.size, 3 * 3600.0),
        livetime=np.full(signal.size, 3600.0),
        exposure=np.full(signal.size, EXPOSURE_CM2_S),
        matrix=np.diag(np.full(signal.size, EXPOSURE_CM2_S)),
        used=np.ones(signal.size, bool),
    )


def fit(spectrum: CountsSpectrum, kind: SpectralModel, choice: SpectralChoice = FREE) -> Model:
    found = fit_model([make_dataset(spectrum, "night", 3600.0)], kind, choice)
    assert found is not None
    return found


def within_errors(model: Model, **truth: float) -> None:
    """Counts without noise give the truth to a small part of the error."""
    for name, value in truth.items():
        assert model.parameters[name] == pytest.approx(value, abs=0.1 * model.errors[name]), name


def test_a_cut_off_is_found_with_its_energy() -> None:
    spectrum = counts_of(lambda e: 3.76e-11 * e**-2.39 * np.exp(-e / 14.3))
    kind = SpectralModel.EXPONENTIAL_CUTOFF
    within_errors(
        found := fit(spectrum, kind, SpectralChoice(kind)),
        amplitude=3.76e-11,
        index=2.39,
        inverse_cutoff=1 / 14.3,
    )
    flux, _ = found.flux(1.0, 10.0)
    truth = quad(lambda e: 3.76e-11 * e**-2.39 * np.exp(-e / 14.3), 1.0, 10.0)[0]
    assert flux == pytest.approx(truth, rel=5e-3)


def test_without_a_cut_off_none_is_invented() -> None:
    spectrum = counts_of(lambda e: 3e-11 * e**-2.6)
    found = fit(spectrum, SpectralModel.EXPONENTIAL_CUTOFF)
    within_errors(found, inverse_cutoff=0.0)


@pytest.mark.parametrize("kind", [SpectralModel.POWER_LAW, SpectralModel.EXPONENTIAL_CUTOFF])
def test_an_index_that_is_held_is_no_free_parameter(kind: SpectralModel) -> None:
    spectrum = counts_of(lambda e: 3e-11 * e**-2.6)
    free, held = fit(spectrum, kind), fit(spectrum, kind, SpectralChoice(kind, index=2.6))
    assert held.fixed == {"index": 2.6}
    assert "index" not in held.parameters and "index" not in held.errors
    assert held.degrees == free.degrees + 1
    assert held.covariance.shape == (len(held.parameters),) * 2
    assert held.errors["amplitude"] < free.errors["amplitude"]
    within_errors(held, amplitude=3e-11)


def test_alpha_of_a_log_parabola_is_held() -> None:
    spectrum = counts_of(lambda e: 3e-11 * e ** (-2.4 - 0.1 * np.log(e)))
    choice = SpectralChoice(SpectralModel.LOG_PARABOLA, index=2.4)
    found = fit(spectrum, SpectralModel.LOG_PARABOLA, choice)
    assert found.fixed == {"alpha": 2.4}
    within_errors(found, amplitude=3e-11, beta=0.1)


@pytest.mark.parametrize("model", [kind for kind in EblModel if kind is not EblModel.NONE])
def test_the_spectrum_of_the_source_is_found_behind_the_ebl(model: EblModel) -> None:
    tables = pytest.importorskip("ebltable.tau_from_model")
    names = {
        EblModel.DOMINGUEZ_2011: "dominguez",
        EblModel.FRANCESCHINI_2008: "franceschini",
        EblModel.GILMORE_2012: "gilmore",
        EblModel.SALDANA_LOPEZ_2021: "saldana-lopez",
    }
    depth = tables.OptDepth.readmodel(model=names[model])

    def at_earth(energy_tev: float) -> float:
        tau = float(np.ravel(depth.opt_depth(0.116, np.array([energy_tev])))[0])
        return float(8e-11 * energy_tev**-2.0 * np.exp(-tau))

    spectrum = counts_of(at_earth)
    choice = SpectralChoice(SpectralModel.POWER_LAW, absorption=Absorption(model, 0.116))
    found = fit(spectrum, SpectralModel.POWER_LAW, choice)
    # of bins in energy, the model is an interpolation within
    within_errors(found, index=2.0)
    assert found.parameters["amplitude"] == pytest.approx(8e-11, rel=0.02)
    assert found.flux(0.2, 5.0)[0] == pytest.approx(quad(at_earth, 0.2, 5.0)[0], rel=0.02)
    observed = fit(spectrum, SpectralModel.POWER_LAW)
    assert observed.parameters["index"] > 2.3
    assert observed.statistic > found.statistic


def test_the_share_that_arrives_is_one_nearby_and_falls_with_energy() -> None:
    pytest.importorskip("ebltable")
    energy = np.array([10.0, 0.1, 1.0])
    near = Absorption(EblModel.DOMINGUEZ_2011, 0.001).transmission(energy)
    far = Absorption(EblModel.DOMINGUEZ_2011, 0.5).transmission(energy)
    assert near[1] == pytest.approx(1, abs=1e-3)
    assert far[1] > far[2] > far[0] >= 0
    assert (near >= far).all()


def test_the_redshift_comes_from_the_catalogue_unless_it_is_given() -> None:
    pytest.importorskip("ebltable")
    model = EblModel.DOMINGUEZ_2011
    assert find_absorption(EblModel.NONE, None, MRK501) is None
    assert find_absorption(model, None, MRK501) == Absorption(model, 0.034)
    assert find_absorption(model, 0.2, MRK501) == Absorption(model, 0.2)
    with pytest.raises(NoAbsorption, match="redshift"):
        find_absorption(model, None, (83.6333, 22.0144))


def test_redshifts_of_the_catalogue_are_possible() -> None:
    known = [source for source in load_catalogue() if source.redshift is not None]
    assert len(known) > 50
    assert all(0.001 < source.redshift < 1.5 for source in known if source.redshift)


def test_which_models_are_fitted() -> None:
    power_law = SpectralModel.POWER_LAW
    assert SpectralChoice().kinds == (power_law, SpectralModel.LOG_PARABOLA)
    assert SpectralChoice(power_law).kinds == (power_law,)
    cut_off = SpectralModel.EXPONENTIAL_CUTOFF
    assert SpectralChoice(cut_off).kinds == (power_law, cut_off)
