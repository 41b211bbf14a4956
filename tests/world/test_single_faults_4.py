"""Every single fault of a night once: a quarter of them (four files, for as many processes)."""

import pytest

from world.single_faults import Branches


@pytest.mark.slow
def test_no_single_fault_breaks_a_guarantee() -> None:
    branches = Branches(part=3, of=4)
    branches.play()
    assert branches.plays > 150
    assert not branches.found
