"""What the primary header of DL3 says of its origin, and which IRFs the tool took.

Nothing here depends on who asked: products are shared. The keywords are described in
docs/provenance.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import astran
from astran.base.dl2_provenance import Dl2Provenance
from astran.base.night_data import FileRef, MonteCarlo
from astran.base.tasks import HeaderCard, Task
from astran.telescopes.lst.dl2_file import read_engine
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.event_cuts import header_cards
from astran.telescopes.lst.planning.irf_choice import IrfSet
from astran.telescopes.lst.settings import Cuts, LstConfig, StartLevel

SCHEMA = 1
"""Part of the fingerprint: DL3 without these words is made anew."""
IRFS_USED, IRF_MODE, ENGINE = "{irfs}", "{irf-mode}", "{dl2-engine}"
"""Stand for the names of the IRFs that the tool took, for how it took them, and for what made its
DL2, until the runner knows them."""
_LINK = re.compile(r"irf/irf_(.+)\.fits\.gz")
_TOLD = re.compile(r"Paths of IRFs used for interpolation|Nearest IRF|Only single IRF")
_NAME = re.compile(r"irf_([^/'\"]+?)\.fits\.gz")


def dl3_header(
    config: LstConfig,
    tools: Toolset,
    made_with: MonteCarlo,
    dl2: Dl2Provenance,
    irfs: IrfSet,
    selection: str,
    fingerprint: str,
) -> tuple[HeaderCard, ...]:
    """The cards of a DL3 file.

    Parameters
    ----------
    dl2 : what made the DL2 file, where the analysis starts from one
    selection : the configuration of the tool, as JSON
    """
    cards: list[HeaderCard] = [
        ("ASTVER", astran.__version__, "ASTRAN version"),
        ("LSTVER", tools.version, "lstchain version"),
        ("ANALYSIS", config.label, "target and night"),
        ("DL2ENGIN", ENGINE, "engine of DL2"),
    ]
    models = made_with.models
    if config.start is StartLevel.DL2 and dl2.models:
        cards.append(("RFMODEL", dl2.models, ""))
    elif config.start is StartLevel.DL1 and models is not None:
        cards += [
            ("RFMODEL", models.folder, ""),
            ("RFDIGEST", models_digest(models.files), ""),
        ]
    if made_with.level:
        cards.append(("NSBTUNE", made_with.level, "[p.e./ns] NSB added in Monte Carlo"))
    cards += [*_cuts(config), ("SELDIGST", sha256(selection.encode()).hexdigest(), "")]
    folders = sorted({str(Path(irf.path).parent) for irf in irfs.irfs})
    cards += [
        ("IRFDIR", ", ".join(folders), ""),
        ("IRFUSED", IRFS_USED, ""),
        ("IRFMODE", IRF_MODE, "how they were used"),
        ("TASKFP", fingerprint, ""),
    ]
    return tuple(cards)


def models_digest(files: Sequence[FileRef]) -> str:
    """SHA-256 over name, size [bytes] and time of last change [ns] of each file, in lines sorted by
    name: gigabytes of forests are not read for it."""
    lines = sorted(f"{file.name} {file.size} {file.mtime_ns}\n" for file in files)
    return sha256("".join(lines).encode()).hexdigest()


def _cuts(config: LstConfig) -> list[HeaderCard]:
    dl3 = config.dl3
    cards: list[HeaderCard] = [("CUTTYPE", dl3.cuts.value, "kind of gammaness and theta cuts")]
    if dl3.cuts is Cuts.GLOBAL:
        cards += [
            ("CUTGH", dl3.gammaness_cut, "least gammaness"),
            ("CUTTHETA", dl3.theta_cut, "[deg] largest theta"),
        ]
    else:
        cards += [
            ("CUTGHEFF", dl3.gh_efficiency, "gamma efficiency of the gammaness cut"),
            ("CUTTHCON", dl3.theta_containment, "gamma containment of the theta cut"),
        ]
    if dl3.full_enclosure:  # no theta cut in events or IRFs
        del cards[-1]
    return [*cards, *header_cards(dl3)]


def fill_header(task: Task, product: Path) -> tuple[HeaderCard, ...]:
    """The cards of a task with what is only known after its tool has run."""
    given = {match[1]: Path(to) for name, to in task.links if (match := _LINK.fullmatch(name))}
    used = _same_pointing(product, given) or _told(Path(task.log), given) or sorted(given)
    mode = "single" if len(given) == 1 else "nearest" if len(used) == 1 else "interpolated"
    words = {IRFS_USED: ", ".join(used), IRF_MODE: mode, ENGINE: _engine(task)}
    return tuple(
        (keyword, words.get(value, value) if isinstance(value, str) else value, comment)
        for keyword, value, comment in task.header
    )


def _engine(task: Task) -> str:
    return read_engine(Path(task.argv[task.argv.index("-d") + 1]))


def _same_pointing(product: Path, given: dict[str, Path]) -> list[str]:
    """The one IRF that was taken as it is: interpolated ones carry the pointing of the data."""
    wanted = _pointing(product)
    if len(given) == 1 or None in wanted:
        return sorted(given)[:1]
    return [name for name, path in sorted(given.items()) if _pointing(path) == wanted][:1]


def _pointing(path: Path) -> tuple[float | None, ...]:
    from astran.gadf.irf_hdus import read_irf_file

    irfs, _ = read_irf_file(path)
    return irfs.zenith_deg, irfs.azimuth_deg


def _told(log: Path, given: dict[str, Path]) -> list[str]:
    """What the tool said last."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return []
    told = [line for line in lines if _TOLD.search(line)]
    return (
        [name for name in dict.fromkeys(_NAME.findall(told[-1])) if name in given] if told else []
    )
