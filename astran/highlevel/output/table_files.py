"""The run table and the map as files beside results.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astran.config.analysis import Target
from astran.highlevel.maps.ring import SkyMap

RUN_TABLE = "run_table.ecsv"


def write_run_table(runs: Sequence[dict[str, Any]], schema: str, path: Path) -> None:
    """`runs` of results.json as an ECSV table with units."""
    rows: list[dict[str, Any]]
    rows = [{name: np.nan if value is None else value for name, value in r.items()} for r in runs]
    for row in rows:
        row["off_spoiled_by"] = ", ".join(row["off_spoiled_by"])
    table = Table({key: [row[key] for row in rows] for key in rows[0]}, meta={"schema": schema})
    ends = {"_deg": "deg", "_h": "h", "_per_min": "1/min"}
    for name in table.colnames:
        unit = next((unit for end, unit in ends.items() if name.endswith(end)), None)
        if unit and table[name].dtype.kind == "f":
            table[name].unit = unit
    for name in ("rate_error", "background_error"):
        table[name].unit = "1/min"
    part = path.with_name(f".{path.name}.part")
    table.write(part, format="ascii.ecsv", overwrite=True)
    part.replace(path)


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
