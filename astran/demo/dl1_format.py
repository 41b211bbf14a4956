"""lstchain's DL1 format (image parameters only), as written by lstchain 0.12.

One PyTables row per event under `PARAMETERS`, lengths and widths in degrees, positions in metres;
beside it the description of the telescope. Every file says in its attributes that it is simulated.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from astran.demo.shower import Array

PARAMETERS = "/dl1/event/telescope/parameters/LST_LSTCam"
TELESCOPE = 1
SIMULATED = "SIMULATED by astran simulate-night: no real observation"


class EventType(IntEnum):
    """ctapipe's event types that occur here."""

    FLATFIELD = 0
    SKY_PEDESTAL = 2
    SUBARRAY = 32
    """A triggered shower."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: name, numpy type and unit (empty: dimensionless quantity; None: no quantity)."""

    name: str
    kind: str = "<f8"
    unit: str | None = None


def _columns(kind: str, names: str, unit: str | None = None) -> tuple[Column, ...]:
    return tuple(Column(name, kind, unit) for name in names.split())


_FLOAT, _SINGLE, _INTEGER = "<f8", "<f4", "<i8"

_IMAGE = (
    *_columns(_INTEGER, "obs_id event_id"),
    *_columns(_FLOAT, "intensity log_intensity"),
    *_columns(_FLOAT, "x y r", "m"),
    *_columns(_FLOAT, "phi", "rad"),
    *_columns(_FLOAT, "length length_uncertainty width width_uncertainty", "deg"),
    *_columns(_FLOAT, "psi", "rad"),
    *_columns(_FLOAT, "skewness kurtosis time_gradient intercept"),
    *_columns(_SINGLE, "leakage_intensity_width_1 leakage_intensity_width_2"),
    *_columns(_FLOAT, "leakage_pixels_width_1 leakage_pixels_width_2"),
    *_columns(_INTEGER, "n_pixels"),
    *_columns(_FLOAT, "concentration_cog concentration_core concentration_pixel"),
    *_columns(_INTEGER, "n_islands"),
    *_columns(_FLOAT, "alt_tel az_tel", "rad"),
    *_columns(_FLOAT, "sin_az_tel"),
    *_columns(_INTEGER, "calibration_id"),
)
_TRUE = (
    *_columns(_FLOAT, "mc_energy", "TeV"),
    *_columns(_FLOAT, "log_mc_energy"),
    *_columns(_FLOAT, "mc_alt mc_az", "rad"),
    *_columns(_FLOAT, "mc_core_x mc_core_y mc_h_first_int", "m"),
    *_columns(_INTEGER, "mc_type"),
    *_columns(_FLOAT, "mc_az_tel mc_alt_tel", "rad"),
    *_columns(_FLOAT, "mc_x_max", "g.cm**-2"),
    *_columns(_FLOAT, "mc_core_distance", "m"),
)
_CLOCKS = (
    *_columns(_FLOAT, "dragon_time"),
    *_columns(_INTEGER, "ucts_time tib_time"),
    *_columns("?", "ucts_jump"),
    *_columns(_INTEGER, "mc_type"),
)
_ARRAY = (
    *_columns(_FLOAT, "wl", ""),
    *_columns(_INTEGER, "tel_id"),
    *_columns(_FLOAT, "tel_pos_x tel_pos_y tel_pos_z", "m"),
    *_columns(_INTEGER, "trigger_type"),
)
_TRIGGER = (*_columns(_FLOAT, "trigger_time"), *_columns(_INTEGER, "event_type"))
_DISP = _columns(_FLOAT, "disp_dx disp_dy disp_norm disp_angle disp_sign src_x src_y")

MC_COLUMNS = (*_IMAGE, *_TRUE, *_ARRAY, *_TRIGGER, *_DISP)
"""Columns of a Monte Carlo file, in lstchain's order."""
DATA_COLUMNS = (
    *_IMAGE,
    *_CLOCKS,
    *_ARRAY,
    *_columns(_INTEGER, "ucts_trigger_type"),
    *_TRIGGER,
)
"""Columns of a file of observed events, in lstchain's order."""


def make_table(columns: Iterable[Column], values: Mapping[str, Any], n: int) -> Array:
    """Rows (structured array of shape (n,)) from one array or one number per column.

    A column without values holds NaN, or 0 where it is a whole number; a value for a column that
    does not exist is a mistake (KeyError).
    """
    columns = tuple(columns)
    if unknown := set(values) - {column.name for column in columns}:
        raise KeyError(f"no such DL1 columns: {', '.join(sorted(unknown))}")
    rows: Array = np.zeros(n, dtype=[(column.name, column.kind) for column in columns])
    for column in columns:
        if column.name in values:
            rows[column.name] = values[column.name]
        elif np.issubdtype(rows[column.name].dtype, np.floating):
            rows[column.name] = np.nan
    return rows


def write_dl1(
    path: Path, columns: tuple[Column, ...], rows: Array, simulated: str = SIMULATED
) -> None:
    """Write events and telescope description to a new DL1 file."""
    import tables
    from ctapipe_io_lst import LSTEventSource
    from lstchain.io import HDF5_ZSTD_FILTERS, global_metadata, standard_config, write_metadata

    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = global_metadata()
    write_metadata(metadata, str(path))
    with warnings.catch_warnings():
        # of a file of pulse shapes that ctapipe_io_lst brings itself
        warnings.filterwarnings("ignore", "Could not read reference metadata")
        subarray = LSTEventSource.create_subarray(tel_id=TELESCOPE)
    # not lstchain's "MonteCarloArray", on which its merging tool stumbles
    subarray.name = "LST-1 simulated by ASTRAN"
    subarray.to_hdf(path)
    with tables.open_file(path, "a") as file:
        where, name = PARAMETERS.rsplit("/", 1)
        node = file.create_table(
            where, name, obj=rows, createparents=True, filters=HDF5_ZSTD_FILTERS
        )
        for number, column in enumerate(columns):
            node.attrs[f"CTAFIELD_{number}_NAME"] = column.name
            if column.unit is not None:
                node.attrs[f"CTAFIELD_{number}_TRANSFORM"] = "quantity"
                node.attrs[f"CTAFIELD_{number}_UNIT"] = column.unit
        for key, value in metadata.as_dict().items():
            node.attrs[key] = value
        node.attrs["config"] = json.dumps(standard_config)
        for attributes in (node.attrs, file.root._v_attrs):
            attributes["SIMULATED"] = simulated


def mark_simulated(path: Path, simulated: str = SIMULATED) -> None:
    """Put the mark into a file made by a tool of lstchain, which does not carry it over."""
    import tables

    with tables.open_file(path, "a") as file:
        file.root._v_attrs["SIMULATED"] = simulated
