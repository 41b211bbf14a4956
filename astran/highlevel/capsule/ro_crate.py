"""The description of a capsule: RO-Crate 1.1 with the profile Process Run Crate 0.5.

Formats: https://www.researchobject.org/ro-crate/specification/1.1/ and
https://www.researchobject.org/workflow-run-crate/profiles/0.5/process_run_crate
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from astran.highlevel.capsule.layout import CONFIG, DL3, METADATA, OPTIONS, PROVENANCE
from astran.results.document import Results

SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = [f"{SPECIFICATION}/context", "https://w3id.org/ro/terms/workflow-run/context"]
SITE = "#site"
HOMEPAGES = {
    "astropy": "https://www.astropy.org",
    "ctapipe": "https://ctapipe.readthedocs.io",
    "gammapy": "https://gammapy.org",
    "lstchain": "https://github.com/cta-observatory/cta-lstchain",
    "matplotlib": "https://matplotlib.org",
    "numpy": "https://numpy.org",
    "scipy": "https://scipy.org",
}
_FORMATS = {
    ".json": "application/json",
    ".yml": "application/yaml",
    ".fits": "application/fits",
    ".gz": "application/gzip",
    ".csv": "text/csv",
    ".ecsv": "text/csv",
}
_TITLES = {
    OPTIONS: "Options of the high-level analysis",
    CONFIG: "Configuration of the analysis",
    PROVENANCE: "Provenance of the results, W3C PROV-JSON",
}


@dataclass(frozen=True)
class PackedFile:
    """A file of the capsule."""

    name: str
    size: int
    """[bytes]"""
    sha256: str

    @property
    def is_input(self) -> bool:
        return self.name.startswith((f"{DL3}/", "config/"))


@dataclass(frozen=True)
class CrateFacts:
    """What the description tells beside the files."""

    title: str
    results: Results
    made: str
    """When the capsule was packed: ISO 8601 with its zone."""
    license: str
    site: str
    """Name of the site at which it was made."""
    started: str = ""
    """When the analysis began; empty: not known."""
    software: Mapping[str, str] = field(default_factory=dict)
    container: str = ""
    """Image in which it ran, with its digest as `name@sha256:…` where it is known."""


def describe_crate(facts: CrateFacts, files: Sequence[PackedFile]) -> dict[str, Any]:
    """The content of ro-crate-metadata.json."""
    inputs = [one for one in files if one.is_input]
    outputs = [one for one in files if not one.is_input and one.name != PROVENANCE]
    programs = [_program(name, version) for name, version in sorted(facts.software.items())]
    action: dict[str, Any] = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"High-level analysis: {facts.title}",
        "description": _describe(facts.results),
        "instrument": {"@id": software_id("astran", facts.software.get("astran", ""))},
        "agent": {"@id": SITE},
        "object": _references(inputs),
        "result": _references(outputs),
        "endTime": facts.results.made,
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    if facts.started:
        action["startTime"] = facts.started
    images = [_image(facts.container)] if facts.container else []
    if images:
        action["containerImage"] = {"@id": images[0]["@id"]}
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"ASTRAN capsule: {facts.title}",
        "description": f"{_describe(facts.results)} `astran rerun` makes the results again from "
        "the DL3 files and the options that this crate holds.",
        "datePublished": facts.made,
        "license": {"@id": facts.license} if "://" in facts.license else facts.license,
        "conformsTo": {"@id": PROFILE},
        "author": {"@id": SITE},
        "publisher": {"@id": SITE},
        "hasPart": _references(files),
        "mentions": {"@id": action["@id"]},
    }
    about = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": SPECIFICATION},
        "about": {"@id": "./"},
    }
    profile = {
        "@id": PROFILE,
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": "0.5",
    }
    site = {"@id": SITE, "@type": "Organization", "name": facts.site}
    licenses = [_license(facts.license)] if "://" in facts.license else []
    return {
        "@context": CONTEXT,
        "@graph": [
            *(about, root, profile, site),
            *licenses,
            *programs,
            *images,
            action,
            *map(_file, files),
        ],
    }


def _describe(results: Results) -> str:
    stacked = results.stacked
    return (
        f"{results.target.name}, night {results.night}: {stacked.n_runs:g} runs, "
        f"{stacked.livetime_h:.2f} h, {stacked.significance:.1f} sigma."
    )


def software_id(name: str, version: str) -> str:
    """The identifier of a program."""
    return f"urn:astran:software:{quote(name)}:{quote(version)}"


def _uri(name: str) -> str:
    """The name of a file as a relative URI (RFC 3986)."""
    return quote(name, safe="/+")


def _references(files: Sequence[PackedFile]) -> Any:
    """RO-Crate writes a list of one as its item."""
    found = [{"@id": _uri(one.name)} for one in files]
    return found[0] if len(found) == 1 else found


def _program(name: str, version: str) -> dict[str, Any]:
    found = {
        "@id": software_id(name, version),
        "@type": "SoftwareApplication",
        "name": "ASTRAN" if name == "astran" else name,
        "softwareVersion": version,
    }
    return found | ({"url": HOMEPAGES[name]} if name in HOMEPAGES else {})


def _image(name: str) -> dict[str, Any]:
    place, _, digest = name.partition("@sha256:")
    found: dict[str, Any] = {
        "@id": "#container",
        "@type": "ContainerImage",
        "name": place,
        "additionalType": {"@id": "https://w3id.org/ro/terms/workflow-run#SIFImage"}
        if place.endswith(".sif")
        else {"@id": "https://w3id.org/ro/terms/workflow-run#DockerImage"},
    }
    return found | ({"sha256": digest} if digest else {})


def _license(url: str) -> dict[str, Any]:
    return {"@id": url, "@type": "CreativeWork", "name": url, "description": "License"}


def _file(one: PackedFile) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@id": _uri(one.name),
        "@type": "File",
        "name": _TITLES.get(one.name, one.name.rpartition("/")[2]),
        "contentSize": str(one.size),
        "sha256": one.sha256,
    }
    kind = _FORMATS.get(f".{one.name.rpartition('.')[2]}")
    return found | ({"encodingFormat": kind} if kind else {})
