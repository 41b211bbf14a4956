"""Fits of spectral models by gammapy, and the spectra as gammapy data sets."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from astran.config.analysis import SpectralModel
from astran.highlevel.arrays import Floats
from astran.highlevel.spectral.absorption import Absorption
from astran.highlevel.spectral.shapes import (
    Shape,
    exponential_cutoff,
    integrate_flux,
    log_parabola,
    power_law,
)
from astran.highlevel.spectral.spectra import CountsSpectrum

CURVED = 9.0
"""The log-parabola is the model of choice where it improves the statistic by so much."""
LOG10 = float(np.log(10))
PER_CM2 = "cm-2 s-1 TeV-1"


INVERSE_CUTOFF = "inverse_cutoff"
"""The cut-off as it is fitted [1/TeV]: without bias, and 0 where there is none."""
_SHAPES: dict[SpectralModel, Callable[..., Shape]] = {
    SpectralModel.POWER_LAW: power_law,
    SpectralModel.LOG_PARABOLA: log_parabola,
    SpectralModel.EXPONENTIAL_CUTOFF: exponential_cutoff,
}
_PARAMETERS = {
    SpectralModel.POWER_LAW: ("amplitude", "index"),
    SpectralModel.LOG_PARABOLA: ("amplitude", "alpha", "beta"),
    SpectralModel.EXPONENTIAL_CUTOFF: ("amplitude", "index", INVERSE_CUTOFF),
}
_GAMMAPY_NAMES = {INVERSE_CUTOFF: "lambda_"}
_UNITS = {"amplitude": PER_CM2, INVERSE_CUTOFF: "TeV-1"}


@dataclass(frozen=True)
class SpectralChoice:
    """What is to be fitted."""

    model: SpectralModel = SpectralModel.AUTO
    index: float | None = None
    """That is held fixed: the index, or alpha of a log-parabola; none: all are free."""
    absorption: Absorption | None = None

    @property
    def kinds(self) -> tuple[SpectralModel, ...]:
        """The models to fit; a power law always, to compare with."""
        if self.model is SpectralModel.AUTO:
            return (SpectralModel.POWER_LAW, SpectralModel.LOG_PARABOLA)
        return tuple(dict.fromkeys((SpectralModel.POWER_LAW, self.model)))


FREE = SpectralChoice()


@dataclass(frozen=True)
class Model:
    """A fitted model. Parameters at a reference energy of 1 TeV; where there is an absorption
    they are those of the source, and the shape is that at Earth."""

    name: str
    parameters: dict[str, float]
    """Those that were free."""
    errors: dict[str, float]
    covariance: Floats
    """In the order of the parameters."""
    statistic: float
    degrees: int
    reference: float
    """[TeV]."""
    fixed: dict[str, float] = field(default_factory=dict)
    """Parameters that were held."""
    absorption: Absorption | None = None

    @property
    def shape(self) -> Shape:
        """At Earth."""
        return self._shape(*self.parameters.values())

    def _shape(self, *values: float) -> Shape:
        kind = SpectralModel(self.name)
        known = self.fixed | dict(zip(self.parameters, values, strict=True))
        source = _SHAPES[kind](*(known[name] for name in _PARAMETERS[kind]), self.reference)
        absorption = self.absorption
        if absorption is None:
            return source
        return lambda energy: source(energy) * absorption.transmission(energy)

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


def fit_model(
    datasets: Sequence[Any], kind: SpectralModel, choice: SpectralChoice = FREE
) -> Model | None:
    """Fit one model to data sets together; none where the fit does not converge.

    Parameters
    ----------
    kind : of the models of `choice`
    choice : what is held fixed, and what absorbs
    """
    from gammapy.datasets import Datasets
    from gammapy.modeling import Fit
    from gammapy.modeling.models import SkyModel

    source = _gammapy_model(kind)
    parameters = {
        name: getattr(source, _GAMMAPY_NAMES.get(name, name)) for name in _PARAMETERS[kind]
    }
    if choice.index is not None:
        held = parameters["alpha" if kind is SpectralModel.LOG_PARABOLA else "index"]
        held.value, held.frozen = choice.index, True
    together = Datasets(datasets)
    whole = source if choice.absorption is None else source * _absorber(choice.absorption, datasets)
    together.models = [SkyModel(spectral_model=whole, name=kind.value)]
    logging.getLogger("gammapy").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = Fit().run(together)
    except (ValueError, RuntimeError, np.linalg.LinAlgError):
        return None
    values = {
        name: float(parameter.quantity.to_value(_UNITS.get(name, "")))
        for name, parameter in parameters.items()
    }
    free = [name for name, parameter in parameters.items() if not parameter.frozen]
    covariance = together.models.covariance.get_subcovariance([parameters[n] for n in free]).data
    errors = dict(zip(free, np.sqrt(np.diag(covariance)).tolist(), strict=True))
    if not result.success or not np.isfinite([*values.values(), *errors.values()]).all():
        return None
    if min(errors.values()) <= 0 or values["amplitude"] <= 0:
        return None
    bins = sum(int(np.asarray(d.mask_safe.data).sum()) for d in datasets)
    return Model(
        name=kind.value,
        parameters={name: values[name] for name in free},
        errors=errors,
        covariance=np.array(covariance, float),
        statistic=float(together.stat_sum()),
        degrees=bins - len(free),
        reference=1.0,
        fixed={name: value for name, value in values.items() if name not in free},
        absorption=choice.absorption,
    )


def _gammapy_model(kind: SpectralModel) -> Any:
    from gammapy.modeling import models

    start = {"amplitude": f"3e-11 {PER_CM2}", "reference": "1 TeV"}
    if kind is SpectralModel.POWER_LAW:
        return models.PowerLawSpectralModel(index=2.5, **start)
    if kind is SpectralModel.LOG_PARABOLA:
        return models.LogParabolaSpectralModel(alpha=2.5, beta=0.1, **start)
    return models.ExpCutoffPowerLawSpectralModel(index=2.2, lambda_="0.05 TeV-1", **start)


def _absorber(absorption: Absorption, datasets: Sequence[Any]) -> Any:
    """exp(-tau) as a model of gammapy, on a grid over the true energies of the data."""
    from astropy import units as u
    from gammapy.modeling.models import TemplateSpectralModel

    edges = [data.exposure.geom.axes["energy_true"].edges.to_value("TeV") for data in datasets]
    low, high = min(each[0] for each in edges), max(each[-1] for each in edges)
    energy, share = absorption.tabulate(low, high)
    return TemplateSpectralModel(
        energy=energy * u.TeV, values=share * u.Unit(""), interp_kwargs={"values_scale": "log"}
    )


def best_model(models: Sequence[Model], wanted: SpectralModel) -> Model | None:
    """The model that was asked for; else the curved one only where it is clearly better."""
    by_name = {model.name: model for model in models}
    straight = by_name.get(SpectralModel.POWER_LAW)
    if wanted is not SpectralModel.AUTO:
        return by_name.get(wanted) or straight
    curved = by_name.get(SpectralModel.LOG_PARABOLA)
    if straight is None or curved is None:
        return straight or curved
    return curved if straight.statistic - curved.statistic >= CURVED else straight
