"""Times of a DL3 file: good time intervals, livetime, and whether the events are within."""

from __future__ import annotations

import math
from typing import Any

from astran.production.audit.findings import AuditFindings, Dl3Audit, Gti, iso, share

DAY_S = 86400.0
UNIX_MJD = 40587.0
LEAST_LIVE = 0.8
"""Least fraction of the time that is livetime; LST-1 has about 0.98."""
EDGE_S, ROUNDED_S = 1e-3, 1.0
"""Events so near to the edge of an interval are within. Some telescopes round edges to seconds."""
FEW, MANY = 0.002, 0.01
"""Fractions of the events outside of the intervals: nearly all of them due to rounding; not to be
believed."""
NEAR = 0.01
"""Figures that should be the same may differ by this fraction."""


def look_at_times(hdus: Any, audit: Dl3Audit, findings: AuditFindings) -> None:
    """GTI, livetime and dead-time correction, and what does not fit together."""
    header = hdus["EVENTS"].header
    audit.ontime_s, audit.livetime_s = _figure(header, "ONTIME"), _figure(header, "LIVETIME")
    audit.deadc = _figure(header, "DEADC")
    if "GTI" in audit.hdus:
        _intervals(hdus, audit, findings)
    if audit.livetime_s is None and audit.ontime_s is not None and audit.deadc is not None:
        audit.livetime_s = round(audit.ontime_s * audit.deadc, 3)
    if audit.livetime_s is None:
        findings.problems.append("It does not tell its livetime (LIVETIME, or ONTIME and DEADC).")
    elif not audit.livetime_s > 0:
        findings.problems.append(f"Its livetime is {audit.livetime_s:g} s.")
    else:
        _livetime(audit, findings)


def _figure(header: Any, word: str) -> float | None:
    value = header.get(word)
    good = isinstance(value, int | float) and math.isfinite(value)
    return round(float(value), 6) if good else None


def _intervals(hdus: Any, audit: Dl3Audit, findings: AuditFindings) -> None:
    import numpy as np

    table, header = hdus["GTI"].data, hdus["GTI"].header
    if table is None or not {"START", "STOP"} <= set(table.names):
        findings.problems.append("Its good time intervals lack the columns START and STOP.")
        return
    starts, stops = np.asarray(table["START"], float), np.asarray(table["STOP"], float)
    if not len(starts):
        findings.problems.append("It has no good time interval.")
        audit.gti = Gti(number=0, sum_s=0.0, ordered=True)
        return
    endless = int(np.count_nonzero(~(np.isfinite(starts) & np.isfinite(stops))))
    if endless:
        findings.problems.append(
            f"{endless} of its {len(starts)} good time intervals begin or end at no finite time."
        )
        audit.gti = Gti(number=len(starts), sum_s=None, ordered=False)
        return
    swapped = int(np.count_nonzero(~(stops > starts)))
    overlapping = int(np.count_nonzero(starts[1:] < stops[:-1] - EDGE_S))
    with np.errstate(over="ignore"):
        total = float((stops - starts).sum())
    audit.gti = Gti(
        number=len(starts),
        sum_s=round(total, 3) if np.isfinite(total) else None,
        ordered=not swapped and not overlapping,
    )
    if audit.gti.sum_s is None:
        findings.problems.append("The sum of its good time intervals is not finite.")
        return
    if swapped:
        findings.problems.append(
            f"{swapped} of its {len(starts)} good time intervals do not end after they begin."
        )
        return
    if overlapping:
        findings.problems.append(
            f"{overlapping} of its {len(starts)} good time intervals begin before the one before "
            "has ended."
        )
    zero = _reference(header)
    if zero is not None:
        audit.start = iso(zero + float(starts.min()))
        audit.stop = iso(zero + float(stops.max()))
        if audit.start is None or audit.stop is None:
            findings.problems.append("Its good time intervals are at times that no calendar has.")
    audit.ontime_s = round(total, 3) if audit.ontime_s is None else audit.ontime_s
    if audit.ontime_s > total * (1 + NEAR):
        findings.warnings.append(
            f"Its time (ONTIME, {audit.ontime_s:.1f} s) is more than its good time intervals hold "
            f"({total:.1f} s)."
        )
    _outside(hdus["EVENTS"], starts, stops, zero, audit, findings)


def _reference(header: Any) -> float | None:
    """Zero of the times [unix s]; None: not told. Leap seconds do not matter here."""
    day = header.get("MJDREFI")
    if day is None:
        return None
    return (float(day) + float(header.get("MJDREFF", 0.0)) - UNIX_MJD) * DAY_S


def _outside(
    events: Any,
    starts: Any,
    stops: Any,
    zero: float | None,
    audit: Dl3Audit,
    findings: AuditFindings,
) -> None:
    """Count events that lie in no interval."""
    import numpy as np

    if events.data is None or "TIME" not in events.data.names or not len(events.data):
        return
    other = _reference(events.header)
    shift = other - zero if other is not None and zero is not None else 0.0
    times = np.asarray(events.data["TIME"], float) + shift
    times = times[np.isfinite(times)]
    order = np.argsort(starts)
    before = np.searchsorted(starts[order] - EDGE_S, times, side="right") - 1
    inside = (before >= 0) & (times <= stops[order][before] + EDGE_S)
    outside = int(np.count_nonzero(~inside))
    assert audit.gti is not None
    audit.gti.events_outside = outside
    gap = np.minimum(
        np.abs(times[~inside, None] - starts[None, :]).min(axis=1, initial=np.inf),
        np.abs(times[~inside, None] - stops[None, :]).min(axis=1, initial=np.inf),
    )
    if outside > FEW * len(times) or np.any(gap > ROUNDED_S):
        words = f"{share(outside, len(times))} of the events are outside of its good time intervals"
        many = outside > MANY * len(times)
        (findings.problems if many else findings.warnings).append(f"{words}.")


def _livetime(audit: Dl3Audit, findings: AuditFindings) -> None:
    live, ontime, deadc = audit.livetime_s, audit.ontime_s, audit.deadc
    assert live is not None
    if deadc is not None and not 0 < deadc <= 1 + 1e-6:
        findings.problems.append(f"Its dead-time correction (DEADC) is {deadc:g}, not in 0 to 1.")
    if ontime is None or ontime <= 0:
        return
    if live > ontime * 1.001:
        findings.problems.append(f"Its livetime ({live:.1f} s) is above its time ({ontime:.1f} s).")
    elif deadc is not None and abs(live / ontime - deadc) > NEAR:
        findings.warnings.append(
            f"Its livetime is {live / ontime:.3f} of its time, its dead-time correction (DEADC) is "
            f"{deadc:.3f}."
        )
    elapsed = (audit.gti.sum_s if audit.gti else None) or ontime
    if live < elapsed * LEAST_LIVE:
        findings.warnings.append(
            f"Its livetime ({live:.1f} s) is only {live / elapsed:.0%} of its good time intervals: "
            "the run has gaps, or events were thinned out before DL3."
        )
