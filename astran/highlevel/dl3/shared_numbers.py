"""Files that carry the same run number: copies, parts of one run, or other runs.

A copy must not count twice. Parts of a run (subruns, several good times) are put together. What
lies in another night or points elsewhere is a run of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from astran.base.night import Night
from astran.highlevel.arrays import Floats
from astran.highlevel.dl3.run import Dl3Run, Excluded
from astran.highlevel.geometry import separation

SAME_POINTING_DEG = 0.02
OVERLAP_S = 5.0
"""Parts of a run may overlap by rounding."""
COPIED = 0.1
"""A run with this part of its events in another is a copy of it, whatever its number."""
SAME_MOMENT_S = 1e-5
LONGEST_BREAK = timedelta(hours=5)
"""There is more daylight than that between two nights."""
LONGEST_LIST = 5


def put_together(runs: Sequence[Dl3Run]) -> tuple[list[Dl3Run], list[Excluded], list[str]]:
    """Each run once: the runs, the files that are left out, and what to say of both.

    In order of time, so that each run is compared only with those that reach into it, and with
    those of its own number.
    """
    kept: list[Dl3Run] = []
    excluded: list[Excluded] = []
    parts: dict[int, int] = {}
    lasting: list[int] = []
    numbered: dict[int, list[int]] = {}
    for run in sorted(runs, key=lambda item: (item.start, item.path.name)):
        lasting = [i for i in lasting if kept[i].stop > run.start]
        twin = next((kept[i] for i in reversed(lasting) if _is_copy(run, kept[i])), None)
        if twin is not None:
            excluded.append(_double(run, twin))
            continue
        same = numbered.setdefault(run.obs_id, [])
        place = next((i for i in same if _belong_together(kept[i], run)), None)
        if place is None:
            place = len(kept)
            same.append(place)
            kept.append(run)
        else:
            parts[run.obs_id] = parts.get(run.obs_id, 1) + 1
            kept[place] = _joined(kept[place], run)
        lasting = sorted({*lasting, place})
    said = [
        f"Run {number}: its {count} files hold different times (subruns): they were put together."
        for number, count in sorted(parts.items())
    ]
    shared = sorted(number for number, places in numbered.items() if len(places) > 1)
    if shared:
        listed = ", ".join(map(str, shared[:LONGEST_LIST]))
        more = f" and {len(shared) - LONGEST_LIST} more" if len(shared) > LONGEST_LIST else ""
        said.append(
            f"Several runs, of other times or pointings, carry the number {listed}{more} (OBS_ID): "
            "each counts as a run of its own."
        )
    return kept, excluded, said


def name_nights(runs: Sequence[Dl3Run]) -> list[Dl3Run]:
    """The runs in order of time; those without a long break between them are of one night, also
    across noon UTC."""
    found: list[Dl3Run] = []
    for run in sorted(runs, key=lambda item: (item.start, item.obs_id)):
        before = found[-1] if found else None
        close = before is not None and run.start - before.stop < LONGEST_BREAK
        night: Night = before.night if before is not None and close else run.night
        found.append(replace(run, of_night=night))
    return found


def _double(run: Dl3Run, twin: Dl3Run) -> Excluded:
    other = twin.path.name if twin.path.name != run.path.name else str(twin.path)
    reason = f"{other} holds the same run; its events would count twice."
    return Excluded(run.obs_id, run.path.name, reason)


def _is_copy(run: Dl3Run, other: Dl3Run) -> bool:
    shared = _overlap_s(run.intervals, other.intervals)
    if shared <= OVERLAP_S:
        return False
    if run.obs_id == other.obs_id and _same_pointing(run, other):
        return True
    times = np.sort(other.unix_time)
    mine = run.unix_time
    index = np.clip(np.searchsorted(times, mine), 1, max(times.size - 1, 1))
    near = np.minimum(
        np.abs(times[np.minimum(index, times.size - 1)] - mine), np.abs(times[index - 1] - mine)
    )
    same_place = _same_pointing(run, other)
    return same_place and np.count_nonzero(near < SAME_MOMENT_S) > COPIED * mine.size


def _overlap_s(first: Floats, second: Floats) -> float:
    """Common good time of two lists of intervals [s]."""
    starts = np.maximum(first[:, None, 0], second[None, :, 0])
    stops = np.minimum(first[:, None, 1], second[None, :, 1])
    return float(np.clip(stops - starts, 0, None).sum())


def _same_pointing(run: Dl3Run, other: Dl3Run) -> bool:
    return float(separation(run.pointing, other.pointing)) < SAME_POINTING_DEG


def _belong_together(run: Dl3Run, part: Dl3Run) -> bool:
    return (
        run.obs_id == part.obs_id
        and _same_pointing(run, part)
        and part.start - run.stop < LONGEST_BREAK
    )


def _joined(run: Dl3Run, part: Dl3Run) -> Dl3Run:
    """One run of both; its livetime is the sum of theirs."""
    shift = (part.start - run.start).total_seconds() - float(part.gti[0, 0] - run.gti[0, 0])
    gti = _united(np.concatenate([run.gti, part.gti + shift]))
    total = float((gti[:, 1] - gti[:, 0]).sum())
    live = min(run.livetime_s + part.livetime_s, total)
    return replace(
        run,
        gti=gti,
        deadc=live / total,
        time=np.concatenate([run.time, part.time + shift]),
        direction=np.concatenate([run.direction, part.direction]),
        energy=np.concatenate([run.energy, part.energy]),
        zenith_angles=(*run.zenith_angles, *part.zenith_angles),
        notes=tuple(dict.fromkeys((*run.notes, *part.notes))),
        more_files=(*run.more_files, part.path),
    )


def _united(intervals: Floats) -> Floats:
    """Intervals in order, those that touch or overlap as one."""
    found: list[list[float]] = []
    for start, stop in intervals[np.argsort(intervals[:, 0])].tolist():
        if found and start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], stop)
        else:
            found.append([start, stop])
    return np.array(found)
