"""A run: its checked event list with everything the analysis needs from the file's headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from astran.base.errors import ProductError, in_a_sentence
from astran.base.night import Night
from astran.gadf.dl3_file import Dl3File, read_dl3
from astran.gadf.file_findings import FindingCode
from astran.gadf.good_time import GoodTime
from astran.gadf.header import EventHeader
from astran.gadf.irf_hdus import hash_irfs, read_theta_cut
from astran.gadf.rad_max import RadMaxTable
from astran.highlevel.arrays import Floats, Ints
from astran.highlevel.dl3.background_model import BackgroundModel, find_background_model
from astran.highlevel.geometry import altitude, parallactic_angle, separation, vector

LARGEST_OFFSET_DEG = 2.5
"""A run that points further away from the target does not belong to it."""

FIELD_ANGLES = 8
"""Times of a run at which the direction of the zenith is known."""


@dataclass(frozen=True)
class Dl3Run:
    """A run that passed its checks. Angles in degrees, ICRS; energies in TeV."""

    obs_id: int
    path: Path
    object: str
    telescope: str
    ra_pnt: float
    dec_pnt: float
    zenith: float | None
    start: datetime
    """Begin of the first good time interval, UTC."""
    gti: Floats
    """Good time intervals, shape (n, 2), in the seconds of `time`."""
    deadc: float
    time: Floats
    direction: Floats
    """Unit vectors of the events, shape (n, 3)."""
    energy: Floats
    object_position: tuple[float, float] | None = None
    """RA_OBJ and DEC_OBJ of the header."""
    rad_max: float | None = None
    """Fixed directional cut of the IRFs."""
    rad_max_table: RadMaxTable | None = None
    point_like: bool = False
    """Whether the IRFs in the run's own file hold only the gammas within a theta cut."""
    background: BackgroundModel | None = None
    zenith_angles: tuple[float, ...] = ()
    """Direction of the zenith, north through east [deg], at the middles of equal parts of the run:
    the field turns. Empty: not known."""
    irf_files: tuple[Path, ...] = ()
    """Further files with IRFs of this run."""
    notes: tuple[str, ...] = ()
    """What is odd about this run, in words."""
    longitude: float | None = None
    """Of the telescope [deg], positive to the east."""
    of_night: Night | None = None
    """Where it is known from the runs around it."""
    irf_hash: str | None = None
    """The same for runs whose own files hold the same IRFs; none: not known."""
    more_files: tuple[Path, ...] = ()
    """Files of further parts of the run."""

    @property
    def night(self) -> Night:
        """Nights change at noon: at that of the telescope, where its longitude is known."""
        return self.of_night or Night.of(self.start + timedelta(hours=(self.longitude or 0.0) / 15))

    @property
    def stop(self) -> datetime:
        """End of the last good time interval, UTC."""
        return self.start + timedelta(seconds=float(self.gti[-1, 1] - self.gti[0, 0]))

    @property
    def intervals(self) -> Floats:
        """Good time in seconds of the Unix epoch, shape (n, 2)."""
        return self.gti - self.gti[0, 0] + self.start.timestamp()

    @property
    def unix_time(self) -> Floats:
        """Of the events [s]."""
        return self.time - self.gti[0, 0] + self.start.timestamp()

    @property
    def pointing(self) -> Floats:
        return vector(self.ra_pnt, self.dec_pnt)

    @property
    def ontime_s(self) -> float:
        return float((self.gti[:, 1] - self.gti[:, 0]).sum())

    @property
    def livetime_s(self) -> float:
        """Good time times DEADC. The LIVETIME keyword is not used."""
        return self.ontime_s * self.deadc

    def elapsed(self, time: Floats) -> Floats:
        """Good time before each time [s]."""
        spent = np.clip(time[..., np.newaxis], self.gti[:, 0], self.gti[:, 1]) - self.gti[:, 0]
        return spent.sum(axis=-1)

    def piece_of(self, time: Floats, pieces: int) -> Ints:
        """Into which of so many equal parts of the good time each time falls."""
        share = np.clip(self.elapsed(time) / self.ontime_s * pieces, 0, pieces)
        return np.minimum(share.astype(np.int64), pieces - 1)

    def piece_ends(self, pieces: int) -> Floats:
        """Ends of equal parts of the good time, in seconds after `start`, shape (pieces + 1,)."""
        gti = self.gti
        spent = np.concatenate([[0.0], np.cumsum(gti[:, 1] - gti[:, 0])])
        wanted = np.linspace(0, spent[-1], pieces + 1)
        index = np.clip(np.searchsorted(spent, wanted, side="right") - 1, 0, len(gti) - 1)
        found: Floats = gti[index, 0] + wanted - spent[index] - gti[0, 0]
        return found

    def select(self, energy_min: float | None, energy_max: float | None) -> Dl3Run:
        """The run with only the events of an energy range, lower edge included."""
        low = 0.0 if energy_min is None else energy_min
        high = np.inf if energy_max is None else energy_max
        keep = (self.energy >= low) & (self.energy < high)
        return replace(
            self,
            time=self.time[keep],
            direction=self.direction[keep],
            energy=self.energy[keep],
        )


@dataclass(frozen=True, slots=True)
class Excluded:
    """A run or file that is left out, and why."""

    obs_id: int | None
    file: str
    reason: str


def too_far(pointing: Floats, target: Floats) -> str | None:
    """Why a run with that pointing does not belong to the target; none if it does."""
    away = float(separation(pointing, target))
    return f"it points {away:.1f} deg away from the target" if away > LARGEST_OFFSET_DEG else None


def read_run(
    path: Path, target: Floats | None, irf_files: Sequence[Path] = ()
) -> Dl3Run | Excluded | None:
    """Open and check one file.

    Parameters
    ----------
    target : unit vector of the target; a run that points elsewhere is left out. None: any.
    irf_files : further files with IRFs of this run

    Returns
    -------
    the run, or why it is left out, or None for a file that holds no events by design (IRFs)
    """
    file = read_dl3(path, target)
    if file.holds_only_irfs:
        return None
    try:
        reason = _find_reason(file, target)
        return Excluded(file.header.obs_id, path.name, reason) if reason else _run(file, irf_files)
    except ProductError as error:  # of one of the further files
        return Excluded(file.header.obs_id, path.name, f"{in_a_sentence(error)}.")


def _find_reason(file: Dl3File, target: Floats | None) -> str:
    """Why a file must not count; empty: it may. Its IRFs may be elsewhere, and are judged where
    they are used."""
    pointing = file.header.pointing
    if target is not None and pointing is not None:
        reason = too_far(vector(*pointing), target)
        if reason is not None:
            return f"{reason}."
    fatal = [error.text for error in file.findings.errors if error.code is not FindingCode.IRFS]
    if not fatal and not file.kept_events.any():
        fatal = ["None of its events has usable values within its good time."]
    return f"{fatal[0][:1].lower()}{fatal[0][1:]}" if fatal else ""


def _run(file: Dl3File, irf_files: Sequence[Path]) -> Dl3Run:
    header, good, events = file.header, file.good_time, file.events
    start = header.utc(float(good.intervals[0, 0]))
    # a file without errors tells all of these
    assert header.obs_id is not None and header.pointing is not None
    assert header.reference_mjd is not None and start is not None and good.deadc is not None
    fixed, table = _theta_cuts(file, irf_files)
    middle_mjd = header.reference_mjd + float(good.intervals.mean()) / 86400.0
    keep = file.kept_events
    background, said = find_background_model(file.hdus, irf_files)
    return Dl3Run(
        obs_id=header.obs_id,
        path=file.path,
        object=header.object,
        telescope=header.telescope,
        ra_pnt=header.pointing[0],
        dec_pnt=header.pointing[1],
        zenith=_zenith(header, middle_mjd),
        start=start,
        gti=good.intervals,
        deadc=good.deadc,
        time=events.time[keep],
        direction=events.directions()[keep],
        energy=events.energy[keep],
        object_position=header.object_position,
        rad_max=fixed,
        rad_max_table=table,
        point_like=file.irfs.point_like,
        irf_files=tuple(irf_files),
        background=background,
        irf_hash=hash_irfs(file.hdus),
        zenith_angles=_zenith_angles(header, good),
        notes=(*(note.text for note in file.findings.notes), *said),
        longitude=header.site[0] if header.site else None,
    )


def _theta_cuts(
    file: Dl3File, irf_files: Sequence[Path]
) -> tuple[float | None, RadMaxTable | None]:
    """The fixed cut [deg] or the table of a run's file, or of its further files."""
    fixed, table = file.irfs.rad_max_deg, file.irfs.rad_max_table
    for path in irf_files:
        if fixed is None and table is None:
            fixed, table, log = read_theta_cut(path)
            if log:
                raise ProductError(f"{path.name}: {log[0].text}")
    return fixed, table


def _zenith(header: EventHeader, mjd: float) -> float | None:
    if header.zenith_deg is not None or header.site is None or header.pointing is None:
        return header.zenith_deg
    return 90.0 - altitude(*header.pointing, mjd, *header.site)


def _zenith_angles(header: EventHeader, good: GoodTime) -> tuple[float, ...]:
    if header.site is None or header.pointing is None or header.reference_mjd is None:
        return ()
    first, last = float(good.intervals[0, 0]), float(good.intervals[-1, 1])
    middles = first + (np.arange(FIELD_ANGLES) + 0.5) / FIELD_ANGLES * (last - first)
    days = header.reference_mjd + middles / 86400.0
    return tuple(parallactic_angle(*header.pointing, float(mjd), *header.site) for mjd in days)
