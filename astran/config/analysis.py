"""The analysis configuration: what one request asks for, with all defaults filled in.

It is written to `<workdir>/<Target><date>/config_<Target><date>.yml` and is all that is needed to
run the same analysis again by hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, field_validator, model_validator

from astran.base.night import Night
from astran.config.model import Settings


class Target(Settings):
    """The source to be analysed, ICRS."""

    name: str = Field(
        min_length=1, max_length=60, description="Name of the source.", examples=["Crab"]
    )
    ra: float = Field(ge=0, lt=360, description="Right ascension, ICRS [deg].", examples=[83.6287])
    dec: float = Field(ge=-90, le=90, description="Declination, ICRS [deg].", examples=[22.0147])


def nested(value: Any) -> Any:
    """Parameters by dotted name to mappings in mappings; infinity as a word, which every format
    and database can hold."""
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for name, inner in value.items():
            new = nested(inner)
            for part in reversed(str(name).split(".")):
                new = {part: new}
            _merge(found, new)
        return found
    if isinstance(value, list | tuple):
        return [nested(item) for item in value]
    if isinstance(value, str) and value.lower() in _INFINITE:
        return _INFINITE[value.lower()]
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            raise ValueError("nan is no value")
        return "inf" if value > 0 else "-inf"
    return value


def _merge(found: dict[str, Any], more: dict[str, Any]) -> None:
    """Add to a group, and to the groups in it; what contradicts is refused (ValueError)."""
    for name, new in more.items():
        old = found.setdefault(name, new)
        if isinstance(old, dict) and isinstance(new, dict):
            if old is not new:
                _merge(old, new)
        elif isinstance(old, dict) or isinstance(new, dict):
            raise ValueError(f"{name} is given as a value and as a group of values")
        elif type(old) is not type(new) or old != new:
            raise ValueError(f"{name} is given twice, as {old} and as {new}")


_INFINITE = {"inf": "inf", "+inf": "inf", "infinity": "inf", "-inf": "-inf", "-infinity": "-inf"}
Parameters = Annotated[dict[str, Any], BeforeValidator(nested)]
"""Parameters of a chain's software, by name or dotted name, which only that can judge."""


class SpectralModel(StrEnum):
    """The shape that is fitted to a spectrum."""

    AUTO = "auto"
    """A power law, or a log-parabola where it describes the data better."""
    POWER_LAW = "power-law"
    LOG_PARABOLA = "log-parabola"
    EXPONENTIAL_CUTOFF = "exponential-cutoff"


class EblModel(StrEnum):
    """A model of the extragalactic background light."""

    NONE = "none"
    DOMINGUEZ_2011 = "dominguez-2011"
    FRANCESCHINI_2008 = "franceschini-2008"
    GILMORE_2012 = "gilmore-2012"
    SALDANA_LOPEZ_2021 = "saldana-lopez-2021"


class HighlevelSettings(Settings):
    """theta2 plot, sky map, significance and spectrum."""

    off_regions: int | None = Field(
        None,
        ge=1,
        le=12,
        description="OFF positions on the wobble circle; none: as fit, at most 3.",
    )
    energy_min: float | None = Field(
        None, gt=0, description="Least reconstructed energy [TeV]; none: no limit."
    )
    energy_max: float | None = Field(
        None, gt=0, description="Largest reconstructed energy [TeV]; none: no limit."
    )
    map_width: float = Field(4.0, ge=1, le=10, description="Width of the sky map [deg].")
    map_bin: float = Field(0.02, ge=0.01, le=0.2, description="Pixel size of the sky map [deg].")
    map_radius: float = Field(
        0.1, gt=0.02, le=1, description="Radius of the ON circle at each sky-map pixel [deg]."
    )
    spectral_model: SpectralModel = Field(
        SpectralModel.AUTO,
        description="Model of the spectrum; auto: a power law, or a log-parabola where it "
        "describes the data better.",
    )
    spectral_index: float | None = Field(
        None,
        ge=0,
        le=6,
        description="Index (alpha of a log-parabola) that is held fixed in the fit; none: free.",
    )
    ebl: EblModel = Field(
        EblModel.NONE,
        description="Absorption by the extragalactic background light in the model of the "
        "spectrum: its parameters are then those of the source.",
    )
    redshift: float | None = Field(
        None,
        gt=0,
        le=2,
        description="Redshift of the source, for `ebl`; none: as the source catalogue says.",
    )
    confidence: float = Field(0.95, ge=0.5, lt=1, description="Confidence of upper limits.")
    assumed_index: float = Field(
        2.5,
        gt=1,
        le=6,
        description="Index of the power law that fluxes and limits are for where the signal is "
        "too weak for a fit.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> HighlevelSettings:
        if self.energy_min and self.energy_max and self.energy_min >= self.energy_max:
            raise ValueError("energy_min must be below energy_max")
        if self.spectral_index is not None and self.spectral_model is SpectralModel.AUTO:
            raise ValueError("spectral_index needs a spectral_model: power-law, log-parabola, ...")
        if self.redshift is not None and self.ebl is EblModel.NONE:
            raise ValueError(
                "a redshift alone changes nothing: choose a model of the background light, for "
                f"example ebl: {EblModel.DOMINGUEZ_2011}"
            )
        return self


class AtDeadline(StrEnum):
    """What becomes of an analysis whose data are not complete in time."""

    PARTIAL = "partial"
    EXPIRE = "expire"


class WaitingSettings(Settings):
    """Data that are not there yet."""

    hours: float | None = Field(
        None,
        ge=0,
        le=24 * 60,
        description="How long to wait for data, from the noon after the night [h]; none: as long "
        "as the site does.",
    )
    at_deadline: AtDeadline = Field(
        AtDeadline.PARTIAL,
        description="When the wait is over: partial analyses what is there, and complete runs "
        "start before the others have come; expire analyses nothing unless all is there.",
    )


NO_THETA = "theta cut not available"


class AnalysisConfig(Settings):
    """One analysis: target, night and what all telescopes share. Each chain adds its own."""

    target: Target = Field(description="The source.")
    date: str = Field(
        description="Night, by the date of its evening: YYYYMMDD.", examples=["20231207"]
    )
    runs: tuple[int, ...] | None = Field(
        None,
        description="Run numbers; none: all runs of the target in that night.",
        examples=[[15864, 15865]],
    )
    telescope: str = Field("", description="Telescope that took the data; empty: the site's own.")
    start: str = Field("", description="Data level to start from.")
    folder: str = Field(
        "", description="Folder of the data, below one that the site allows; empty: the archive."
    )
    waiting: WaitingSettings = Field(WaitingSettings(), description="Data that are not there yet.")
    highlevel: HighlevelSettings = Field(HighlevelSettings(), description="Results.")

    @field_validator("date", mode="before")
    @classmethod
    def _night(cls, value: Any) -> str:
        try:
            return str(Night.parse(str(value).replace("-", "").strip()))
        except ValueError as error:
            raise ValueError("a night is written YYYYMMDD, for example 20231207") from error

    @field_validator("runs")
    @classmethod
    def _runs(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is None:
            return None
        if not value or any(run < 1 for run in value):
            raise ValueError("runs are positive whole numbers")
        return tuple(sorted(set(value)))

    @field_validator("folder")
    @classmethod
    def _folder(cls, value: str) -> str:
        if ".." in PurePosixPath(value).parts:
            raise ValueError("a folder may not contain '..'")
        return value

    @property
    def night(self) -> Night:
        return Night.parse(self.date)

    @property
    def label(self) -> str:
        """`Crab20231207`: the name of the analysis in folders and files."""
        return f"{slug(self.target.name)}{self.date}"

    @property
    def theta_cut_deg(self) -> float | None:
        """Radius of the ON region that is asked for; None: as the data have it."""
        return None

    @property
    def idle_keys(self) -> set[str]:
        """Dotted names of parameters that change nothing, given the others."""
        return set() if self.telescope else {"telescope"}

    def describe_cuts(self, theta: str) -> str:
        """The event selection in words.

        Parameters
        ----------
        theta : the directional cut that was made, in words; empty: not known
        """
        return f"{theta or NO_THETA}; other cuts as in the data"

    def describe_absent(self, key: str) -> str:
        """What holds where this parameter was not chosen, in words; empty: its default."""
        return ""

    def plain(self) -> dict[str, Any]:
        """The configuration as plain data; building it again gives the same configuration."""
        return self.model_dump(mode="json")

    def to_yaml(self, header: str = "") -> str:
        """The configuration as YAML, with `header` as leading comment lines."""
        comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
        return comment + yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True)


def slug(name: str) -> str:
    """A source name as part of a file name: letters, digits, + and - only, others dropped."""
    return "".join(c for c in name if (c.isascii() and c.isalnum()) or c in "+-") or "Target"
