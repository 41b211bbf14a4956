"""DL1 run by run, as the table that people read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from astran.base.disk_space import format_bytes
from astran.telescopes.hand_tools import RunListing
from astran.telescopes.lst.catalogue.dl1.listing import Dl1Row

_RIGHT = ("Run", "Files", "Size", "Livetime", "Zenith", "Rate", "Pair")
_TITLES = (
    *("Night", "Run", "Source", "State", "DL1", "Files", "Size", "Livetime"),
    *("Zenith", "Rate", "Pointing", "Wobble", "Pair", "Remark"),
)


def tabulate_runs(rows: Sequence[Dl1Row]) -> RunListing:
    """The runs with all their numbers."""
    return RunListing(
        columns=tuple((title, "right" if title in _RIGHT else "left") for title in _TITLES),
        rows=tuple(map(_cells, rows)),
        records=tuple(map(dataclasses.asdict, rows)),
        folders=tuple(sorted({row.folder for row in rows if row.folder})),
    )


def _cells(row: Dl1Row) -> tuple[str, ...]:
    return (
        row.night,
        str(row.run),
        row.source,
        row.state.value,
        f"{row.version} {row.tailcut}".strip(),
        f"{row.files} subruns" if row.subruns else str(row.files),
        format_bytes(row.size),
        _number(row.livetime_s, "{:.0f} s"),
        _number(row.zenith_deg, "{:.1f}°"),
        _number(row.rate_hz, "{:.0f} Hz"),
        _pointing(row),
        _wobble(row),
        "" if row.pair is None else str(row.pair),
        _remark(row),
    )


def _remark(row: Dl1Row) -> str:
    others = [version for version in row.versions if version != row.version]
    older = f"also {', '.join(others)}" if others else ""
    return "; ".join(word for word in (row.reason, older) if word)


def _pointing(row: Dl1Row) -> str:
    if row.ra_deg is None or row.dec_deg is None:
        return ""
    return f"{row.ra_deg:.2f}° {row.dec_deg:+.2f}°"


def _wobble(row: Dl1Row) -> str:
    if row.offset_deg is None or row.wobble_deg is None:
        return ""
    return f"{row.offset_deg:.2f}° at {row.wobble_deg:.0f}°"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
