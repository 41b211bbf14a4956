"""What all tasks of an analysis share: names, resources, environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from astran.base.tasks import Output, ProductKind, Resources, Stage, Task, fingerprint
from astran.config.site import SiteConfig
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.planning import argv
from astran.telescopes.lst.planning.layout import Layout

INDEX_FILES = ("hdu-index.fits.gz", "obs-index.fits.gz")


@dataclass(frozen=True, slots=True)
class TaskMaker:
    """Makes tasks for one analysis folder."""

    site: SiteConfig
    layout: Layout

    def task(self, key: str, stage: Stage, words: tuple[str, ...]) -> Task:
        """A task of ASTRAN's own environment, still without products."""
        asked = self.site.scheduler.resources[stage]
        return Task(
            key=key,
            stage=stage,
            argv=words,
            outputs=(),
            folder=str(self.layout.folder),
            script=self.layout.script(key),
            log=self.layout.log(key),
            record=self.layout.record(key),
            variables=_variables(asked.cpus),
            resources=Resources(asked.cpus, asked.memory_mb, asked.time_min),
        )

    def lst_task(
        self,
        tools: Toolset,
        key: str,
        stage: Stage,
        words: tuple[str, ...],
        *files: tuple[str, str],
    ) -> Task:
        """A task of an lstchain environment; `files` are its configurations."""
        task = self.task(key, stage, words)
        return replace(
            task,
            environment=tools.name,
            variables=(*task.variables, ("XDG_CONFIG_HOME", str(self.layout.xdg))),
            files=(*files, self.layout.offline),
        )

    def index(
        self, tools: Toolset, folder: Path, dl3: Sequence[str], after: tuple[str, ...] = ()
    ) -> Task:
        """The index of the DL3 files `dl3`, to be left in their folder."""
        return replace(
            self.lst_task(tools, "index", Stage.INDEX, argv.create_index(tools)),
            after=after,
            outputs=tuple(
                Output(name, str(folder / name), ProductKind.INDEX) for name in INDEX_FILES
            ),
            links=tuple((Path(path).name, path) for path in dl3),
            fingerprint=fingerprint(tool="index", version=tools.version),
            depends_on_success=bool(after),
        )


def _variables(cpus: int) -> tuple[tuple[str, str], ...]:
    """Keep numerical libraries to the cores that the task asked for.

    Forests are stored with the n_jobs of their training, in lstchain's standard configuration all
    cores of the machine; joblib then asks loky how many these are.
    """
    names = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "NUMEXPR_MAX_THREADS",
        "LOKY_MAX_CPU_COUNT",
    )
    return (
        *((name, str(cpus)) for name in names),
        ("MPLBACKEND", "Agg"),
        ("PYTHONNOUSERSITE", "1"),
        ("PYTHONUNBUFFERED", "1"),
    )
