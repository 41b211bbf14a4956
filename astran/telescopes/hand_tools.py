"""The part of the port for commands by hand: runs as a table, production without the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from astran.base.clock import Clock
from astran.base.disk_space import format_bytes
from astran.base.exit_record import ExitRecord
from astran.base.night_data import MissingRun, NightData
from astran.base.tasks import ProductKind, Task
from astran.config.analysis import AnalysisConfig
from astran.config.site import SiteConfig

Config_contra = TypeVar("Config_contra", bound=AnalysisConfig, contravariant=True)
Inventory_co = TypeVar("Inventory_co", covariant=True)
"""What a look at products gives; the checks of `astran.production` stand above this port."""


@dataclass(frozen=True, slots=True)
class RunListing:
    """The runs of a site."""

    columns: tuple[tuple[str, str], ...]
    """Title and alignment (left or right) of each column of a table."""
    rows: tuple[tuple[str, ...], ...]
    """Cells, one row for each run."""
    records: tuple[dict[str, Any], ...]
    """The same as plain data, for programs; `state` is among it."""
    folders: tuple[str, ...] = ()
    """Where the data are."""


def list_of_night(night: str, source: str, data: NightData) -> list[dict[str, Any]]:
    """The runs of one source and night as any chain finds them, as plain data by number."""
    found = [
        {"night": night, "run": run.run, "source": source, "state": "complete", "reason": "",
         "files": len(run.files), "size": sum(file.size for file in run.files)}
        for run in data.runs
    ]  # fmt: skip
    found += [
        {"night": night, "run": gap.run, "source": source, "state": "missing", "reason": gap.reason,
         "files": 0, "size": 0}
        for gap in data.missing
    ]  # fmt: skip
    return sorted(found, key=lambda row: int(row["run"]))


def simple_listing(records: Sequence[dict[str, Any]]) -> RunListing:
    """A table of what `list_of_night` tells."""
    return RunListing(
        columns=(
            ("Night", "left"),
            ("Run", "right"),
            ("Source", "left"),
            ("State", "left"),
            ("Files", "right"),
            ("Size", "right"),
            ("Remark", "left"),
        ),
        rows=tuple(
            (
                row["night"],
                str(row["run"]),
                row["source"],
                row["state"],
                str(row["files"]),
                format_bytes(row["size"]),
                row["reason"],
            )
            for row in records
        ),
        records=tuple(records),
    )


class HandWorkspace(Protocol):
    """Where tasks run by hand."""

    @property
    def site(self) -> SiteConfig: ...

    @property
    def folder(self) -> Path:
        """Of the analysis."""
        ...

    def run(self, tasks: Sequence[Task]) -> tuple[ExitRecord, ...]:
        """Run tasks one after another; how each of them ended."""
        ...

    def lay_out(self, task: Task) -> Path:
        """Write what a task needs to be run; its script."""
        ...


@dataclass(frozen=True, slots=True)
class HandPlan:
    """Tasks that are ready to be run by hand."""

    tasks: tuple[Task, ...]
    bench: HandWorkspace
    notes: tuple[str, ...] = ()
    missing: tuple[MissingRun, ...] = ()


class HandTools(Protocol[Config_contra, Inventory_co]):
    """DL2, DL3 and index by hand. Each may raise CatalogueError and ConfigError."""

    def prepare_dl2(
        self,
        site: SiteConfig,
        config: Config_contra,
        inputs: Sequence[Path],
        folder: Path,
        *,
        keep: bool,
    ) -> HandPlan:
        """From the files `inputs`, or from what is found; `keep` False leaves no trace on disk."""
        ...

    def prepare_dl3(
        self,
        site: SiteConfig,
        config: Config_contra,
        inputs: Sequence[Path],
        folder: Path,
        *,
        keep: bool,
    ) -> HandPlan:
        """From the files `inputs`, with what is missing of the instrument response."""
        ...

    def software_of(self, config: Config_contra) -> str:
        """Version of the software that a configuration wants; empty: the site's default."""
        ...

    def prepare_index(
        self, site: SiteConfig, dl3: Path, folder: Path, software: str, *, keep: bool
    ) -> HandPlan:
        """Of the DL3 in a folder; `software`: wanted version, empty: the site's default."""
        ...

    def take_inventory(
        self,
        kind: ProductKind,
        site: SiteConfig | None,
        places: Sequence[Path],
        config: Config_contra | None,
        night: str,
        runs: Sequence[int],
        dl1: Sequence[Path],
        clock: Clock,
    ) -> Inventory_co:
        """What products exist, are missing, are broken: as `astran.api.check`."""
        ...
