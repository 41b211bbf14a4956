"""Whether a file is there at all."""

from __future__ import annotations

from pathlib import Path

from astran.base.errors import ProductError

STUB_BYTES = 20_000
"""lstchain_dl1_to_dl2 that fails after its start leaves an HDF5 file of about 13 kB."""


def require_present(path: Path) -> int:
    """Size of the file (ProductError if there is none or it is empty)."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ProductError(f"{path} cannot be read: {error.strerror}.") from error
    if size == 0:
        raise ProductError(f"{path.name} is empty.")
    return size
