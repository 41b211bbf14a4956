"""The plan as data: what is to be run, what it reads, what it must leave behind.

A task is frozen: it can be printed, stored, compared and submitted anywhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Usual steps of production, in the order in which the data pass them; a chain may have
    others."""

    DL2 = "dl2"
    IRF = "irf"
    DL3 = "dl3"
    INDEX = "index"
    HIGHLEVEL = "highlevel"


class ProductKind(StrEnum):
    """Usual kinds of products; a chain may have others, which it checks itself."""

    DL2 = "dl2"
    IRF = "irf"
    DL3 = "dl3"
    INDEX = "index"
    RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task asks of the scheduler."""

    cpus: int = 1
    memory_mb: int = 4000
    time_min: int = 60


OWN_SOFTWARE = "astran"
"""Name of ASTRAN among the versions of a plan."""
Expectation = str | int | float | bool
HeaderCard = tuple[str, Expectation, str]
"""Keyword, value and comment of a FITS header."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file or folder that the task must leave.

    The tool writes `name` into the task's private work folder; after its check the runner moves it
    to `path`, so that a half-written product never has a final name. If `name` is a folder, it is
    moved as a whole and takes the place of an older one; its check looks at the files within.
    """

    name: str
    path: str
    check: str
    """A ProductKind, or a kind of the chain's own."""
    expect: tuple[tuple[str, Expectation], ...] = ()
    """What the check must find, for example the cuts; see the chain's checks."""


class InputCheck(StrEnum):
    """What an input can be asked for before a tool works on it."""

    ORIGIN = "origin"
    """DL2: `models` and `lstchain` that made it; `strict` as in astran.base.dl2_provenance."""
    CUTS = "cuts"
    """IRF: the cuts, as in `Output.expect`."""


@dataclass(frozen=True, slots=True)
class InputGuard:
    """What an input must prove before the tool starts, as the tool would not notice."""

    path: str
    proof: InputCheck
    expect: tuple[tuple[str, Expectation], ...]


STORED_DEPENDS_ON_SUCCESS = "gathers"
"""Name of `Task.depends_on_success` in stored tasks."""


@dataclass(frozen=True, slots=True)
class Task:
    """One command with all that belongs to it. Paths are absolute.

    In `argv`, the word `{work}` stands for the private work folder of the attempt.
    """

    key: str
    """Unique within its analysis, for example `dl2-15864`."""
    stage: str
    """A Stage, or one of the chain's own."""
    argv: tuple[str, ...]
    outputs: tuple[Output, ...]
    folder: str
    """Folder of the analysis."""
    script: str
    """Job script, for example .../jobmanager/<version>/Script_dl2_15864.sh."""
    log: str
    """Where stdout and stderr of the task go."""
    record: str
    """Exit record, written by the runner with an atomic rename."""
    run: int | None = None
    environment: str = ""
    """Name of the site's software environment; empty: ASTRAN's own."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables to set."""
    inputs: tuple[str, ...] = ()
    """Files that must exist before the task starts and are no product of this plan."""
    needs: tuple[str, ...] = ()
    """Keys of tasks that must all have succeeded."""
    after: tuple[str, ...] = ()
    """Keys of tasks that must all have ended, at least one of them with success."""
    files: tuple[tuple[str, str], ...] = ()
    """Small files (path, content) to be written before submission: tool configurations."""
    links: tuple[tuple[str, str], ...] = ()
    """Links (name in the work folder, target) that the runner makes before the tool starts, so that
    the tool sees exactly the planned files. A target that does not exist is left out."""
    header: tuple[HeaderCard, ...] = ()
    """Cards that the runner sets in the primary header of FITS products."""
    guards: tuple[InputGuard, ...] = ()
    resources: Resources = Resources()
    fingerprint: str = ""
    """Hash of tool, tool version, parameters and input contents; equal means the same work.
    Empty: never reused."""
    depends_on_success: bool = False
    """What it makes depends on which tasks before it succeed: once these have ended, the service
    completes the fingerprint with theirs."""
    telescope: str = ""
    """Whose chain made it, as the registry knows it; empty: the default, LST-1."""
    store: str = ""
    """Folder of the site's store, in which its products are kept for everyone; see
    astran.base.product_store. Empty: they are kept in the folder of the analysis alone."""

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` gives the same task back."""
        data = dataclasses.asdict(self)
        names = {"depends_on_success": STORED_DEPENDS_ON_SUCCESS}
        return {names.get(name, name): value for name, value in data.items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Task:
        """Rebuild a task from `to_json`, also after a trip through JSON text."""
        plain = dict(data)
        plain["depends_on_success"] = plain.pop(STORED_DEPENDS_ON_SUCCESS, False)
        return cls(
            **{
                **plain,
                "stage": known_name(Stage, plain["stage"]),
                "argv": tuple(plain["argv"]),
                "outputs": tuple(
                    Output(
                        o["name"],
                        o["path"],
                        known_name(ProductKind, o["check"]),
                        tuple((k, v) for k, v in o.get("expect", ())),
                    )
                    for o in plain["outputs"]
                ),
                "variables": tuple((k, v) for k, v in plain["variables"]),
                "inputs": tuple(plain["inputs"]),
                "needs": tuple(plain["needs"]),
                "after": tuple(plain["after"]),
                "files": tuple((p, c) for p, c in plain["files"]),
                "links": tuple((n, t) for n, t in plain.get("links", ())),
                "header": tuple((k, v, c) for k, v, c in plain.get("header", ())),
                "guards": tuple(
                    InputGuard(
                        g["path"], InputCheck(g["proof"]), tuple((k, v) for k, v in g["expect"])
                    )
                    for g in plain.get("guards", ())
                ),
                "resources": Resources(**plain["resources"]),
            }
        )


@dataclass(frozen=True, slots=True)
class PastProduct:
    """A product of a task that succeeded."""

    made_after_s: float
    """Time from the start of the task until the product was there [s]."""
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PastTask:
    """A task that succeeded, as the database knows it."""

    inputs: tuple[str, ...]
    products: tuple[PastProduct, ...]
    """In the order in which they were made."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All tasks of an analysis, and what a person should know about how they came to be."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...] = ()
    """Choices made while planning, in words: which DL1 version, which models, which IRFs."""
    versions: tuple[tuple[str, str], ...] = ()
    """Software used: (name, version)."""
    left_out: tuple[tuple[int, str], ...] = ()
    """Runs that were asked for but cannot be analysed, each with the reason."""

    def software(self, task: Task) -> tuple[str, str]:
        """Name and version of what a task runs: ASTRAN, or that of its environment."""
        for name, version in self.versions:
            if bool(task.environment) == (name != OWN_SOFTWARE):
                return name, version
        return "" if task.environment else OWN_SOFTWARE, ""

    def task(self, key: str) -> Task:
        """The task with that key (KeyError otherwise)."""
        for task in self.tasks:
            if task.key == key:
                return task
        raise KeyError(key)


def known_name(names: type[StrEnum], name: str) -> str:
    """The member of that name where there is one: a chain may have names of its own."""
    return names(name) if name in names._value2member_map_ else name


def fingerprint(**parts: Any) -> str:
    """Hash of named parts (JSON-able); the same parts give the same text on every machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
