"""Priorities and fair shares: the rule of docs/architecture.md, on scenarios and at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from astran.base.scheduler import Priority
from astran.service.jobs.places import OVERDUE, Demand, Places, share_places

ALERT, DAILY, CAMPAIGN = Priority


def test_without_a_limit_all_is_submitted_the_most_urgent_first() -> None:
    demands = [
        Demand(1, "ann", CAMPAIGN, 900),
        Demand(2, "ann", DAILY, 3),
        Demand(3, "bob", DAILY, 2),
        Demand(4, "eve", ALERT, 1),
    ]
    in_hand = {("ann", DAILY): 5}
    shares = share_places(demands, in_hand, Places())
    assert list(shares.items()) == [(4, 1), (3, 2), (2, 3), (1, 900)]


def test_within_a_priority_senders_get_the_same() -> None:
    demands = [Demand(1, "ann", DAILY, 80), Demand(2, "ann", DAILY, 80), Demand(3, "bob", DAILY, 9)]
    assert share_places(demands, {}, Places(20)) == {1: 11, 3: 9}
    # what somebody has already counts, and the older analysis of a sender comes first
    in_hand = {("ann", DAILY): 6}
    assert share_places(demands, in_hand, Places(16)) == {1: 2, 3: 8}


@pytest.mark.parametrize(
    ("places", "first", "then"),
    [
        (Places(100), 90, 10),
        (Places(100, kept_free=25), 75, 25),
        # what the scheduler took before it refused more binds campaigns only
        (Places(taken=50), 45, 40),
        (Places(100, taken=50), 45, 40),
        # a single place cannot be shared
        (Places(1), 1, 0),
    ],
)
def test_campaigns_leave_places_that_a_daily_request_gets_at_once(
    places: Places, first: int, then: int
) -> None:
    campaign, daily = Demand(1, "ann", CAMPAIGN, 1000), Demand(2, "bob", DAILY, 40)
    assert share_places([campaign], {}, places) == {1: first}
    in_hand = {("ann", CAMPAIGN): first}
    assert share_places([campaign, daily], in_hand, places).get(2, 0) == then
    assert share_places([campaign], in_hand, places) == {}


def test_an_overdue_priority_gets_its_tenth_before_all_others() -> None:
    demands = [Demand(1, "ann", CAMPAIGN, 50), Demand(2, "bob", DAILY, 500)]
    in_hand = {("bob", DAILY): 92}
    assert share_places(demands, in_hand, Places(100)) == {2: 8}
    assert share_places(demands, in_hand, Places(100), {CAMPAIGN}) == {1: 8}
    in_hand = {("bob", DAILY): 50, ("ann", CAMPAIGN): 7}
    assert share_places(demands, in_hand, Places(100), {CAMPAIGN}) == {1: 3, 2: 40}


def test_of_equals_that_sender_comes_first_who_was_served_longest_ago() -> None:
    demands = [Demand(1, "ann", DAILY, 5), Demand(2, "bob", DAILY, 5), Demand(3, "eve", DAILY, 5)]
    served = {("ann", DAILY): 7, ("bob", DAILY): 4, ("eve", DAILY): 5, ("bob", CAMPAIGN): 9}
    assert list(share_places(demands, {}, Places(2), (), served)) == [2, 3]


@dataclass
class Cluster:
    """Tasks that run for a while; each tick lasts a minute."""

    places: Places
    rng: Random
    longest: int
    """[min]"""
    running: list[tuple[int, str, Priority]] = field(default_factory=list)
    """End [min], sender, priority."""
    last: dict[Priority, int] = field(default_factory=dict)
    served: dict[tuple[str, Priority], int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def tick(self, minute: int, demands: list[Demand]) -> Counter[int]:
        self.running = [one for one in self.running if one[0] > minute]
        in_hand = Counter((sender, priority) for _, sender, priority in self.running)
        pause = OVERDUE // timedelta(minutes=1)
        wanted = {one.priority for one in demands}
        overdue = {each for each in wanted if minute - self.last.get(each, -pause) >= pause}
        shares = share_places(demands, in_hand, self.places, overdue, self.served)
        by_id = {one.analysis_id: one for one in demands}
        for analysis, number in shares.items():
            one = by_id[analysis]
            assert 0 < number <= one.tasks
            self.last[one.priority] = minute
            self.served[one.sender, one.priority] = next(self.numbers)
            self.running += [
                (minute + self.rng.randint(1, self.longest), one.sender, one.priority)
                for _ in range(number)
            ]
        return Counter(shares)


NO_SHRINKING = [Phase.explicit, Phase.generate]


@settings(max_examples=25, deadline=None, phases=NO_SHRINKING)
@given(
    seed=st.integers(0, 2**32),
    total=st.integers(1, 30),
    kept_free=st.none() | st.integers(0, 10),
    senders=st.integers(1, 4),
    longest=st.sampled_from([1, 5, 40]),
)
def test_limits_hold_and_nobody_starves(
    seed: int, total: int, kept_free: int | None, senders: int, longest: int
) -> None:
    """Random senders with work of every priority, beside one who alone would fill everything."""
    rng = Random(seed)
    free = None if kept_free is None else min(kept_free, total - 1)
    cluster = Cluster(Places(total, kept_free=free), rng, longest)
    left = {
        number: Demand(number, f"s{rng.randrange(senders)}", rng.choice(list(Priority)), 3)
        for number in range(1, 7)
    }
    flood = [Demand(100 + n, f"flood{n}", each, 2 * total) for n, each in enumerate(Priority)]
    # an overdue priority gets the next place that is free, and in it senders take turns: before a
    # task there are at most the 17 others of these, and as often one of the flood
    longest_wait = (60 + longest) * 2 * 18
    for minute in range(longest_wait):
        got = cluster.tick(minute, [*flood, *left.values()])
        assert len(cluster.running) <= total
        for number in list(left):
            one = left.pop(number)
            if tasks := one.tasks - got[number]:
                left[number] = replace(one, tasks=tasks)
        if not left:
            break
    assert not left


@settings(max_examples=25, deadline=None, phases=NO_SHRINKING)
@given(seed=st.integers(0, 2**32), total=st.integers(10, 60), senders=st.integers(1, 4))
def test_a_daily_request_waits_for_no_tick_behind_campaigns(
    seed: int, total: int, senders: int
) -> None:
    cluster = Cluster(Places(total), Random(seed), 30)
    kept = total // 10
    campaigns = [Demand(n, f"c{n}", CAMPAIGN, 10_000) for n in range(1, senders + 1)]
    for minute in range(100):
        wanted = list(campaigns)
        quiet = not any(priority is DAILY for _, _, priority in cluster.running)
        if asked := quiet and minute % 7 == 3:
            wanted.append(Demand(99, "day", DAILY, kept))
        got = cluster.tick(minute, wanted)
        if asked:
            assert got[99] == kept
