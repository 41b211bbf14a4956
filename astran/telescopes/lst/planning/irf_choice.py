"""Which IRFs an analysis uses: the site's own, kept ones, or new ones that are then kept.

IRFs that ASTRAN makes belong to everyone. All nodes of one flavour (tool version, event selection,
cuts, Monte Carlo files) lie in one folder whose name holds a hash of just that: the DL3 tool fails
on a folder of mixed flavours.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from astran.base.dl2_provenance import UNKNOWN, Dl2Provenance
from astran.base.errors import CatalogueError
from astran.base.night_data import IrfCuts, McNode, MonteCarlo, ReadyIrf
from astran.base.tasks import fingerprint
from astran.telescopes.lst.planning.tool_configs import cuts_of, dl3_selection
from astran.telescopes.lst.settings import Dl3Settings

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Irf:
    """One IRF file of the set."""

    name: str
    path: str
    fingerprint: str
    node: McNode | None
    """Monte Carlo to make it from; None: it is there."""
    origin: Dl2Provenance = UNKNOWN
    """What made the DL2 behind it, as far as that is known."""
    ready: bool = False
    """Whether it is the site's own."""


@dataclass(frozen=True, slots=True)
class IrfSet:
    """All IRFs for the runs of one NSB level."""

    irfs: tuple[Irf, ...]
    notes: tuple[str, ...]
    level: str = ""
    intensity_min: float | None = None
    """Where there are sets for several [p.e.]."""
    what: str = "the Monte Carlo of the IRFs"
    """In notes: the Monte Carlo, or the site's own IRFs."""

    @property
    def ready(self) -> bool:
        """Whether they are the site's own."""
        return any(irf.ready for irf in self.irfs)

    @property
    def origins(self) -> tuple[Dl2Provenance, ...]:
        """The different ones."""
        return tuple(dict.fromkeys(irf.origin for irf in self.irfs))

    def key(self, irf: Irf) -> str:
        """Of the task that makes one of them."""
        of_level = f"nsb{self.level}-" if self.level else ""
        of_cut = "" if self.intensity_min is None else f"i{self.intensity_min:g}-"
        return f"irf-{of_level}{of_cut}{irf.name}"

    @property
    def to_make(self) -> tuple[Irf, ...]:
        return tuple(irf for irf in self.irfs if irf.node is not None)


def choose_irfs(
    dl3: Dl3Settings,
    data: MonteCarlo,
    kept: Collection[str],
    version: str,
    shared: Path,
    *,
    exact: bool = False,
) -> IrfSet:
    """The IRFs for these cuts.

    Parameters
    ----------
    kept : paths of IRFs that were made before
    exact : whether the intensity cut must be known to be that of the events; ready IRFs do not say
        theirs

    Raises
    ------
    CatalogueError : the site has neither fitting IRFs nor Monte Carlo to make them from
    """
    wanted = cuts_of(dl3)
    fitting = [irf for irf in data.ready_irfs if is_same_cuts(irf.cuts, wanted)]
    # what is asked beside the cuts is in no ready IRF; interpolation is the business of DL3
    own = sorted(set(dl3.tool) - {"DataReductionFITSWriter"})
    if fitting and own and not data.nodes:
        raise CatalogueError(
            f"The site's IRFs are ready: {', '.join(own)} of the request cannot be in them.",
            cure="Leave these parameters out, or let the site provide Monte Carlo (data.mc_dl2).",
        )
    # nor do headers tell of a background
    if fitting and not own and not exact and not dl3.background:
        return replace(_from_site(fitting, dl3), level=data.level)
    if data.nodes:
        return _from_mc(dl3, data, kept, version, shared)
    if data.ready_irfs and exact:
        raise CatalogueError(
            f"The site's IRFs do not say that they are for {dl3.intensity_min:g} p.e. and more.",
            cure="Let the site provide Monte Carlo (data.mc_dl2), or ask for "
            "`dl3.intensity_min: 50`.",
        )
    if data.ready_irfs:
        have = sorted({describe_cuts(irf.cuts) for irf in data.ready_irfs})
        raise CatalogueError(
            f"No IRF{_describe_kind(dl3)} was made with {describe_cuts(wanted)}; the site's IRFs "
            f"have {'; or '.join(have)}.",
            cure="Ask for those cuts, or let the site provide Monte Carlo (data.mc_dl2).",
        )
    raise CatalogueError(
        "There are neither IRFs nor Monte Carlo to make them from.",
        cure="Set data.irf or data.mc_dl2 in the site configuration.",
    )


def is_same_cuts(one: IrfCuts, other: IrfCuts) -> bool:
    """Whether two sets of cuts are the same, but for rounding."""
    left, right = dict(one.known), dict(other.known)
    return left.keys() == right.keys() and all(
        abs(float(left[name]) - float(right[name])) < TOLERANCE for name in left
    )


def describe_cuts(cuts: IrfCuts) -> str:
    """The cuts as a person says them."""
    names = {
        "gammaness_cut": "gammaness above {:g}",
        "theta_cut": "theta below {:g} deg",
        "gh_efficiency": "gammaness efficiency {:g}",
        "theta_containment": "theta containment {:g}",
    }
    return ", ".join(names[name].format(value) for name, value in cuts.known) or "unknown cuts"


def _describe_kind(dl3: Dl3Settings) -> str:
    """Point-like ones without background are the usual case."""
    full = ", full-enclosure," if dl3.full_enclosure else ""
    return full + (" with background," if dl3.background else "")


def _from_site(fitting: list[ReadyIrf], dl3: Dl3Settings) -> IrfSet:
    names = [irf.name for irf in fitting]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CatalogueError(
            f"The site has several IRFs of the node {twice} with these cuts.",
            cure="Make the pattern data.irf narrower, so that it holds one production.",
        )
    irfs = tuple(
        Irf(irf.name, irf.file.path, fingerprint(ready=irf.file.identity), None, ready=True)
        for irf in fitting
    )
    notes = (
        f"IRFs{_describe_kind(dl3)}: {len(irfs)} of the site's own, with "
        f"{describe_cuts(cuts_of(dl3))}. "
        "They do not say their intensity cut; "
        f"the events are selected above {dl3.intensity_min:g} p.e.",
    )
    return IrfSet(irfs, notes, what="the site's IRFs")


def _from_mc(
    dl3: Dl3Settings, data: MonteCarlo, kept: Collection[str], version: str, shared: Path
) -> IrfSet:
    more: dict[str, object] = {"kind": dl3.irf_kind} if dl3.full_enclosure else {}
    if dl3.background:
        more["background"] = [
            [file.identity for file in node.background_files] for node in data.nodes
        ]
    flavour = fingerprint(
        tool="irf",
        version=version,
        selection=dl3_selection(dl3),
        cuts=[dl3.cuts, *cuts_of(dl3).known],
        mc=[[node.name, node.file.identity] for node in data.nodes],
        **more,
    )
    folder = shared / "irf" / f"{dl3.cuts}_{flavour[:16]}"
    irfs = []
    for node in data.nodes:
        path = str(folder / f"irf_{node.name}.fits.gz")
        source = None if path in kept else node
        mark = fingerprint(flavour=flavour, node=node.name)
        irfs.append(Irf(node.name, path, mark, source, node.origin))
    made = sum(irf.node is not None for irf in irfs)
    ready = len(irfs) - made
    of = f" of NSB {data.level}" if data.level else ""
    notes = [
        f"IRFs{of}{_describe_kind(dl3)} with {describe_cuts(cuts_of(dl3))}: {ready} kept from "
        f"before, {made} to be made."
    ]
    if dl3.background and not dl3.nearest_irf and len(irfs) > 1:
        notes.append(
            "lstchain interpolates no background: the IRFs of the nearest node are taken as they "
            "are (dl3.background)."
        )
    return IrfSet(tuple(irfs), tuple(notes), data.level)
