"""What lies in a DL3 folder: event files, and which shared IRF file belongs to which.

The index files (obs-index, hdu-index) are optional. They serve to find IRFs that are kept in
files of their own, and to notice files that should be there and are not.
Format: https://gamma-astro-data-formats.readthedocs.io/en/latest/data_storage/index.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from os.path import expandvars
from pathlib import Path

from astran.base.errors import ProductError
from astran.gadf.fits_open import PACKED_SUFFIXES, open_fits

SUFFIXES = tuple(
    f".{name}{packed}" for name in ("fits", "fit", "fts") for packed in ("", *PACKED_SUFFIXES)
)
"""In any case of letters."""
INDEX_NAMES = ("hdu-index", "obs-index")
RESULTS, MAP_FILE, SPECTRA = "results.json", "skymap.fits", "spectra"
"""What an analysis writes: its files are no DL3."""


@dataclass(frozen=True)
class Folder:
    """Files of a DL3 folder."""

    path: Path
    files: tuple[Path, ...]
    """FITS files below the folder, index files left out, sorted by name; then those elsewhere that
    an index names."""
    missing: Mapping[Path, int] = field(default_factory=dict)
    """Event files that an index names and that are not there, with their OBS_ID."""
    irfs: Mapping[Path, tuple[Path, ...]] = field(default_factory=dict)
    """Other files in which the index places the IRFs of an event file."""
    warnings: tuple[str, ...] = ()


def scan_folder(path: Path) -> Folder:
    """List a DL3 folder.

    Raises
    ------
    ProductError : there is no such folder, or no FITS file in it
    """
    if not path.is_dir():
        raise ProductError(f"There is no folder {path}.", "Name the folder of the DL3 files.")
    named = [
        item
        for item in sorted(path.rglob("*.[fF][iItT]*"))
        if item.is_file() and not any(part.startswith(".") for part in item.relative_to(path).parts)
    ]
    found = [item for item in named if item.name.lower().endswith(SUFFIXES)]
    indices = [item for item in found if item.name.startswith(INDEX_NAMES)]
    files = [item for item in found if item not in indices and not _is_result(item)]
    elsewhere: list[Path] = []
    missing: dict[Path, int] = {}
    irfs: dict[Path, tuple[Path, ...]] = {}
    warnings = _unread(set(named) - set(found))
    for index in indices:
        if not index.name.startswith("hdu-index"):
            continue
        try:
            elsewhere += _read_index(index, missing, irfs)
        except ProductError as error:
            warnings.append(f"{error.message} It is not used.")
    here = {item.resolve() for item in files}
    files += [item for item in dict.fromkeys(elsewhere) if item not in here]
    if not files and not missing:
        raise ProductError(f"There is no FITS file in {path}.", "Name the folder of the DL3 files.")
    return Folder(path, tuple(files), missing, irfs, tuple(warnings))


def _unread(files: Collection[Path]) -> list[str]:
    """A word on files that look like FITS but are packed in a way that is not read."""
    names = [item.name for item in sorted(files)]
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [
        f"{', '.join(names[:3])}{more} in the folder of the DL3 files: not read; known are .fits "
        f"and {', '.join(f'.fits{suffix}' for suffix in PACKED_SUFFIXES)}."
    ]


def _is_result(path: Path) -> bool:
    """Whether a file is of an earlier analysis, whose results were put into the folder."""
    home = path.parent.parent if path.parent.name == SPECTRA else path.parent
    return (home / RESULTS).is_file() and (path.name == MAP_FILE or home != path.parent)


def _read_index(
    index: Path, missing: dict[Path, int], irfs: dict[Path, tuple[Path, ...]]
) -> list[Path]:
    """Event files that an index names and that are there; notes the others, and the IRFs."""
    with open_fits(index) as hdus:
        table = next(hdu.data for hdu in hdus[1:] if hdu.data is not None)
        events: dict[int, Path] = {}
        others: dict[int, list[Path]] = {}
        for row in table:
            # folders of IRFs are often written as $CALDB/...
            place = index.parent / expandvars(str(row["FILE_DIR"]).strip())
            place = place / str(row["FILE_NAME"]).strip()
            run = int(row["OBS_ID"])
            kind = str(row["HDU_TYPE"]).strip().lower()
            if kind == "events":
                events[run] = place.resolve()
            elif kind in ("aeff", "edisp", "rad_max", "psf", "bkg"):
                others.setdefault(run, []).append(place.resolve())
    for run, place in events.items():
        if not place.is_file():
            missing[place] = run
        named = dict.fromkeys(other for other in others.get(run, []) if other != place)
        elsewhere = tuple(other for other in named if other.is_file())
        if elsewhere:
            irfs[place] = elsewhere
    return [place for place in events.values() if place.is_file()]
