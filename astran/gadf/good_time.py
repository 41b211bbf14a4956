"""Good time intervals, livetime and dead time of a DL3 file, and whether the events are within."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from astran.gadf.arrays import Floats, Mask
from astran.gadf.columns import column_names, read_column
from astran.gadf.event_list import FEWEST_EVENTS
from astran.gadf.file_findings import FindingCode, FindingLog, format_share
from astran.gadf.header import EventHeader, number, reference_mjd, required_number

LEAST_GOOD_TIME_S = 1.0
LEAST_LIVE = 0.8
"""Least fraction of the time that is livetime; LST-1 has about 0.98."""
EDGE_S, ROUNDED_S = 1e-3, 1.0
"""Events so near to the edge of an interval are within. Some telescopes round edges to seconds:
events within `ROUNDED_S` count."""
FEW, MANY = 0.002, 0.01
"""Fractions of the events outside of the intervals: nearly all of them due to rounding; not to be
believed."""
NEAR = 0.01
"""Figures that should be the same may differ by this fraction."""
NO_DEAD_TIME = 1e-4
"""Any camera is dead for more than this part of the time."""
LONGEST_GAP_S, LONGEST_GAP = 30.0, 30.0
"""A longer time without events, in seconds and in mean distances, is no chance."""


@dataclass(frozen=True, kw_only=True)
class GoodTime:
    """Good time of a run. None: not known."""

    intervals: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    """Begins and ends in the seconds of the events, shape (n, 2), sorted; empty: not usable."""
    number: int = 0
    ordered: bool = True
    """Each begins before it ends, and after the one before has ended."""
    sum_s: float | None = None
    ontime_s: float | None = None
    """As the header says, else the sum of the intervals."""
    livetime_s: float | None = None
    """As the header says, else the time times `deadc`."""
    deadc: float | None = None
    """Livetime per good time; what the intervals are to be multiplied with."""
    events_outside: int | None = None

    def elapsed(self, time: Floats) -> Floats:
        """Good time before each time [s]."""
        starts, stops = self.intervals.T
        spent = np.clip(time[..., np.newaxis], starts, stops) - starts
        return np.asarray(spent.sum(axis=-1))

    def contains(self, time: Floats, margin_s: float = ROUNDED_S) -> Mask:
        """Which times lie within the intervals, their edges included."""
        starts, stops = self.intervals.T
        index = np.searchsorted(starts - margin_s, time, side="right") - 1
        return np.asarray((index >= 0) & (time <= stops[np.clip(index, 0, None)] + margin_s))


def read_good_time(
    hdu: Any | None, event_header: Any, zero: EventHeader, time: Floats, log: FindingLog
) -> GoodTime:
    """Read and judge the GTI table, the figures of the header, and where the events lie.

    Parameters
    ----------
    hdu : the table GTI; None: there is none
    time : of the events that have one
    """
    written = np.zeros((0, 2)) if hdu is None else _read_intervals(hdu, zero, log)
    good, ordered = _check_intervals(written, hdu, zero, log)
    total = float(np.diff(good).sum()) if len(good) else None
    ontime, live, deadc = _check_livetime(event_header, total, log)
    found = GoodTime(
        intervals=good,
        number=len(written),
        ordered=ordered,
        sum_s=total,
        ontime_s=ontime,
        livetime_s=live,
        deadc=deadc,
    )
    if not len(good) or not time.size:
        return found
    outside = _check_events(found, time, log)
    return GoodTime(**{**vars(found), "events_outside": outside})


def _read_intervals(hdu: Any, zero: EventHeader, log: FindingLog) -> Floats:
    if not {"START", "STOP"} <= set(column_names(hdu)):
        text = "Its good time intervals lack the columns START and STOP."
        log.error(FindingCode.GOOD_TIME, text)
        return np.zeros((0, 2))
    if not len(hdu.data):
        log.error(FindingCode.GOOD_TIME, "It has no good time interval.")
    written = np.stack([read_column(hdu, name, "s", log) for name in ("START", "STOP")], axis=1)
    if zero.reference_mjd is not None and hdu.header.get("MJDREFI") is not None:
        own = reference_mjd(hdu.header, log)
        written += 0.0 if own is None else (own - zero.reference_mjd) * 86400.0
    return written


def _check_intervals(
    written: Floats, hdu: Any | None, zero: EventHeader, log: FindingLog
) -> tuple[Floats, bool]:
    """Intervals that can be used, and whether they are in order."""
    none = np.zeros((0, 2))
    if not len(written):
        return none, True
    count = f"of its {len(written)} good time intervals"
    if endless := int((~np.isfinite(written)).any(axis=1).sum()):
        log.error(FindingCode.GOOD_TIME, f"{endless} {count} begin or end at no finite time.")
        return none, False
    starts, stops = written.T
    swapped = int(np.count_nonzero(~(stops > starts)))
    overlapping = int(np.count_nonzero(starts[1:] < stops[:-1] - EDGE_S))
    with np.errstate(over="ignore"):
        total = float((stops - starts).sum())
    if not np.isfinite(total):
        log.error(FindingCode.GOOD_TIME, "The sum of its good time intervals is not finite.")
        return none, False
    if swapped:
        log.error(FindingCode.GOOD_TIME, f"{swapped} {count} do not end after they begin.")
        return none, False
    if overlapping:
        text = f"{overlapping} {count} begin before the one before has ended."
        log.error(FindingCode.GOOD_TIME, text)
    if total < LEAST_GOOD_TIME_S:
        text = f"Its good time intervals hold {total:g} s: there is no livetime."
        log.error(FindingCode.GOOD_TIME, text)
    ends = float(starts.min()), float(stops.max())
    if zero.reference_mjd is not None and None in map(zero.utc, ends):
        days = zero.reference_mjd + ends[0] / 86400.0, zero.reference_mjd + ends[1] / 86400.0
        log.error(
            FindingCode.REFERENCE_TIME,
            f"Its times are impossible (MJD {days[0]:.1f} to {days[1]:.1f}): MJDREF or TIME is "
            "wrong.",
        )
    return written[np.argsort(starts)], not overlapping


def _check_events(good: GoodTime, time: Floats, log: FindingLog) -> int:
    """How many events lie in no interval."""
    outside = int(np.count_nonzero(~good.contains(time, EDGE_S)))
    if outside > FEW * time.size or not good.contains(time).all():
        share = format_share(outside, time.size)
        text = f"{share} of the events are outside of its good time intervals."
        add = log.error if outside > MANY * time.size else log.note
        add(FindingCode.OUTSIDE, text)
    _check_gaps(good.elapsed(time[good.contains(time)]), good.sum_s or 0.0, log)
    return outside


def _check_gaps(elapsed: Floats, total: float, log: FindingLog) -> None:
    """Find long times without events within the good time: the livetime is too long by them."""
    if elapsed.size < FEWEST_EVENTS:
        return
    gaps = np.diff(np.sort(np.concatenate([[0.0], elapsed, [total]])))
    long = gaps[gaps > max(LONGEST_GAP_S, LONGEST_GAP * total / elapsed.size)]
    if long.size:
        log.note(
            FindingCode.GAPS,
            f"It has no events in {long.sum():.0f} s of its {total:.0f} s of good time: rates and "
            "fluxes are too low by that part.",
        )


def _check_livetime(
    header: Any, total: float | None, log: FindingLog
) -> tuple[float | None, float | None, float | None]:
    """Time and livetime [s], and livetime / time."""
    written, live = number(header, "ONTIME"), number(header, "LIVETIME")
    ontime = total if written is None else written
    deadc = _dead_time(header, written, live, log)
    if live is None and ontime is not None and deadc is not None:
        live = ontime * deadc
    if live is None:
        return ontime, live, deadc
    if not live > 0:
        log.error(FindingCode.LIVETIME, f"Its livetime is {live:g} s.")
    elif ontime and live > ontime * 1.001:
        text = f"Its livetime ({live:.1f} s) is above its time ({ontime:.1f} s)."
        log.error(FindingCode.LIVETIME, text)
    elif total:
        _check_dead_time(ontime or total, live, deadc, log)
        _compare_livetime(total, written, live, deadc, log)
    return ontime, live, deadc


def _dead_time(
    header: Any, ontime: float | None, live: float | None, log: FindingLog
) -> float | None:
    """DEADC, else LIVETIME / ONTIME, which is the same by definition."""
    if header.get("DEADC") in (None, "") and ontime and live and 0 < live <= ontime * 1.001:
        text = "It does not tell DEADC: LIVETIME / ONTIME is used."
        log.note(FindingCode.LIVETIME, text)
        return min(live / ontime, 1.0)
    deadc = required_number(header, "DEADC", FindingCode.LIVETIME, log)
    if deadc is None:
        return None
    if not 0 < deadc <= 1 + 1e-6:
        text = f"Its DEADC is {deadc:g}, not in 0 to 1: there is no valid livetime."
        log.error(FindingCode.LIVETIME, text)
    return min(deadc, 1.0)


def _check_dead_time(elapsed: float, live: float, deadc: float | None, log: FindingLog) -> None:
    """Find a livetime from which no dead time was taken off."""
    if deadc is not None and deadc >= 1 - NO_DEAD_TIME:
        log.note(
            FindingCode.LIVETIME,
            "No dead time was taken off its livetime (DEADC is 1): fluxes and rates are too low by "
            "that part.",
        )
    elif deadc is not None and live >= elapsed * (1 - NO_DEAD_TIME):
        log.note(
            FindingCode.LIVETIME,
            f"Its LIVETIME is as long as its time, but DEADC is {deadc:.4g}: the good time times "
            "DEADC is used.",
        )


def _compare_livetime(
    total: float, ontime: float | None, live: float, deadc: float | None, log: FindingLog
) -> None:
    if live < total * LEAST_LIVE:
        log.note(
            FindingCode.LIVETIME,
            f"Its livetime ({live:.1f} s) is only {live / total:.0%} of its good time intervals: "
            "the run has gaps, or events were thinned out before DL3.",
        )
    if ontime is not None and ontime > total * (1 + NEAR):
        log.note(
            FindingCode.LIVETIME,
            f"Its time (ONTIME, {ontime:.1f} s) is more than its good time intervals hold "
            f"({total:.1f} s).",
        )
    if deadc is not None and abs(live - total * deadc) > NEAR * total:
        log.note(
            FindingCode.LIVETIME,
            f"Its LIVETIME keyword says {live:.0f} s, its good time times DEADC is "
            f"{total * deadc:.0f} s.",
        )
