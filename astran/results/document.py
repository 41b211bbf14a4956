"""The content of results.json. docs/results.md explains it; docs/results.schema.json is made from
these classes.

A field without a default is always in the file. A field with a default is left out of the file
where it has that value. `codec` reads and writes; what is not known is null in the file and NaN (or
None, where the type allows it) in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from astran.results.diagnostic_parts import Diagnostics
from astran.results.spectral_parts import LightCurve, Spectrum
from astran.results.values import IF_ABSENT, Count, NightName, Time, UpperLimit

SCHEMA = "astran-results-1"
"""A change of meaning changes the number."""
RESULTS = "results.json"


class PartKind(StrEnum):
    """What sort of part was left out."""

    CALCULATION = "calculation"
    TABLE = "table"
    FILE = "file"
    PLOT = "plot"


@dataclass(frozen=True)
class TargetPosition:
    """The source; coordinates are ICRS."""

    name: str
    ra_deg: float
    dec_deg: float


@dataclass(frozen=True)
class StepNumbers:
    """Counts and what follows from them alone."""

    n_on: Count
    n_off: Count
    alpha: Annotated[float, {"description": "ON exposure / OFF exposure"}]
    excess: float
    excess_error: Annotated[float, {"description": "one sigma"}]
    significance: Annotated[
        float, {"description": "Li & Ma 1983, equation 17; negative for a deficit"}
    ]
    livetime_h: float


@dataclass(frozen=True)
class CountNumbers(StepNumbers):
    """Counts with their rates."""

    rate_per_min: float
    rate_error: float
    background_per_min: float
    background_error: float


@dataclass(frozen=True)
class FluxNumbers(CountNumbers):
    """Counts with the flux in Crab units; null without a spectrum."""

    crab_units: float | None
    crab_units_error: float | None


@dataclass(frozen=True)
class CutRange:
    """The theta cut as it was made."""

    kind: Annotated[str, {"enum": ["fixed", "energy-dependent"]}]
    origin: str
    min_deg: float | None
    max_deg: float | None
    typical_deg: float


@dataclass(frozen=True)
class StackedNumbers(FluxNumbers):
    """All runs together."""

    n_runs: Count
    ontime_h: float
    events: Count
    off_regions: Count
    theta_cut_deg: Annotated[float | None, {"description": "null for energy-dependent cuts"}]
    theta_cut: CutRange
    energy_min_tev: float | None
    energy_max_tev: float | None


@dataclass(frozen=True)
class RunNumbers(FluxNumbers):
    """One run."""

    obs_id: int
    file: str
    object: str
    night: NightName
    tstart: Time
    ontime_h: float
    deadc: float
    zenith_deg: float | None
    offset_deg: float
    position_angle_deg: float
    ra_pnt_deg: float
    dec_pnt_deg: float
    off_regions: Count
    off_spoiled_by: tuple[str, ...]
    events: Count


@dataclass(frozen=True)
class ExcludedRun:
    """A run that is not in the result."""

    obs_id: int | None
    file: str
    reason: str
    by_choice: bool = False
    """Written by older versions: nobody asked for it."""


@dataclass(frozen=True)
class NightNumbers(FluxNumbers):
    """The runs of one night."""

    night: NightName
    n_runs: Count
    ontime_h: float
    runs: tuple[int, ...] = ()
    zenith_min_deg: float | None = None
    zenith_max_deg: float | None = None
    flux: Annotated[float | None, {"description": "as in `light_curve` [cm-2 s-1]"}] = None
    flux_error: float | None = None
    flux_limit: UpperLimit = None
    is_limit: Annotated[bool, {"description": "below 3 sigma: the limit counts"}] = False


@dataclass(frozen=True)
class EnergyBandNumbers(CountNumbers):
    """Counts between two energies; null: open."""

    energy_min_tev: float | None
    energy_max_tev: float | None


@dataclass(frozen=True)
class RateConstancy:
    """Is the excess rate constant from run to run?"""

    mean_per_min: float
    mean_error: float
    chi2: float
    ndf: Count


@dataclass(frozen=True)
class Theta2Tail:
    """ON against OFF far from the target."""

    on: Count
    background: float
    ratio: float
    ratio_error: float


@dataclass(frozen=True)
class Theta2Histogram:
    """Events by squared angular distance."""

    edges_deg2: tuple[float, ...]
    on: tuple[Count, ...]
    off: tuple[Count, ...]
    background: tuple[float, ...]
    background_error: tuple[float, ...]
    tail_from_deg2: float
    tail: Theta2Tail | None


@dataclass(frozen=True)
class CumulativeNumbers(StepNumbers):
    """All events up to a livetime."""

    obs_id: int


@dataclass(frozen=True)
class FittedPosition:
    """A Gaussian fitted to the peak of the map; `error_deg` is statistical, per coordinate."""

    ra_deg: float
    dec_deg: float
    error_deg: float
    offset_deg: float
    width_deg: float
    excess: float


@dataclass(frozen=True)
class ExcludedCircle:
    """A part of the sky that is no background."""

    name: str
    radius_deg: float
    ra_deg: float
    dec_deg: float


@dataclass(frozen=True)
class SourceCounterpart:
    """A source of the catalogue near one that was found."""

    name: str
    distance_deg: float


@dataclass(frozen=True)
class FieldSourceNumbers:
    """A significant excess away from the target; it is not in the background."""

    name: Annotated[str, {"description": "by its place, J2000"}]
    ra_deg: float
    dec_deg: float
    offset_deg: Annotated[float, {"description": "from the target"}]
    significance: Annotated[float, {"description": "Li & Ma, at its place alone"}]
    trials: Annotated[float, {"description": "independent places that were looked at"}]
    significance_after_trials: float
    detected: Annotated[bool, {"description": "at least 5 sigma after trials"}]
    excess: Annotated[float, {"description": "in the ON circle of the map"}]
    excluded_radius_deg: float
    counterparts: Annotated[
        tuple[SourceCounterpart, ...], {"description": "in the catalogue, the nearest first"}
    ]


@dataclass(frozen=True)
class SignificanceHistogram:
    """Pixels of the map by significance."""

    edges: tuple[float, ...]
    off_source: tuple[Count, ...]
    all: tuple[Count, ...]


@dataclass(frozen=True)
class MapNumbers:
    """The sky map."""

    background: Annotated[str, {"enum": ["irf", "radial", "2d"]}]
    method: Annotated[str, {"const": "ring"}]
    width_deg: float
    bin_deg: float
    npix: Count
    radius_deg: float
    excluded_radius_deg: float
    field_radius_deg: float
    ring_inner_deg: float
    ring_outer_deg: float
    peak_significance: float | None
    peak_ra_deg: float | None
    peak_dec_deg: float | None
    peak_offset_deg: float | None
    target_significance: float | None
    target_excess: float | None
    fit: FittedPosition | None
    off_mean: float | None
    off_sigma: float | None
    off_pixels: Count
    off_max: float | None
    flagged: Annotated[bool, {"description": "off_sigma above 1.15"}]
    exclusions: tuple[ExcludedCircle, ...]
    distribution: SignificanceHistogram
    peak_trials: Annotated[
        float | None, {"description": "independent places of the map, for so high a peak"}
    ] = None
    peak_after_trials: Annotated[
        float | None, {"description": "significance of the peak if its place was not known before"}
    ] = None
    searched_width_deg: Annotated[
        float | None, {"description": "of the part of the sky that was searched for sources"}
    ] = None
    sources: Annotated[
        tuple[FieldSourceNumbers, ...], {"description": "found in the field; none: not in the file"}
    ] = ()


@dataclass(frozen=True)
class FileNames:
    """Names of the other files, below the folder of results.json."""

    run_table: str | None = None
    map: str | None = None
    flux_points: str | None = None
    light_curve: str | None = None
    ogip: tuple[str, ...] | None = None
    night_table: str | None = None
    gammapy: Annotated[
        tuple[str, ...] | None,
        {"description": "flux points, light curve and data sets as gammapy reads them"},
    ] = None
    executable: Annotated[
        tuple[str, ...] | None, {"description": "what remakes the results: analysis.py and others"}
    ] = None


@dataclass(frozen=True)
class PlotFile:
    """A plot that was drawn."""

    name: str
    file: str
    pdf: str
    title: str
    alt: Annotated[str, {"description": "for those who do not see the image"}]
    mail: Annotated[bool, {"description": "whether it belongs into the report mail"}] = field(
        metadata={IF_ABSENT: True}
    )


@dataclass(frozen=True)
class MissingPart:
    """What could not be made: it is null, or not among files and plots."""

    kind: Annotated[str, {"enum": [kind.value for kind in PartKind]}]
    name: str
    reason: str


@dataclass(frozen=True)
class Results:
    """results.json of ASTRAN."""

    schema: Annotated[str, {"const": SCHEMA}]
    made: Time
    target: TargetPosition
    night: str
    nights: tuple[NightName, ...]
    telescopes: tuple[str, ...]
    simulated: bool
    preliminary: bool
    versions: Mapping[str, str]
    stacked: StackedNumbers
    runs: tuple[RunNumbers, ...]
    excluded: tuple[ExcludedRun, ...]
    by_night: tuple[NightNumbers, ...] | None
    energy_bands: tuple[EnergyBandNumbers, ...] | None
    rate: RateConstancy | None
    theta2: Theta2Histogram | None
    cumulative: tuple[CumulativeNumbers, ...] | None
    map: MapNumbers | None
    spectrum: Spectrum
    light_curve: LightCurve | None
    diagnostics: Diagnostics
    files: FileNames
    plots: tuple[PlotFile, ...]
    left_out: tuple[MissingPart, ...]
    warnings: tuple[str, ...]
