"""Words about its origin in the primary header of a FITS product; all other bytes stay as they are.

Keywords have at most eight characters, long strings are continued (FITS standard 4.0, section
4.2.1.2), CHECKSUM and DATASUM of the primary HDU are set anew (section 4.4.2.7).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.tasks import HeaderCard

_PART = ".stamped"


def write_header_cards(path: Path, cards: Iterable[HeaderCard]) -> None:
    """Set these cards in the primary header of a file.

    Raises
    ------
    ProductError : it is no FITS file, or its primary HDU holds data
    """
    from astropy.io import fits

    part = path.with_name(path.name + _PART)
    with path.open("rb") as source, part.open("wb") as target:
        try:
            header = fits.Header.fromfile(source)
        except (OSError, EOFError, ValueError) as error:
            raise ProductError(f"{path.name} does not open as FITS: {error}.") from error
        if header.get("NAXIS", 0) != 0:
            raise ProductError(f"{path.name} has data in its primary HDU.")
        target.write(_with(header, cards))
        shutil.copyfileobj(source, target, 1 << 20)
    shutil.copymode(path, part)
    part.replace(path)


def _with(header: Any, cards: Iterable[HeaderCard]) -> bytes:
    """The header with the cards, padded to whole blocks."""
    from astropy.io import fits

    for keyword, value, comment in cards:
        header[keyword] = (_ascii(value), comment)
    extended = header.get("EXTEND", False)
    hdu = fits.PrimaryHDU(header=header)
    if extended:  # which astropy leaves to the list of HDUs
        hdu.header.set("EXTEND", True, after="NAXIS")
    hdu.add_checksum(when="of this header")
    return bytes(hdu.header.tostring().encode("ascii"))


def _ascii(value: str | int | float | bool) -> str | int | float | bool:
    """Headers hold printable ASCII; other letters, as in names of folders, are written out."""
    if not isinstance(value, str):
        return value
    text = value.encode("ascii", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in text)
