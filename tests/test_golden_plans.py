"""Plans and fingerprints stay as they are, whatever is rebuilt within.

A fingerprint that changes without need makes every site compute its nights again. Where a change is
meant: `pytest tests/test_golden_plans.py --update-golden`, and look at the diff.
"""

from __future__ import annotations

import json
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
from golden_cases import CASES, LAYOUTS, ROOT, lay_out_site, plan_of

GOLDEN = Path(__file__).parent / "golden"
LINES = 120
"""Of a diff that are shown."""


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {layout: tmp_path_factory.mktemp(layout) for layout in LAYOUTS}
    for layout, root in made.items():
        lay_out_site(root, layout)
    return made


@pytest.mark.parametrize("name", CASES)
def test_the_plan_is_as_it_was(
    name: str, roots: dict[str, Path], pytestconfig: pytest.Config
) -> None:
    case = CASES[name]
    made = as_text(plan_of(case, roots[case.layout]))
    path = GOLDEN / f"{name}.json"
    if pytestconfig.getoption("update_golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made)
    kept = path.read_text() if path.is_file() else ""
    if made != kept:
        pytest.fail(difference(kept, made, path.name), pytrace=False)


def test_every_golden_plan_is_compared() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(CASES)


def test_a_golden_plan_tells_nothing_of_the_machine() -> None:
    for path in GOLDEN.glob("*.json"):
        words = json.dumps(json.loads(path.read_text())).split('"')
        rooted = {word for word in words if word.startswith("/")}
        assert {word for word in rooted if not word.startswith((ROOT, "/opt/astran/"))} == set()


def as_text(plan: dict[str, Any]) -> str:
    return json.dumps(plan, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def difference(kept: str, made: str, name: str) -> str:
    """What changed, with the task in which it did."""
    lines = list(
        unified_diff(
            kept.splitlines(), made.splitlines(), f"golden/{name}", "made now", lineterm=""
        )
    )
    more = [f"... {len(lines) - LINES} more lines"] if len(lines) > LINES else []
    how = f"{name}: the plan changed. If this is meant: pytest --update-golden"
    return "\n".join([how, *lines[:LINES], *more])
