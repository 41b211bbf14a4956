"""Fits of published OGIP spectra: five telescopes' Crab, one by one and together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from astran.base.errors import ConfigError, ProductError
from astran.cli.main import main
from astran.highlevel.spectral.refit import OgipSpectra, refit

Data = Callable[[str], Path]
RANGES = {
    "fermi": "0.03:2",
    "magic": "0.08:30",
    "veritas": "0.15:30",
    "fact": "0.4:30",
    "hess": "0.66:30",
}
FITS = {
    # amplitude [cm-2 s-1 TeV-1], alpha, beta, with errors: gammapy with the same files
    "fermi": [(4.04109e-11, 1.00920e-11), (2.371836, 0.239119), (0.0593253, 0.0553766)],
    "magic": [(4.143804e-11, 2.969905e-12), (2.600440, 0.0950337), (0.1921748, 0.0484720)],
    "veritas": [(3.759182e-11, 3.621903e-12), (2.440976, 0.0948619), (0.1123321, 0.0732098)],
    "fact": [(3.490060e-11, 3.043569e-12), (2.541633, 0.2247265), (0.1845375, 0.1358226)],
    "hess": [(4.472915e-11, 2.870400e-12), (2.392903, 0.1827679), (0.1615275, 0.0972864)],
    "joint": [(3.848440e-11, 1.142940e-12), (2.505411, 0.0255134), (0.1025959, 0.0106470)],
}


@pytest.mark.parametrize("name", FITS)
def test_published_spectra(
    public_data: Data, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = public_data("joint-crab/published-spectra")
    names = list(RANGES) if name == "joint" else [name]
    assert main(["refit", *(f"{folder / n}@{RANGES[n]}" for n in names), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    curved = next(m for m in found["models"] if m["name"] == "log-parabola")
    for (value, error), key in zip(FITS[name], ("amplitude", "alpha", "beta"), strict=True):
        assert curved["parameters"][key] == pytest.approx(value, abs=0.02 * error)
        assert curved["errors"][key] == pytest.approx(error, rel=0.01)


def test_the_actual_edges_are_told(public_data: Data, capsys: pytest.CaptureFixture[str]) -> None:
    folder = public_data("joint-crab/published-spectra/hess")
    assert main(["refit", f"{folder}@0.66:30"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("4 spectra, 0.7079 to 28.18 TeV:")
    assert "log-parabola: amplitude 4.47" in said


def test_spectra_that_cannot_be_fitted_are_named(
    public_data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ProductError, match=r"no pha_\*\.fits"):
        refit([OgipSpectra(tmp_path)])
    (tmp_path / "pha_x.fits").write_bytes(b"no spectrum")
    assert main(["refit", str(tmp_path)]) == 1
    assert "pha_x.fits cannot be read" in capsys.readouterr().err
    with pytest.raises(ProductError, match="No energy bin"):
        refit([OgipSpectra(public_data("joint-crab/published-spectra/hess"), 500.0)])


@pytest.mark.parametrize("text", ["a.fits@x:3", "a.fits@3:1"])
def test_a_range_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError):
        OgipSpectra.parse(text)


def test_a_model_that_is_asked_for(public_data: Data, capsys: pytest.CaptureFixture[str]) -> None:
    """H.E.S.S. 2006, A&A 457, 899, table 6: index 2.39 +- 0.03, cut-off 14.3 +- 2.1 TeV of 22.9 h;
    this is one part of these data."""
    folder = public_data("joint-crab/published-spectra/hess")
    words = ["refit", str(folder), "--spectral-model", "exponential-cutoff", "--json"]
    assert main(words) == 0
    fits = {fit["name"]: fit for fit in json.loads(capsys.readouterr().out)["models"]}
    found = fits["exponential-cutoff"]
    assert abs(found["parameters"]["index"] - 2.39) < 3 * found["errors"]["index"]
    inverse, error = (found[key]["inverse_cutoff"] for key in ("parameters", "errors"))
    assert abs(inverse - 1 / 14.3) < 3 * error
    assert found["statistic"] <= fits["power-law"]["statistic"]
    assert main(["refit", str(folder), "--ebl", "dominguez-2011"]) == 2
    assert "--redshift" in capsys.readouterr().err
