"""Where observations, models and Monte Carlo lie."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from astran.base.files import name_trunk
from astran.config.model import Settings
from astran.config.nsb import NsbSettings

MONTE_CARLO_KEYS = ("mc_dl1", "mc_dl2", "mc_dl2_diffuse", "mc_dl2_proton", "mc_dl2_electron")
"""Keys of the patterns of Monte Carlo."""


class ObservationTree(Settings):
    """One tree of observations: DL1 and what the observatory keeps beside it."""

    dl1: str = Field(
        "",
        description="Pattern of run-wise DL1 files.",
        examples=["/path/to/DL1/{date}/{version}/{tailcut}/dl1_LST-1.Run{run}.h5"],
    )
    dl1_subruns: str = Field(
        "",
        description="Pattern of subrun-wise DL1 files; empty: as `dl1` with {run}.{subrun}.",
        examples=["/path/to/DL1/{date}/{version}/{tailcut}/dl1_LST-1.Run{run}.{subrun}.h5"],
    )
    run_catalog: str = Field(
        "",
        description="Pattern of the night's RunCatalog ECSV (run_id, source_name); none: the runs "
        "of a source are told by their pointing, from the DL1 files.",
        examples=["/path/to/monitoring/RunCatalog/RunCatalog_{date}.ecsv"],
    )
    run_summary: str = Field(
        "",
        description="Pattern of the night's RunSummary ECSV (run_id, n_subruns, run_type).",
        examples=["/path/to/monitoring/RunSummary/RunSummary_{date}.ecsv"],
    )
    datacheck: str = Field(
        "",
        description="Pattern of night-wise data-check files of lstchain, for the NSB level and "
        "the transparency of the air. Those of runs and subruns are found beside DL1, also in a "
        "folder datacheck there.",
        examples=[
            "/path/to/DL1/datacheck_files/night_wise/{version}/{date}/DL1_datacheck_{date}.h5"
        ],
    )
    dl2: str = Field(
        "",
        description="Pattern of the observatory's own run-wise DL2: taken instead of made where "
        "release, models, configuration and DL1 are those that would be taken.",
        examples=["/path/to/DL2/{date}/{version}/{tailcut}/nsb_tuning_{nsb}/dl2_LST-1.Run{run}.h5"],
    )
    night_finished: str = Field(
        "",
        description="Pattern of the file with which the observatory marks a night as closed.",
        examples=["/path/to/OSA/Closer/{date}/{version}/NightFinished.txt"],
    )


class FurtherTree(ObservationTree):
    """A tree beside the first one, for other nights."""

    nsb_log: str = Field("", description="As `nsb.log`, for the runs of this tree.")
    nsb_cleaning: str = Field("", description="As `nsb.cleaning`, for the runs of this tree.")


class DataSettings(ObservationTree):
    """Where data, models and Monte Carlo lie. Patterns may hold {date}, {run}, {subrun}, {version},
    {tailcut}, {dec} (declination line of the models, like dec_2276), {nsb} (their level of
    night-sky background, like 0.14) and shell wildcards."""

    trees: dict[str, FurtherTree] = Field(
        {},
        description="Further trees of observations, by any name: a night is looked for in all.",
        examples=[
            {"new": {"dl1": "/path/to/new/DL1/{date}/{version}/{tailcut}/dl1_LST-1.Run{run}.h5"}}
        ],
    )
    models: Path | None = Field(
        None,
        description="Folder of the random forests, or of declination lines (dec_...) with forests; "
        "with {nsb}, one such folder for each level of night-sky background.",
        examples=["/path/to/models/AllSky/20240918_v0.10.12_allsky_nsb_tuning_{nsb}"],
    )
    nsb: NsbSettings = Field(
        NsbSettings(),
        description="Night-sky background of a run, which chooses among models of several levels; "
        "sources in the order in which they are asked.",
    )
    lstchain_config: Path | None = Field(
        None, description="lstchain JSON configuration to be given to dl1_to_dl2; none: its own."
    )
    mc_dl2: str = Field(
        "",
        description="Pattern of the DL2 files of MC test gammas, one per pointing node.",
        examples=["/path/to/mc/DL2/AllSky/*_nsb_{nsb}/TestingDataset/{dec}/node_*/dl2_*.h5"],
    )
    mc_dl1: str = Field(
        "",
        description="Pattern of their DL1 files: where there is no DL2 of a level and declination "
        "line, it is made with the chosen forests, once, and kept for everyone.",
        examples=["/path/to/mc/DL1/AllSky/*_nsb_{nsb}/TestingDataset/node_*/dl1_*.h5"],
    )
    mc_dl2_diffuse: str = Field(
        "",
        description="Pattern of the DL2 files of diffuse MC gammas, for full-enclosure IRFs "
        "(`dl3.irf_kind`); none: those of mc_dl2, which hold the offsets that were simulated.",
        examples=["/path/to/mc/DL2/*_nsb_{nsb}/GammaDiffuse/{dec}/node_*/dl2_*.h5"],
    )
    mc_dl2_proton: str = Field(
        "",
        description="Pattern of the DL2 files of MC protons of the same nodes, for background IRFs "
        "(`dl3.background`).",
    )
    mc_dl2_electron: str = Field(
        "", description="Pattern of the DL2 files of MC electrons of the same nodes, likewise."
    )
    irf: str = Field("", description="Pattern of ready IRF files; none: made from mc_dl2 and kept.")
    roots: tuple[Path, ...] = Field(
        (), description="Folders below which requests with `start: dl2` or `dl3` may read."
    )
    dl1_deadline_h: float = Field(
        48.0, ge=0, description="How long to wait for DL1 of a night that is not there yet [h]."
    )
    look_every_min: float = Field(
        5.0, gt=0, description="Pause between two looks for data that are not there yet [min]."
    )
    settle_s: float = Field(
        60.0, ge=0, description="A DL1 file counts as complete once unchanged for so long [s]."
    )
    open_dl1: bool = Field(
        True,
        description="Open DL1 files before they are used: tells broken and empty ones, pointing, "
        "rate and livetime. False: every file that is there counts as good.",
    )

    @property
    def all_trees(self) -> tuple[ObservationTree, ...]:
        """The first tree and the further ones."""
        return (self, *self.trees.values())

    @property
    def monte_carlo_patterns(self) -> tuple[str, ...]:
        """Those that are set."""
        return tuple(filter(None, (getattr(self, key) for key in MONTE_CARLO_KEYS)))

    def nsb_of(self, dl1: str) -> NsbSettings:
        """What tells the NSB level of a run by where its DL1 lies."""
        for tree in self.trees.values():
            if tree.nsb_log and Path(dl1).is_relative_to(name_trunk(Path(tree.dl1).parent)):
                own = {"log": tree.nsb_log, "cleaning": tree.nsb_cleaning}
                return self.nsb.model_copy(update=own)
        return self.nsb

    @property
    def models_root(self) -> Path | None:
        """The folder below which all forests lie: `models` up to its first placeholder."""
        return None if self.models is None else name_trunk(self.models)
