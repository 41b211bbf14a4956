"""A run: its checked event list with everything the analysis needs from the file's headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units

from astran.base.night import Night
from astran.highlevel.arrays import Floats, Ints
from astran.highlevel.dl3 import run_notes, validation
from astran.highlevel.dl3.background_model import BackgroundModel
from astran.highlevel.dl3.fits_open import BROKEN, open_fits
from astran.highlevel.dl3.irf_tables import background_model, has_irfs, is_point_like, theta_cuts
from astran.highlevel.dl3.rad_max import RadMaxTable
from astran.highlevel.dl3.validation import RunRejected
from astran.highlevel.geometry import altitude, parallactic_angle, separation, vector

LARGEST_OFFSET_DEG = 2.5
"""A run that points further away from the target does not belong to it."""


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
    zenith_angle: float | None = None
    """Direction of the zenith at the middle of the run, north through east [deg]."""
    irf_files: tuple[Path, ...] = ()
    """Further files with IRFs of this run."""
    notes: tuple[str, ...] = ()
    """What is odd about this run, in words."""

    @property
    def night(self) -> Night:
        return Night.of(self.start)

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
    known: list[int] = []
    try:
        with open_fits(path) as hdus:
            return _read(hdus, path, target, irf_files, known)
    except RunRejected as error:
        return Excluded(known[0] if known else None, path.name, f"{error}.")
    except BROKEN as error:
        said = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        return Excluded(known[0] if known else None, path.name, f"the file cannot be read: {said}.")


def _read(
    hdus: Any, path: Path, target: Floats | None, irf_files: Sequence[Path], known: list[int]
) -> Dl3Run | None:
    if "EVENTS" not in hdus and "GTI" not in hdus and has_irfs(hdus):
        return None
    events = validation.require_hdu(hdus, "EVENTS")
    header = events.header
    known.append(validation.obs_id(header, path))
    validation.only_one(hdus, "EVENTS")
    ra_pnt, dec_pnt = validation.pointing(header)
    axis = vector(ra_pnt, dec_pnt)
    if target is not None and (reason := too_far(axis, target)) is not None:
        raise RunRejected(reason)
    validation.same_pointing(hdus, axis)
    deadc = validation.dead_time_factor(header)
    mjdref = validation.reference_mjd(header)
    gti, gti_notes = validation.good_times(validation.require_hdu(hdus, "GTI"), mjdref)
    start = validation.parse_time(float(gti[0, 0]), mjdref, header)
    time, ra, dec, energy = _columns(events)
    validation.not_source_dependent(hdus, ra, dec)
    usable = validation.finite_events(ra, dec, energy, time)
    in_time = validation.within_gti(time, gti)
    notes = [*gti_notes, *run_notes.about_values(usable, in_time)]
    keep = usable & in_time
    if (again := run_notes.doubles(time, ra, dec, energy) & keep).any():
        notes.append(f"{int(again.sum())} events that are in its list twice were dropped.")
        keep &= ~again
    direction = vector(ra[keep], dec[keep])
    place = _object_position(header)
    source = target if target is not None else (None if place is None else vector(*place))
    notes += run_notes.about_centre(direction, axis, source)
    notes += run_notes.about_energies(energy[keep])
    fixed, table = theta_cuts(hdus, irf_files)
    run = Dl3Run(
        obs_id=known[0],
        path=path,
        object=str(header.get("OBJECT", "")).strip(),
        telescope=str(header.get("TELESCOP", "")).strip(),
        ra_pnt=ra_pnt,
        dec_pnt=dec_pnt,
        zenith=_zenith(header, ra_pnt, dec_pnt, mjdref + float(gti.mean()) / 86400.0),
        start=start,
        gti=gti,
        deadc=deadc,
        time=time[keep],
        direction=direction,
        energy=energy[keep],
        object_position=place,
        rad_max=fixed,
        rad_max_table=table,
        point_like=is_point_like(hdus),
        irf_files=tuple(irf_files),
        background=background_model(hdus, irf_files),
        zenith_angle=_zenith_angle(header, ra_pnt, dec_pnt, mjdref + float(gti.mean()) / 86400.0),
    )
    notes += run_notes.about_livetime(header, run.ontime_s, deadc)
    notes += run_notes.about_gaps(run.elapsed(run.time), run.ontime_s)
    return replace(run, notes=tuple(notes))


def _columns(events: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """TIME [s], RA and DEC [deg], ENERGY [TeV] as doubles."""
    table = events.data
    if table is None or len(table) == 0:
        raise RunRejected("its event list is empty")
    by_name = {name.upper(): name for name in table.names}
    missing = [name for name in validation.EVENT_COLUMNS if name not in by_name]
    if missing:
        raise RunRejected(f"its event list has no column {', '.join(missing)}")
    wanted = dict(zip(validation.EVENT_COLUMNS, ("s", "deg", "deg", "TeV"), strict=True))
    values = []
    for name, unit in wanted.items():
        column = np.asarray(table[by_name[name]], float)
        written = events.columns[by_name[name]].unit
        if name == "TIME":
            written = written or events.header.get("TIMEUNIT")
        try:
            factor = units.Unit(written).to(unit) if written else 1.0
        except (ValueError, units.UnitsError) as error:
            raise RunRejected(f"its column {name} has the unit {written!r}, not {unit}") from error
        values.append(column * factor)
    time, ra, dec, energy = values
    return time, ra % 360.0, dec, energy


def _zenith(header: Any, ra: float, dec: float, mjd: float) -> float | None:
    written = header.get("ALT_PNT")
    if isinstance(written, int | float) and np.isfinite(written) and -90 <= written <= 90:
        return 90.0 - float(written)
    place = header.get("GEOLON"), header.get("GEOLAT")
    if all(isinstance(part, int | float) for part in place):
        return 90.0 - altitude(ra, dec, mjd, float(place[0]), float(place[1]))
    return None


def _zenith_angle(header: Any, ra: float, dec: float, mjd: float) -> float | None:
    place = header.get("GEOLON"), header.get("GEOLAT")
    if all(isinstance(part, int | float) for part in place):
        return parallactic_angle(ra, dec, mjd, float(place[0]), float(place[1]))
    return None


def _object_position(header: Any) -> tuple[float, float] | None:
    ra, dec = header.get("RA_OBJ"), header.get("DEC_OBJ")
    if isinstance(ra, int | float) and isinstance(dec, int | float) and abs(dec) <= 90:
        return float(ra) % 360.0, float(dec)
    return None
