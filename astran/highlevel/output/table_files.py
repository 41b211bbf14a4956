"""The run table and the map as files beside results.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astran.config.analysis import Target
from astran.highlevel.maps.ring import SkyMap
from astran.results.codec import to_json
from astran.results.document import SCHEMA, NightNumbers, RunNumbers

RUN_TABLE = "run_table.ecsv"
NIGHT_TABLE = "night_table.ecsv"


def write_run_table(runs: Sequence[RunNumbers], path: Path) -> None:
    """`runs` of results.json as an ECSV table with units."""
    _write_rows([_cells(run) for run in runs], path)


def write_night_table(nights: Sequence[NightNumbers], path: Path) -> None:
    """`by_night` of results.json as an ECSV table with units; the runs as text."""
    rows = []
    for night in nights:
        known = {
            item.name: np.nan if (value := getattr(night, item.name)) is None else value
            for item in fields(night)
        }
        runs = ",".join(map(str, night.runs))
        rows.append({"night": night.night, "n_runs": night.n_runs, **known, "runs": runs})
    _write_rows(rows, path)


def _write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    table = Table({key: [row[key] for row in rows] for key in rows[0]}, meta={"schema": SCHEMA})
    ends = {"_deg": "deg", "_h": "h", "_per_min": "1/min"}
    for name in table.colnames:
        unit = next((unit for end, unit in ends.items() if name.endswith(end)), None)
        if unit and table[name].dtype.kind == "f":
            table[name].unit = unit
        elif name.startswith("flux"):
            table[name].unit = "cm-2 s-1"
    for name in ("rate_error", "background_error"):
        table[name].unit = "1/min"
    part = path.with_name(f".{path.name}.part")
    table.write(part, format="ascii.ecsv", overwrite=True)
    part.replace(path)


def _cells(run: RunNumbers) -> dict[str, Any]:
    """The number of the run first; what is not known is NaN."""
    known = {name: np.nan if v is None else v for name, v in to_json(run).items()}
    return {
        "obs_id": run.obs_id,
        **known,
        "off_spoiled_by": ", ".join(run.off_spoiled_by),
    }


def wcs(sky: SkyMap, ra: float, dec: float) -> WCS:
    """World coordinates of the images of `sky_image`."""
    system = WCS(naxis=2)
    middle = (len(sky.counts) + 1) / 2
    system.wcs.crpix = [middle, middle]
    system.wcs.cdelt = [-sky.bin_deg, sky.bin_deg]
    system.wcs.crval = [ra, dec]
    system.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    system.wcs.radesys = "ICRS"
    return system


def sky_image(image: Any) -> Any:
    """An image of a SkyMap as it is seen on the sky: east to the left."""
    return image[:, ::-1]


def write_map(sky: SkyMap, target: Target, path: Path) -> None:
    """Counts, background, excess and significance as FITS images."""
    header = wcs(sky, target.ra, target.dec).to_header()
    header["OBJECT"] = target.name.encode("ascii", "replace").decode()
    images = {
        "SIGNIFICANCE": sky.significance,
        "EXCESS": sky.excess,
        "COUNTS": sky.counts,
        "BACKGROUND": sky.background,
        "ALPHA": sky.alpha,
    }
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for name, image in images.items():
        data = sky_image(np.asarray(image, np.float32))
        hdus.append(fits.ImageHDU(data, header=header, name=name))
    part = path.with_name(f".{path.name}.part")
    hdus.writeto(part, overwrite=True, output_verify="fix")
    part.replace(path)
