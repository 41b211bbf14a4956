"""Fits of spectral models by gammapy, and the spectra as gammapy data sets."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from astran.highlevel.arrays import Floats
from astran.highlevel.spectral.shapes import Shape, integrate_flux, log_parabola, power_law
from astran.highlevel.spectral.spectra import CountsSpectrum

LOG10 = float(np.log(10))
PER_CM2 = "cm-2 s-1 TeV-1"


@dataclass(frozen=True)
class Model:
    """A fitted model. Parameters at a reference energy of 1 TeV unless told otherwise."""

    name: str
    parameters: dict[str, float]
    errors: dict[str, float]
    covariance: Floats
    """In the order of the parameters."""
    statistic: float
    degrees: int
    reference: float
    """[TeV]."""

    @property
    def shape(self) -> Shape:
        return self._shape(*self.parameters.values())

    def _shape(self, *values: float) -> Shape:
        if self.name == "power-law":
            amplitude, index = values
            return power_law(amplitude, index, self.reference)
        amplitude, alpha, beta = values
        return log_parabola(amplitude, alpha, beta, self.reference)

    def flux(self, low: float, high: float) -> tuple[float, float]:
        """Integral flux and its error [cm-2 s-1], by linear propagation."""
        return self._propagated(lambda shape: integrate_flux(shape, low, high))

    def error_band(self, energy: Floats) -> Floats:
        """One-sigma error of the differential flux, by linear propagation."""
        values = np.array(list(self.parameters.values()))
        steps = 1e-3 * np.array(list(self.errors.values()))
        slopes = np.array(
            [
                (self._shape(*(values + d))(energy) - self._shape(*(values - d))(energy))
                / (2 * d.sum())
                for d in np.diag(np.where(steps > 0, steps, 1e-30))
            ]
        )
        variance = np.einsum("ie,ij,je->e", slopes, self.covariance, slopes)
        return np.sqrt(np.clip(variance, 0, None))

    def pivot(self, low: float, high: float) -> float:
        """Energy at which the flux is known best [TeV]."""
        energy = np.geomspace(low, high, 200)
        return float(energy[int(np.argmin(self.error_band(energy) / self.shape(energy)))])

    def _propagated(self, function: Any) -> tuple[float, float]:
        values = np.array(list(self.parameters.values()))
        steps = 1e-3 * np.array(list(self.errors.values()))
        slopes = np.array(
            [
                (function(self._shape(*(values + d))) - function(self._shape(*(values - d))))
                / (2 * d.sum())
                for d in np.diag(np.where(steps > 0, steps, 1e-30))
            ]
        )
        return float(function(self.shape)), float(
            np.sqrt(max(slopes @ self.covariance @ slopes, 0))
        )


def make_dataset(spectrum: CountsSpectrum, name: str, livetime_s: float) -> Any:
    """A spectrum as gammapy's SpectrumDatasetOnOff."""
    from astropy import units as u
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.irf import EDispKernel, EDispKernelMap
    from gammapy.maps import MapAxis, RegionGeom, RegionNDMap

    axis = MapAxis.from_energy_edges(spectrum.edges, unit="TeV", name="energy")
    true_axis = MapAxis.from_energy_edges(spectrum.true_edges, unit="TeV", name="energy_true")
    geom = RegionGeom(None, axes=[axis])
    true_geom = RegionGeom(None, axes=[true_axis])

    def by_energy(values: Floats) -> Any:
        return RegionNDMap.from_geom(geom, data=np.asarray(values).reshape(-1, 1, 1))

    alpha = spectrum.alpha
    mask = spectrum.used & (alpha > 0)
    exposure = RegionNDMap.from_geom(
        true_geom, data=(spectrum.exposure * 1e-4).reshape(-1, 1, 1), unit="m2 s"
    )
    exposure.meta = {"livetime": livetime_s * u.s}
    with np.errstate(divide="ignore", invalid="ignore"):
        kernel = np.where(
            spectrum.exposure[:, None] > 0, spectrum.matrix / spectrum.exposure[:, None], 0.0
        )
    edisp = EDispKernel(axes=[true_axis, axis], data=kernel)
    return SpectrumDatasetOnOff(
        counts=by_energy(spectrum.n_on * mask),
        counts_off=by_energy(spectrum.n_off * mask),
        acceptance=by_energy(np.ones(alpha.size)),
        acceptance_off=by_energy(np.where(mask, 1 / np.where(mask, alpha, 1.0), 1.0)),
        exposure=exposure,
        edisp=EDispKernelMap.from_edisp_kernel(edisp),
        mask_safe=by_energy(mask),
        name=name,
    )


def fit_model(datasets: Sequence[Any], kind: str) -> Model | None:
    """Fit one model to data sets together; none where the fit does not converge.

    Parameters
    ----------
    kind : `power-law` or `log-parabola`
    """
    from gammapy.datasets import Datasets
    from gammapy.modeling import Fit
    from gammapy.modeling.models import (
        LogParabolaSpectralModel,
        PowerLawSpectralModel,
        SkyModel,
    )

    unit = f"3e-11 {PER_CM2}"
    if kind == "power-law":
        model = PowerLawSpectralModel(index=2.5, amplitude=unit, reference="1 TeV")
        names: tuple[str, ...] = ("amplitude", "index")
    else:
        model = LogParabolaSpectralModel(alpha=2.5, beta=0.1, amplitude=unit, reference="1 TeV")
        names = ("amplitude", "alpha", "beta")
    together = Datasets(datasets)
    together.models = [SkyModel(spectral_model=model, name=kind)]
    logging.getLogger("gammapy").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = Fit().run(together)
    except (ValueError, RuntimeError, np.linalg.LinAlgError):
        return None
    found = [getattr(model, name) for name in names]
    covariance = model.covariance.get_subcovariance(found).data
    values = {
        name: float(getattr(model, name).quantity.to_value(PER_CM2 if name == "amplitude" else ""))
        for name in names
    }
    errors = dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
    if not result.success or not np.isfinite([*values.values(), *errors.values()]).all():
        return None
    if min(errors.values()) <= 0 or values["amplitude"] <= 0:
        return None
    bins = sum(int(np.asarray(d.mask_safe.data).sum()) for d in datasets)
    return Model(
        name=kind,
        parameters=values,
        errors=errors,
        covariance=np.array(covariance, float),
        statistic=float(together.stat_sum()),
        degrees=bins - len(names),
        reference=1.0,
    )
