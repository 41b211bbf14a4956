"""What results.json tells of the data taking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from astran.results.values import Count, Time


@dataclass(frozen=True)
class TimeRates:
    """Event and excess rate in a part of a run."""

    obs_id: int
    start: Time
    stop: Time
    events_per_s: float
    events_error: float
    gammas_per_min: float
    gammas_error: float


@dataclass(frozen=True)
class RunRates:
    """The event rate of a run."""

    obs_id: int
    events_per_s: float
    events_error: float
    field_per_s: Annotated[float, {"description": "events further than 0.3 deg from the target"}]
    field_error: float
    steady_chi2: Annotated[float, {"description": "of a steady rate, in steps of a minute"}]
    steady_ndf: Count
    scatter: Annotated[float, {"description": "relative, between the steps"}]
    dead_time_percent: float
    zenith_deg: float | None
    offset_deg: float


@dataclass(frozen=True)
class EnergyHistogram:
    """Events by reconstructed energy."""

    edges_tev: tuple[float, ...]
    all: tuple[Count, ...]
    on: tuple[Count, ...]
    background: tuple[float, ...]


@dataclass(frozen=True)
class IntervalHistogram:
    """Times between events."""

    edges: Annotated[
        tuple[float, ...], {"description": "time between events in units of the run's mean"}
    ]
    counts: tuple[Count, ...]
    expected: tuple[float, ...]
    largest_s: float | None
    shortest_s: float | None


@dataclass(frozen=True)
class WobblePosition:
    """Runs of one pointing, as seen from the target."""

    x_deg: Annotated[float, {"description": "of the pointing, east of the target"}]
    y_deg: Annotated[float, {"description": "north"}]
    livetime_h: float
    runs: Count
    on: Count
    excess: float


@dataclass(frozen=True)
class ZenithCoverage:
    """Runs in a range of zenith distance."""

    zenith_min_deg: float
    zenith_max_deg: float
    runs: Count
    livetime_h: float


@dataclass(frozen=True)
class AcceptanceProfile:
    """Density of events over the field of view."""

    edges_deg: tuple[float, ...]
    events_per_deg2: tuple[float | None, ...]
    events_error: tuple[float | None, ...]
    model_per_deg2: tuple[float | None, ...]


@dataclass(frozen=True)
class ResponseCurves:
    """The instrument response by true energy."""

    runs: Count
    point_like: bool
    energy_tev: Annotated[tuple[float, ...], {"description": "true energy"}]
    area_m2: tuple[float | None, ...]
    angular_resolution_deg: Annotated[tuple[float | None, ...] | None, {"description": "68 %"}]
    energy_bias: tuple[float | None, ...]
    energy_resolution: tuple[float | None, ...]


@dataclass(frozen=True)
class Diagnostics:
    """How the data taking went."""

    time: tuple[TimeRates, ...] | None
    runs: tuple[RunRates, ...] | None
    energy: EnergyHistogram | None
    intervals: IntervalHistogram | None
    wobble: tuple[WobblePosition, ...] | None
    acceptance: AcceptanceProfile | None
    irf: ResponseCurves | None
    zenith: Annotated[
        tuple[ZenithCoverage, ...] | None, {"description": "runs that tell their zenith distance"}
    ] = None
