"""Room for products: looked at before jobs are submitted, and told where it lacks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from astran.base.disk_space import CURE, format_bytes, free_bytes
from astran.base.tasks import Stage
from astran.database import events
from astran.database.analyses import Analysis
from astran.database.live_tasks import tasks_under_way
from astran.database.tasks import TaskRow
from astran.service.context import Context
from astran.service.outgoing.enqueue import enqueue_letter, tell_operator, thread_of_analysis

_log = logging.getLogger(__name__)

AGAIN = timedelta(minutes=10)
"""Pause until the disk is looked at again."""
_GROWTH: dict[str, float] = {Stage.DL2: 1.6, Stage.DL3: 0.1}
"""Size of the products of a stage, of that of its input: DL2 has 290 bytes per event, DL1 186; of
them few events pass the cuts of DL3."""
_LEAST: dict[str, float] = {Stage.IRF: 20e6, Stage.INDEX: 1e6, Stage.HIGHLEVEL: 50e6}
_LEAST_OF_OTHERS = 50e6


def affordable_tasks(
    context: Context, analysis: Analysis, ready: Sequence[TaskRow]
) -> list[TaskRow]:
    """Those of the tasks whose products will fit on the disk, in their order.

    Tasks under way, of any analysis, have not written all they will: their share is counted as
    used. If some have to wait, requester (once) and operator (once a day) are told.
    """
    if not ready:
        return []
    reserve = context.site.disk_reserve_gb * 1e9
    free = free_bytes(analysis.folder)
    promised = _promised(context)
    left = free - reserve - promised
    fitting: list[TaskRow] = []
    for row in ready:
        wanted = needed_bytes(row)
        if left < wanted:
            break
        left -= wanted
        fitting.append(row)
        context.promised = (context.promised or 0.0) + wanted
    if len(fitting) < len(ready):
        wanted = sum(map(needed_bytes, ready)) + promised
        _tell(context, analysis, len(ready) - len(fitting), wanted, free)
    return fitting


def _promised(context: Context) -> float:
    """What tasks under way will write [bytes]: asked once in a tick, as there may be thousands."""
    if context.promised is None:
        with context.db.begin() as db:
            rows = tasks_under_way(db)
        context.promised = float(sum(map(needed_bytes, rows)))
    return context.promised


def needed_bytes(row: TaskRow) -> float:
    """Expected size of the products of a task [bytes]."""
    stage = row.stage
    growth = _GROWTH.get(stage)
    if growth is None:
        return _LEAST.get(stage, _LEAST_OF_OTHERS)
    if stage == Stage.DL2 and row.run is None:
        growth *= 2  # subruns, which are then put together
    return growth * _size(path for path in row.stored_spec["inputs"] if path.endswith(".h5"))


def _size(paths: Iterable[str]) -> int:
    total = 0
    for path in paths:
        try:
            total += Path(path).stat().st_size
        except OSError:
            continue  # the task itself will say so
    return total


def _tell(context: Context, analysis: Analysis, held: int, wanted: float, free: int) -> None:
    now = context.clock.now()
    text = (
        f"{held} tasks of {analysis.name} wait for room on the disk of {analysis.folder.parent}: "
        f"about {format_bytes(wanted)} are needed, {format_bytes(free)} are free "
        f"({context.site.disk_reserve_gb:g} GB are kept free)."
    )
    _log.warning("%s", text)
    with context.db.begin() as db:
        first = events.count_events(db, "no-room", analysis.created, analysis.id) == 0
        if first:
            events.note_event(db, now, "no-room", text, analysis.id)
        if context.site.mail is None:
            return
        _mail(context, db, analysis, text, first)


def _mail(context: Context, db: Connection, analysis: Analysis, text: str, first: bool) -> None:
    day = context.clock.now().strftime("%Y%m%d")
    tell_operator(
        context, db, key=f"no-room.{day}", title="no room on disk", text=f"{text}\n{CURE}"
    )
    if first and analysis.recipient:
        told = "The operator of this site has been told. Your analysis goes on when there is room."
        letter = context.letters.notice(
            thread_of_analysis(analysis),
            f"{analysis.name} waits for room on the disk",
            f"{text}\n\n{told}",
            request_id=analysis.name,
        )
        enqueue_letter(context, db, "no-room", letter, analysis)
