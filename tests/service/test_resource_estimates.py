"""The next analysis asks for what the last ones of its kind really needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from astran.base.tasks import Output, Plan, ProductKind, Resources, Stage, Task
from astran.config.site import ResourceLimits, SchedulerSettings
from astran.database import analyses, plans, tasks
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.database.history.resource_usage import ResourceUse, task_kinds
from astran.database.schema import tables
from astran.service.jobs.resource_estimates import (
    MAX_ATTEMPTS_USED,
    apply_estimates,
    estimate_resources,
)
from astran.service.jobs.retry_policy import FailureCause

NOW = datetime(2023, 12, 8, 6, tzinfo=UTC)
MB = 1024**2
DEFAULT = Resources(2, 16000, 240)


def used(mb: float, minutes: float, cause: FailureCause = FailureCause.OK) -> ResourceUse:
    return ResourceUse(cause, 16000, 240, mb, minutes * 60)


def test_memory_and_time_with_head_room() -> None:
    lesson = estimate_resources([used(2000, 20)] * 100)
    assert lesson is not None
    assert 2000 * 1.3 <= lesson.memory_mb <= 2000 * 1.5 and lesson.memory_mb % 100 == 0
    assert 20 * 1.5 <= lesson.time_min <= 20 * 1.8 and lesson.time_min % 5 == 0


def test_of_a_few_tasks_less_is_known() -> None:
    one, many = estimate_resources([used(2000, 20)]), estimate_resources([used(2000, 20)] * 50)
    assert one is not None and many is not None
    assert one.memory_mb > many.memory_mb and one.time_min > many.time_min


def test_a_rare_giant_does_not_make_all_others_wait_for_more() -> None:
    lesson = estimate_resources([used(2000, 20)] * 99 + [used(60000, 900)])
    assert lesson is not None and lesson.memory_mb < 4000 and lesson.time_min < 60


def test_an_attempt_that_got_too_little_says_so() -> None:
    """MaxRSS of a task that was killed is too low: Slurm looks now and then only."""
    short = ResourceUse(FailureCause.MEMORY, 4000, 60, 700, 100)
    lesson = estimate_resources([used(3000, 10), short])
    assert lesson is not None and lesson.memory_mb >= 4000 * 1.25 * 1.3
    late = ResourceUse(FailureCause.TIME, 4000, 60, 700, 3600)
    lesson = estimate_resources([used(3000, 10), late])
    assert lesson is not None and lesson.time_min >= 60 * 1.25 * 1.5


@pytest.mark.parametrize(
    "cause", [FailureCause.NODE, FailureCause.TOOL, FailureCause.CANCELLED, FailureCause.LOST]
)
def test_other_ends_teach_nothing(cause: FailureCause) -> None:
    assert estimate_resources([used(10, 0.1, cause)] * 5) is None
    assert estimate_resources([]) is None


def test_small_tasks_still_ask_for_something() -> None:
    lesson = estimate_resources([used(30, 0.01)] * 10)
    assert lesson is not None and lesson.memory_mb >= 500 and lesson.time_min >= 10


class Site:
    """A store, and runs of a chosen size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = Database.open(f"sqlite:///{folder / 'a.sqlite'}")

    def plan(self, size_mb: int, *runs: int, version: str = "0.12.3") -> Plan:
        made = []
        for run in runs:
            path = self.folder / f"dl1_{run}_{size_mb}.h5"
            with path.open("wb") as file:
                file.truncate(size_mb * MB)  # a hole: takes no space
            made.append(self.task(Stage.DL2, run, inputs=(str(path),)))
            made.append(self.task(Stage.DL3, run, needs=(f"dl2-{run}",)))
        index = self.task(Stage.INDEX, 0, after=tuple(f"dl3-{run}" for run in runs))
        return Plan((*made, index), versions=(("astran", "1"), ("lstchain", version)))

    def task(self, stage: Stage, run: int, **more: object) -> Task:
        return Task(
            key=f"{stage}-{run}",
            stage=stage,
            argv=("tool",),
            outputs=(Output("p", str(self.folder / f"{stage}-{run}"), ProductKind.DL2),),
            folder=str(self.folder),
            script="/s.sh",
            log="/l.log",
            record="/r.json",
            environment="default",
            resources=DEFAULT,
            **more,  # type: ignore[arg-type]
        )

    def ran(self, plan: Plan, ends: Sequence[tuple[FailureCause, Resources, float, float]]) -> None:
        """Store a plan each of whose DL2 tasks had these attempts: cause, asked, MB, minutes."""
        with self.db.begin() as db:
            made = analyses.create_analysis(
                db, NOW, RequestOrigin(), "Crab", {}, self.folder / "work", ""
            )
            source = ("Crab", 83.6, 22.0)
            plans.store_plan(db, NOW, made.id, plan, date="20231207", source=source)
            key = db.execute(
                insert(tables.submission).values(
                    analysis_id=made.id,
                    token=f"t{made.id}",
                    scheduler="slurm",
                    state="submitted",
                    size=1,
                    folder="/f",
                    intent=NOW,
                )
            ).inserted_primary_key
            assert key is not None
            for row in tasks.of_analysis(db, made.id):
                if row.spec.stage is not Stage.DL2:
                    continue
                db.execute(
                    tables.task.update()
                    .where(tables.task.c.id == row.id)
                    .values(attempts=len(ends), state="done")
                )
                for number, (cause, asked, mb, minutes) in enumerate(ends, 1):
                    db.execute(
                        insert(tables.attempt).values(
                            task_id=row.id,
                            submission_id=key[0],
                            number=number,
                            token=f"t{made.id}.{row.id}.{number}",
                            array_index=0,
                            requested={
                                "cpus": 2,
                                "memory_mb": asked.memory_mb,
                                "time_min": asked.time_min,
                            },
                            outcome=cause,
                            max_rss_mb=mb,
                            elapsed_s=minutes * 60,
                            telling=[],
                        )
                    )

    def next(self, plan: Plan, **settings: object) -> Plan:
        with self.db.begin() as db:
            return apply_estimates(db, SchedulerSettings.model_validate(settings), plan)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.db.close()


GOOD = [(FailureCause.OK, DEFAULT, 3000.0, 20.0)]


def asks(plan: Plan, key: str) -> tuple[int, int]:
    resources = plan.task(key).resources
    return resources.memory_mb, resources.time_min


def test_the_first_analysis_asks_for_the_defaults(site: Site) -> None:
    plan = site.plan(900, 1, 2)
    assert site.next(plan) == plan


def test_the_next_analysis_asks_for_what_was_needed_and_says_so(site: Site) -> None:
    site.ran(site.plan(900, *range(1, 11)), GOOD)
    plan = site.next(site.plan(850, 20, 21))
    memory, time = asks(plan, "dl2-20")
    assert 3000 * 1.3 <= memory <= 3000 * 1.6 and 20 * 1.5 <= time <= 20 * 1.9
    assert asks(plan, "dl2-21") == (memory, time)
    assert asks(plan, "dl3-20") == (16000, 240), "nothing is known of DL3 yet"
    (note,) = plan.notes
    assert note.startswith(f"Each DL2 task asks for {memory} MB and {time} min: the last 10")
    assert "3000 MB and 20.0 min" in note
    assert plan.task("dl2-20").resources.cpus == 2


def test_after_memory_ran_out_the_next_analysis_starts_with_more(site: Site) -> None:
    more = replace(DEFAULT, memory_mb=32000)
    site.ran(
        site.plan(900, 1, 2, 3),
        [(FailureCause.MEMORY, DEFAULT, 15000, 10), (FailureCause.OK, more, 21000, 22)],
    )
    assert asks(site.next(site.plan(900, 20)), "dl2-20")[0] > 21000 * 1.3


def test_after_time_ran_out_the_next_analysis_starts_with_more(site: Site) -> None:
    more = replace(DEFAULT, time_min=360)
    site.ran(
        site.plan(900, 1, 2, 3),
        [(FailureCause.TIME, DEFAULT, 3000, 240), (FailureCause.OK, more, 3000, 280)],
    )
    assert asks(site.next(site.plan(900, 20)), "dl2-20")[1] > 280 * 1.5


def test_never_more_than_the_site_allows(site: Site) -> None:
    site.ran(site.plan(900, 1, 2), [(FailureCause.OK, DEFAULT, 60000, 900)])
    limits = ResourceLimits(memory_mb=64000, time_min=1000)
    assert asks(site.next(site.plan(900, 20), limits=limits), "dl2-20") == (64000, 1000)


def test_a_smaller_input_asks_for_what_a_larger_one_needed(site: Site) -> None:
    site.ran(site.plan(900, 1, 2, 3), GOOD)
    small = asks(site.next(site.plan(200, 20)), "dl2-20")
    assert small == asks(site.next(site.plan(900, 21)), "dl2-21") != (16000, 240)


def test_a_larger_input_or_another_version_is_another_kind(site: Site) -> None:
    site.ran(site.plan(900, 1, 2, 3), GOOD)
    assert asks(site.next(site.plan(1900, 20)), "dl2-20") == (16000, 240)
    other = site.plan(900, 20, version="0.13.0")
    assert asks(site.next(other), "dl2-20") == (16000, 240)


def test_a_site_may_want_fixed_figures(site: Site) -> None:
    site.ran(site.plan(900, 1, 2, 3), GOOD)
    plan = site.plan(900, 20)
    assert site.next(plan, learn=False) == plan


def test_what_is_long_ago_is_forgotten(site: Site) -> None:
    site.ran(site.plan(900, 1), [(FailureCause.OK, DEFAULT, 50000, 600)])
    site.ran(site.plan(900, *range(1, MAX_ATTEMPTS_USED + 1)), GOOD)
    assert asks(site.next(site.plan(900, 20)), "dl2-20")[0] < 5000


def test_the_size_of_a_task_is_that_of_all_before_it(site: Site) -> None:
    kind = task_kinds(site.plan(900, 1, 2))
    assert kind["dl2-1"].size == kind["dl3-1"].size == 10
    assert kind["index-0"].size == 11
    assert str(kind["dl3-1"]) == "dl3 | lstchain 0.12.3 | 10"
