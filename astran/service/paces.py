"""How fast DL2 of subruns is made here: measured in what was run, for the packing of what comes."""

from __future__ import annotations

from sqlalchemy import Connection

from astran.production.lst.subruns import Pace, measure, typical
from astran.store.paces import newest_packs

NEWEST = 30
"""So many tasks are looked at."""


def measured(db: Connection, version: str) -> dict[str, Pace]:
    """Start-up and speed with each folder of models that an lstchain version was run with."""
    found: dict[str, list[Pace]] = {}
    for pack in newest_packs(db, version, NEWEST):
        pace = measure(pack.done)
        if pace is not None:
            found.setdefault(pack.models, []).append(pace)
    return {models: typical(paces) for models, paces in found.items()}
