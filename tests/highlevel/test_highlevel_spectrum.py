"""Spectra and light curves of public data against published fits and gammapy; simulated counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import poisson
from synthetic_dl3 import write_night

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.failures import Failures
from astran.highlevel.geometry import rotated, separation, vector
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Options, Threshold
from astran.highlevel.output.warnings import describe_crab
from astran.highlevel.spectral import result_parts
from astran.highlevel.spectral.fit import Model, make_dataset
from astran.highlevel.spectral.integral_flux import choose_threshold, integral_flux
from astran.highlevel.spectral.limits import expected_limit, upper_limit
from astran.highlevel.spectral.norm import Norm, fit_norm, measure_norm
from astran.highlevel.spectral.reflected import reflected_positions
from astran.highlevel.spectral.result_parts import light_curve_part, spectrum_part, write_files
from astran.highlevel.spectral.shapes import CRAB, integrate_flux, log_parabola, power_law
from astran.highlevel.spectral.spectra import energy_edges, find_threshold
from astran.highlevel.spectral.spectrum import NoSpectrum, Spectral
from astran.highlevel.spectral.wstat import wstat

CRAB_PLACE, PAPER_PLACE = (83.63333, 22.01444), (83.633083, 22.0145)
PKS = (329.71693826, -30.225589)
Data = Callable[[str], Path]


def find(
    folder: Path,
    position: tuple[float, float],
    theta: float | None,
    threshold: Threshold = Threshold.FILES,
    **settings: float,
) -> FolderMeasurement:
    return measure_folder(
        Options(
            dl3=(folder,),
            output=Path("unused"),
            name="Source",
            position=position,
            settings=HighlevelSettings.model_validate(
                {"map_bin": 0.1, "map_width": 2.0, **settings}
            ),
            theta_cut=theta,
            threshold=threshold,
        )
    )


def spectral(found: FolderMeasurement) -> Spectral:
    assert isinstance(found.spectral, Spectral), found.spectral
    return found.spectral


def model(found: FolderMeasurement, name: str) -> dict[str, tuple[float, float]]:
    chosen = next(m for m in spectral(found).models if m.name == name)
    return {key: (value, chosen.errors[key]) for key, value in chosen.parameters.items()}


@pytest.mark.parametrize(
    ("name", "theta", "energies", "ours", "published"),
    [
        # amplitude [1e-11], alpha, beta (natural logarithm): gammapy, and A&A 625, A10
        (
            "magic",
            0.1414213,
            (0.08, 30.0),
            [(4.1199, 0.3012), (2.6424, 0.1036), (0.21417, 0.0520)],
            [(4.1455, 0.2971), (2.6004, 0.0950), (0.19217, 0.0485)],
        ),
        (
            "veritas",
            0.1,
            (0.15, 30.0),
            [(3.7955, 0.3633), (2.4408, 0.0949), (0.11753, 0.0734)],
            [(3.7601, 0.3626), (2.4410, 0.0949), (0.11233, 0.0732)],
        ),
        (
            "fact",
            0.1732,
            (0.4, 30.0),
            [(3.5022, 0.3027), (2.5451, 0.2212), (0.1794, 0.1331)],
            [(3.4914, 0.3045), (2.5416, 0.2247), (0.18454, 0.1358)],
        ),
        (
            "hess",
            0.11,
            (0.66, 30.0),
            [(4.4527, 0.2872), (2.3837, 0.1846), (0.17043, 0.0990)],
            [(4.4744, 0.2870), (2.3929, 0.1828), (0.16153, 0.0973)],
        ),
    ],
)
def test_the_crab_of_four_telescopes(
    public_data: Data,
    name: str,
    theta: float,
    energies: tuple[float, float],
    ours: list[tuple[float, float]],
    published: list[tuple[float, float]],
) -> None:
    low, high = energies
    found = find(
        public_data(f"joint-crab/{name}"), PAPER_PLACE, theta, energy_min=low, energy_max=high
    )
    values = model(found, "log-parabola")
    values["amplitude"] = (values["amplitude"][0] * 1e11, values["amplitude"][1] * 1e11)
    for (value, error), (expected, sigma), (paper, paper_sigma) in zip(
        values.values(), ours, published, strict=True
    ):
        assert value == pytest.approx(expected, abs=0.3 * sigma)
        assert value == pytest.approx(paper, abs=paper_sigma)
        assert error == pytest.approx(sigma, rel=0.12)
    used = spectral(found)
    assert low <= used.energy_min < low * 1.4
    assert high / 1.13 < used.energy_max <= high


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        (3, [(4.3443, 0.3465), (2.5914, 0.1091), (0.20116, 0.0658)]),
        (1, [(4.3462, 0.3581), (2.6658, 0.1254), (0.24418, 0.0746)]),
    ],
)
def test_point_like_irfs_with_an_energy_dependent_cut(
    public_data: Data, regions: int, expected: list[tuple[float, float]]
) -> None:
    found = find(public_data("magic/rad_max"), CRAB_PLACE, None, off_regions=regions)
    values = list(model(found, "log-parabola").values())
    values[0] = (values[0][0] * 1e11, values[0][1] * 1e11)
    for (value, _), (paper, sigma) in zip(values, expected, strict=True):
        assert value == pytest.approx(paper, abs=0.3 * sigma)


def test_the_crab_of_hess_is_a_power_law(public_data: Data) -> None:
    """gammapy with a threshold by the effective area; also A&A 632, A72."""
    found = find(public_data("hess-dl3-dr1"), CRAB_PLACE, 0.11, Threshold.AREA)
    values = model(found, "power-law")
    assert values["index"][0] == pytest.approx(2.6622, abs=0.3 * 0.0763)
    at = spectral(found).models[0].shape(np.array([1.45]))[0]
    assert at == pytest.approx(1.6074e-11, abs=0.3 * 8.6e-13)
    assert at == pytest.approx(1.6292e-11, abs=8.8e-13)


def test_an_extended_source_has_the_published_index(public_data: Data) -> None:
    found = find(public_data("hess-dl3-dr1"), (228.529, -59.1575), 0.3, Threshold.AREA)
    assert model(found, "power-law")["index"][0] == pytest.approx(2.3463, abs=0.06)


def test_light_curve(public_data: Data) -> None:
    """gammapy's light curve of four runs between 1 and 10 TeV."""
    found = find(
        public_data("hess-dl3-dr1"),
        CRAB_PLACE,
        0.11,
        Threshold.AREA,
        energy_min=1.0,
        energy_max=10.0,
    )
    curve = light_curve_part(spectral(found))
    assert curve is not None
    assert (curve.energy_min_tev, curve.energy_max_tev) == pytest.approx((1.0, 10.0))
    reference = [(2.6178, 0.2822), (2.2604, 0.2595), (2.9127, 0.3632), (3.2359, 0.3844)]
    for point, (flux, error) in zip(curve.runs, reference, strict=True):
        assert point.flux * 1e11 == pytest.approx(flux, abs=0.3 * error)
        assert point.flux_error * 1e11 == pytest.approx(error, rel=0.1)
    assert [point.label for point in curve.nights] == ["20041204", "20041206", "20041208"]
    assert curve.runs_constant.mean == pytest.approx(2.6444e-11, abs=0.3 * 1.55e-12)
    assert curve.runs_constant.chi2 == pytest.approx(5.1, abs=1.0)
    assert curve.runs_constant.ndf == 3


def test_light_curve_with_an_energy_dependent_cut(public_data: Data) -> None:
    """gammapy's fluxes of two runs between 0.299 and 16.7 TeV, for its log-parabola; here the
    edges are 0.316 and 15.8 TeV."""
    found = find(
        public_data("magic/rad_max"),
        CRAB_PLACE,
        None,
        off_regions=3,
        energy_min=0.299,
        energy_max=16.72,
    )
    curve = light_curve_part(spectral(found))
    assert curve is not None
    shape = log_parabola(4.344683e-11, 2.591068, 0.2010799)
    edges = curve.energy_min_tev, curve.energy_max_tev
    scale = integrate_flux(shape, *edges) / integrate_flux(shape, 0.299008, 16.72196)
    for point, (flux, error) in zip(curve.runs, [(17.383, 1.48), (15.459, 1.42)], strict=True):
        assert point.flux * 1e11 / scale == pytest.approx(flux, abs=0.5 * error)
        assert point.flux_error * 1e11 / scale == pytest.approx(error, rel=0.15)


def test_nights(public_data: Data) -> None:
    """Three nights of FACT between 1 and 20 TeV."""
    found = find(
        public_data("joint-crab/fact"), CRAB_PLACE, 0.1732, energy_min=1.0, energy_max=20.0
    )
    curve = light_curve_part(spectral(found))
    assert curve is not None
    reference = [(2.4798, 0.2925), (2.1093, 0.2769), (2.1964, 0.2870)]
    for point, (flux, error) in zip(curve.nights, reference, strict=True):
        # the reference's bins begin at 0.92 TeV
        assert point.flux * 1e11 * 0.92**-1.8 == pytest.approx(flux, abs=0.5 * error)


def test_a_flare_gets_finer_bins(public_data: Data) -> None:
    found = spectral(find(public_data("hess-dl3-dr1"), PKS, 0.11))
    assert len(found.fine) > 100
    assert len(found.runs) == 15
    assert sum(point.n_on for point in found.fine) == sum(point.n_on for point in found.runs)
    assert max(p.norm.value for p in found.runs) > 5 * min(p.norm.value for p in found.runs)


def test_flux_points_are_those_of_gammapy(public_data: Data) -> None:
    from astropy import units as u
    from gammapy.estimators import FluxPointsEstimator
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

    found = spectral(
        find(public_data("joint-crab/hess"), CRAB_PLACE, 0.11, energy_min=1.0, energy_max=10.0)
    )
    best = next(m for m in found.models if m.name == "power-law")
    assert found.best is best
    data = make_dataset(found.stacked, "all", 1.0)
    spectrum = PowerLawSpectralModel(
        index=best.parameters["index"],
        amplitude=best.parameters["amplitude"] * u.Unit("cm-2 s-1 TeV-1"),
    )
    data.models = [SkyModel(spectral_model=spectrum, name="crab")]
    edges = [point.energy_min for point in found.points] + [found.points[-1].energy_max]
    estimator = FluxPointsEstimator(
        energy_edges=edges * u.TeV,
        source="crab",
        n_sigma_ul=1.645,
        selection_optional=["errn-errp", "ul"],
    )
    table = estimator.run([data]).to_table(sed_type="dnde")
    for row, point in zip(table, found.points, strict=True):
        flux = point.norm.value * point.reference_flux
        assert flux == pytest.approx(row["dnde"], rel=0.03)
        error = point.norm.error * point.reference_flux
        assert error == pytest.approx(row["dnde_err"], rel=0.1)
        limit = point.norm.limit * point.reference_flux
        assert limit == pytest.approx(row["dnde_ul"], rel=0.1)
        assert point.norm.sqrt_ts == pytest.approx(row["sqrt_ts"], rel=0.02, abs=0.05)


def test_the_ogip_files_can_be_fitted_again(public_data: Data, tmp_path: Path) -> None:
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.modeling import Fit
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

    found = spectral(find(public_data("magic/rad_max"), CRAB_PLACE, None))
    failures = Failures()
    names = write_files(found, tmp_path, failures)
    assert failures.found == ()
    assert names.ogip == ("spectra/pha_20131003.fits",)
    data = SpectrumDatasetOnOff.read(tmp_path / names.ogip[0])
    spectrum = PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1", index=2.3)
    data.models = [SkyModel(spectral_model=spectrum)]
    Fit().run([data])
    straight = next(m for m in found.models if m.name == "power-law")
    assert spectrum.index.value == pytest.approx(straight.parameters["index"], abs=0.01)
    assert spectrum.amplitude.value == pytest.approx(straight.parameters["amplitude"], rel=0.01)


def test_irfs_for_another_cut_give_no_spectrum(public_data: Data) -> None:
    found = find(public_data("magic/rad_max"), CRAB_PLACE, 0.1414)
    assert isinstance(found.spectral, NoSpectrum)
    assert "energy-dependent theta cut" in found.spectral.reason
    assert spectrum_part(found.spectral).model is None
    other = find(public_data("joint-crab/magic"), CRAB_PLACE, 0.2)
    assert isinstance(other.spectral, NoSpectrum)
    assert "theta cut of 0.141 deg, not 0.2 deg" in other.spectral.reason


def test_files_without_energy_dispersion_still_give_counts(tmp_path: Path) -> None:
    write_night(tmp_path)
    found = find(tmp_path, CRAB_PLACE, None)
    assert found.stacked.significance > 10
    assert isinstance(found.spectral, NoSpectrum)
    assert "no energy dispersion" in found.spectral.reason


def test_no_signal_gets_a_limit(public_data: Data) -> None:
    found = spectral(find(public_data("hess-dl3-dr1"), (187.27915345, 2.05238857), 0.11))
    assert found.best is None
    part = spectrum_part(found)
    assert part.model is None and part.numbers is not None
    assert part.numbers.flux.is_limit
    assert (
        0
        < (part.numbers.flux.upper_limit or 0)
        < 0.2 * integrate_flux(CRAB.shape, found.energy_min, found.energy_max)
    )
    assert "too weak" in str(part.reason)


def test_energy_edges() -> None:
    edges = energy_edges(0.08, 30.0)
    assert edges[0] == pytest.approx(10**-1.05)
    assert edges[-1] == pytest.approx(10**1.45)
    assert np.diff(np.log10(edges)) == pytest.approx(0.05)
    exact = energy_edges(1.0, 10.0)
    assert (exact[0], exact[-1]) == pytest.approx((1.0, 10.0))
    narrow = energy_edges(1.03, 1.2)
    assert (narrow[0], narrow[-1]) == pytest.approx((1.03, 1.2))


def test_reflected_regions_do_not_touch() -> None:
    target, pointing = vector(83.6, 22.0), vector(83.6, 22.5)
    places = reflected_positions(target, pointing, 0.11)
    assert len(places) == 12
    for k, place in enumerate(places):
        assert separation(place, pointing) == pytest.approx(0.5)
        assert separation(place, target) > 0.22
        for other in places[k + 1 :]:
            assert separation(place, other) > 0.2199
    assert reflected_positions(target, rotated(target, pointing, 10.0), 0.2) == []


def test_integrals() -> None:
    assert integrate_flux(power_law(2e-11, 2.5), 1.0, 10.0) == pytest.approx(
        2e-11 / 1.5 * (1 - 10**-1.5), rel=1e-9
    )
    assert integrate_flux(power_law(1.0, 1.0), 1.0, 10.0) == pytest.approx(np.log(10))
    energy = np.geomspace(1, 10, 20001)
    shape = log_parabola(3e-11, 2.4, 0.3)
    values = shape(energy)
    assert integrate_flux(shape, 1.0, 10.0) == pytest.approx(
        float(((values[1:] + values[:-1]) / 2 * np.diff(energy)).sum()), rel=1e-3
    )


def test_wstat_is_that_of_gammapy() -> None:
    from gammapy.stats import wstat as theirs

    rng = np.random.default_rng(3)
    n_on, n_off = rng.poisson(5, 60).astype(float), rng.poisson(3, 60).astype(float)
    alpha, signal = rng.uniform(0.1, 1, 60), rng.uniform(0.01, 8, 60)
    expected = float(theirs(n_on, n_off, alpha, signal).sum())
    assert wstat(n_on, n_off, alpha, signal) == pytest.approx(expected, rel=1e-9)


def test_norms_are_unbiased_and_limits_cover() -> None:
    """Simulated counts with a known signal: pulls, and how often the limit holds."""
    rng = np.random.default_rng(11)
    expected, alpha, off = np.array([30.0, 15.0, 5.0]), np.full(3, 0.2), np.array([60, 30, 10])
    pulls, held = [], 0
    for _ in range(300):
        n_on = rng.poisson(expected + alpha * off).astype(float)
        norm = fit_norm(n_on, rng.poisson(off).astype(float), alpha, expected)
        assert norm is not None
        pulls.append((norm.value - 1) / norm.error)
        held += norm.limit > 1
    assert abs(np.mean(pulls)) < 0.2
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)
    assert held / 300 > 0.94 - 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize("n_on", [0, 1, 3, 8])
def test_the_limit_of_a_known_background_is_cls(n_on: int) -> None:
    """A background b known from very many counts: P(<= n | s + b) / P(<= n | b) is 5 % at the
    limit s (Read 2002, J. Phys. G 28, 2693); with no counts s is 3.0, whatever b."""
    background, total = 4.0, 7.0
    norm = fit_norm(
        np.array([float(n_on)]), np.array([background * 1e6]), np.array([1e-6]), np.array([total])
    )
    assert norm is not None and norm.limit is not None
    signal = norm.limit * total
    ratio = poisson.cdf(n_on, signal + background) / poisson.cdf(n_on, background)
    assert ratio == pytest.approx(0.05, rel=0.01)
    assert signal == pytest.approx(3.0, rel=0.01) if n_on == 0 else signal > 3.0


@pytest.mark.parametrize(
    ("background", "signal", "alpha"),
    [(0.3, 2.0, 0.2), (2.0, 6.0, 0.2), (5.0, 3.0, 0.33), (30.0, 0.5, 0.2), (30.0, 25.0, 0.2)],
)
def test_limits_of_few_counts_cover(background: float, signal: float, alpha: float) -> None:
    rng = np.random.default_rng(8)
    held, number = 0, 250
    for _ in range(number):
        limit = upper_limit(
            np.array([float(rng.poisson(background + signal))]),
            np.array([float(rng.poisson(background / alpha))]),
            np.array([alpha]),
            np.ones(1),
            (0.0, 0.0),
            0.95,
        )
        assert limit is not None and limit > 0
        held += limit > signal
    assert held / number > 0.94 - 3 * np.sqrt(0.05 * 0.95 / number)


@pytest.mark.parametrize("signal", [0.0, 1.0, 4.0, 30.0])
def test_the_norm_of_few_counts_has_no_bias(signal: float) -> None:
    """Runs with few counts, down to none: the pulls have mean 0 and width 1."""
    rng = np.random.default_rng(21)
    background, alpha = np.array([3.0, 0.8, 0.4]), np.full(3, 0.2)
    expected = np.array([0.3, 0.4, 0.3]) * max(signal, 1.0)
    truth = 1.0 if signal else 0.0
    pulls = []
    for _ in range(300):
        n_on = rng.poisson(background + truth * expected).astype(float)
        n_off = rng.poisson(background / alpha).astype(float)
        found = measure_norm(n_on, n_off, alpha, expected, background, truth)
        assert found is not None
        pulls.append((found[0].value - truth) / found[0].error)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.18)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.14)


def test_no_counts_at_all_are_a_flux_of_zero_with_a_limit() -> None:
    nothing = np.zeros(2)
    found = measure_norm(nothing, nothing, np.full(2, 0.2), np.array([2.0, 1.0]), nothing, 0.0)
    assert found is not None
    assert found[0].value == 0 and found[0].error > 0
    assert found[0].limit is not None and 0.5 < found[0].limit < 1.5


def test_the_expected_limit_is_the_median_one() -> None:
    rng = np.random.default_rng(4)
    off, alpha = np.array([60.0]), np.array([0.2])
    limits = [
        upper_limit(np.array([float(rng.poisson(12))]), off, alpha, np.ones(1), (0.0, 0.0), 0.95)
        for _ in range(201)
    ]
    usual = expected_limit(off, alpha, np.ones(1), 0.95)
    assert usual == pytest.approx(float(np.median(np.array(limits, float))), rel=0.12)


@pytest.mark.parametrize(
    ("low", "chosen", "threshold"),
    [
        (0.0794, False, 0.08),
        (0.0804, False, 0.08),
        (0.11, False, 0.125),
        (0.6, False, 0.63),
        (0.6, True, 0.6),
        (30.0, False, 30.0),
    ],
)
def test_the_threshold_of_the_flux_is_a_round_number(
    low: float, chosen: bool, threshold: float
) -> None:
    assert choose_threshold(low, 40.0, chosen=chosen) == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("stated", "events_from", "threshold", "word"),
    [
        (0.08, 0.06, 0.08, "LO_THRES"),
        (0.01, 0.06, 0.15, "lies below the data"),
        (None, 0.06, 0.15, "effective area"),
        (0.3, 0.06, 0.15, "effective area"),
        (0.08, 0.5, 0.5, "events begin"),
    ],
)
def test_thresholds_follow_area_and_events(
    stated: float | None, events_from: float, threshold: float, word: str
) -> None:
    rng = np.random.default_rng(2)
    energy = events_from * 1.01 * (1 - rng.random(4000)) ** (-1 / 1.7)
    area: Any = SimpleNamespace(stated=stated, area_begins=0.15, area_supports=0.06)
    found = find_threshold(energy, area, False, Threshold.LOWEST)
    assert found.energy_tev == pytest.approx(threshold, rel=0.05)
    assert word in found.origin


def test_no_limit_is_at_or_below_zero() -> None:
    """Whatever the counts: deep deficits, no ON or no OFF events, several bins."""
    rng = np.random.default_rng(5)
    for _ in range(400):
        size = int(rng.integers(1, 6))
        alpha = np.full(size, 1 / rng.integers(1, 20))
        off = rng.poisson(10 ** rng.uniform(-1, 3), size).astype(float)
        n_on = rng.poisson(alpha * off * rng.uniform(0, 1.2)).astype(float)
        norm = fit_norm(n_on, off, alpha, 10 ** rng.uniform(-3, 4, size))
        if norm is None:
            assert not (n_on.sum() + off.sum())
            continue
        assert norm.limit is not None and norm.limit > max(norm.value, 0.0)
        assert min(norm.error, norm.error_low, norm.error_high) >= 0


def test_a_limit_that_cannot_be_computed_is_absent_with_its_reason() -> None:
    norm = Norm(1.0, 0.5, 0.5, 0.5, None, 2.0)
    part = result_parts._limit(norm, upper_limit=2.0)
    assert part["upper_limit"] is None
    assert "do not bound" in part["limit_reason"]


def test_a_norm_of_nothing() -> None:
    nothing: Any = np.zeros(3)
    assert fit_norm(nothing, nothing, np.full(3, 0.2), np.ones(3)) is None
    assert fit_norm(np.ones(3), np.ones(3), np.full(3, 0.2), nothing) is None


def test_crab_units_are_a_ratio_of_fluxes_with_the_error_of_the_shape() -> None:
    """A soft power law, whose integral is known; its error is that of fluxes drawn from the
    covariance of the fit."""
    amplitude, index, low, high = 2.0e-12, 3.6, 0.1, 30.0
    covariance = np.array([[(1e-13) ** 2, 0.6 * 1e-13 * 0.04], [0.6 * 1e-13 * 0.04, 0.04**2]])
    errors = dict(zip(("amplitude", "index"), np.sqrt(np.diag(covariance)), strict=True))
    best = Model(
        "power-law", {"amplitude": amplitude, "index": index}, errors, covariance, 30.0, 30, 1.0
    )
    norm = Norm(1.0, 0.03, 0.03, 0.03, None, 30.0)
    above = integral_flux((low, high), best.shape, best, 0.03, 0.5)
    flux, error = above.measure(norm)
    truth = amplitude * (low ** (1 - index) - high ** (1 - index)) / (index - 1)
    assert flux == pytest.approx(truth, rel=1e-3)
    assert flux / above.of_crab == pytest.approx(
        truth / integrate_flux(CRAB.shape, low, high), rel=1e-3
    )
    drawn = np.random.default_rng(3).multivariate_normal([amplitude, index], covariance, 4000)
    fluxes = [integrate_flux(power_law(*one), low, high) for one in drawn]
    assert error == pytest.approx(float(np.std(fluxes)), rel=0.1)


@pytest.mark.parametrize(("flux", "said"), [(1.4, 0), (0.7, 0), (1.6, 1), (0.6, 1), (1e-4, 1)])
def test_the_crab_outside_of_a_factor_is_a_warning(flux: float, said: int) -> None:
    results: Any = SimpleNamespace(
        target=SimpleNamespace(ra_deg=CRAB_PLACE[0], dec_deg=CRAB_PLACE[1]),
        spectrum=SimpleNamespace(numbers=SimpleNamespace(crab=SimpleNamespace(value=flux))),
    )
    assert len(describe_crab(results)) == said
    results.target.dec_deg += 1.0
    assert describe_crab(results) == []
