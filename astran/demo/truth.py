"""What was simulated, kept beside the data, so that a result can be compared with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from astran.base.errors import ProductError
from astran.base.files import write_json
from astran.demo.data_tree import DataTree
from astran.demo.dl1_format import SIMULATED
from astran.demo.observation import DEAD_TIME, WOBBLE_OFFSET, ObservedEvents


def write_truth(
    tree: DataTree, source: str, observed: Sequence[ObservedEvents], parameters: Any
) -> None:
    """Write `truth.json`, and per run the event ids and energies of the gammas."""
    for one in observed:
        write_json(
            tree.gammas(one.run.number),
            {
                "run": one.run.number,
                "event_id": one.gammas.tolist(),
                "energy_tev": [float(f"{energy:.5g}") for energy in one.gamma_energies],
            },
        )
    first = observed[0].run
    write_json(
        tree.truth,
        {
            "simulated": SIMULATED,
            "target": {"name": source, "ra_deg": first.ra, "dec_deg": first.dec},
            "night": str(tree.night),
            "flux_crab": first.flux,
            "wobble_offset_deg": WOBBLE_OFFSET,
            "parameters": parameters,
            "runs": [_run(tree, one) for one in observed],
        },
    )


def _run(tree: DataTree, one: ObservedEvents) -> dict[str, Any]:
    return {
        "run": one.run.number,
        "start": one.run.start.isoformat(),
        "duration_s": one.run.duration,
        "livetime_s": one.run.duration - one.events * DEAD_TIME,
        "pointing_ra_deg": one.pointing_ra,
        "pointing_dec_deg": one.pointing_dec,
        "wobble_angle_deg": one.run.wobble_angle,
        "zenith_deg": one.zenith,
        "azimuth_deg": one.azimuth,
        "showers_thrown": one.protons_thrown + one.gammas_thrown,
        "gammas_thrown": one.gammas_thrown,
        "events": one.events,
        "protons_triggered": one.protons,
        "gammas_triggered": len(one.gammas),
        "gammas_file": str(tree.gammas(one.run.number).relative_to(tree.root)),
    }


@dataclass(frozen=True, slots=True)
class TrueCounts:
    """Simulated gammas that are left after an analysis."""

    selected: int
    """In the DL3 event lists: past the gammaness and image cuts."""
    on: int
    """Of these, within theta of the source: the excess that an analysis should find."""


def count_gammas(truth: Path, event_lists: Iterable[Path], theta: float) -> TrueCounts:
    """Count the true gammas in DL3 files, by event id.

    Parameters
    ----------
    truth : the night's `truth.json`
    event_lists : DL3 files of the night, one per run
    theta : radius around the source [deg]

    Raises
    ------
    ProductError : a file of a run that the truth does not know, or a run twice
    """
    from astropy.coordinates import SkyCoord
    from astropy.io import fits

    known = json.loads(truth.read_text())
    source = SkyCoord(known["target"]["ra_deg"], known["target"]["dec_deg"], unit="deg")
    runs = {entry["run"]: entry for entry in known["runs"]}
    selected = on = 0
    for path in event_lists:
        with fits.open(path) as file:
            number = int(file["EVENTS"].header["OBS_ID"])
            events = file["EVENTS"].data
            ids, ra, dec = (np.array(events[name]) for name in ("EVENT_ID", "RA", "DEC"))
        if number not in runs:
            raise ProductError(f"{path} is of run {number}, which was not simulated or came twice.")
        gammas = json.loads((truth.parent / runs.pop(number)["gammas_file"]).read_text())
        mine = np.isin(ids, gammas["event_id"])
        distance = SkyCoord(ra[mine], dec[mine], unit="deg").separation(source).deg
        selected += int(np.count_nonzero(mine))
        on += int(np.count_nonzero(distance < theta))
    return TrueCounts(selected, on)
