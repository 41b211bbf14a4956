"""What is compared: an analysis, a folder of results, or a folder of DL3."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from astran.base.errors import ProductError
from astran.base.files import sha256
from astran.gadf.fits_open import open_fits
from astran.highlevel.comparison.run_facts import RunFacts, read_run_facts
from astran.highlevel.dl3.folder import RESULTS, scan_places
from astran.results.codec import results_from_json
from astran.results.document import Results

Record = Mapping[str, Mapping[str, str]]
"""What provenance tells: `data`, `models`, `software`, `cuts`, `settings`, each name with its
identity or value."""


@dataclass(frozen=True)
class ComparedFile:
    """The file of a run, with the other files that hold its IRFs."""

    path: Path
    irfs: tuple[Path, ...]

    def has_content_of(self, other: ComparedFile) -> bool:
        """Whether all files are the same, byte by byte."""
        mine, theirs = (self.path, *self.irfs), (other.path, *other.irfs)
        return len(mine) == len(theirs) and all(
            sha256(one) == sha256(two) for one, two in zip(mine, theirs, strict=True)
        )

    def read(self) -> RunFacts | str:
        """The run; why it cannot be used where that is so."""
        found = read_run_facts(self.path, self.irfs)
        return "It holds no events." if found is None else found


@dataclass(frozen=True)
class ComparedSide:
    """One side of a comparison."""

    name: str
    results: Results | None = None
    runs: Mapping[int, ComparedFile] = field(default_factory=dict)
    """Files by OBS_ID."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Files that do not tell their run, with the reason."""
    record: Record = field(default_factory=dict)


def read_side(
    name: str, folder: Path, dl3: Sequence[Path] = (), record: Record | None = None
) -> ComparedSide:
    """Open one side.

    Parameters
    ----------
    folder : of an analysis (with DL3 or results in it), of results, or of DL3 files
    dl3 : folders in which the DL3 of the analysis is; none: as found by `folder`

    Raises
    ------
    ProductError : neither results nor DL3 files are there
    """
    if not folder.is_dir():
        raise ProductError(f"There is no folder {folder}.", "Name an analysis (A12) or a folder.")
    places = (folder / RESULTS, folder / "results" / RESULTS)
    results = next((place for place in places if place.is_file()), None)
    if not dl3:
        beside = folder.parent / "DL3" if results == places[0] else folder / "DL3"
        dl3 = [beside] if beside.is_dir() else [folder] if results is None else []
    there = [place for place in dl3 if place.is_dir()]
    side = _scan(name, there) if there else ComparedSide(name)
    if results is None and not side.runs and not side.unreadable:
        raise ProductError(
            f"{folder} holds neither results nor DL3 files.",
            "Name an analysis (A12), a folder of results, or a folder of DL3 files.",
        )
    found = None if results is None else read_results(results)
    used = side.runs if found is None else _used_runs(side.runs, found)
    return ComparedSide(name, found, used, side.unreadable, record or {})


def _used_runs(runs: Mapping[int, ComparedFile], results: Results) -> dict[int, ComparedFile]:
    """The files of the runs that results are made of: their folder may hold more."""
    used = {run.obs_id for run in results.runs}
    return {run: file for run, file in runs.items() if run in used}


def read_results(path: Path) -> Results:
    """The content of results.json.

    Raises
    ------
    ProductError : it cannot be read
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ProductError(f"{path} cannot be read: {error}.") from error
    return results_from_json(data)[0]


def _scan(name: str, dl3: Sequence[Path]) -> ComparedSide:
    folder = scan_places(dl3)
    runs: dict[int, ComparedFile] = {}
    unreadable: dict[str, str] = {}
    doubles: list[int] = []
    for path in folder.files:
        file = ComparedFile(path, tuple(folder.irfs.get(path.resolve(), ())))
        try:
            run = obs_id_of(path)
        except ProductError as error:
            unreadable[path.name] = error.message
            continue
        if run is None:
            continue
        if run not in runs:
            runs[run] = file
        elif not runs[run].has_content_of(file):
            doubles.append(run)
    if doubles:
        listed = ", ".join(map(str, dict.fromkeys(doubles)))
        raise ProductError(
            f"{', '.join(map(str, dl3))}: several different files of run {listed}.",
            "Put those that belong together into folders of their own.",
        )
    return ComparedSide(name, None, runs, unreadable)


def obs_id_of(path: Path) -> int | None:
    """The run of a file; None: it holds no events."""
    with open_fits(path) as hdus:
        table = next((hdu for hdu in hdus if hdu.name.upper() == "EVENTS"), None)
        if table is None:
            return None
        try:
            return int(table.header["OBS_ID"])
        except (KeyError, TypeError, ValueError):
            # its name may tell
            facts = read_run_facts(path)
            if isinstance(facts, RunFacts) and facts.file.header.obs_id is not None:
                return facts.file.header.obs_id
            raise ProductError(f"{path.name} does not tell its run (OBS_ID).") from None
