"""Opening FITS files that may be damaged."""

from __future__ import annotations

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

BROKEN = (
    OSError,
    EOFError,
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    StopIteration,
    struct.error,
    zlib.error,
    fits.VerifyError,
)
"""What astropy raises on files that are truncated, garbled or no FITS at all."""


@contextmanager
def open_fits(path: Path) -> Iterator[Any]:
    """The HDU list of a file; a truncated file is an error (OSError), not only a warning.

    A compressed file is unpacked first: astropy takes the end of a truncated one for the end of
    the list, and is slower at reading it in pieces.
    """
    source: Any = path
    if path.name.endswith(".gz"):
        source = io.BytesIO(gzip.decompress(path.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*truncated.*", category=AstropyUserWarning)
        try:
            with fits.open(source, memmap=False) as hdus:
                yield hdus
        except AstropyUserWarning as error:
            raise OSError(f"truncated: {error}") from error
