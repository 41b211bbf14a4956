"""A lineage as W3C PROV (PROV-DM, https://www.w3.org/TR/prov-dm/; PROV-JSON by the `prov` package).

Entities are files, activities the attempts of tasks that succeeded, agents the software and the
requesters. What PROV has no word for stands in the namespace `astran`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astran.service.provenance.graph import FileNode, Lineage, Role, TaskNode

if TYPE_CHECKING:
    from prov.model import ProvDocument

NAMESPACE = "urn:astran:provenance:"
_TYPES = {Role.REQUEST: "Plan", Role.RESULTS: "Collection"}
"""PROV's own type of a file, beside ours."""
_Pairs = list[tuple[str, Any]]


def make_prov_document(lineage: Lineage, subject: FileNode, asked: Path) -> ProvDocument:
    """The whole lineage.

    Parameters
    ----------
    subject : the product that was asked for
    asked : the file itself, a link to it, a copy, or a file in it
    """
    from prov.model import PROV, ProvDocument, QualifiedName

    doc = ProvDocument()
    own = doc.add_namespace("astran", NAMESPACE)
    for node in lineage.files.values():
        kinds = [QualifiedName(own, node.role.value)]
        if node.role in _TYPES:
            kinds.append(PROV[_TYPES[node.role]])
        doc.entity(_file(node.id), [*(("prov:type", kind) for kind in kinds), *_about_file(node)])
    for name, version in sorted(
        {pair for task in lineage.tasks.values() for pair in task.software}
    ):
        about = [("prov:label", f"{name} {version}"), ("astran:version", version)]
        doc.agent(_software(name, version), [("prov:type", PROV["SoftwareAgent"]), *about])
    for person in sorted({task.requester for task in lineage.tasks.values() if task.requester}):
        doc.agent(_person(person), [("prov:type", PROV["Person"]), ("prov:label", person)])
    for task in lineage.tasks.values():
        doc.activity(
            _activity(task.id),
            task.began,
            task.finished,
            [("prov:type", QualifiedName(own, str(task.stage))), *_about_task(task)],
        )
        _relate(doc, task)
    for made, used, number in lineage.derived():
        doc.wasDerivedFrom(_file(made), _file(used), activity=_activity(number))
    if str(asked) != subject.path:
        other = _file(sha256(str(asked).encode()).hexdigest()[:20])
        doc.entity(other, [("prov:label", asked.name), ("prov:location", str(asked))])
        if subject.role is Role.RESULTS and not asked.is_dir():
            doc.hadMember(_file(subject.id), other)
        else:
            doc.alternateOf(other, _file(subject.id))
    return doc


def _relate(doc: ProvDocument, task: TaskNode) -> None:
    own = _activity(task.id)
    for used in task.used:
        doc.used(own, _file(used))
    for made in task.made:
        doc.wasGeneratedBy(_file(made), own, task.finished)
    for name, version in task.software:
        plan = _file(task.request) if name == "astran" else None
        doc.wasAssociatedWith(own, _software(name, version), plan)
        if task.requester:
            doc.actedOnBehalfOf(_software(name, version), _person(task.requester), own)
    if task.requester:
        doc.wasAssociatedWith(own, _person(task.requester))


def _about_file(node: FileNode) -> _Pairs:
    pairs: _Pairs = [("prov:label", Path(node.path).name), ("prov:location", node.path)]
    if node.size is not None:
        pairs.append(("astran:size", node.size))
    if node.sha256:
        pairs.append(("astran:sha256", node.sha256))
    if node.stored:
        pairs.append(("astran:stored", node.stored))
    if node.modified is not None:
        pairs.append(("astran:modified", node.modified))
    return pairs + [(f"astran:{key}", value) for key, value in _flat("", _scalars(node))]


def _scalars(node: FileNode) -> dict[str, Any]:
    """What the check found, but for lists and checksums of single files."""
    return {key: value for key, value in node.facts.items() if key not in ("files", "warnings")}


def _flat(prefix: str, values: Any) -> Iterator[tuple[str, Any]]:
    """Nested settings by dotted name; what is not set is left out."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(f"{name}.", value)
        elif isinstance(value, list | tuple):
            yield from ((name, item) for item in value if isinstance(item, str | int | float))
        elif value is not None and value != "":
            yield name, value


def _about_task(task: TaskNode) -> _Pairs:
    pairs: _Pairs = [
        ("prov:label", f"{task.analysis} {task.key}"),
        ("astran:analysis", task.analysis),
        ("astran:analysis_label", task.label),
        ("astran:command", shlex.join(task.command)),
        ("astran:attempt", task.attempt),
        ("astran:fingerprint", task.fingerprint),
    ]
    if task.host:
        pairs.append(("astran:host", task.host))
    if task.exit_code is not None:
        pairs.append(("astran:exit_code", task.exit_code))
    return pairs


def _file(id_: str) -> str:
    return f"astran:file-{id_}"


def _activity(number: int) -> str:
    return f"astran:task-{number}"


def _software(name: str, version: str) -> str:
    return f"astran:software-{name}-{version}"


def _person(address: str) -> str:
    return f"astran:requester-{sha256(address.encode()).hexdigest()[:12]}"
