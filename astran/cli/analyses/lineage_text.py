"""A lineage for people: products with task, command and sources, then what was only read."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from astran.base.disk_space import format_bytes
from astran.base.errors import ConfigError
from astran.base.text import count_noun
from astran.service.config_files import config_of
from astran.service.provenance.graph import FileNode, Lineage, Role, TaskNode

_READ = (Role.DL1, Role.DL2, Role.DL3, Role.IRF, Role.MODELS, Role.MC)
_NAMED = 4
"""Files of a folder that are named; of more, the folder and their number is."""


def lineage_lines(lineage: Lineage, left_out: int = 0) -> list[str]:
    """The lineage in lines, tasks in the order of the chain."""
    tasks = sorted(lineage.tasks.values(), key=lambda task: task.id)
    lines = [line for task in tasks for line in _task(lineage, task)]
    if left_out:
        lines.append(f"and {left_out} more tasks; `astran show FILE` tells of any product")
    made = {id_ for task in tasks for id_ in task.made}
    for role in _READ:
        others = [one for one in lineage.files.values() if one.role is role and one.id not in made]
        lines += [f"{role.value} read: {words}" for words in _folders(others)]
    requests = [one for one in lineage.files.values() if one.role is Role.REQUEST]
    cuts = sorted({_cuts(one.facts) for one in requests} - {""})
    software = sorted({f"{n} {v}" for task in tasks for n, v in task.software})
    lines += [f"cuts: {words}" for words in cuts]
    lines += [f"software: {', '.join(software)}"] if software else []
    return lines


def _task(lineage: Lineage, task: TaskNode) -> Iterator[str]:
    for id_ in task.made:
        node = lineage.files[id_]
        size = f", {format_bytes(node.size)}" if node.size is not None else ""
        digest = f", sha256 {node.sha256}" if node.sha256 else ""
        yield f"{node.path} ({node.role.value}{size}{digest})"
    where = f" on {task.host}" if task.host else ""
    tools = ", ".join(f"{name} {version}" for name, version in task.software)
    attempt = f", attempt {task.attempt}" if task.attempt else ""
    yield f"  by {task.analysis} {task.key}{attempt}{_span(task.began, task.finished)}{where}" + (
        f", with {tools}" if tools else ""
    )
    yield f"  command: {shlex.join(task.command)}"
    used = [lineage.files[id_] for id_ in task.used]
    by_role: dict[Role, list[FileNode]] = defaultdict(list)
    for node in used:
        by_role[node.role].append(node)
    parts = [f"{role.value} {'; '.join(_folders(nodes))}" for role, nodes in by_role.items()]
    if parts:
        yield f"  from: {', '.join(parts)}"


def _folders(nodes: list[FileNode]) -> Iterator[str]:
    """Files by folder, in words."""
    places: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        path = Path(node.path)
        places[str(path.parent)].append(path.name)
    for folder, names in places.items():
        if len(names) > _NAMED:
            yield f"{count_noun(len(names), 'file')} in {folder}"
        else:
            yield ", ".join(f"{folder}/{name}" for name in sorted(names))


def _span(began: datetime | None, finished: datetime | None) -> str:
    if finished is None:
        return ""
    if began is None:
        return f", until {finished:%Y-%m-%d %H:%M:%S} UTC"
    day = "" if began.date() == finished.date() else f"{finished:%Y-%m-%d} "
    return f", {began:%Y-%m-%d %H:%M:%S} to {day}{finished:%H:%M:%S} UTC"


def _cuts(config: Mapping[str, Any]) -> str:
    try:
        return config_of(config).describe_cuts("")
    except ConfigError:
        return ""  # of a telescope, or an older version, that is not known here
