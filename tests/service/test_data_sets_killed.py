"""A launcher that dies at each commit loses or doubles no night of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection
from test_data_sets import THREE, Sets

from astran.base.states import AnalysisState

MOST = 40
"""Commits between two deaths: more than a tick has, so that some ticks end."""


class Killed(BaseException):
    """As if by SIGKILL: no handler of the service catches it."""


class Killer:
    """Ends the process after some commits, again and again: in turn just before and just after
    one. How many, a seed says."""

    def __init__(self, sets: Sets, seed: int) -> None:
        self.real = sets.db.begin
        self._dice = Random(seed)
        self._left = self._dice.randrange(MOST)
        self.killed = 0
        sets.db.begin = self.begin  # type: ignore[method-assign]

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.real() as db:
            yield db
            self._left -= 1
            dies, before = self._left < 0, self.killed % 2 == 0
            if dies:
                self.killed, self._left = self.killed + 1, self._dice.randrange(MOST)
            if dies and before:
                raise Killed
        if dies:
            raise Killed


def ended(sets: Sets) -> bool:
    with suppress(Killed):
        return sets.analyses() > 0 and sets.state().final
    return False


@pytest.fixture(autouse=True)
def no_postman(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astran.service.tick.deliver_due", lambda context: 0)


@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    sets = Sets(tmp_path)
    sets.box.add(sets.raw("ASTRAN-LAUNCH", THREE))
    killer = Killer(sets, seed)
    for _ in range(150):
        with suppress(Killed):
            sets.read()
            sets.tick()
        if killer.killed and ended(sets):
            break
    sets.db.begin = killer.real  # type: ignore[method-assign]
    assert killer.killed > 3
    assert sets.state() is AnalysisState.DONE
    nights = sets.nights()
    assert len(nights) == 5
    children = [one.child_id for one in nights if one.child_id]
    assert len(set(children)) == 3
    assert sets.analyses() == 4, "no analysis beside those of the nights"
    assert Counter(kind for kind, _ in sets.mails()) == {"data-set": 1, "report": 1}
    done = Counter((task.folder, task.key) for task in sets.scheduler.done)
    assert set(done.values()) == {1}
    sets.db.close()
