"""Nothing lost, doubled, silent or stuck: short legs of what benchmarks/world.py does at length."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from world import invariants
from world.planted import PLANTED, ROOT, Planted
from world.play import Played, play_schedule
from world.schedule import draw
from world.single_faults import Branches, all_single_faults

TESTS = Path(__file__).resolve().parents[1]
GUARANTEES = TESTS.parent / "docs" / "guarantees.md"
LEGS, LEG = 4, 17


@pytest.mark.parametrize("leg", range(LEGS))
def test_no_schedule_breaks_an_invariant(leg: int) -> None:
    for seed in range(leg * LEG, (leg + 1) * LEG):
        played = play_schedule(draw(seed))
        assert not played.breaches, f"benchmarks/world.py --seed {seed}"


def test_branches_are_played_and_what_breaks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = sum(1 for _ in all_single_faults())
    well = Branches(part=0, of=faults)
    well.play()
    assert (well.plays, well.found) == (1, [])

    def never_submitted(world: Any) -> None:
        if world.db.driver.execute("select 1 from submission").fetchone():
            world.breaches.append("G0 submitted")

    monkeypatch.setattr(invariants, "_check_quotas", never_submitted)
    ill = Branches(part=0, of=faults)
    ill.play()
    assert len(ill.found) == 2
    assert ill.found[0] == "database 1 refused: G0 submitted"


def test_a_seed_is_one_schedule_to_the_last_byte() -> None:
    first = [play_schedule(draw(seed)) for seed in (3, 4)]
    assert [play_schedule(draw(seed)).digest for seed in (3, 4)] == [one.digest for one in first]
    program = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from world.play import play_schedule\nfrom world.schedule import draw\n"
        "print(*(play_schedule(draw(seed)).digest for seed in (3, 4)))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.split() == [one.digest for one in first]


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_planted_bug_has_its_place(bug: Planted) -> None:
    """So that the measure of what the world sees does not rot."""
    for patch in bug.patches:
        assert (ROOT / patch.file).read_text().count(patch.before) == 1


SEEN_SOON = (
    "a task goes before what it needs",
    "twins are not seen",
    "tasks of a void submission stay",
)


@pytest.mark.parametrize("name", SEEN_SOON)
def test_a_planted_bug_is_seen(name: str) -> None:
    eyesight = TESTS.parent / "benchmarks" / "world_eyesight.py"
    done = subprocess.run(
        [sys.executable, str(eyesight), "--hunt", name, "--schedules", "12"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("found"), done.stdout


def test_what_is_found_is_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from world.shrink import kind_of, shrink

    def never_cancelled(world: object) -> None:
        rows = world.db.driver.execute("select count(*) from submission")  # type: ignore[attr-defined]
        if rows.fetchone()[0] > 1:
            world.breaches.append("G0 two submissions")  # type: ignore[attr-defined]

    monkeypatch.setattr(invariants, "_check_quotas", never_cancelled)
    found: Played = play_schedule(draw(3))
    assert kind_of(found) == "G0"
    short = shrink(found, most_plays=15)
    assert kind_of(short) == "G0"
    assert len(short.schedule.steps) <= len(found.schedule.steps)
    assert len(short.schedule.steps) <= 30


def test_each_invariant_is_written_down() -> None:
    parts = ("invariants", "world_faults", "database", "play")
    source = "".join((TESTS / "world" / f"{part}.py").read_text() for part in parts)
    checked = set(re.findall(r"\bG\d+\b", source))
    written = set(re.findall(r"^\| (G\d+) \|", GUARANTEES.read_text(), re.MULTILINE))
    assert checked == written
