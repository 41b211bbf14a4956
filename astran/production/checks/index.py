"""Check of the DL3 index files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.files import require_present

HDU_INDEX = "hdu-index"
PATTERN = "dl3_*.fits*"


def check_index(path: Path) -> dict[str, Any]:
    """Check that an index, which lies beside its DL3 files, lists each of them.

    lstchain leaves a file that it cannot read out of the index, and reports success.

    Returns
    -------
    files : number of DL3 files; rows : of the index
    """
    from astran.gadf.fits_open import open_fits

    require_present(path)
    there = sorted(file.name for file in path.parent.glob(PATTERN))
    if not there:
        raise ProductError(f"There is no DL3 file beside {path.name}.")
    with open_fits(path) as hdus:
        if len(hdus) < 2 or hdus[1].data is None:
            raise ProductError(f"{path.name} holds no table.")
        table = hdus[1].data
        if path.name.startswith(HDU_INDEX):
            _files(path, table, there)
        else:
            _observations(path, table, len(there))
        return {"files": len(there), "rows": len(table)}


def _files(path: Path, table: Any, there: list[str]) -> None:
    listed = {
        (str(folder).strip(), str(name).strip())
        for folder, name in zip(table["FILE_DIR"], table["FILE_NAME"], strict=True)
    }
    paths = [Path(folder, name) for folder, name in sorted(listed)]
    lost = [str(file) for file in paths if not (path.parent / file).is_file()]
    if lost:
        raise ProductError(f"{path.name} points to files that are not there: {', '.join(lost)}.")
    unlisted = sorted(set(there) - {name for _, name in listed})
    if unlisted:
        raise ProductError(
            f"{path.name} does not list {', '.join(unlisted)}: lstchain could not read it."
        )


def _observations(path: Path, table: Any, expected: int) -> None:
    runs = {int(run) for run in table["OBS_ID"]}
    if len(runs) != expected or len(table) != expected:
        raise ProductError(
            f"{path.name} lists {len(runs)} runs in {len(table)} rows, but there are {expected} "
            "DL3 files."
        )
