"""What the data checks of a night tell of its runs: the one of the night, or those of the runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from astran.base.night_data import FileRef
from astran.catalogue import path_patterns
from astran.config.site import DataSettings
from astran.telescopes.lst.catalogue.dl1.condition import Dl1Candidate
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts
from astran.telescopes.lst.catalogue.file_inspection.inspector import Inspector

FOLDERS = ("datacheck", ".")
"""Where lstosa leaves the data checks of runs, as seen from their DL1."""
_NAME = re.compile(r"datacheck_dl1_LST-\d+(?:\.\d+)?\.Run0*(\d+)(\.\d{4})?\.(?:h5|hdf5)")


class DataChecks:
    """The data checks of one night."""

    def __init__(self, data: DataSettings, date: str, eyes: Inspector) -> None:
        self._data = data
        self._date = date
        self._eyes = eyes
        self._listed: dict[Path, dict[int, list[tuple[Path, bool]]]] = {}

    def of(self, seen: Mapping[int, Dl1Candidate]) -> tuple[dict[int, CheckFacts], bool]:
        """What is told of runs, by run, and whether there was time to read all of it.

        The data check of the night wins; where it tells no NSB level of a run, that of the run
        does, or those of its subruns.
        """
        if not self._eyes.opens:
            return {}, True
        nightly = self._nightly()
        read = self._eyes.datachecks(nightly)
        told: dict[int, CheckFacts] = {}
        for file in nightly:
            told |= read.get(file.path, {})
        silent = {run: one for run, one in seen.items() if run not in told or told[run].nsb is None}
        parts = {run: self._of_run(one) for run, one in silent.items()}
        wanted = [file for files in parts.values() for file in files]
        found = self._eyes.datachecks(wanted)
        for run, files in parts.items():
            nsb = _mean(found.get(file.path, {}).get(run) for file in files)
            if nsb is not None:
                told[run] = told.get(run, CheckFacts()).with_nsb(nsb)
        return told, len(read) == len(nightly) and len(found) == len(wanted)

    def _nightly(self) -> list[FileRef]:
        """Data checks of the whole night, the newest version last."""
        patterns = [tree.datacheck for tree in self._data.all_trees if tree.datacheck]
        found = [
            item
            for pattern in patterns
            for item in path_patterns.find_files(pattern, date=self._date)
        ]
        found.sort(key=lambda item: path_patterns.version_order(item.version))
        return [item.file for item in found]

    def _of_run(self, seen: Dl1Candidate) -> list[FileRef]:
        """The data check of a run, or those of its subruns."""
        for folder in dict.fromkeys(Path(file.path).parent for file in seen.files):
            for name in FOLDERS:
                paths = self._list(folder / name).get(seen.run, [])
                whole = [path for path, part in paths if not part]
                files = [
                    path_patterns.stat_file(path) for path in whole or [path for path, _ in paths]
                ]
                if good := [file for file in files if file is not None]:
                    return good
        return []

    def _list(self, folder: Path) -> dict[int, list[tuple[Path, bool]]]:
        """Data checks in a folder by run, each with whether it is of a subrun."""
        if folder not in self._listed:
            found = self._listed.setdefault(folder, {})
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if match := _NAME.fullmatch(path.name):
                    found.setdefault(int(match[1]), []).append((path, bool(match[2])))
        return self._listed[folder]


def _mean(parts: Iterable[CheckFacts | None]) -> float | None:
    values = [part.nsb for part in parts if part is not None and part.nsb is not None]
    return sum(values) / len(values) if values else None
