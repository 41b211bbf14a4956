"""What was found in a file when it was opened, as plain data that can be kept."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DEAD_TIME_S = 7.1e-6
"""Of LST-1 per event, from the shortest gap between events in its data."""
ZENITH_TERMS = (-0.44751321, 3.62502037, -1.43611437)
"""dR/dI of showers at 422 p.e. over cos(zenith) is a0 + a1 cos + a2 cos^2 in good LST-1 data: the
numbers with which lstchain makes the table cosmics_intensity_spectrum of its data check."""


MAKING = "making:"
"""Begin of the keys under which the making of the observatory's DL2 is remembered."""


class FileKind(StrEnum):
    """What a file is opened as."""

    DL1 = "dl1"
    DATACHECK = "datacheck"
    DL2 = "dl2"
    STANDARD_DL2 = "standard-dl2"
    """The observatory's."""


@dataclass(frozen=True, slots=True)
class Dl1Facts:
    """One DL1 file. None: the file does not tell."""

    problem: str = ""
    """Why it cannot be used, in words; empty: it can."""
    events: int = 0
    showers: int = 0
    """Events of type 32 (shower), estimated from samples of large files."""
    bright: int = 0
    """Showers of 316 to 562 p.e., likewise."""
    start: float | None = None
    """First event [unix s]."""
    stop: float | None = None
    alt: float | None = None
    """Mean altitude [deg]."""
    az: float | None = None
    ra: float | None = None
    """Pointing in the middle of the file, ICRS [deg]."""
    dec: float | None = None
    dec_spread: float | None = None
    """Standard deviation of the pointing's declination over the file [deg]."""
    moon_alt: float | None = None
    """Altitude of the moon in the middle of the file [deg]."""
    moon_lit: float | None = None
    """Illuminated fraction of the moon, 0 to 1."""
    usable: int | None = None
    """Events whose image parameters are finite, estimated from samples of large files."""
    first_event: int | None = None
    """Least event number."""
    last_event: int | None = None
    repeated: int = 0
    """Events that are there twice, at least."""
    skipped: int = 0
    """Longest row of event numbers that lack; of large files: all that lack."""
    runs: tuple[int, ...] = ()
    """Run numbers of the events (obs_id)."""
    merged: tuple[int, ...] = ()
    """Subruns that the file was merged from, by its own record."""
    half_peak: float | None = None
    """Intensity at which the rate per p.e. of showers rises to half of its peak [p.e.]."""

    @property
    def read(self) -> bool:
        """Whether the file was really opened and holds events with a time."""
        return self.start is not None

    def repeats(self, other: Dl1Facts) -> bool:
        """Whether most of the event numbers of two files are the same; where subruns meet, a few
        may be in both ranges."""
        if None in (self.first_event, self.last_event, other.first_event, other.last_event):
            return False
        assert self.first_event is not None and self.last_event is not None
        assert other.first_event is not None and other.last_event is not None
        common = min(self.last_event, other.last_event) - max(self.first_event, other.first_event)
        spans = (self.last_event - self.first_event, other.last_event - other.first_event)
        return common > min(spans) / 2

    @property
    def seconds(self) -> float | None:
        """From the first to the last event [s]."""
        if self.start is None or self.stop is None or self.stop <= self.start:
            return None
        return self.stop - self.start

    @property
    def livetime(self) -> float | None:
        """`seconds` without the dead time of the events [s]."""
        span = self.seconds
        return None if span is None else max(0.0, span - self.events * DEAD_TIME_S)

    @property
    def zenith(self) -> float | None:
        return None if self.alt is None else 90.0 - self.alt

    @property
    def rate(self) -> float | None:
        """Shower events per second [Hz]."""
        span = self.seconds
        return None if span is None else self.showers / span

    @property
    def rate_422(self) -> float | None:
        """dR/dI of showers around 422 p.e. [1/(s p.e.)], as it would be at the zenith."""
        span, zenith = self.seconds, self.zenith
        if span is None or zenith is None or zenith >= 85:
            return None
        return self.bright / span / (562.3 - 316.2) * _at(1.0) / _at(math.cos(math.radians(zenith)))

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Dl1Facts:
        """From what `to_json` left, of this or an older release."""
        lists: dict[str, Any] = {
            name: tuple(content[name]) for name in ("runs", "merged") if name in content
        }
        return cls(**(content | lists))


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """What a data-check file tells of a run: means of its subruns, those without a number left out.
    None: it does not tell; `undefined` names what it should tell and cannot.

    The columns are those of the tables `cosmics_intensity_spectrum` and `runsummary` of lstchain's
    night-wise data check.
    """

    nsb: float | None = None
    """Standard deviation of the charge of interleaved pedestals, mean of pixels without bright
    stars [p.e.]: `diffuse_nsb_std`, else `ped_charge_stddev`."""
    rate_422: float | None = None
    """`ZD_corrected_cosmics_rate_at_422_pe` [1/(s p.e.)]."""
    subruns: int = 0
    """Rows in `cosmics_intensity_spectrum`."""
    absent: bool = False
    """The table of subruns holds other runs of the night, and not this one."""
    ra: float | None = None
    """Pointing, ICRS [deg]."""
    dec: float | None = None
    dec_spread: float | None = None
    """Standard deviation of the pointing's declination from subrun to subrun [deg]."""
    zenith: float | None = None
    """From the mean cosine [deg]."""
    pedestals: float | None = None
    """Number of interleaved pedestal events."""
    flatfields: float | None = None
    fit_p: float | None = None
    """P value of the power law fitted to dR/dI, mean over the fits."""
    index: float | None = None
    """`ZD_corrected_cosmics_spectral_index`."""
    steady: float | None = None
    """Largest fraction of subruns whose `rate_422` lies within 0.15."""
    periodic: float | None = None
    """Largest normalised Lomb-Scargle power of `rate_422`."""
    half_peak: float | None = None
    """`ZD_corrected_intensity_at_half_peak_rate` [p.e.]."""
    half_peak_seen: float | None = None
    """`intensity_at_half_peak_rate`, not corrected for zenith distance [p.e.]."""
    cleaned: float | None = None
    """Picture threshold of the image cleaning, for which rate and index are corrected [p.e.]; none
    in files of lstchain before 0.11.4, which does not correct them."""
    undefined: tuple[str, ...] = ()
    """Quantities above that the file has a column for, and no number."""

    def value_of(self, name: str) -> float | None:
        """A quantity; NaN where the file has no number for it, None where it does not tell."""
        return math.nan if name in self.undefined else getattr(self, name)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CheckFacts:
        return cls(**{**data, "undefined": tuple(data["undefined"])})

    def with_nsb(self, nsb: float) -> CheckFacts:
        """The same with a spread of the pedestals that another file tells [p.e.]."""
        kept = tuple(name for name in self.undefined if name != "nsb")
        return dataclasses.replace(self, nsb=nsb, undefined=kept)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _at(cos_zenith: float) -> float:
    a, b, c = ZENITH_TERMS
    return a + b * cos_zenith + c * cos_zenith**2


def combine_facts(parts: Sequence[Dl1Facts]) -> Dl1Facts:
    """The facts of a run from those of its files, in order of time."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    weights = [part.events for part in parts if part.alt is not None]
    heights = [part.alt * part.events for part in parts if part.alt is not None]
    starts = [part.start for part in parts if part.start is not None]
    stops = [part.stop for part in parts if part.stop is not None]
    spans = [part.seconds for part in parts if part.seconds is not None]
    start = min(starts, default=None)
    known = [part.usable is not None for part in parts]
    return dataclasses.replace(
        first,
        events=sum(part.events for part in parts),
        showers=sum(part.showers for part in parts),
        bright=sum(part.bright for part in parts),
        usable=None if not all(known) else sum(part.usable or 0 for part in parts),
        start=start,
        # a missing subrun is no time of observation
        stop=start + sum(spans) if start is not None and spans else max(stops, default=None),
        alt=sum(heights) / sum(weights) if sum(weights) else None,
        half_peak=_mean_half_peak(parts),
    )


def _mean_half_peak(parts: Sequence[Dl1Facts]) -> float | None:
    known = [(part.half_peak, part.showers) for part in parts if part.half_peak is not None]
    total = sum(showers for _, showers in known)
    return sum(value * showers for value, showers in known) / total if total else None
