"""Nothing is skipped silently, and nothing at all where services are demanded."""

from __future__ import annotations

import pytest
from conftest import require


def test_what_is_there_is_used() -> None:
    require(True, "Slurm")


def test_without_demand_a_test_is_skipped_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASTRAN_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"Slurm is not here\. Install it"):
        require(False, "Slurm", "Install it")


def test_on_demand_a_test_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAN_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="Slurm is not here"):
        require(False, "Slurm")


def test_on_demand_only_what_is_named_may_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAN_REQUIRE_SERVICES", "1")
    monkeypatch.setenv("ASTRAN_MAY_LACK", "HTCondor")
    with pytest.raises(pytest.skip.Exception):
        require(False, "HTCondor")
    with pytest.raises(pytest.fail.Exception):
        require(False, "Slurm")
