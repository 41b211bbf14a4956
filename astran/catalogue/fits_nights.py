"""Night and livetime of a DL3 file by the header of its events, without astropy: a tick is light.

Headers are blocks of 2880 bytes with cards of 80 (FITS Standard 4.0, section 3.3); the events name
the start of the observation by TSTART [s] after MJDREFI + MJDREFF [d], and its LIVETIME [s] (GADF
0.3, EVENTS).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from astran.base.night import Night
from astran.base.night_data import FileRef

_BLOCK, _CARD = 2880, 80
_MOST_BLOCKS = 60
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_NUMBER = re.compile(rb"= {1,20}([+-]?[\d.]{1,25}(?:[EeDd][+-]?\d{1,3})?) *(?:/|$)")
_DATE = re.compile(r"(?:^|\D)(20\d{6})$")
_START = (b"TSTART  ", b"MJDREFI ", b"MJDREFF ")
_LIVETIME = b"LIVETIME"
_KEYS = (*_START, _LIVETIME)
_END = b"END     "
_LONGEST_S = 86_400.0


def files_of_night(files: Iterable[FileRef], night: str) -> tuple[FileRef, ...]:
    """The DL3 files of a night, YYYYMMDD, among those of several; one that does not tell its night
    counts where a folder above it bears that of the night."""
    return tuple(
        file
        for file in files
        if (str(own) if (own := night_of_file(file)) is not None else _named(file)) == night
    )


def _named(file: FileRef) -> str:
    """The night in the name of the nearest folder that has one; empty: none."""
    parts = (_DATE.search(name) for name in reversed(Path(file.path).parts[:-1]))
    return next((match[1] for match in parts if match), "")


def night_of_file(file: FileRef) -> Night | None:
    """The night of a file of one run; None where its headers do not tell."""
    found = _cards(file.path, file.size, file.mtime_ns)
    if not found.keys() >= set(_START):
        return None
    start_s, whole_d, part_d = (found[key] for key in _START)
    try:
        moment = _MJD_ZERO + timedelta(days=whole_d + part_d, seconds=start_s)
    except (OverflowError, ValueError):
        return None
    return Night.of(moment)


def livetime_of_file(file: FileRef) -> float | None:
    """Livetime of a file of one run [s]; None where its headers do not tell."""
    found = _cards(file.path, file.size, file.mtime_ns).get(_LIVETIME)
    return found if found is not None and 0 <= found < _LONGEST_S else None


@lru_cache(maxsize=20_000)
def _cards(path: str, size: int, mtime_ns: int) -> dict[bytes, float]:
    try:
        with gzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as stream:
            return _read_cards(stream)
    except (OSError, EOFError, zlib.error):
        return {}


def _read_cards(stream: BinaryIO | gzip.GzipFile) -> dict[bytes, float]:
    """The numbers of `_KEYS` up to the end of the header that tells the start."""
    found: dict[bytes, float] = {}
    for _ in range(_MOST_BLOCKS):
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            break
        for at in range(0, _BLOCK, _CARD):
            key, card = block[at : at + 8], block[at + 8 : at + _CARD]
            if key == _END and b"TSTART  " in found:
                return found
            if key in _KEYS and (match := _NUMBER.match(card)):
                found.setdefault(key, float(match[1].upper().replace(b"D", b"E")))
    return found
