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


class StartLevel(StrEnum):
    """Data level from which an analysis starts."""

    DL1 = "dl1"
    DL2 = "dl2"
    DL3 = "dl3"


class Engine(StrEnum):
    """What turns DL1 into DL2."""

    STOCK = "stock"
    FAST = "fast"


class Cuts(StrEnum):
    """Kind of the gammaness and theta cuts."""

    GLOBAL = "global"
    ENERGY_DEPENDENT = "energy-dependent"


class IrfNodes(StrEnum):
    """Of which Monte Carlo nodes IRFs are made."""

    ALL = "all"
    AROUND = "around"


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
"""Parameters of lstchain, by name or dotted name; judged by lstchain itself when planning."""


class Dl2Settings(Settings):
    """DL1 to DL2: energy, direction and gammaness by random forests."""

    engine: Engine = Field(
        Engine.FAST,
        description="fast: lstchain's steps with a faster evaluation of the same forests, the same "
        "bits, and the stock tool for what that does not know; stock: always lstchain's own tool.",
    )

    models: str = Field(
        "",
        description="Folder of random forests below the site's `data.models`; "
        "empty: chosen by the site's rule.",
    )
    nsb: float | None = Field(
        None,
        ge=0,
        le=10,
        description="Level of night-sky background that models and Monte Carlo are chosen for, "
        "above a dark sky [p.e./ns]; none: that of each run.",
    )


class Dl3Settings(Settings):
    """Event selection and instrument response."""

    cuts: Cuts = Field(
        Cuts.GLOBAL, description="Kind of gammaness and theta cuts: global or energy-dependent."
    )
    gammaness_cut: float = Field(
        0.7, gt=0, lt=1, description="Global cut: least gammaness of an event, 0 to 1."
    )
    theta_cut: float = Field(
        0.2,
        gt=0.01,
        le=1.0,
        description="Global cut: radius of the ON region [deg].",
    )
    gh_efficiency: float = Field(
        0.7, gt=0, lt=1, description="Energy-dependent cuts: fraction of gammas kept by gammaness."
    )
    theta_containment: float = Field(
        0.7, gt=0, lt=1, description="Energy-dependent cuts: fraction of gammas within theta."
    )
    intensity_min: float = Field(
        50.0, ge=0, le=100000, description="Least image intensity [p.e.]; also in the IRFs."
    )
    nearest_irf: bool = Field(
        False, description="Use the nearest IRF node instead of interpolating over the pointing."
    )
    irf_nodes: IrfNodes = Field(
        IrfNodes.ALL,
        description="all: IRFs of all Monte Carlo nodes are made, and kept for everyone; around: "
        "only of those that a run's pointing needs, with the same result.",
    )
    tool: Parameters = Field(
        {},
        description="Further parameters of lstchain's tools for IRFs and DL3, by dotted name, in a "
        "mail also without `dl3.tool.` before it; empty: as ASTRAN sets them.",
        examples=[{"DataBinning.true_energy_n_bins": 20, "DL3Cuts.min_theta_cut": 0.1}],
    )


class HighlevelSettings(Settings):
    """theta2 plot, sky map and significance."""

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

    @model_validator(mode="after")
    def _ordered(self) -> HighlevelSettings:
        if self.energy_min and self.energy_max and self.energy_min >= self.energy_max:
            raise ValueError("energy_min must be below energy_max")
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


class Moon(StrEnum):
    """Whether runs under the moon are analysed."""

    ANY = "any"
    DARK = "dark"


class QualitySettings(Settings):
    """Runs that are not worth the computing; what is not known of a run is never held against it,
    and said. Cuts and defaults after lstchain's notebook data_quality.ipynb where it has them."""

    apply: bool = Field(True, description="Leave out runs that fail a cut; no: only say so.")
    zenith_max: float | None = Field(
        70.0,
        gt=0,
        le=90,
        description="Largest mean zenith distance [deg]; all-sky Monte Carlo ends there.",
    )
    rate_min: float | None = Field(
        1000.0,
        ge=0,
        description="Least rate of shower events [Hz]; below, lstchain's livetime is wrong, as it "
        "counts only gaps shorter than 10 ms.",
    )
    rate_422_min: float | None = Field(
        1.5,
        ge=0,
        description="Least rate of showers per p.e. at 422 p.e., corrected for zenith, by the data "
        "check; less means cloud or dust. 1.5 as in lstchain's notebook.",
    )
    relative_rate_min: float | None = Field(
        0.5,
        ge=0,
        le=1,
        description="The same by DL1 where there is no data check, relative to the good runs of "
        "the night; 0.5 is a transmission of 0.55, the limit of MAGIC (Fruck and Gaug 2015), as "
        "the rate falls with its power 1.2.",
    )
    nsb_max: float | None = Field(
        2.3,
        gt=0,
        description="Largest spread of the pedestal charge (night sky) by the data check [p.e.]; "
        "2.3 as in lstchain's notebook: roughly moonless.",
    )
    pointing_max: float | None = Field(
        0.01,
        gt=0,
        description="Largest spread of the pointing's declination within a run [deg]; 0.01 as in "
        "lstchain's notebook.",
    )
    moon: Moon = Field(
        Moon.ANY, description="any: the NSB level decides; dark: no run with the moon up."
    )


class AnalysisConfig(Settings):
    """One analysis: target, night and every parameter."""

    target: Target = Field(description="The source.")
    date: str = Field(
        description="Night, by the date of its evening: YYYYMMDD.", examples=["20231207"]
    )
    runs: tuple[int, ...] | None = Field(
        None,
        description="Run numbers; none: all runs of the target in that night.",
        examples=[[15864, 15865]],
    )
    start: StartLevel = Field(
        StartLevel.DL1, description="Data level to start from: dl1, dl2 or dl3."
    )
    folder: str = Field(
        "",
        description="For start dl2 or dl3: folder of the data, below one that the site allows.",
    )
    lstchain: str = Field("", description="Wanted lstchain version; empty: the site's default.")
    lstchain_config: Parameters = Field(
        {},
        description="Parameters of lstchain's own JSON configuration from DL1 to DL2, by dotted "
        "name; empty: as in the site's file, else lstchain's standard.",
        examples=[{"random_forest_zd_interpolation.interpolate_energy": False}],
    )
    waiting: WaitingSettings = Field(WaitingSettings(), description="Data that are not there yet.")
    quality: QualitySettings = Field(
        QualitySettings(), description="Runs that are not worth the computing."
    )
    dl2: Dl2Settings = Field(Dl2Settings(), description="DL1 to DL2.")
    dl3: Dl3Settings = Field(Dl3Settings(), description="Cuts and IRFs.")
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
    def theta_cut_chosen(self) -> bool:
        """Whether the theta cut was asked for; DL3 of others come with cuts of their own."""
        return "theta_cut" in self.dl3.model_fields_set

    def plain(self) -> dict[str, Any]:
        """The configuration as plain data; building it again gives the same configuration."""
        data = self.model_dump(mode="json")
        if self.start is StartLevel.DL3 and not self.theta_cut_chosen:
            del data["dl3"]["theta_cut"]
        return data

    def to_yaml(self, header: str = "") -> str:
        """The configuration as YAML, with `header` as leading comment lines."""
        comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
        return comment + yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True)


def slug(name: str) -> str:
    """A source name as part of a file name: letters, digits, + and - only, others dropped."""
    return "".join(c for c in name if (c.isascii() and c.isalnum()) or c in "+-") or "Target"
