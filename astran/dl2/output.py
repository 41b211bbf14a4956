"""What a DL2 file says of its making, and its name while it is made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TABLE = "/dl2/event/telescope/parameters/LST_LSTCam"
ENGINE = "ASTRAN_DL2_ENGINE"
"""Attribute of a DL2 file: `fast`, or `stock` and why."""


def holds_events(path: Path) -> bool:
    """Whether a DL2 file has its table of events; False also for one that does not open."""
    import tables

    try:
        with tables.open_file(str(path), "r") as handle:
            return TABLE in handle
    except (OSError, tables.HDF5ExtError):
        return False


def mark_engine(path: Path, engine: str) -> None:
    """Write into a DL2 file what made it."""
    import tables

    with tables.open_file(str(path), "a") as handle:
        handle.root._v_attrs[ENGINE] = engine


@contextmanager
def temporary_name(path: Path) -> Iterator[Path]:
    """A name to write to; the file takes its final name at the end, or is thrown away."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
