"""The nights of a data set as tables: what they hold, how they are going, what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from astran.base.failures import attempt_part
from astran.base.night import Night
from astran.base.states import AnalysisState
from astran.base.text import count_noun, one_line
from astran.database import analyses, tasks
from astran.database.analyses import Analysis
from astran.database.orders import data_sets
from astran.database.orders.data_sets import DataSetNight
from astran.report import result_files
from astran.report.formatting import format_livetime, format_significance
from astran.report.tables import Table, TableRow
from astran.report.verdict import describe_flux, make_verdict
from astran.results.document import Results
from astran.service.reporting.result_folder import results_folder

_WITH_RESULT = (AnalysisState.DONE, AnalysisState.PARTIAL)
ABSENT = "-"


def census_table(nights: Sequence[DataSetNight]) -> Table:
    """What each night holds, and what its analysis asks for."""
    several = _several(nights)
    rows = []
    for one in nights:
        if not one.has_data:
            rows.append(TableRow((_name(one, several),), remark=one_line(f"no data: {one.remark}")))
            continue
        hours = ABSENT if one.livetime_s is None else format_livetime(one.livetime_s / 3600)
        cost = ABSENT if one.core_hours is None else f"{one.core_hours:.1f} h"
        cells = (_name(one, several), str(one.runs), hours, cost)
        rows.append(TableRow(cells, remark=one_line(one.remark)))
    return Table(("Night", "Runs", "Livetime", "Core hours"), tuple(rows))


def progress_table(nights: Sequence[DataSetNight]) -> Table:
    """How each night is going."""
    several = _several(nights)
    rows = []
    for one in nights:
        state = str(one.state) if one.state else ("not started" if one.has_data else "no data")
        child = f"A{one.child_id}" if one.child_id else ABSENT
        bad = one.state in (AnalysisState.FAILED, AnalysisState.EXPIRED)
        remark = "" if one.state else one.remark
        cells = (_name(one, several), child, state, one_line(remark))
        rows.append(TableRow(cells, ok=not bad))
    return Table(("Night", "Analysis", "State", "Remark"), tuple(rows))


def outcome_table(db: Connection, nights: Sequence[DataSetNight]) -> Table:
    """What came of each night, or why nothing did."""
    several = _several(nights)
    rows = tuple(_outcome(db, one, _name(one, several)) for one in nights)
    return Table(("Night", "Analysis", "Runs", "Time", "Significance", "Flux"), rows)


def _outcome(db: Connection, one: DataSetNight, name: str) -> TableRow:
    if one.child_id is None:
        if one.has_data or not one.counted:
            return TableRow((name,), remark="not started")
        return TableRow((name,), remark=one_line(f"left out: {one.remark}", 300))
    child = analyses.get_analysis(db, one.child_id)
    if not one.over:
        return TableRow((name, f"{child.name} ({one.state})"))
    found = _results_of(db, one.child_id) if one.state in _WITH_RESULT else None
    if found is None and one.state in _WITH_RESULT:
        return TableRow((name, f"{child.name} ({one.state})"))
    if found is None:
        why = one_line(child.reason, 200) or f"{child.name} is {child.state}"
        return TableRow((name,), ok=False, remark=f"left out: {child.name} {child.state}: {why}")
    stacked = found.stacked
    cells = (
        name,
        child.name if one.state is AnalysisState.DONE else f"{child.name} ({one.state})",
        str(len(found.runs)),
        format_livetime(stacked.livetime_h),
        format_significance(stacked.significance),
        describe_flux(found.spectrum).removesuffix(".") if found.spectrum.numbers else ABSENT,
    )
    return TableRow(cells, ok=one.state is AnalysisState.DONE)


def _results_of(db: Connection, child_id: int) -> Results | None:
    folder = results_folder(tasks.of_analysis(db, child_id))
    if folder is None:
        return None
    unread: list[str] = []
    found = attempt_part(lambda: result_files.read_results(folder), unread.append)
    return found.results if found else None


def progress_of_nights(db: Connection, whole: Analysis) -> str:
    """How a data set is going, in words; empty where it has ended, and for other analyses."""
    if not whole.is_data_set or whole.state.final:
        return ""
    nights = data_sets.nights_of(db, whole.id)
    there = [one for one in nights if one.has_data]
    held = "held: " if data_sets.options_of(db, whole.id).held else ""
    if whole.state is AnalysisState.RECEIVED:
        counted = sum(one.counted for one in nights)
        return f"{held}{counted} of {count_noun(len(nights), 'night')} looked at"
    if whole.state is AnalysisState.WAITING:
        return f"{held}waits for the GO of its requester"
    over = sum(one.over for one in there)
    live = sum(one.child_id is not None and not one.over for one in there)
    if over == len(there):
        return f"{held}all {count_noun(over, 'night')} ended"
    return (
        f"{held}{over} of {count_noun(len(there), 'night')} ended, {live} under way, "
        f"{len(there) - over - live} to be started"
    )


def title_of(nights: Sequence[DataSetNight]) -> str:
    """`Crab, 2023-12-07 to 2023-12-13`."""
    names = list(dict.fromkeys(one.target or "all targets" for one in nights))
    who = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    first, last = Night.parse(nights[0].night).iso, Night.parse(nights[-1].night).iso
    return f"{who}, {first}" + (f" to {last}" if last != first else "")


def describe_stacks(folders: Sequence[Path]) -> list[str]:
    """What the stack of each target shows, a sentence each."""
    said = []
    for folder in folders:
        found = result_files.read_results(folder).results
        if found is None:
            said.append(f"{folder.name}: the results cannot be read.")
            continue
        nights = " to ".join(dict.fromkeys((min(found.nights), max(found.nights))))
        verdict = make_verdict(found, found.target.name, Night.parse(nights[:8]).iso)
        said.append(" ".join(filter(None, (verdict.sentence, verdict.flux))))
    return said


def _several(nights: Sequence[DataSetNight]) -> bool:
    return len({one.target for one in nights}) > 1


def _name(one: DataSetNight, several: bool) -> str:
    night = Night.parse(one.night).iso
    return f"{night} {one.target or 'all targets'}" if several else night
