"""Whether a file is complete, and what it holds: remembered, or found out beside this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from astran.base.clock import Clock
from astran.base.dl2_provenance import Dl2Provenance
from astran.base.errors import ProcessError
from astran.base.night_data import FileRef, StandardDl2
from astran.base.process import run_command
from astran.telescopes.lst.catalogue.file_inspection.facts import (
    MAKING,
    CheckFacts,
    Dl1Facts,
    FileKind,
)
from astran.telescopes.lst.catalogue.file_inspection.facts_cache import FactsCache

BUDGET_S = 20.0
"""One look opens files for so long at most; the next look goes on where it stopped."""
PATIENT_S = 3600.0
"""For a person who waits for the answer."""
GRACE_S = 40.0
"""For the start of the program and the file that it is at when the budget ends."""


class Inspector:
    """Looks at files for one question to the catalogue."""

    def __init__(
        self,
        memory: FactsCache,
        clock: Clock,
        *,
        settle_s: float,
        opens: bool = True,
        budget_s: float = BUDGET_S,
    ) -> None:
        """
        Parameters
        ----------
        settle_s : a file counts as complete once unchanged for so long [s]
        opens : False: files are not opened, every one counts as good
        budget_s : how long `look` may open files, all calls together [s]
        """
        self._memory = memory
        self._clock = clock
        self._settle_s = settle_s
        self._opens = opens
        self._left_s = budget_s
        self._known: dict[str, Dl1Facts] = {}
        self._ages: dict[str, float] = {}

    def settled(self, file: FileRef, times: int = 1) -> bool:
        """Whether nobody has written to the file for `times` the usual time, by its own stamp.

        A stamp in the future, of a clock that runs ahead or of a copy that keeps strange times,
        says nothing: then it has to stay unchanged under our eyes.
        """
        if file.path not in self._ages:
            now = self._clock.now().timestamp()
            age = now - file.mtime_ns / 1e9
            if age < 0 < self._settle_s:
                age = now - self._memory.unchanged_since(file, now)
            self._ages[file.path] = age
        return self._settle_s == 0 or self._ages[file.path] >= times * self._settle_s

    def facts(self, file: FileRef) -> Dl1Facts | None:
        """What a DL1 file holds; None while it has not been opened."""
        return self._known.get(file.path) if self._opens else Dl1Facts(events=1)

    @property
    def opens(self) -> bool:
        """Whether files are opened at all."""
        return self._opens

    def look(self, files: Iterable[FileRef], sky: frozenset[str] = frozenset()) -> bool:
        """Recall or find out what DL1 files hold; True once all of them are known.

        Parameters
        ----------
        sky : paths of files whose pointing on the sky is wanted, too
        """
        if not self._opens:
            return True
        unknown = [file for file in dict.fromkeys(files) if file.path not in self._known]
        self._recall(unknown)
        unknown = [file for file in unknown if file.path not in self._known]
        if unknown and self._left_s > 0:
            self._examine(FileKind.DL1, unknown, sky)
            self._recall(unknown)
        return all(file.path in self._known for file in unknown)

    def recall(self, files: Iterable[FileRef]) -> None:
        """Recall what is remembered of DL1 files, without opening any."""
        if self._opens:
            self._recall(files)

    def datachecks(self, files: Iterable[FileRef]) -> dict[str, dict[int, CheckFacts]]:
        """What data-check files tell, each by run, by path; a file that cannot be read tells
        nothing. Those that there was no time to open are not in it."""
        if not self._opens:
            return {}
        now = self._clock.now().timestamp()
        wanted = list(dict.fromkeys(files))
        found = self._memory.recall(wanted, now)
        unknown = [file for file in wanted if file.path not in found]
        if unknown and self._left_s > 0:
            self._examine(FileKind.DATACHECK, unknown, frozenset())
            found |= self._memory.recall(unknown, now)
        return {
            path: {int(run): CheckFacts.from_json(facts) for run, facts in content.items()}
            for path, content in found.items()
        }

    def origins(self, files: Sequence[FileRef]) -> dict[str, Dl2Provenance | str]:
        """What made DL2 files, or in words why one cannot be used, by path; those that could not
        be opened in time are not among them."""
        if not self._opens:
            return {file.path: Dl2Provenance() for file in files}
        now = self._clock.now().timestamp()
        found = self._memory.recall(files, now)
        unknown = [file for file in files if file.path not in found]
        if unknown and self._left_s > 0:
            self._examine(FileKind.DL2, unknown, frozenset())
            found |= self._memory.recall(unknown, now)
        return {path: _origin(facts) for path, facts in found.items()}

    def standard_dl2(self, files: Sequence[FileRef]) -> dict[str, StandardDl2]:
        """What the observatory's DL2 files tell of their making, by path; those that could not be
        opened in time are not among them."""
        if not self._opens:
            return {}
        # the same file may also be known as the input of an analysis, which asks less of it
        marked = {file: replace(file, path=f"{MAKING}{file.path}") for file in files}
        now = self._clock.now().timestamp()
        found = self._memory.recall(marked.values(), now)
        unknown = [file for file, mark in marked.items() if mark.path not in found]
        if unknown and self._left_s > 0:
            self._examine(FileKind.STANDARD_DL2, unknown, frozenset())
            found |= self._memory.recall([marked[file] for file in unknown], now)
        return {
            file.path: StandardDl2(file, **found[mark.path])
            for file, mark in marked.items()
            if mark.path in found
        }

    def _recall(self, files: Iterable[FileRef]) -> None:
        now = self._clock.now().timestamp()
        for path, content in self._memory.recall(files, now).items():
            self._known[path] = Dl1Facts.from_json(content)

    def _examine(self, kind: FileKind, files: list[FileRef], sky: frozenset[str]) -> None:
        now = self._clock.now().timestamp()
        work = [[kind, f.path, f.size, f.mtime_ns, f.path in sky] for f in files]
        if kind is FileKind.STANDARD_DL2:
            files = [replace(file, path=f"{MAKING}{file.path}") for file in files]
        words = [
            sys.executable,
            "-m",
            "astran.telescopes.lst.catalogue.file_inspection.examine",
            str(self._memory.path),
        ]
        words += [f"{self._left_s:g}", repr(now)]
        try:
            run_command(
                words, timeout=self._left_s + GRACE_S, stdin=json.dumps(work), cwd=Path("/")
            )
        except ProcessError as error:
            # HDF5 can fall over a broken file, or hang with its file system: say so of the first
            # that is not known, so that the others get their turn
            done = self._memory.recall(files, now)
            for file in files:
                if file.path not in done:
                    problem = f"it cannot be opened: {str(error)[:200].rstrip('.')}"
                    facts = Dl1Facts().to_json() if kind is FileKind.DL1 else {}
                    if kind is not FileKind.DATACHECK:  # which then tells nothing
                        facts |= {"problem": problem}
                    self._memory.keep(file, facts, now)
                    break
        self._left_s = max(0.0, self._left_s - (self._clock.now().timestamp() - now))
        if self._memory.recall(files, now).keys() != {file.path for file in files}:
            self._left_s = 0.0


def _origin(facts: dict[str, Any]) -> Dl2Provenance | str:
    return str(facts["problem"]) if "problem" in facts else Dl2Provenance(**facts)
