"""Where a product came from: every file and task on its way, back to DL1, models and Monte Carlo.

Work that was taken from another analysis is followed to the task that did it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from astran.base.tasks import Stage
from astran.database import analyses
from astran.database.analyses import Analysis
from astran.database.history import lineage
from astran.database.history.lineage import MadeProduct, MakingTask, TaskInput
from astran.database.tasks import TaskRow


class Role(StrEnum):
    """What a file is in the chain."""

    DL1 = "dl1"
    DL2 = "dl2"
    DL3 = "dl3"
    IRF = "irf"
    INDEX = "index"
    RESULTS = "results"
    MODELS = "models"
    MC = "mc"
    CONFIG = "config"
    REQUEST = "request"
    """Configuration of the analysis."""


_READS: dict[str, Role] = {
    Stage.DL2: Role.DL1,
    Stage.IRF: Role.MC,
    Stage.DL3: Role.DL2,
    Stage.HIGHLEVEL: Role.DL3,
}
"""What the first input of a stage is, if no task of this site made it."""


@dataclass(frozen=True, slots=True)
class FileNode:
    """A file, or a folder of results, as it was when it was made or read."""

    id: str
    """The same for the same path and content, in every analysis."""
    role: Role
    path: str
    size: int | None
    """[bytes]"""
    sha256: str
    """Empty where no checksum was taken: of data and models that ASTRAN only reads."""
    modified: datetime | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the check of a product found."""
    stored: str = ""
    """Its place in the store of the site."""


@dataclass(frozen=True, slots=True)
class TaskNode:
    """A task that was run, and its attempt that succeeded."""

    id: int
    key: str
    stage: str
    analysis: str
    """For example A12: the analysis that did the work."""
    label: str
    requester: str
    """Empty: of a hand-run without address, or not to be named."""
    command: tuple[str, ...]
    began: datetime | None
    finished: datetime | None
    host: str
    attempt: int
    exit_code: int | None
    software: tuple[tuple[str, str], ...]
    """(name, version): the tool's own package, then ASTRAN, which ran it."""
    fingerprint: str
    used: tuple[str, ...]
    """Ids of files."""
    made: tuple[str, ...]
    request: str
    """Id of the configuration of its analysis."""


@dataclass
class Lineage:
    """A graph of files and tasks; edges are the ids in `TaskNode.used` and `made`."""

    files: dict[str, FileNode] = field(default_factory=dict)
    tasks: dict[int, TaskNode] = field(default_factory=dict)

    def derived(self) -> Iterator[tuple[str, str, int]]:
        """(product, file it came from, task), but for DL2 of subruns only from its own DL1."""
        for task in self.tasks.values():
            for made in task.made:
                others = {self._stem(one) for one in task.made} - {self._stem(made)}
                for used in task.used:
                    if self._stem(used) not in others:
                        yield made, used, task.id

    def _stem(self, id_: str) -> str:
        """Name without its data level: the same of DL1 and the DL2 made from it."""
        return Path(self.files[id_].path).name.replace("dl1_", "").replace("dl2_", "")


Private = Callable[[Mapping[str, Any]], bool]
"""Tells of the configuration of an analysis whether its requester stays unnamed."""


def lineage_of_product(
    db: Connection, made: MadeProduct, private: Private
) -> tuple[Lineage, FileNode]:
    """The way of a product, and its place there."""
    walk = _Walk(db, private)
    walk.follow(made.task_id, None)
    return walk.lineage, walk.lineage.files[_product(made).id]


def lineage_of_tasks(
    db: Connection, rows: Sequence[TaskRow], private: Private, most: int
) -> tuple[Lineage, int]:
    """The way of all that these tasks made, or took from others.

    Of more than `most` tasks only the first of each stage are followed, none that is made of all;
    returns also how many are left out.
    """
    walk = _Walk(db, private)
    good = [row for row in rows if row.state.succeeded]
    chosen = good
    if len(good) > most:
        apiece = most // len(Stage)
        seen: Counter[str] = Counter()
        chosen = []
        for row in good:
            seen[row.stage] += 1
            if seen[row.stage] <= apiece and not row.depends_on_success:
                chosen.append(row)
    for row in chosen:
        walk.follow(row.id, None)
    return walk.lineage, len(good) - len(chosen)


@dataclass
class _Walk:
    db: Connection
    private: Private
    lineage: Lineage = field(default_factory=Lineage)
    analyses: dict[int, Analysis] = field(default_factory=dict)
    makers: dict[int, MakingTask] = field(default_factory=dict)
    known: dict[TaskInput, MadeProduct | None] = field(default_factory=dict)

    def follow(self, task_id: int, reader: MakingTask | None) -> list[FileNode]:
        """Take in a task with all before it; returns what `reader` reads of its products."""
        original = lineage.original_task(self.db, task_id)
        products = [(one, _product(one)) for one in lineage.products_by_task(self.db, original)]
        # what was not needed, as all that is made of it was there, made nothing
        if products and original not in self.lineage.tasks:
            self._take_in(original, [node for _, node in products])
        return self._read(task_id, [node for _, node in products], reader)

    def _take_in(self, task_id: int, products: list[FileNode]) -> None:
        maker = self._maker(task_id)
        analysis = self._analysis(maker.task.analysis_id)
        request = self._add(_request(analysis))
        used = {node.id: None for node in self._sources(maker)}
        versions = dict(analysis.versions)
        software = [maker.software] if maker.software else []
        if "astran" in versions and ("astran", versions["astran"]) not in software:
            software.append(("astran", versions["astran"]))
        self.lineage.tasks[task_id] = TaskNode(
            id=task_id,
            key=maker.task.key,
            stage=maker.task.spec.stage,
            analysis=analysis.name,
            label=analysis.label,
            requester="" if self.private(analysis.config) else analysis.requester,
            command=maker.task.spec.argv,
            began=maker.began,
            finished=maker.finished,
            host=maker.node,
            attempt=maker.attempt,
            exit_code=maker.exit_code,
            software=tuple(software),
            fingerprint=maker.task.fingerprint,
            used=tuple(used),
            made=tuple(self._add(node).id for node in products),
            request=request.id,
        )

    def _sources(self, maker: MakingTask) -> Iterator[FileNode]:
        rows = lineage.task_inputs(self.db, maker.task.id)
        made_before = [row.producer for row in rows if row.producer is not None]
        good = lineage.succeeded_tasks(self.db, made_before)
        for number, row in enumerate(row for row in rows if row.producer is None):
            known = self._known(row)
            if known is not None:
                self.follow(known.task_id, None)
                yield self._add(_product(known))
            else:
                role = _role(maker.task, number, row.path)
                yield self._add(_external(role, row.path, row.size, row.mtime_ns))
        for producer in made_before:
            if producer in good:
                yield from self.follow(producer, maker)
        for path, text in maker.task.spec.files:
            # what only keeps a library from the internet decides nothing
            if not path.endswith("astropy.cfg"):
                yield self._add(_config(path, text))

    def _known(self, row: TaskInput) -> MadeProduct | None:
        """The product of this site that an input file is, as it was then."""
        if row not in self.known:
            as_then = (row.size, row.mtime_ns)
            made = lineage.products_at(self.db, {row.path})
            fitting = (m for m in made if (m.product.size, m.product.mtime_ns) == as_then)
            self.known[row] = next(fitting, None)
        return self.known[row]

    def _read(
        self, task_id: int, products: list[FileNode], reader: MakingTask | None
    ) -> list[FileNode]:
        """Of several products those that the reader names; if it names none, all."""
        if reader is None:
            return products
        spec = reader.task.spec
        words = {*spec.argv, *spec.inputs, *(target for _, target in spec.links)}
        planned = self._maker(task_id).task.spec.outputs
        named = [
            node for output, node in zip(planned, products, strict=False) if output.path in words
        ]
        if named or spec.stage is not Stage.HIGHLEVEL:
            return named or products
        # the results are made from the files that the index names
        indexed = self.lineage.tasks[lineage.original_task(self.db, task_id)]
        files = [self.lineage.files[id_] for id_ in indexed.used]
        return [*products, *(node for node in files if node.role is Role.DL3)]

    def _maker(self, task_id: int) -> MakingTask:
        if task_id not in self.makers:
            self.makers[task_id] = lineage.making_task(self.db, task_id)
        return self.makers[task_id]

    def _analysis(self, number: int) -> Analysis:
        if number not in self.analyses:
            self.analyses[number] = analyses.get_analysis(self.db, number)
        return self.analyses[number]

    def _add(self, node: FileNode) -> FileNode:
        return self.lineage.files.setdefault(node.id, node)


def lineage_as_dict(found: Lineage, left_out: int = 0) -> dict[str, Any]:
    """The graph for programs: files, and tasks that name the files that they used and made; and how
    many tasks of the analysis are left out."""
    return {
        "left_out": left_out,
        "files": [
            {**asdict(node), "modified": _iso(node.modified)} for node in found.files.values()
        ],
        "tasks": [
            {**asdict(task), "began": _iso(task.began), "finished": _iso(task.finished)}
            for task in found.tasks.values()
        ],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _role(task: TaskRow, number: int, path: str) -> Role:
    """What an input is that no task of this site made."""
    stage = task.spec.stage
    if stage is Stage.DL2 and task.key.startswith("mc-") and Path(path).name.startswith("dl1"):
        return Role.MC
    if stage is Stage.DL2 and not Path(path).name.startswith("dl1"):
        return Role.MODELS
    if stage is Stage.DL3 and (number > 0 or path.endswith((".fits", ".fits.gz"))):
        return Role.IRF
    return _READS.get(stage, Role.DL1)


def _product(one: MadeProduct) -> FileNode:
    product = one.product
    return FileNode(
        id=_id(product.path, product.sha256 or f"{product.size}.{product.mtime_ns}"),
        role=Role(product.kind) if product.kind else Role.RESULTS,
        path=product.path,
        size=product.size,
        sha256=product.sha256,
        modified=_moment(product.mtime_ns),
        facts=dict(product.facts),
        stored=product.stored,
    )


def _external(role: Role, path: str, size: int | None, mtime_ns: int | None) -> FileNode:
    return FileNode(
        id=_id(path, f"{size}.{mtime_ns}"),
        role=role,
        path=path,
        size=size,
        sha256="",
        modified=None if mtime_ns is None else _moment(mtime_ns),
    )


def _config(path: str, text: str) -> FileNode:
    content = text.encode()
    digest = sha256(content).hexdigest()
    return FileNode(_id(path, digest), Role.CONFIG, path, len(content), digest, None)


def _request(analysis: Analysis) -> FileNode:
    path = str(analysis.folder / f"config_{analysis.label}.yml")
    facts = dict(analysis.config)
    return FileNode(_id(path, analysis.name), Role.REQUEST, path, None, "", None, facts)


def _id(path: str, content: str) -> str:
    return sha256(f"{path}\0{content}".encode()).hexdigest()[:20]


def _moment(mtime_ns: int) -> datetime:
    return datetime.fromtimestamp(mtime_ns // 10**9, UTC)
