"""Command lines of the lstchain tools, in the words of the installed version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import astran
from astran.base.night_data import McNode
from astran.config.analysis import Target
from astran.telescopes.lst.environment import compare_intensity_cut
from astran.telescopes.lst.environment.toolset import Tool, Toolset
from astran.telescopes.lst.settings import Cuts, Dl3Settings

_FAST = Path(astran.__file__).resolve().parent / "dl2"
"""The package of the fast engine, run by path: the lstchain environment need not hold ASTRAN."""
_COMPARE_CUT = Path(compare_intensity_cut.__file__).resolve()

WORK = "{work}"
"""Stands for the task's private work folder until the runner knows it."""


def dl1_to_dl2(
    tools: Toolset, dl1: Sequence[str], models: str, config: Path | None
) -> tuple[str, ...]:
    """DL1 to DL2. Each product takes its file's name with the first dl1 made dl2."""
    tool = Tool.DL1_TO_DL2
    tools.require(tool, "input-files", "path-models", "output-dir")
    if tools.knows(tool, "overwrite"):
        # of a ctapipe tool each file needs its own -f: a second one after it is silently ignored
        files = [word for path in dl1 for word in ("-f", path)]
    else:
        # of the script before 0.10.16 a second -f replaces the first
        files = ["-f", *dl1]
    words = [*tools.command(tool), *files, "-p", models, "-o", WORK]
    if config is not None:
        tools.require(tool, "config")
        words += ["-c", str(config)]
    return (*words, *_common(tools, tool))


def fast_dl2(
    tools: Toolset, stock: Sequence[str], flat: Path, trusted: Path | None, threads: int
) -> tuple[str, ...]:
    """The command line of the stock tool, worked on by the fast engine in the same environment.

    Parameters
    ----------
    stock : as `dl1_to_dl2` gives it
    flat : folder of converted models, for everyone on the site
    trusted : folder below which pickled models may be loaded
    """
    own_words = len(tools.command(Tool.DL1_TO_DL2))
    trust = ("--trust", str(trusted)) if trusted is not None else ()
    ours = ("--flat-models", str(flat), *trust, "--threads", str(threads))
    return (*tools.program("python"), str(_FAST), *stock[own_words:], *ours)


def create_irf(
    tools: Toolset, node: McNode, product: str, dl3: Dl3Settings, config: Path
) -> tuple[str, ...]:
    """IRF of one pointing node, as DL2."""
    tool = Tool.CREATE_IRF
    tools.require(tool, "input-gamma-dl2", "output-irf-file", "point-like", "config")
    words = [*tools.command(tool), "-g", node.file.path, "-o", f"{WORK}/{product}"]
    if dl3.background and node.proton and node.electron:
        tools.require(tool, "input-proton-dl2", "input-electron-dl2")
        words += ["-p", node.proton.path, "-e", node.electron.path]
    cuts = _irf_cuts(dl3)
    tools.require(tool, *(word[2:].partition("=")[0] for word in cuts))
    words += cuts if dl3.full_enclosure else ["--point-like", *cuts]
    return (*words, "-c", str(config), *_common(tools, tool))


def _irf_cuts(dl3: Dl3Settings) -> list[str]:
    if dl3.cuts is Cuts.GLOBAL:
        words = [f"--global-gh-cut={dl3.gammaness_cut}", f"--global-theta-cut={dl3.theta_cut}"]
    else:
        words = [
            "--energy-dependent-gh",
            "--energy-dependent-theta",
            f"--gh-efficiency={dl3.gh_efficiency}",
            f"--theta-containment={dl3.theta_containment}",
        ]
    # full-enclosure IRFs know no theta cut
    return [word for word in words if not (dl3.full_enclosure and "theta" in word)]


def create_dl3(
    tools: Toolset, dl2: str, irfs: str, target: Target, nearest: bool, config: Path
) -> tuple[str, ...]:
    """DL3 of one run, with every IRF in the folder `irfs`."""
    tool = Tool.CREATE_DL3
    tools.require(
        tool,
        "input-dl2",
        "output-dl3-path",
        "input-irf-path",
        "irf-file-pattern",
        "source-name",
        "source-ra",
        "source-dec",
        "config",
    )
    words = [*tools.command(tool), "-d", dl2, "-o", WORK, "-i", irfs, "-p", "irf_*.fits.gz"]
    # coordinates are always given, as the tool would otherwise ask the internet for the name;
    # with "=", as a negative declination would be taken for an option
    words += [
        f"--source-name={target.name}",
        f"--source-ra={target.ra:.6f}deg",
        f"--source-dec={target.dec:.6f}deg",
    ]
    if nearest:
        tools.require(tool, "use-nearest-irf-node")
        words.append("--use-nearest-irf-node")
    return (*words, "-c", str(config), *_common(tools, tool))


def comparing_cut(
    tools: Toolset, words: Sequence[str], dl2: str, intensity_min_pe: float
) -> tuple[str, ...]:
    """A command that compares the intensity cut with what lstchain recommends for the DL2 file, and
    then goes on as the tool."""
    return (*tools.program("python"), str(_COMPARE_CUT), f"{intensity_min_pe:g}", dl2, *words)


def create_index(tools: Toolset) -> tuple[str, ...]:
    """Index of the DL3 files that are linked into the work folder.

    The index says where a file is relative to itself. Made among links in the work folder, it is
    right in the folder of the DL3 files, too.
    """
    tool = Tool.CREATE_INDEX
    tools.require(tool, "input-dl3-dir", "output-index-path", "file-pattern")
    words = [*tools.command(tool), "-d", WORK, "-o", WORK, "-p", "dl3_*.fits"]
    return (*words, *_common(tools, tool))


def product_dl2(dl1: str) -> str:
    """Name that lstchain gives to the DL2 of a DL1 file."""
    return Path(dl1).name.replace("dl1", "dl2", 1)


def product_dl3(dl2: str) -> str:
    """Name that lstchain gives to the DL3 of a DL2 file."""
    return Path(dl2).name.replace("dl2", "dl3").replace("h5", "fits")


def _common(tools: Toolset, tool: Tool) -> tuple[str, ...]:
    """Options that not every version has and that are used where they exist."""
    words = []
    if tools.knows(tool, "overwrite"):
        words.append("--overwrite")  # a failed start leaves a stub that stops the next one
    if tools.knows(tool, "log-level"):
        words.append("--log-level=INFO")  # the IRF nodes used are only said at this level
    return tuple(words)
