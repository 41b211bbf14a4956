"""What the catalogue found for one analysis: files, choices and gaps, as frozen data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from astran.base.dl2_provenance import UNKNOWN, Dl2Provenance
from astran.base.tasks import Expectation

_RUN = re.compile(r"LST-\d+(?:\.\d+)?\.Run0*(\d+)")


def run_number(name: str) -> int | None:
    """The run number as lstchain reads it from a file name: LST-1.Run15864."""
    match = _RUN.search(name)
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file as it was when it was looked at; equal means the same content for all we know."""

    path: str
    size: int
    """[bytes]"""
    mtime_ns: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def identity(self) -> list[str | int]:
        """Plain data for a fingerprint."""
        return [self.path, self.size, self.mtime_ns]


@dataclass(frozen=True, slots=True)
class StandardDl2:
    """DL2 of a run that the observatory made, and what it tells of its making."""

    file: FileRef
    problem: str = ""
    """Why it cannot be used, in words; empty: it can."""
    lstchain: str = ""
    models: str = ""
    """Their folder."""
    dl1: str = ""
    config: str = ""
    """lstchain's whole configuration as JSON."""
    events: int = 0


@dataclass(frozen=True, slots=True)
class RunFile:
    """The input file of a run: DL1, or DL2 where the analysis starts there."""

    run: int
    file: FileRef
    version: str = ""
    """As in the path, for example v0.12."""
    tailcut: str = ""
    """As in the path, for example tailcut84."""
    parts: tuple[FileRef, ...] = ()
    """Subrun-wise DL1: all its files in order, the first of them is `file`. Empty: run-wise."""
    events: int = 0
    """In all its files; 0: not known."""
    level: str = ""
    """NSB level of its models and Monte Carlo; empty where there is only one."""
    livetime_s: float | None = None
    """As the data tell [s]; None: not known."""
    pointing: tuple[float, float] | None = None
    """Mean zenith distance and azimuth [deg]; None: not known."""
    origin: Dl2Provenance = UNKNOWN
    """Of a DL2 file: what made it, as far as it says."""
    standard: tuple[StandardDl2, ...] = ()
    """Of DL1: the observatory's DL2 of the run, the newest version first."""
    intensity_min: float | None = None
    """Least image intensity that its data ask for [p.e.]; None: not asked for, or not known."""

    @property
    def files(self) -> tuple[FileRef, ...]:
        """All input files of the run."""
        return self.parts or (self.file,)


@dataclass(frozen=True, slots=True)
class MissingRun:
    """A run of the request without usable input."""

    run: int
    reason: str
    """In words; begins with a small letter, ends without a full stop."""
    may_come: bool
    """True where waiting may help: not there yet, or still being written."""


@dataclass(frozen=True, slots=True)
class Models:
    """A folder of random forests."""

    folder: str
    files: tuple[FileRef, ...]
    interpolated: bool
    """Whether training_dirs.ecsv is there; without it lstchain silently switches the zenith
    interpolation of the forests off."""
    training: tuple[tuple[float, float], ...] | None = ()
    """Zenith distance and azimuth of the nodes that they were trained at [deg], from that file;
    None: it cannot be read."""


@dataclass(frozen=True, slots=True)
class IrfCuts:
    """The cuts that an IRF was made with, as its headers tell. None: the header does not say."""

    gammaness_cut: float | None = None
    """Global cut (GH_CUT)."""
    theta_cut: float | None = None
    """Global cut [deg] (RAD_MAX)."""
    gh_efficiency: float | None = None
    """Energy-dependent cut (GH_EFF)."""
    theta_containment: float | None = None
    """Energy-dependent cut (TH_CONT)."""

    @property
    def known(self) -> tuple[tuple[str, Expectation], ...]:
        """The cuts that are set, by name."""
        pairs = (
            ("gammaness_cut", self.gammaness_cut),
            ("theta_cut", self.theta_cut),
            ("gh_efficiency", self.gh_efficiency),
            ("theta_containment", self.theta_containment),
        )
        return tuple((name, value) for name, value in pairs if value is not None)


@dataclass(frozen=True, slots=True)
class McNode:
    """MC test gammas of one pointing."""

    name: str
    """For example theta_23.630_az_100.758; fit for a file name, unique in its set."""
    file: FileRef
    dl1: bool = False
    """Whether the file is DL1, of which DL2 is still to be made."""
    origin: Dl2Provenance = UNKNOWN
    """Of DL2: what made it, as far as it says."""
    proton: FileRef | None = None
    electron: FileRef | None = None
    """DL2 of the same pointing, for a background IRF."""

    @property
    def background_files(self) -> tuple[FileRef, ...]:
        """Of protons and electrons; none where no background IRF is asked for."""
        return tuple(file for file in (self.proton, self.electron) if file is not None)


@dataclass(frozen=True, slots=True)
class ReadyIrf:
    """An IRF file that the site provides."""

    name: str
    file: FileRef
    cuts: IrfCuts


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """What belongs together: forests, test gammas that are or will be reconstructed with them, and
    IRFs made from those. One for each NSB level that the night needs."""

    level: str = ""
    """[p.e./ns above a dark sky] as in the names of folders, for example 0.14; empty: the site
    knows no levels."""
    models: Models | None = None
    nodes: tuple[McNode, ...] = ()
    ready_irfs: tuple[ReadyIrf, ...] = ()
    """IRFs of the site's own production."""


@dataclass(frozen=True, slots=True)
class ConfigText:
    """A JSON configuration that the site gives to lstchain."""

    file: FileRef
    text: str


@dataclass(frozen=True, slots=True)
class NightData:
    """All that planning needs to know of the outside world."""

    complete: bool
    """True: nothing more is to be waited for."""
    runs: tuple[RunFile, ...] = ()
    """Input files by run number, ascending (start dl1 or dl2)."""
    missing: tuple[MissingRun, ...] = ()
    notes: tuple[str, ...] = ()
    """Choices made, in words, for the plan and the report."""
    folder: str = ""
    """Start dl2 or dl3: the resolved data folder."""
    dl3: tuple[FileRef, ...] = ()
    """Start dl3: FITS files in the folder."""
    monte_carlo: tuple[MonteCarlo, ...] = ()
    """By `level`, ascending; each run names its own."""
    lstchain_config: ConfigText | None = None
    looking: bool = False
    """True: some files have not been opened yet, within the time a look may take; look again."""
    kept_irfs: tuple[str, ...] = ()
    """Paths of IRFs that ASTRAN made before and keeps for everyone."""
    kept_mc: tuple[str, ...] = ()
    """Paths of DL2 of Monte Carlo, likewise."""

    def of(self, run: RunFile) -> MonteCarlo:
        """Models and Monte Carlo of a run (KeyError if its level is not among them)."""
        for one in self.monte_carlo:
            if one.level == run.level:
                return one
        raise KeyError(run.level)
