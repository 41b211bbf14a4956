"""The DL1 of a site: files, tables and data checks of a night, and the condition of each run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from astran.base.clock import Clock
from astran.base.errors import CatalogueError
from astran.base.night_data import FileRef, MissingRun, RunFile, StandardDl2, run_number
from astran.catalogue import path_patterns
from astran.catalogue.path_patterns import MatchedPath, is_release, version_order
from astran.config.site import DataSettings
from astran.telescopes.lst.catalogue.dl1.condition import Condition, Dl1Candidate
from astran.telescopes.lst.catalogue.dl1.datachecks import DataChecks
from astran.telescopes.lst.catalogue.dl1.selection import (
    Dl1Selection,
    candidates_by_run,
    select_dl1,
)
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts
from astran.telescopes.lst.catalogue.file_inspection.inspector import Inspector
from astran.telescopes.lst.catalogue.runs.run_tables import (
    OF_DATA,
    RunCatalog,
    Summary,
    read_run_catalog,
    read_run_summary,
)

MOST_ROUNDS = 5
"""Where files turn out to be broken, the next best ones are opened, so many times at most."""
QUIET_S = 3600.0


class NightArchive:
    """One night, as it is now."""

    def __init__(
        self, data: DataSettings, date: str, clock: Clock, eyes: Inspector, version: str = ""
    ) -> None:
        """
        Parameters
        ----------
        version : the version of DL1 that was asked for; empty: the newest release
        """
        self._version = version
        self._data = data
        self._date = date
        self._clock = clock
        self._eyes = eyes

    @cached_property
    def _found(self) -> list[MatchedPath]:
        return find_dl1(self._data, self._date)

    @cached_property
    def candidates(self) -> dict[int, list[tuple[MatchedPath, ...]]]:
        """DL1 of each run, best first."""
        return candidates_by_run(self._found, self._version)

    @cached_property
    def catalog(self) -> RunCatalog | None:
        """The RunCatalog; None: there is none (yet).

        Raises
        ------
        CatalogueError : it is there and cannot be used
        """
        found = [self._read_catalog(tree.run_catalog) for tree in self._data.all_trees]
        tables = [table for table in found if table is not None]
        if not tables:
            return None
        sources = {run: name for table in reversed(tables) for run, name in table.sources.items()}
        quiet = all(table.quiet for table in tables)
        return RunCatalog(sources, any(table.cut for table in tables), quiet)

    def _read_catalog(self, pattern: str) -> RunCatalog | None:
        file = self._newest(pattern)
        if file is None:
            return None
        age_s = self._clock.now().timestamp() - file.mtime_ns / 1e9
        table = read_run_catalog(Path(file.path), ends=age_s < QUIET_S)
        # a time stamp in the future says nothing
        return replace(table, quiet=not 0 <= age_s < QUIET_S)

    def with_standard_dl2(self, runs: Sequence[RunFile]) -> tuple[tuple[RunFile, ...], bool]:
        """Runs with the observatory's DL2 of them, and whether there was time to open all."""
        patterns = [tree.dl2 for tree in self._data.all_trees if tree.dl2]
        wanted = {run.run for run in runs}
        found = [
            item
            for pattern in patterns
            for item in path_patterns.find_files(pattern, date=self._date)
            if item.run in wanted and is_release(item.version) and self._eyes.settled(item.file)
        ]
        found.sort(key=lambda item: version_order(item.version), reverse=True)
        told = self._eyes.standard_dl2([item.file for item in found])
        by_run: dict[int | None, list[StandardDl2]] = {}
        for item in found:
            if item.file.path in told:
                by_run.setdefault(item.run, []).append(told[item.file.path])
        full = tuple(replace(run, standard=tuple(by_run.get(run.run, ()))) for run in runs)
        return full, len(told) == len(found) or not self._eyes.opens

    def describe_closing(self) -> tuple[str, ...]:
        """How complete the night is by the observatory's own mark, where the site names it."""
        patterns = [tree.night_finished for tree in self._data.all_trees if tree.night_finished]
        if not patterns:
            return ()
        found = [
            item.version
            for pattern in patterns
            for item in path_patterns.find_files(pattern, date=self._date)
        ]
        sky = [run for run, row in self.summary.items() if row.kind == OF_DATA]
        there = sum(run in self.candidates for run in sky)
        of = f": {there} of {len(sky)} observations have DL1" if sky else ""
        if not found:
            return (f"The observatory has not closed the night yet{of}.",)
        versions = ", ".join(sorted(filter(None, found), key=version_order))
        return (f"The observatory has closed the night{f' ({versions})' if versions else ''}{of}.",)

    def why_absent(self, run: int) -> str:
        """What there is of a run instead of DL1 that may be taken; empty: nothing."""
        others = {item.version for item in self._found if item.run == run}
        others -= {self._version}
        if others and self._version:
            listed = ", ".join(sorted(others, key=version_order))
            return f"no DL1 {self._version} yet (dl1_version); there is {listed}"
        if others:
            item = next(item for item in self._found if item.run == run)
            name = "/".join(part for part in (item.version, item.tailcut) if part)
            return f"its only DL1 is {name}, which is no release; to take it: dl1_version"
        if links := self._dangling.get(run):
            return f"its DL1 {links[0]} is a link to {links[1]}, which is not there"
        return ""

    @cached_property
    def _dangling(self) -> dict[int, tuple[str, str]]:
        found = {}
        for pattern in filter(None, (tree.dl1 for tree in self._data.all_trees)):
            for path, aim in path_patterns.find_dangling_links(pattern, date=self._date):
                if (run := run_number(path)) is not None:
                    found[run] = (path, aim)
        return found

    def pointings(self, runs: Iterable[int]) -> tuple[dict[int, Dl1Facts], bool]:
        """What the first usable DL1 file of each run tells, and whether there was time to open
        them; a run without such a file is not among them."""
        told: dict[int, Dl1Facts] = {}
        left = {run: [group[0].file for group in self.candidates.get(run, [])] for run in runs}
        for _ in range(MOST_ROUNDS):
            next_ones = {}
            for run, files in left.items():
                files[:] = [file for file in files if file.size and self._eyes.settled(file)]
                if files:
                    next_ones[run] = files.pop(0)
            if not next_ones:
                return told, True
            firsts = list(next_ones.values())
            if not self._eyes.look(firsts, frozenset(file.path for file in firsts)):
                return told, False
            for run, file in next_ones.items():
                facts = self._eyes.facts(file)
                if facts is not None and facts.ra is not None:
                    told[run] = facts
            left = {run: files for run, files in left.items() if run not in told}
        return told, True

    @cached_property
    def summary(self) -> dict[int, Summary]:
        """The RunSummary; nothing if there is none that can be read."""
        found: dict[int, Summary] = {}
        for tree in reversed(self._data.all_trees):
            path = self._newest(tree.run_summary)
            # it only adds the numbers of subruns, and may be half-written
            with suppress(CatalogueError):
                found |= {} if path is None else read_run_summary(Path(path.path))
        return found

    @cached_property
    def checks(self) -> DataChecks:
        """The data checks of the night."""
        return DataChecks(self._data, self._date, self._eyes)

    def pick(self, runs: Sequence[int], late: bool) -> Dl1Selection:
        """Choose DL1 for each run, opening files as far as time allows; see `dl1.pick`."""
        subruns = {row.run: row.subruns for row in self.summary.values()}
        for _ in range(MOST_ROUNDS):
            picked = select_dl1(self.candidates, runs, self._eyes, subruns, late)
            unseen = [one for one in picked.seen.values() if one.condition is Condition.UNSEEN]
            if not unseen or not self._open(unseen):
                break
        missing = tuple(self._explained(gap) for gap in picked.missing)
        return replace(picked, missing=missing)

    def _explained(self, gap: MissingRun) -> MissingRun:
        if gap.run in self.candidates:
            return gap
        return replace(gap, reason=self.why_absent(gap.run) or gap.reason)

    @property
    def quiet(self) -> bool:
        """Whether no DL1 of the night came in the last hour."""
        groups = [items for groups in self.candidates.values() for items in groups]
        newest = max((item.file.mtime_ns for items in groups for item in items), default=0)
        return self._clock.now().timestamp() - newest / 1e9 >= QUIET_S

    def _open(self, unseen: Sequence[Dl1Candidate]) -> bool:
        """Whether something new became known."""
        files = [file for one in unseen for file in one.files if file.size]
        before = sum(self._eyes.facts(file) is not None for file in files)
        # the sky position of a run is that of its first file
        self._eyes.look(files, frozenset(one.files[0].path for one in unseen))
        return sum(self._eyes.facts(file) is not None for file in files) > before

    def _newest(self, pattern: str) -> FileRef | None:
        if not pattern:
            return None
        found = list(path_patterns.find_files(pattern, date=self._date))
        return found[-1].file if found else None


def find_dl1(data: DataSettings, date: str = "") -> list[MatchedPath]:
    """Every DL1 file of a night, or of all nights, run-wise and subrun-wise.

    Raises
    ------
    CatalogueError : the site does not say where they are
    """
    trees = [tree for tree in data.all_trees if tree.dl1]
    if not trees:
        raise CatalogueError(
            "This site does not say where DL1 files are.",
            cure="Set data.dl1 in the site configuration.",
        )
    known = {"date": date} if date else {}
    found: dict[str, MatchedPath] = {}
    for tree in trees:
        for pattern in (tree.dl1, tree.dl1_subruns or subrun_pattern(tree.dl1)):
            items = path_patterns.find_files(pattern, **known) if pattern else ()
            found |= {item.file.path: item for item in items}
    return list(found.values())


def subrun_pattern(dl1: str) -> str:
    """The pattern of subrun-wise files beside run-wise ones; empty if there is no telling."""
    head, run, tail = dl1.rpartition("{run}")
    if not run or "{subrun}" in dl1 or tail.startswith("*") or "/" in tail:
        return ""
    return f"{head}{{run}}.{{subrun}}{tail}"
