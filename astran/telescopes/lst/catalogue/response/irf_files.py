"""Monte Carlo nodes and IRF files, with the cuts that IRF headers tell.

FITS headers are read by hand (FITS standard 4.0, sections 3 and 4: blocks of 2880 bytes, cards of
80 characters): the minute tick does not load astropy.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, cast

from astran.base.errors import CatalogueError, DataUnavailable
from astran.base.night_data import IrfCuts, McNode, ReadyIrf
from astran.catalogue import path_patterns

BLOCK = 2880
CARD = 80
MOST_BLOCKS = 40
"""A header of an IRF has two or three blocks; more than this is no header."""
_NODE = re.compile(r"node_(?:corsika_)?(theta_[\d.]+_az_[\d.]*\d)")
_VALUE = re.compile(r"([A-Z0-9_-]{1,8}) *= *([^/ ]+)")
_CUTS = {
    "GH_CUT": "gammaness_cut",
    "RAD_MAX": "theta_cut",
    "GH_EFF": "gh_efficiency",
    "TH_CONT": "theta_containment",
}


def mc_nodes(pattern: str, key: str = "mc_dl2", **known: str) -> tuple[McNode, ...]:
    """The files of MC test gammas, one per node; `key` names the setting of the pattern.

    Raises
    ------
    DataUnavailable : no file
    CatalogueError : two of the same node
    """
    found = list(path_patterns.find_files(pattern, **known))
    if not found:
        raise DataUnavailable(
            "No Monte Carlo for IRFs was found.", cure=f"data.{key} looks for {pattern}."
        )
    names = [node_name(item.file.path) for item in found]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise CatalogueError(
            f"There are several Monte Carlo files of the node {twice[0]}.",
            cure=f"Make the pattern data.{key} narrower, so that it holds one production.",
        )
    nodes = (McNode(name, item.file) for name, item in zip(names, found, strict=True))
    return tuple(sorted(nodes, key=lambda node: node.name))


def ready_irfs(pattern: str, **known: str) -> tuple[tuple[ReadyIrf, ...], list[str]]:
    """The site's IRF files with their cuts, and notes on files that cannot be read."""
    ready, notes = [], []
    for item in path_patterns.find_files(pattern, **known):
        cuts = read_irf_cuts(Path(item.file.path))
        if cuts is not None:
            ready.append(ReadyIrf(node_name(item.file.path), item.file, cuts))
        else:
            notes.append(f"The IRF file {item.file.path} is left out: its header cannot be read.")
    return tuple(ready), notes


def kept_irfs(shared: Path) -> tuple[str, ...]:
    """IRFs made before and kept for everyone."""
    return tuple(sorted(str(path) for path in (shared / "irf").glob("*/irf_*.fits.gz")))


def kept_mc(shared: Path) -> tuple[str, ...]:
    """DL2 of Monte Carlo made before and kept for everyone."""
    return tuple(sorted(str(path) for path in (shared / "mc").glob("*/dl2_*.h5")))


def node_name(path: str) -> str:
    """`theta_23.630_az_100.758` from the name of the file or of a folder above it; else the
    file's own name without its type, fit for a file name."""
    matches = _NODE.findall(path)
    if matches:
        return str(matches[-1])
    name = re.sub(r"\.(h5|hdf5|fits|fits\.gz)$", "", Path(path).name)
    return re.sub(r"[^A-Za-z0-9._+-]", "_", re.sub(r"^(dl2|irf)_", "", name))


def read_irf_cuts(path: Path) -> IrfCuts | None:
    """The cuts in the first extension's header; None if the file is no readable FITS file."""
    try:
        with _open(path) as handle:
            primary = _header(handle)
            if primary is None or primary.get("NAXIS") != "0":
                return None
            header = _header(handle)
    except (OSError, EOFError, zlib.error):
        return None
    if header is None:
        return None
    try:
        values = {name: float(header[word]) for word, name in _CUTS.items() if word in header}
    except ValueError:
        return None
    return IrfCuts(**values)


def _open(path: Path) -> BinaryIO:
    if path.name.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _header(handle: BinaryIO) -> dict[str, str] | None:
    """The cards of the header that begins here, value as text; None if there is no whole one."""
    cards: dict[str, str] = {}
    for _ in range(MOST_BLOCKS):
        block = handle.read(BLOCK)
        if len(block) < BLOCK:
            return None
        for start in range(0, BLOCK, CARD):
            card = block[start : start + CARD].decode("ascii", errors="replace")
            if card.rstrip() == "END":
                return cards
            if match := _VALUE.match(card):
                cards[match[1]] = match[2]
    return None


def describe_nodes(nodes: Iterable[McNode]) -> str:
    """For people: how many nodes, and their names if they are few."""
    names = [node.name for node in nodes]
    return f"{len(names)} nodes" + (f" ({', '.join(names)})" if len(names) <= 4 else "")
