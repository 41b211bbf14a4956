"""Whose tasks are submitted first, and how many: priorities, and a fair share of every sender.

Pure functions; `docs/architecture.md` states the rule.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from astran.base.scheduler import Priority

OVERDUE = timedelta(hours=1)
"""A priority with ready tasks of which nothing was submitted for so long comes first."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one analysis could submit now."""

    analysis_id: int
    sender: str
    priority: Priority
    tasks: int


@dataclass(frozen=True, slots=True)
class Places:
    """How many tasks the scheduler may have at once."""

    most: int | None = None
    """That the site allows; None: no limit."""
    taken: int | None = None
    """That the scheduler had when it refused more, not long ago; it may take more by now, so that
    only campaigns keep to it."""
    kept_free: int | None = None
    """That many campaigns leave free; None: a tenth."""

    @property
    def known(self) -> int | None:
        """The smaller of the two limits; None: neither is known."""
        return min((each for each in (self.most, self.taken) if each is not None), default=None)

    @property
    def share(self) -> int:
        """So many places each priority gets in the long run, whatever the others ask for."""
        return max(1, (self.known or 0) // 10)

    def most_for(self, priority: Priority) -> int | None:
        """Up to how many tasks of all kinds a priority may fill the scheduler; None: no limit."""
        if priority is not Priority.CAMPAIGN or self.known is None:
            return self.most
        return max(1, self.known - (self.share if self.kept_free is None else self.kept_free))


InHand = Mapping[tuple[str, Priority], int]
"""Tasks in the scheduler by sender and priority."""


def share_places(
    demands: Sequence[Demand],
    in_hand: InHand,
    places: Places,
    overdue: Collection[Priority] = (),
    served: Mapping[tuple[str, Priority], int] | None = None,
) -> dict[int, int]:
    """How many tasks each analysis may submit, in the order in which they are to be submitted.

    Parameters
    ----------
    overdue : priorities with ready tasks of which nothing was submitted for `OVERDUE`
    served : number of the newest submission by sender and priority: of senders who have the same
        number of tasks, that one comes first who was served longest ago
    """
    held = Counter[Priority]()
    for (_, priority), number in in_hand.items():
        held[priority] += number
    turns = {each: _in_turn(demands, in_hand, each, served or {}) for each in Priority}
    granted: defaultdict[int, int] = defaultdict(int)

    def give(priority: Priority, most: int | None) -> None:
        for analysis in islice(turns[priority], None if most is None else max(0, most)):
            granted[analysis] += 1
            held[priority] += 1

    for priority in [each for each in Priority if each in overdue]:
        wanted = places.share - held[priority]
        left = wanted if places.most is None else places.most - held.total()
        give(priority, min(wanted, left))
    for priority in Priority:
        most = places.most_for(priority)
        give(priority, None if most is None else most - held.total())
    return dict(granted)


def _in_turn(
    demands: Iterable[Demand], in_hand: InHand, priority: Priority, served: InHand
) -> Iterator[int]:
    """Analyses of a priority, each as often as it has tasks: the next place is for the sender who
    has the fewest, and of his analyses for the oldest."""
    queues: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for one in demands:
        if one.priority is priority and one.tasks:
            queues[one.sender].append((one.analysis_id, one.tasks))
    heap = []
    for sender, queue in queues.items():
        queue.sort(reverse=True)
        key = sender, priority
        heap.append((in_hand.get(key, 0), served.get(key, 0), queue[-1][0], sender))
    heapq.heapify(heap)
    while heap:
        number, last, analysis, sender = heap[0]
        queue = queues[sender]
        _, tasks = queue.pop()
        if tasks > 1:
            queue.append((analysis, tasks - 1))
        if queue:
            heapq.heapreplace(heap, (number + 1, last, queue[-1][0], sender))
        else:
            heapq.heappop(heap)
        yield analysis
