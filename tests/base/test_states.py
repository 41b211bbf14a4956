"""States: every one can be reached, and something moves there."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

import astran
from astran.base.states import ANALYSIS_MOVES, TASK_MOVES, AnalysisState, TaskState

MODULES = Path(astran.__file__).parent


@pytest.mark.parametrize(
    ("moves", "first"),
    [(ANALYSIS_MOVES, AnalysisState.RECEIVED), (TASK_MOVES, TaskState.PLANNED)],
)
def test_every_state_is_the_target_of_a_move(
    moves: dict[StrEnum, frozenset[StrEnum]], first: StrEnum
) -> None:
    assert set(moves) == set(type(first))
    assert set(type(first)) - {first} <= set().union(*moves.values())


@pytest.mark.parametrize("state", [*AnalysisState, *TaskState])
def test_every_state_is_entered_by_the_code(state: StrEnum) -> None:
    """Named as an argument or a value, not only in a comparison or a set of states."""
    name = rf"{type(state).__name__}\.{state.name}\b"
    entered = re.compile(rf"(?:[=(,:]|\belse)\s*{name}(?!\s*\))|\b{name} if\b|,\s*{name}")
    texts = (path.read_text() for path in MODULES.rglob("*.py") if path.name != "states.py")
    assert any(entered.search(text) for text in texts)
