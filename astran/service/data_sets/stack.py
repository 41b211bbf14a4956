"""The stack of a data set: one high-level task for each target, over the DL3 of its nights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from astran.base.states import AnalysisState
from astran.base.tasks import Output, Plan, ProductKind, Resources, Stage, Task, fingerprint
from astran.catalogue.fits_nights import files_of_night
from astran.catalogue.path_patterns import stat_file
from astran.config.analysis import slug
from astran.config.site import SchedulerSettings
from astran.database import analyses, plans, tasks
from astran.database.analyses import Analysis
from astran.database.orders.data_sets import DataSetNight
from astran.database.tasks import TaskRow
from astran.production.job.scripts import write_scripts
from astran.service.config_files import config_of
from astran.service.context import Context

FOLDER = "dl3"
"""Of links to the files of all nights, in the work folder of the task."""
_OF_ONE_NIGHT = ("--dl3=", "--output=", "--date=", "--runs=")
_WITH_RESULT = (AnalysisState.DONE, AnalysisState.PARTIAL)


@dataclass(frozen=True, slots=True)
class StackedNight:
    """A night that goes into a stack."""

    night: str
    """YYYYMMDD."""
    highlevel: Task
    """Of the night alone."""
    files: tuple[str, ...]
    """Its DL3."""
    identity: tuple[str, ...]
    """Fingerprints of what made them."""


def plan_stacks(context: Context, whole: Analysis, nights: Sequence[DataSetNight]) -> bool:
    """Store the tasks of the stacks, once; False where no night has anything to be stacked."""
    with context.db.begin() as db:
        by_target = {
            target: [one for night in own if (one := _stacked_night(db, night)) is not None]
            for target, own in _by_target(nights).items()
        }
        children = [night.child_id for night in nights if night.child_id is not None]
        versions = analyses.get_analysis(db, children[0]).versions if children else ()
    many = sum(map(bool, by_target.values())) > 1
    settings = context.site.scheduler
    made = [
        stack_task(whole.folder, f"stack-{slug(target)}" if many else "stack", own, settings)
        for target, own in by_target.items()
        if own
    ]
    if not made:
        return False
    for task in made:
        write_scripts(task, context.site, "", context.python)
    config = config_of(whole)
    with context.db.begin() as db:
        if analyses.lock(db, whole.id) is not AnalysisState.RUNNING:
            return True
        plans.store_plan(
            db,
            context.clock.now(),
            whole.id,
            Plan(tuple(made), versions=versions),
            date=config.date,
            source=(config.target.name, config.target.ra, config.target.dec),
        )
        analyses.change_analysis(db, whole.id, versions=[list(item) for item in versions])
    return True


def _by_target(nights: Sequence[DataSetNight]) -> dict[str, list[DataSetNight]]:
    found: dict[str, list[DataSetNight]] = {}
    for night in nights:
        found.setdefault(night.target, []).append(night)
    return found


def _stacked_night(db: Connection, night: DataSetNight) -> StackedNight | None:
    """What a night gives to its stack; None: nothing."""
    if night.child_id is None or night.state not in _WITH_RESULT:
        return None
    rows = tasks.of_analysis(db, night.child_id)
    highlevel = next((row for row in rows if row.stage == Stage.HIGHLEVEL), None)
    if highlevel is None:
        return None
    dl3 = [row for row in rows if row.stage == Stage.DL3 and row.state.succeeded]
    files = tuple(row.spec.outputs[0].path for row in dl3) or _given_files(highlevel, night.night)
    if not files:
        return None
    identity = tuple(row.fingerprint for row in dl3) or (highlevel.fingerprint,)
    return StackedNight(night.night, highlevel.spec, files, identity)


def _given_files(highlevel: TaskRow, night: str) -> tuple[str, ...]:
    """The DL3 from which a night started, where its own results could be made of them: nights may
    share a folder."""
    if not highlevel.state.succeeded:
        return ()
    found = (stat_file(Path(path)) for path in highlevel.spec.inputs)
    return tuple(file.path for file in files_of_night(filter(None, found), night))


def stack_task(
    folder: Path, key: str, nights: Sequence[StackedNight], settings: SchedulerSettings
) -> Task:
    """The high-level task over all nights: the command line of a night, with the files of all.

    Parameters
    ----------
    folder : of the whole data set
    nights : at least one
    """
    first = nights[0].highlevel
    links = tuple(dict.fromkeys(_links(nights)))
    words = [word for word in first.argv if not word.startswith(_OF_ONE_NIGHT)]
    at = words.index("astran.highlevel") + 1
    # the results of a folder that is not the night's own hold only what was asked for
    own = [f"--dl3={{work}}/{FOLDER}", "--output={work}/results", *_dates(nights)]
    argv = (*words[:at], *own, *words[at:])
    jobs = folder / "jobmanager" / Path(first.script).parent.name
    suffix = key.removeprefix("stack")
    return replace(
        first,
        key=key,
        argv=argv,
        outputs=(Output("results", str(folder / f"results{suffix}"), ProductKind.RESULTS),),
        folder=str(folder),
        script=str(jobs / f"Script_{key.replace('-', '_', 1)}.sh"),
        log=str(folder / "log" / f"{key}.log"),
        record=str(jobs / f"{key}.record.json"),
        run=None,
        inputs=tuple(path for _, path in links),
        needs=(),
        after=(),
        links=links,
        resources=_resources(first.resources, len(nights), settings),
        fingerprint=fingerprint(
            tool="stack", words=argv[1:], dl3=[[one.night, *one.identity] for one in nights]
        ),
        depends_on_success=False,
    )


def _dates(nights: Sequence[StackedNight]) -> list[str]:
    """One night of several in a folder of DL3 is still that night alone."""
    days = {one.night for one in nights}
    return [f"--date={days.pop()}"] if len(days) == 1 else []


def _links(nights: Sequence[StackedNight]) -> Iterator[tuple[str, str]]:
    """Names below the work folder, and the files: a folder for each night, as in different nights
    files may be called alike."""
    seen: set[str] = set()
    for night in nights:
        for path in night.files:
            # nights that share a folder of DL3 name its files each
            if path not in seen:
                seen.add(path)
                yield f"{FOLDER}/{night.night}/{Path(path).name}", path


def _resources(one: Resources, nights: int, settings: SchedulerSettings) -> Resources:
    """More nights take more time and memory; what is not enough is doubled by the retries."""
    limits = settings.limits
    return Resources(
        one.cpus,
        limits.memory(one.memory_mb * math.ceil(nights / 50)),
        limits.time(one.time_min * math.ceil(nights / 10)),
    )
