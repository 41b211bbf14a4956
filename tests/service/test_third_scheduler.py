"""Another scheduler needs a class and a line in the list of kinds; nothing else asks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.instant_scheduler import InstantScheduler
from sqlalchemy import select
from upgrade.upgrade_house import House

from astran.base.clock import Clock
from astran.base.states import AnalysisState
from astran.config.scheduler_kinds import KINDS, SchedulerKind
from astran.config.site import SchedulerSettings
from astran.database import analyses
from astran.database.schema import tables as t
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.doctor.scheduler_and_data import probe_scheduler
from astran.service.tick import run_tick

NIGHT = datetime(2023, 12, 8, 9, tzinfo=UTC)


class MemoryScheduler(InstantScheduler):
    """Keeps its jobs in memory."""

    name = "memory"
    display_name = "the memory"

    @classmethod
    def from_settings(
        cls, settings: SchedulerSettings, workdir: Path, clock: Clock
    ) -> MemoryScheduler:
        del settings, workdir
        return cls(clock)


def test_a_registered_scheduler_runs_an_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = f"{__name__}:{MemoryScheduler.__name__}"
    monkeypatch.setitem(KINDS, "memory", SchedulerKind("the memory", factory))
    house = House(tmp_path, NIGHT)
    scheduler = house.site.scheduler.model_copy(update={"kind": "memory"})
    house.site = house.site.model_copy(update={"scheduler": scheduler})
    house.open()
    house.context.make_scheduler = None
    with house.connected():
        house.mail("ASTRAN-LAUNCH", "target: Crab\ndate: 20231207\n")
        for _ in range(12):
            assert run_tick(house.context).faults == []
            house.clock.sleep(60)
        with house.context.db.begin() as db:
            analysis = analyses.get_analysis(db, 1)
            used = set(db.execute(select(t.submission.c.scheduler)).scalars())
    assert analysis.state is AnalysisState.DONE
    assert used == {"memory"}
    context = DoctorContext(house.site, house.clock, "python")
    assert [finding.part for finding in probe_scheduler(context)] == ["memory"]
