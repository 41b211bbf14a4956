"""IRFs that are damaged or incomplete: no flux is made of them without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Options
from astran.highlevel.spectral.spectrum import Spectral

CRAB = (83.63333, 22.01444)
Data = Callable[[str], Path]


def night(data: Path, folder: Path, change: Callable[[fits.HDUList], Any]) -> FolderMeasurement:
    """Two runs of H.E.S.S., the second with other IRFs."""
    for run in (23523, 23526):
        with fits.open(data / "data" / f"hess_dl3_dr1_obs_id_{run:06d}.fits.gz") as hdus:
            if run == 23526:
                change(hdus)
            hdus.writeto(folder / f"{run}.fits")
    return measure_folder(
        Options(
            dl3=(folder,),
            output=folder,
            name="Crab",
            position=CRAB,
            settings=HighlevelSettings(map_bin=0.1, map_width=2.0),
            theta_cut=0.11,
        )
    )


def fill(hdu: str, name: str, value: float) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        hdus[hdu].data[name][:] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda hdus: hdus.pop("AEFF"), "no effective area"),
        (lambda hdus: hdus.pop("EDISP"), "no energy dispersion"),
        (fill("AEFF", "EFFAREA", 0.0), "effective area is zero"),
        (fill("AEFF", "EFFAREA", np.nan), "effective area is zero"),
        (fill("EDISP", "MATRIX", 0.0), "energy dispersion is empty"),
        (lambda hdus: hdus["AEFF"].columns.del_col("EFFAREA"), "no part 'EFFAREA'"),
    ],
)
def test_a_run_without_usable_irfs_counts_but_gives_no_flux(
    public_data: Data, tmp_path: Path, change: Callable[[fits.HDUList], Any], reason: str
) -> None:
    found = night(public_data("hess-dl3-dr1"), tmp_path, change)
    assert len(found.runs) == 2
    assert isinstance(found.spectral, Spectral)
    assert [part.part.run.obs_id for part in found.spectral.parts] == [23523]
    said = " ".join(found.spectral.warnings)
    assert "Not in the spectrum: 23526" in said
    assert reason in said


def test_without_a_point_spread_function_the_flux_is_told_to_lack_gammas(
    public_data: Data, tmp_path: Path
) -> None:
    found = night(public_data("hess-dl3-dr1"), tmp_path, lambda hdus: hdus.pop("PSF"))
    assert isinstance(found.spectral, Spectral)
    assert any("no point spread function" in text for text in found.spectral.warnings)


def test_without_a_background_model_the_map_is_made_from_the_data(
    public_data: Data, tmp_path: Path
) -> None:
    found = night(public_data("hess-dl3-dr1"), tmp_path, lambda hdus: hdus.pop("BKG"))
    assert found.sky.method == "2d"
