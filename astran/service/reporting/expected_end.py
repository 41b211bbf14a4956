"""When the report of an analysis is to be expected, learnt from those that ended.

The logarithm of the time is taken to follow a straight line in the logarithm of the number of
tasks, with normal scatter. What is told is the prediction interval of that line for one more
analysis: with Student's t, as the scatter itself is known from few (Draper and Smith, Applied
Regression Analysis, section 1.4). Of an analysis that is under way, only times longer than it has
taken so far are possible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist

from sqlalchemy import Connection

from astran.base.states import AnalysisState, TaskState
from astran.base.text import count_noun, duration
from astran.database.analyses import Analysis
from astran.database.history.finished_analyses import FinishedAnalysis, finished_analyses
from astran.database.tasks import TaskRow
from astran.service.context import Context

LEAST = 8
"""From fewer analyses nothing is foretold."""
NEWEST = 200
"""So many are looked at, of all kinds."""
NEWEST_OF_KIND = 40
SHARE = 0.8
"""Of the analyses end within the interval."""
_LEAST_SPREAD = 0.05
"""Of the logarithm: ticks come once a minute, whatever the history says."""
_NORMAL = NormalDist()
_PLANNING = (AnalysisState.RECEIVED, AnalysisState.WAITING)


@dataclass(frozen=True, slots=True)
class DurationInterval:
    """How long an analysis takes from its plan to its report [s], with the share `SHARE`."""

    low_s: float
    middle_s: float
    high_s: float
    seen: int
    """Learnt from so many."""


def describe_expected_end(
    context: Context, db: Connection, analysis: Analysis, rows: Sequence[TaskRow]
) -> str:
    """When the report is to be expected, as a sentence; that there is no estimate, and why; empty
    where it has ended or nothing is planned yet."""
    if analysis.state.final or analysis.cancel_wanted or not rows:
        return ""
    own = [row for row in rows if row.run is not None and row.state is not TaskState.REUSED]
    stages = frozenset(row.stage for row in own)
    past = [one for one in finished_analyses(db, NEWEST) if one.stages == stages]
    now = context.clock.now()
    planned = analysis.state not in _PLANNING and analysis.started is not None
    begun = analysis.started if planned and analysis.started else now
    found = predict_duration(
        past[:NEWEST_OF_KIND], len(own), max((now - begun).total_seconds(), 0.0)
    )
    if found is None:
        seen = count_noun(len(past), "analysis", "analyses")
        return (
            f"There is no estimate yet of when the report comes: {seen} of this kind seen, "
            f"{LEAST} are needed."
        )
    source = f"80 % interval, learnt from {found.seen} earlier analyses of this kind"
    if not planned:
        low, high = duration(found.low_s), duration(found.high_s)
        return f"Once its data are there, the report takes {low} to {high} ({source})."
    low_at, high_at = _at(begun, found.low_s), _at(begun, found.high_s)
    return f"The report is expected between {low_at} and {high_at} UTC ({source})."


def _at(begun: datetime, seconds: float) -> str:
    return f"{begun + timedelta(seconds=seconds):%Y-%m-%d %H:%M}"


def predict_duration(
    past: Sequence[FinishedAnalysis], tasks: int, elapsed_s: float = 0.0
) -> DurationInterval | None:
    """The time of one more analysis with so many tasks, of which so much is over.

    None where too little is known: fewer than `LEAST` analyses, or more time gone by than any of
    them would let one expect.
    """
    if len(past) < LEAST:
        return None
    x = [math.log(max(one.tasks, 1)) for one in past]
    y = [math.log(max(one.seconds, 1.0)) for one in past]
    number = len(past)
    x_mean, y_mean = sum(x) / number, sum(y) / number
    x_square = sum((value - x_mean) ** 2 for value in x)
    away = math.log(max(tasks, 1)) - x_mean
    varied = x_square > 1e-9
    slope = (
        sum((u - x_mean) * (v - y_mean) for u, v in zip(x, y, strict=True)) / x_square
        if varied
        else 0.0
    )
    degrees = number - 2 if varied else number - 1
    rest = sum((v - y_mean - slope * (u - x_mean)) ** 2 for u, v in zip(x, y, strict=True))
    leverage = 1 / number + (away**2 / x_square if varied else 0.0)
    spread = max(math.sqrt(rest / degrees), _LEAST_SPREAD) * math.sqrt(1 + leverage)
    centre = y_mean + slope * away
    tail = (1 - SHARE) / 2
    # the normal distribution that has the same interval as Student's t
    width = spread * student_quantile(1 - tail, degrees) / _NORMAL.inv_cdf(1 - tail)
    gone = _NORMAL.cdf((math.log(elapsed_s) - centre) / width) if elapsed_s > 0 else 0.0
    if gone > 1 - 1e-6:
        return None
    low, middle, high = (
        math.exp(centre + width * _NORMAL.inv_cdf(gone + (1 - gone) * share))
        for share in (tail, 0.5, 1 - tail)
    )
    return DurationInterval(low, middle, high, number)


def student_quantile(share: float, degrees: int) -> float:
    """Quantile of Student's t (Abramowitz and Stegun, equation 26.7.5); good to 0.001 for the
    degrees of freedom that occur here, six and more."""
    z = _NORMAL.inv_cdf(share)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )
