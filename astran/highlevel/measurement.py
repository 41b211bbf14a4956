"""Everything that was measured in a folder of DL3 files."""

from __future__ import annotations

from dataclasses import dataclass

from astran.config.analysis import Target
from astran.highlevel.aperture.counts import (
    RunCounts,
    ThetaCut,
)
from astran.highlevel.aperture.statistics import Counts
from astran.highlevel.aperture.theta2 import (
    CumulativeStep,
    Theta2,
)
from astran.highlevel.dl3.run import Excluded
from astran.highlevel.failures import LeftOut
from astran.highlevel.maps.field_search import FieldSearch
from astran.highlevel.maps.position import Peak, PositionFit
from astran.highlevel.maps.ring import SkyMap
from astran.highlevel.spectral.spectrum import NoSpectrum, Spectral
from astran.results.diagnostic_parts import ResponseCurves


@dataclass(frozen=True)
class FolderMeasurement:
    """Everything that was measured."""

    target: Target
    cut: ThetaCut
    runs: tuple[RunCounts, ...]
    """In order of time."""
    excluded: tuple[Excluded, ...]
    energy_min: float | None
    energy_max: float | None
    """Edges of the energy range [TeV]; none: no limit."""
    stacked: Counts
    radius: float
    """Of the ON region [deg]: the fixed cut, or the median cut of the ON events."""
    theta2: Theta2 | None
    steps: tuple[CumulativeStep, ...] | None
    sky: SkyMap | None
    search: FieldSearch | None
    """The map of the whole field, of which `sky` is a part, and the sources in it."""
    peak: Peak | None
    fit: PositionFit | None
    spectral: Spectral | NoSpectrum
    irf: ResponseCurves | None
    """Summary of the response; none: not asked for, or the files have none."""
    warnings: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    """What could not be calculated. It is none above."""
