"""The spectrum and the light curve in results.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from astran.results.values import (
    FLATTENED,
    Count,
    ExpectedLimit,
    LimitReason,
    ModelName,
    NightName,
    Time,
    UpperLimit,
)


@dataclass(frozen=True)
class ModelFit:
    """A spectral model that was fitted; fluxes in cm-2 s-1."""

    name: ModelName
    parameters: Mapping[str, float]
    errors: Mapping[str, float]
    covariance: tuple[tuple[float, ...], ...]
    reference_energy_tev: float
    statistic: float
    degrees_of_freedom: int
    flux: float
    flux_error: float
    flux_above_1tev: float | None
    flux_above_1tev_error: float | None
    decorrelation_energy_tev: float
    beta_log10: float | None = None
    beta_log10_error: float | None = None
    cutoff_energy_tev: Annotated[
        float | None, {"description": "1 / inverse_cutoff, where that is above 0"}
    ] = None
    cutoff_energy_error_tev: float | None = None
    fixed_parameters: Mapping[str, float] = field(default_factory=dict)
    """Those that were held in the fit."""


@dataclass(frozen=True)
class FluxValue:
    """A flux, and its upper limit where it is weak."""

    value: float
    error: Annotated[float, {"description": "that of the spectral shape included"}]
    upper_limit: UpperLimit
    is_limit: Annotated[bool, {"description": "below 3 sigma"}]
    sqrt_ts: float


@dataclass(frozen=True)
class SpectrumFlux(FluxValue):
    """Flux between two energies."""

    unit: str
    energy_min_tev: float
    energy_max_tev: float
    limit_reason: LimitReason = None
    expected_limit: ExpectedLimit = None


@dataclass(frozen=True)
class CrabFlux(FluxValue):
    """Integral flux in units of the Crab Nebula's between the same energies."""

    flux_of_crab: float
    citation: str
    limit_reason: LimitReason = None
    expected_limit: ExpectedLimit = None
    energy_min_tev: float | None = None
    energy_max_tev: float | None = None
    """None in results of older versions: the energies of the spectrum."""
    expected_excess: Annotated[
        float | None, {"description": "events that the Crab Nebula would have given above OFF"}
    ] = None


@dataclass(frozen=True)
class SpectralPoint:
    """A flux point; `dnde` in cm-2 s-1 TeV-1, `e2dnde` in erg cm-2 s-1."""

    energy_tev: float
    energy_min_tev: float
    energy_max_tev: float
    dnde: float
    dnde_error: float
    dnde_error_low: float
    dnde_error_high: float
    e2dnde_erg: float
    e2dnde_error_erg: float
    dnde_limit: UpperLimit
    e2dnde_limit_erg: UpperLimit
    is_limit: Annotated[bool, {"description": "below 3 sigma"}]
    sqrt_ts: float
    n_on: Count
    n_off: Count
    expected: float
    limit_reason: LimitReason = None
    dnde_limit_expected: ExpectedLimit = None


@dataclass(frozen=True)
class ModelCurve:
    """The best model with its error; `dnde` in cm-2 s-1 TeV-1."""

    energy_tev: tuple[float, ...]
    dnde: tuple[float, ...]
    dnde_error: tuple[float, ...]


@dataclass(frozen=True)
class Citation:
    """A spectrum for comparison."""

    name: str
    citation: str


@dataclass(frozen=True)
class EnergyThreshold:
    """Where the energies of some runs begin."""

    energy_min_tev: float
    origin: str
    runs: tuple[int, ...]


@dataclass(frozen=True)
class EblAbsorption:
    """Absorption in the fitted models: their parameters are those of the source, their fluxes and
    the curve those at Earth."""

    model: str
    redshift: float
    citation: str


@dataclass(frozen=True)
class ResponseGroup:
    """Runs of many nights with one kind of response, stacked before the fit."""

    name: str
    response: Annotated[str, {"description": "what their responses have in common"}]
    runs: tuple[int, ...]
    nights: tuple[NightName, ...]
    zenith_min_deg: float | None
    zenith_max_deg: float | None
    livetime_h: float
    n_on: Count
    n_off: Count


@dataclass(frozen=True)
class SpectrumNumbers:
    """All of a spectrum that could be made."""

    parameters: Mapping[str, float]
    errors: Mapping[str, float]
    units: Mapping[str, str]
    limit_method: str
    reference_energy_tev: float
    energy_min_tev: float
    energy_max_tev: float
    bins_per_decade: Count
    models: tuple[ModelFit, ...]
    fitted_to: Annotated[str, {"enum": ["nights", "runs", "groups"]}]
    flux: SpectrumFlux
    significance: float
    n_on: Count
    n_off: Count
    excess: float
    off_regions: Count
    runs: tuple[int, ...]
    nights: tuple[NightName, ...]
    flux_points: tuple[SpectralPoint, ...]
    curve: ModelCurve
    references: tuple[Citation, ...]
    crab: CrabFlux | None = None
    thresholds: tuple[EnergyThreshold, ...] = ()
    limit_confidence: float = 0.95
    assumed_index: float | None = None
    """Of the power law that stands where nothing was fitted."""
    fixed_parameters: Mapping[str, float] = field(default_factory=dict)
    """Those that were held in the fit."""
    ebl: EblAbsorption | None = None
    groups: Annotated[
        tuple[ResponseGroup, ...], {"description": "only where they were fitted, not the nights"}
    ] = ()


@dataclass(frozen=True)
class Spectrum:
    """The spectrum, or why there is none."""

    model: Annotated[
        str | None, {"enum": [None, "power-law", "log-parabola", "exponential-cutoff"]}
    ]
    reason: str | None
    numbers: SpectrumNumbers | None = field(default=None, metadata={FLATTENED: True})


@dataclass(frozen=True)
class TimedFlux:
    """Flux of a run, a part of a run, a night, an ISO week or a month [cm-2 s-1]."""

    label: str
    start: Time
    stop: Time
    livetime_h: float
    flux: float
    flux_error: float
    flux_limit: UpperLimit
    is_limit: bool
    sqrt_ts: float
    n_on: Count
    n_off: Count
    limit_reason: LimitReason = None
    flux_limit_expected: ExpectedLimit = None
    flux_wstat: Annotated[
        float | None,
        {
            "description": "the most likely one by WSTAT, as gammapy's estimators give it; only "
            "where each energy bin holds 10 OFF counts or more"
        },
    ] = None
    mjd_start: Annotated[float | None, {"description": "of `start`, MJD (UTC)"}] = None
    mjd_stop: Annotated[float | None, {"description": "of `stop`, MJD (UTC)"}] = None


@dataclass(frozen=True)
class FluxConstancy:
    """Is the flux constant?"""

    mean: float
    error: float
    chi2: float
    ndf: Count


@dataclass(frozen=True)
class LightCurve:
    """Flux against time."""

    energy_min_tev: float
    energy_max_tev: float
    unit: Annotated[str, {"const": "cm-2 s-1"}]
    crab_flux: float
    crab_citation: str
    runs: tuple[TimedFlux, ...]
    nights: tuple[TimedFlux, ...]
    fine: tuple[TimedFlux, ...]
    runs_constant: FluxConstancy | None = None
    nights_constant: FluxConstancy | None = None
    fine_constant: FluxConstancy | None = None
    weeks: Annotated[
        tuple[TimedFlux, ...],
        {"description": "by ISO 8601 week of the night, `2013-W44`; of several nights only"},
    ] = ()
    months: Annotated[
        tuple[TimedFlux, ...],
        {"description": "by month of the night, `2013-11`; of several nights only"},
    ] = ()
