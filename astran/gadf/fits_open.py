"""Opening FITS files that may be damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from astran.base.errors import ProductError
from astran.base.files import require_present

BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    StopIteration,
    TypeError,
    ValueError,
    fits.VerifyError,
    struct.error,
    zlib.error,
)
"""What astropy raises on files that are truncated, garbled or no FITS at all."""
_UNPACK = {".gz": gzip.decompress, ".bz2": bz2.decompress}
PACKED_SUFFIXES = tuple(_UNPACK)


@contextmanager
def open_fits(path: Path) -> Iterator[Any]:
    """The HDU list of a file.

    Raises
    ------
    ProductError : it is not there or empty, or its content cannot be read
    """
    require_present(path)
    try:
        with open_verified(path, []) as hdus:
            yield hdus
    except BROKEN as error:
        raise ProductError(f"{path.name} cannot be read: {describe_damage(error)}.") from error


@contextmanager
def open_verified(path: Path, wrong_checksums: list[str]) -> Iterator[Any]:
    """The HDU list of a file; a truncated file is an error (OSError), not only a warning.

    A compressed file is unpacked first: astropy takes the end of a truncated one for the end of
    the list, and is slower at reading it in pieces.

    Parameters
    ----------
    wrong_checksums : filled with what astropy says of them, by the end
    """
    source: Any = path
    if unpack := _UNPACK.get(path.suffix.lower()):
        source = io.BytesIO(unpack(path.read_bytes()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("error", message=".*truncated.*", category=AstropyUserWarning)
        try:
            with fits.open(source, memmap=False, checksum=True) as hdus:
                yield hdus
        except AstropyUserWarning as error:
            raise OSError(f"truncated: {error}") from error
    found = (str(one.message).rstrip(".\n ") for one in caught)
    wrong_checksums += dict.fromkeys(text for text in found if "verification failed" in text)


def describe_damage(error: BaseException) -> str:
    """What is wrong with a file, by the error that reading it raised."""
    text = str(error)
    if "No SIMPLE card" in text or "Empty or corrupt" in text:
        return "it is no FITS file"
    if any(word in text for word in ("truncated", "buffer is too small", "cannot reshape")):
        return "it is truncated"
    if isinstance(error, EOFError):
        return "it is truncated"
    return " ".join(text.split())[:200].rstrip(". ") or type(error).__name__
