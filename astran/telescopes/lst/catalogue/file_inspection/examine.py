"""Opens DL1, DL2 and data-check files and remembers what they hold: a program of its own.

    python -m astran.telescopes.lst.catalogue.file_inspection.examine CACHE SECONDS NOW

The minute tick must stay light, and a broken file or file system must not stop it; so this is run
beside it. It reads a list of [kind, path, size, mtime_ns, whether the sky position is wanted],
opens what it can in SECONDS, and keeps the facts of each file as soon as it knows them. NOW
[unix s] is the time by the clock of the caller.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError, in_a_sentence
from astran.base.night_data import FileRef, run_number
from astran.telescopes.lst.catalogue.file_inspection import datacheck_reader
from astran.telescopes.lst.catalogue.file_inspection.facts import MAKING, Dl1Facts, FileKind
from astran.telescopes.lst.catalogue.file_inspection.facts_cache import FactsCache
from astran.telescopes.lst.dl2_file import has_table, read_making, read_provenance
from astran.telescopes.lst.hdf5_open import DL1_TABLE, DL2_TABLE, SHOWER, describe_damage, open_hdf5

NEEDED = ("event_type", "intensity", "alt_tel", "az_tel", "dragon_time")
SAMPLES, SAMPLE_ROWS = 25, 4_000
"""Of larger tables samples are read, which never overlap: enough for the rate at 422 p.e. within
some per cent."""
FEATURES = ("intensity", "length", "width", "psi", "skewness", "kurtosis", "time_gradient", "wl")
"""Image parameters without which lstchain drops an event before DL2."""
EDGE = 10
"""Event numbers at either end that do not count: the first of a run are not to be trusted."""
_SUBRUN = re.compile(r"\.Run\d+\.(\d{4})(?!\d)")
LEAST_SHOWERS = 10_000
"""For the intensity at half of the peak rate: with fewer it scatters by more than 1 p.e."""
BRIGHT = (316.2, 562.3)
"""Intensities [p.e.] around 422, edges of lstchain's data check."""
LST1 = (28.761_514_11, -17.891_484_71, 2184.0)
"""Latitude, longitude [deg], height [m]: lstchain's LST1_LOCATION."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    words = sys.argv[1:] if argv is None else list(argv)
    if len(words) != 3:
        print(
            f"usage: python -m {__spec__.name} CACHE SECONDS NOW < files.json",
            file=sys.stderr,
        )
        return 2
    memory, until = FactsCache(Path(words[0])), time.monotonic() + float(words[1])
    warnings.simplefilter("ignore")
    for kind, path, size, mtime_ns, sky in json.load(sys.stdin):
        mark = MAKING if kind == FileKind.STANDARD_DL2 else ""
        file = FileRef(f"{mark}{path}", size, mtime_ns)
        memory.keep(file, examine_file(Path(path), FileKind(kind), sky), float(words[2]))
        if time.monotonic() > until:
            break
    return 0


def examine_file(path: Path, kind: FileKind, sky: bool = True) -> dict[str, Any]:
    """The facts of a file as plain data: of DL1 a `Dl1Facts`, of a data check `CheckFacts` by run,
    of DL2 an `Origin`.

    A file that cannot be used is a fact, not an error.
    """
    if kind is FileKind.DL2:
        return _origin(path)
    if kind is FileKind.STANDARD_DL2:
        return _making(path)
    try:
        with open_hdf5(path) as handle:
            if kind is FileKind.DATACHECK:
                return datacheck_reader.read_datacheck(handle, run_number(path.name))
            return _dl1(handle, sky).to_json()
    except ProductError as error:
        problem = in_a_sentence(error)
    return Dl1Facts(problem=problem).to_json() if kind is FileKind.DL1 else {}


def _origin(path: Path) -> dict[str, Any]:
    try:
        if not any(has_table(path, table) for table in (DL2_TABLE, DL1_TABLE)):
            return {"problem": f"it holds no table of events ({DL2_TABLE})"}
        return dataclasses.asdict(read_provenance(path))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        return {"problem": f"it {describe_damage(str(error))}"}


def _making(path: Path) -> dict[str, Any]:
    try:
        return {**dataclasses.asdict(read_provenance(path)), **read_making(path)}
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        return {"problem": f"it {describe_damage(str(error))}"}


def _dl1(handle: Any, sky: bool) -> Dl1Facts:
    import numpy as np

    if DL1_TABLE not in handle:
        return Dl1Facts(problem=f"the HDF5 file holds no table of events ({DL1_TABLE})")
    table = handle.get_node(DL1_TABLE)
    lacking = [name for name in NEEDED if name not in table.colnames]
    if lacking:
        return Dl1Facts(
            problem=f"the table of events in the HDF5 file lacks the columns {', '.join(lacking)}"
        )
    rows = int(table.nrows)
    if rows == 0:
        return Dl1Facts(events=0)
    more = [name for name in (*FEATURES, "event_id", "obs_id") if name in table.colnames]
    wanted = list(dict.fromkeys((*NEEDED, *more)))
    read = np.concatenate([table.read(first, last)[wanted] for first, last in _ranges(rows)])
    share = rows / len(read)
    showers = read["event_type"] == SHOWER
    bright = showers & (read["intensity"] > BRIGHT[0]) & (read["intensity"] < BRIGHT[1])
    times = read["dragon_time"]
    pointed = np.isfinite(times) & np.isfinite(read["alt_tel"]) & np.isfinite(read["az_tel"])
    facts: dict[str, Any] = {
        "events": rows,
        "showers": round(int(showers.sum()) * share),
        "bright": round(int(bright.sum()) * share),
        "usable": round(int(_finite(read).sum()) * share),
        "merged": _merged_subruns(handle),
        **_event_numbers(read, rows),
        "half_peak": half_peak_intensity(read["intensity"][showers]),
    }
    if pointed.any():
        times, alt, az = times[pointed], read["alt_tel"][pointed], read["az_tel"][pointed]
        facts["start"], facts["stop"] = float(times.min()), float(times.max())
        facts["alt"] = float(np.degrees(alt.mean()))
        around = np.arctan2(np.sin(az).mean(), np.cos(az).mean())
        facts["az"] = float(np.degrees(around) % 360)
        if sky:
            facts |= _sky(times, alt, az)
    return Dl1Facts(**facts)


def _finite(read: Any) -> Any:
    import numpy as np

    names = [name for name in FEATURES if name in read.dtype.names]
    return np.logical_and.reduce([np.isfinite(read[name]) for name in names])


def _event_numbers(read: Any, rows: int) -> dict[str, Any]:
    """What the numbers of the events tell: each is there once, and in a whole run none lacks."""
    import numpy as np

    facts: dict[str, Any] = {}
    if "obs_id" in read.dtype.names:
        runs = np.unique(read["obs_id"])
        facts["runs"] = tuple(int(run) for run in runs[runs > 0][:3])
    if "event_id" not in read.dtype.names or not read["event_id"].any():
        return facts  # nobody has counted them
    ids, counts = np.unique(read["event_id"], return_counts=True)
    inner = ids[EDGE:-EDGE] if len(ids) > 10 * EDGE else ids
    span = int(ids[-1]) - int(ids[0]) + 1
    facts |= {"first_event": int(ids[0]), "last_event": int(ids[-1])}
    # among as many numbers as there are rows, or fewer, some must be there twice
    facts["repeated"] = max(int((counts - 1).sum()), rows - span, 0)
    if len(read) == rows:
        facts["skipped"] = int(np.diff(inner).max()) - 1 if len(inner) > 1 else 0
    else:
        facts["skipped"] = max(int(inner[-1]) - int(inner[0]) + 1 - rows, 0)
    return facts


def _merged_subruns(handle: Any) -> tuple[int, ...]:
    """The record that lstchain_merge_hdf5_files leaves: /source_filenames/filenames."""
    if "/source_filenames/filenames" not in handle:
        return ()
    names = handle.get_node("/source_filenames/filenames").read()
    texts = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in names]
    return tuple(int(match[1]) for text in texts if (match := _SUBRUN.search(text)))


def half_peak_intensity(intensity: Any) -> float | None:
    """Where the rate of showers per p.e. rises to half of its peak [p.e.]; None where there is no
    clear peak, or too few showers.

    lstchain.reco.utils.get_intensity_threshold (0.11.0): histogram from 25 to 1000 p.e. in steps of
    0.02 in log10; of the peaks that stand out the one at the highest intensity counts; from there
    down in steps of 0.001.
    """
    import numpy as np
    from scipy.signal import find_peaks

    if np.isfinite(intensity).sum() < LEAST_SHOWERS:
        return None
    low, high, step = np.log10(25.0), np.log10(1000.0), 0.02
    bins = np.logspace(low, high, 1 + int((high - low) / step))
    density = np.histogram(intensity, bins)[0] / np.diff(bins)
    centres = np.log10(bins[1:] * bins[:-1]) / 2
    with np.errstate(divide="ignore"):
        peaks, _ = find_peaks(np.log10(density), prominence=0.04, width=int(0.1 / step))
    if not len(peaks):
        return None
    top = centres[peaks.max()]
    places = np.linspace(low, top, 1 + int((top - low) / 0.001))[::-1]
    below = np.flatnonzero(np.interp(places, centres, density) < density[peaks.max()] / 2)
    return float(10 ** places[below[0]]) if len(below) else None


def _ranges(rows: int) -> list[tuple[int, int]]:
    """Parts of a table of `rows` to be read, the first and the last rows among them."""
    if rows <= SAMPLES * SAMPLE_ROWS:
        return [(0, rows)]
    step = (rows - SAMPLE_ROWS) / (SAMPLES - 1)
    starts = [round(index * step) for index in range(SAMPLES)]
    return [(start, start + SAMPLE_ROWS) for start in starts]


def _sky(times: Any, alt: Any, az: Any) -> dict[str, float]:
    """Pointing on the sky at nine moments, and the moon."""
    import numpy as np
    from astropy import units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body, get_sun
    from astropy.time import Time
    from astropy.utils import iers

    iers.conf.auto_download = False
    iers.conf.auto_max_age = None
    iers.conf.iers_degraded_accuracy = "ignore"
    place = EarthLocation.from_geodetic(LST1[1] * u.deg, LST1[0] * u.deg, LST1[2] * u.m)
    order = np.argsort(times)
    chosen = order[np.linspace(0, len(order) - 1, min(9, len(order))).astype(int)]
    when = Time(times[chosen], format="unix", scale="utc")
    frame = AltAz(obstime=when, location=place)
    pointing = SkyCoord(alt=alt[chosen] * u.rad, az=az[chosen] * u.rad, frame=frame).icrs
    middle = len(chosen) // 2
    moment = when[middle]
    moon = get_body("moon", moment, place)
    elongation = get_sun(moment).separation(moon, origin_mismatch="ignore").rad
    return {
        "ra": float(pointing.ra.deg[middle]),
        "dec": float(pointing.dec.deg[middle]),
        "dec_spread": float(pointing.dec.deg.std()),
        "moon_alt": float(moon.transform_to(AltAz(obstime=moment, location=place)).alt.deg),
        "moon_lit": float((1 - np.cos(elongation)) / 2),
    }


if __name__ == "__main__":
    sys.exit(main())
