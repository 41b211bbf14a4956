"""DL2 of Monte Carlo nodes that a site has as DL1 only: made once with the chosen forests, and kept
for everyone beside the IRFs that are made of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from astran.base.dl2_provenance import Dl2Provenance
from astran.base.night_data import FileRef, McNode, MonteCarlo, RunFile
from astran.base.tasks import Output, ProductKind
from astran.config.site import PackingSettings, StageResources
from astran.telescopes.lst.planning import argv, subrun_packs

ContentOf = Callable[[MonteCarlo, FileRef], str]
"""Hash of the DL2 that a DL1 file becomes with the forests of a level."""


@dataclass(frozen=True, slots=True)
class NodeBatch:
    """Nodes that one task brings to DL2: loading the forests takes longer than most nodes."""

    key: str
    nodes: tuple[McNode, ...]
    """DL1."""
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class ReconstructedNodes:
    """The Monte Carlo of a level with all nodes as DL2, there or to be made."""

    monte_carlo: MonteCarlo
    batches: tuple[NodeBatch, ...] = ()
    """Tasks for what is not there."""

    def needed(self, names: Collection[str]) -> tuple[NodeBatch, ...]:
        """Those batches that make any of the named nodes."""
        return tuple(one for one in self.batches if any(n.name in names for n in one.nodes))

    def maker(self, name: str) -> str | None:
        """Key of the task that makes a node; None: it is there."""
        return next((one.key for one in self.needed((name,))), None)


def reconstruct(
    one: MonteCarlo,
    content: ContentOf,
    version: str,
    kept: Collection[str],
    shared: Path,
    packing: PackingSettings,
    resources: StageResources,
) -> ReconstructedNodes:
    """All nodes of a level as DL2.

    Parameters
    ----------
    version : of lstchain
    kept : paths of DL2 made before
    shared : the site's folder for products of everyone
    """
    dl1 = [node for node in one.nodes if node.dl1]
    if not dl1 or one.models is None:
        return ReconstructedNodes(one)
    origin = Dl2Provenance(version, one.models.folder)
    folder = shared / "mc" / "_".join(Path(one.models.folder).parts[-2:]).lstrip("/_")
    paths = {
        node.name: str(folder / f"dl2_{node.name}_{content(one, node.file)[:16]}.h5")
        for node in dl1
    }
    of_level = f"nsb{one.level}-" if one.level else ""
    # all nodes are distributed, there or not: so the tasks are the same for everyone who needs them
    batches = [
        NodeBatch(f"mc-{of_level}{nodes[0].name}", nodes, _outputs(nodes, paths))
        for nodes in _distribute(dl1, one, packing, resources)
    ]
    made = tuple(
        replace(node, file=FileRef(paths[node.name], 0, 0), dl1=False, origin=origin)
        if node.dl1
        else node
        for node in one.nodes
    )
    there = frozenset(kept)
    return ReconstructedNodes(
        replace(one, nodes=made),
        tuple(b for b in batches if not all(o.path in there for o in b.outputs)),
    )


def _outputs(nodes: Sequence[McNode], paths: dict[str, str]) -> tuple[Output, ...]:
    return tuple(
        Output(argv.product_dl2(node.file.path), paths[node.name], ProductKind.DL2)
        for node in nodes
    )


def _distribute(
    nodes: Sequence[McNode], one: MonteCarlo, packing: PackingSettings, resources: StageResources
) -> list[tuple[McNode, ...]]:
    if len({node.file.name for node in nodes}) < len(nodes):
        return [(node,) for node in nodes]  # products are named after their DL1
    assert one.models is not None
    by_path = {node.file.path: node for node in nodes}
    files = tuple(node.file for node in nodes)
    pace = subrun_packs.estimate_duration(one.models, packing)
    packs = subrun_packs.pack_subruns((RunFile(0, files[0], parts=files),), pace, resources)
    return [tuple(by_path[part.file.path] for part in pack) for pack in packs]
