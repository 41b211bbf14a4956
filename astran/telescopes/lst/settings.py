"""The parameters of an LST-1 analysis."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from astran.config.analysis import NO_THETA, AnalysisConfig, Parameters
from astran.config.model import Settings, dotted_fields
from astran.telescopes.lst.event_cuts import describe_event_cuts


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


class IrfKind(StrEnum):
    """Which gammas IRFs hold, in the words of the data format (HDUCLAS3)."""

    POINT_LIKE = "point-like"
    FULL_ENCLOSURE = "full-enclosure"


class IrfNodes(StrEnum):
    """Of which Monte Carlo nodes IRFs are made."""

    ALL = "all"
    AROUND = "around"


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


AUTO = "auto"
DEFAULT_INTENSITY_PE = 50.0
"""lstchain's own cut, below which get_intensity_cut never goes."""


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
    irf_kind: IrfKind = Field(
        IrfKind.POINT_LIKE,
        description="point-like: IRFs of the gammas within the theta cut, for spectra; "
        "full-enclosure (lstchain without --point-like): of all gammas, with their point spread "
        "function, for maps and 3D analyses too; the theta cut is then made at the high level.",
    )
    background: bool = Field(
        False,
        description="Also a background IRF, from Monte Carlo of protons and electrons. lstchain "
        "does not interpolate it: the nearest IRF node is used.",
    )
    intensity_min: float | None = Field(
        50.0,
        ge=0,
        le=100000,
        description="Least image intensity [p.e.]; also in the IRFs. auto: for each run, as "
        "lstchain recommends (get_intensity_cut, 2025-04): 1.3 times the intensity at half of the "
        "peak rate, at least 50.",
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

    @property
    def full_enclosure(self) -> bool:
        """Whether the IRFs hold all gammas."""
        return self.irf_kind is IrfKind.FULL_ENCLOSURE

    @property
    def takes_nearest_irf(self) -> bool:
        """Whether the nearest node is used as it is; interpolated IRFs have no background."""
        return self.nearest_irf or self.background

    @field_validator("intensity_min", mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.strip().lower() == AUTO else value


class Moon(StrEnum):
    """Whether runs under the moon are analysed."""

    ANY = "any"
    DARK = "dark"


class QualitySettings(Settings):
    """Runs that are not worth the computing: the cuts of lstchain's notebook data_quality.ipynb
    with its defaults of 2026-07-09, which keep moonlit nights, and some for nights without data
    check. What is not known of a run is never held against it, and said."""

    apply: bool = Field(True, description="Leave out runs that fail a cut; no: only say so.")
    offset_min: float | None = Field(
        0.35,
        ge=0,
        le=3,
        description="Least distance of the mean pointing from the target [deg]; notebook 2026-07: "
        "wobble at 0.4 deg. none: also runs pointed at the target.",
    )
    offset_max: float | None = Field(
        0.45,
        gt=0,
        le=3,
        description="Largest distance of the mean pointing from the target [deg]; notebook "
        "2026-07.",
    )
    zenith_min: float | None = Field(
        0.0, ge=0, le=90, description="Least mean zenith distance [deg]; notebook 2026-07."
    )
    zenith_max: float | None = Field(
        75.0, gt=0, le=90, description="Largest mean zenith distance [deg]; notebook 2026-07."
    )
    nsb_max: float | None = Field(
        None,
        gt=0,
        description="Largest spread of the pedestal charge (night sky) by the data check [p.e.]; "
        "none, as in the notebook since 2026-01: NSB-tuned models take care of it. 2.3: roughly "
        "moonless.",
    )
    interleaved: bool = Field(
        True,
        description="Whether interleaved pedestals and flat fields are needed, of which the data "
        "check tells; notebook 2026-07.",
    )
    pointing_max: float | None = Field(
        0.01,
        gt=0,
        description="Largest spread of the pointing's declination within a run [deg]; notebook "
        "2026-07.",
    )
    fit_p_min: float | None = Field(
        -3.0,
        description="Least mean P value of the fits to dR/dI, in standard deviations from 0.5; "
        "notebook 2026-07.",
    )
    periodicity_max: float | None = Field(
        None,
        gt=0,
        description="Largest Lomb-Scargle power of the rate at 422 p.e.; none, as in the notebook "
        "since 2025-10.",
    )
    index_min: float | None = Field(
        -2.35, description="Least index of dR/dI, corrected for zenith; notebook 2026-07."
    )
    index_max: float | None = Field(
        -2.10, description="Largest index of dR/dI, corrected for zenith; notebook 2026-07."
    )
    rate_422_min: float | None = Field(
        1.5,
        ge=0,
        description="Least rate of showers per p.e. at 422 p.e., corrected for zenith, by the data "
        "check; less means cloud or dust. Notebook 2026-07.",
    )
    stable_fraction_min: float | None = Field(
        0.8,
        ge=0,
        le=1,
        description="Least fraction of subruns whose rate at 422 p.e. lies within 0.15; notebook "
        "2026-07.",
    )
    half_peak_max: float | None = Field(
        None,
        gt=0,
        description="Largest intensity at which the rate reaches half of its peak, corrected for "
        "zenith [p.e.]; none, as in the notebook since 2026-01. 50: nominal trigger only.",
    )
    rate_min: float | None = Field(
        1000.0,
        ge=0,
        description="Least rate of shower events [Hz]; below, lstchain's livetime is wrong, as it "
        "counts only gaps shorter than 10 ms.",
    )
    relative_rate_min: float | None = Field(
        0.5,
        ge=0,
        le=1,
        description="The rate at 422 p.e. by DL1 where there is no data check, relative to the "
        "good runs of the night; 0.5 is a transmission of 0.55, the limit of MAGIC (Fruck and Gaug "
        "2015), as the rate falls with its power 1.2.",
    )
    moon: Moon = Field(
        Moon.ANY, description="any: the NSB level decides; dark: no run with the moon up."
    )


class LstConfig(AnalysisConfig):
    """One analysis of LST-1 data: target, night and every parameter."""

    start: StartLevel = Field(
        StartLevel.DL1, description="Data level to start from: dl1, dl2 or dl3."
    )
    folder: str = Field(
        "",
        description="For start dl2 or dl3: folder of the data, below one that the site allows.",
    )
    lstchain: str = Field("", description="Wanted lstchain version; empty: the site's default.")
    dl1_version: str = Field(
        "",
        description="Version of DL1 as in the names of its folders, such as v0.10.5rc1; empty: the "
        "newest release that a run has.",
    )
    lstchain_config: Parameters = Field(
        {},
        description="Parameters of lstchain's own JSON configuration from DL1 to DL2, by dotted "
        "name; empty: as in the site's file, else lstchain's standard.",
        examples=[{"random_forest_zd_interpolation.interpolate_energy": False}],
    )
    quality: QualitySettings = Field(
        QualitySettings(), description="Runs that are not worth the computing."
    )
    dl2: Dl2Settings = Field(Dl2Settings(), description="DL1 to DL2.")
    dl3: Dl3Settings = Field(Dl3Settings(), description="Cuts and IRFs.")

    @property
    def theta_cut_chosen(self) -> bool:
        """Whether the theta cut was asked for; DL3 of others come with cuts of their own."""
        return "theta_cut" in self.dl3.model_fields_set

    @property
    def theta_cut_deg(self) -> float | None:
        return self.dl3.theta_cut

    @property
    def idle_keys(self) -> set[str]:
        return super().idle_keys | self._idle_production

    @property
    def _idle_production(self) -> set[str]:
        names = dotted_fields(LstConfig)
        if self.start is StartLevel.DL3:
            # the files come with their own cuts and models; only a theta cut may be asked for
            production = {name for name in names if name[:4] in ("dl2.", "dl3.")}
            return production - {"dl3.theta_cut"} | {"lstchain"}
        idle = {"folder"} if self.start is StartLevel.DL1 else set()
        if self.start is StartLevel.DL2:
            idle |= {name for name in names if name.startswith("dl2.")}
        if self.dl3.cuts is Cuts.GLOBAL:
            return idle | {"dl3.gh_efficiency", "dl3.theta_containment"}
        theta = "dl3.theta_containment" if self.dl3.full_enclosure else "dl3.theta_cut"
        return idle | {"dl3.gammaness_cut", theta}

    def describe_cuts(self, theta: str) -> str:
        """What was asked for only where nothing else is known."""
        cuts, by_energy = self.dl3, self.dl3.cuts is not Cuts.GLOBAL
        if self.start is StartLevel.DL3:
            return f"{theta or NO_THETA}; gammaness and intensity as in the DL3 files"
        if by_energy:
            gammaness = f"gammaness for {cuts.gh_efficiency:g} of the gammas at each energy"
        else:
            gammaness = f"gammaness > {cuts.gammaness_cut:g}"
        if not by_energy or cuts.full_enclosure:
            theta = theta or f"theta < {cuts.theta_cut:.3g} deg"
        return f"{gammaness}, {theta or NO_THETA}, {describe_event_cuts(cuts)}"

    def describe_absent(self, key: str) -> str:
        unchosen = self.start is StartLevel.DL3 and not self.theta_cut_chosen
        if key == "dl3.intensity_min" and self.dl3.intensity_min is None:
            return AUTO
        return "as in the DL3 files" if unchosen and key == "dl3.theta_cut" else ""

    def plain(self) -> dict[str, Any]:
        data = super().plain()
        if self.start is StartLevel.DL3 and not self.theta_cut_chosen:
            del data["dl3"]["theta_cut"]
        return data
