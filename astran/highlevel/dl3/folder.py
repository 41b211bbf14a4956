"""What lies in a DL3 folder: event files, and which shared IRF file belongs to which.

The index files (obs-index, hdu-index) are optional. They serve to find IRFs that are kept in
files of their own, and to notice files that should be there and are not.
Format: https://gamma-astro-data-formats.readthedocs.io/en/latest/data_storage/index.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import expandvars
from pathlib import Path

from astran.base.errors import ProductError, in_a_sentence
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
    """Files of a DL3 folder, or of several."""

    paths: tuple[Path, ...]
    files: tuple[Path, ...]
    """FITS files below the folder, index files left out, sorted by name; then those elsewhere that
    an index names."""
    missing: Mapping[Path, int] = field(default_factory=dict)
    """Event files that an index names and that are not there, with their OBS_ID."""
    irfs: Mapping[Path, tuple[Path, ...]] = field(default_factory=dict)
    """Other files in which the index places the IRFs of an event file."""
    warnings: tuple[str, ...] = ()
    unusable: Mapping[Path, str] = field(default_factory=dict)
    """Places, among several, that hold nothing, and why: a sentence."""
    parts: tuple[Folder, ...] = ()
    """The places of which it is made, if there are several."""


def scan_places(paths: Sequence[Path]) -> Folder:
    """List several DL3 folders or files as one data set. Of several, one that holds nothing is
    left out and named; a file that is named twice counts once.

    Raises
    ------
    ProductError : the only place, or each of them, holds no FITS file
    """
    if len(paths) == 1:
        return _scan_place(paths[0])
    found: list[Folder] = []
    unusable: dict[Path, str] = {}
    twice: list[str] = []
    seen: set[Path] = set()
    for path in paths:
        if (place := path.resolve()) in seen:
            twice.append(str(path))
            continue
        seen.add(place)
        try:
            found.append(_scan_place(path))
        except (ProductError, OSError) as error:
            said = in_a_sentence(error) if isinstance(error, ProductError) else str(error)
            unusable[path] = f"{said}."
    if not found:
        raise ProductError(
            "No DL3 file: " + "; ".join(said.rstrip(".") for said in unusable.values()) + ".",
            "Name folders of DL3 files.",
        )
    warnings = [warning for one in found for warning in one.warnings]
    if twice:
        warnings.append(f"Named twice, read once: {', '.join(twice)}.")
    files: dict[Path, Path] = {}
    for file in (file for one in found for file in one.files):
        files.setdefault(file.resolve(), file)
    return Folder(
        paths=tuple(path for one in found for path in one.paths),
        files=tuple(files.values()),
        missing={path: run for one in found for path, run in one.missing.items()},
        irfs={path: others for one in found for path, others in one.irfs.items()},
        warnings=tuple(warnings),
        unusable=unusable,
        parts=tuple(found),
    )


def _scan_place(path: Path) -> Folder:
    """A folder; or one file, with what the index beside it tells of its IRFs."""
    if not path.is_file():
        return scan_folder(path)
    if not path.name.lower().endswith(SUFFIXES) or path.name.startswith(INDEX_NAMES):
        raise ProductError(f"{path} is no DL3 file.", "Name a FITS file of events, or a folder.")
    irfs: dict[Path, tuple[Path, ...]] = {}
    warnings: list[str] = []
    for index in sorted(path.parent.glob("hdu-index*")):
        try:
            _read_index(index, {}, irfs)
        except ProductError as error:
            warnings.append(f"{error.message} It is not used.")
    mine = path.resolve()
    return Folder(
        (path,),
        (path,),
        irfs={mine: irfs[mine]} if mine in irfs else {},
        warnings=tuple(warnings),
    )


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
    return Folder((path,), tuple(files), missing, irfs, tuple(warnings))


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
