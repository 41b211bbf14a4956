"""What the world has found, as short schedules: each broke a guarantee once."""

from __future__ import annotations

import pytest

from world.play import play_schedule
from world.schedule import Arrive, Say, Schedule, Tick, Trouble, Turn, Word, draw
from world.world_faults import Fault, Strike

LAUNCH = Say(0, Word.LAUNCH, 0)
FOUND = {
    "a database that refuses is no fault of ASTRAN": Schedule(
        0, (LAUNCH, Tick(0, 20, (Strike("database", 3, Fault.REFUSED),)), Tick(0, 60))
    ),
    "a database that refuses while a mail is taken": Schedule(
        0, (LAUNCH, Tick(0, 20, (Strike("database", 9, Fault.REFUSED),)), Tick(0, 60))
    ),
    "a record that cannot be read, of a job that Slurm has forgotten": Schedule(
        0,
        (
            LAUNCH,
            Tick(0, 20),
            Tick(0, 60),
            Turn(Trouble.WORK, on=True),
            *(Tick(0, 900) for _ in range(3)),
        ),
        accounting=False,
    ),
    "a clock that is a day ahead for a tick": Schedule(
        0, (LAUNCH, Turn(Trouble.CLOCK, on=True), Tick(0, 20), Turn(Trouble.CLOCK, on=False))
    ),
    "a clock that is a day ahead while data are away": Schedule(
        0,
        (
            LAUNCH,
            Turn(Trouble.DATA, on=True),
            Tick(0, 20),
            Turn(Trouble.CLOCK, on=True),
            Tick(0, 3600),
            Turn(Trouble.CLOCK, on=False),
            Turn(Trouble.DATA, on=False),
            Arrive(0),
        ),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_it_is_mended(name: str) -> None:
    assert play_schedule(FOUND[name]).breaches == ()


def test_an_old_look_moves_no_new_attempt() -> None:
    """Two launchers: what one read of the first attempt must not end the second."""
    assert play_schedule(draw(76)).breaches == ()
