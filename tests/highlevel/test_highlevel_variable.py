"""A source whose flux changes: fits of the runs together, and its light curve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.options import Options, Threshold
from astran.highlevel.spectral.result_parts import light_curve_part, spectrum_part
from astran.highlevel.spectral.spectrum import Spectral

PKS = (329.71693826, -30.225589)
Data = Callable[[str], Path]


def flare(folder: Path, threshold: Threshold = Threshold.LOWEST, **settings: float) -> Spectral:
    found = measure_folder(
        Options(
            dl3=(folder,),
            output=Path("unused"),
            name="PKS 2155-304",
            position=PKS,
            settings=HighlevelSettings.model_validate(
                {"map_bin": 0.1, "map_width": 2.0, **settings}
            ),
            theta_cut=0.11,
            threshold=threshold,
        )
    )
    assert isinstance(found.spectral, Spectral)
    return found.spectral


def test_a_flare_is_fitted_to_its_runs_together(public_data: Data) -> None:
    """gammapy's joint fit of 15 runs: stacked, thresholds that differ would bend the spectrum."""
    found = flare(public_data("hess-dl3-dr1"), energy_min=0.3)
    curved = next(m for m in found.models if m.name == "log-parabola")
    reference = [(8.65547e-11, 1.58805e-12), (3.763519, 0.0364808), (0.3620121, 0.0357334)]
    for value, (expected, error) in zip(curved.parameters.values(), reference, strict=True):
        assert value == pytest.approx(expected, abs=0.3 * error)
    numbers = spectrum_part(found).numbers
    assert numbers is not None and numbers.fitted_to == "runs"
    assert found.best is curved
    assert any("flux changes from run to run" in text for text in found.warnings)


def test_light_curve_of_a_flare(public_data: Data) -> None:
    """gammapy's fluxes between 0.737 and 20.6 TeV, for a power law of index 3.34, scaled to the
    edges that were used here."""
    found = flare(public_data("hess-dl3-dr1"), energy_min=0.7, energy_max=20.0)
    curve = light_curve_part(found)
    assert curve is not None
    low, high = curve.energy_min_tev, curve.energy_max_tev
    assert (low, high) == pytest.approx((0.7079, 19.95), rel=1e-3)
    scale = (low**-2.34 - high**-2.34) / (0.736806**-2.34 - 20.55617**-2.34)
    reference = [8.5341, 14.6507, 18.1771, 13.3900, 9.5952, 8.2942, 3.5552, 5.1834, 3.5678]
    points = curve.runs[: len(reference)]
    ratio = np.array([point.flux for point in points]) * 1e11 / scale / reference
    errors = np.array([point.flux_error / point.flux for point in points])
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.08)  # other model, other edges
    assert np.abs(ratio / np.mean(ratio) - 1).max() < 0.1
    assert np.mean(np.abs(ratio / np.mean(ratio) - 1) / errors) < 1.0
