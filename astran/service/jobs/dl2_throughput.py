"""How fast DL2 of subruns is made here: measured in what was run, for the packing of what comes."""

from __future__ import annotations

from sqlalchemy import Connection

from astran.database.history.dl2_throughput import newest_packs
from astran.telescopes.lst.planning.subrun_packs import (
    Dl2Throughput,
    measure_throughput,
    typical_throughput,
)

NEWEST = 30
"""So many tasks are looked at."""


def measure_dl2_throughput(db: Connection, version: str) -> dict[str, Dl2Throughput]:
    """Start-up and speed with each folder of models that an lstchain version was run with."""
    found: dict[str, list[Dl2Throughput]] = {}
    for pack in newest_packs(db, version, NEWEST):
        pace = measure_throughput(pack.done)
        if pace is not None:
            found.setdefault(pack.models, []).append(pace)
    return {models: typical_throughput(paces) for models, paces in found.items()}
