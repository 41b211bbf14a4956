"""How long does a data set of many runs take, from DL3 files to spectrum and light curve?

Four runs of public data (H.E.S.S. DL3 DR1, on the Crab) are copied with new run numbers and times,
ten a night; the background of each copy is turned about its pointing by an angle of its own, so
that it does not add up to sources. Each measurement is a whole process, imports and reading
included.

  ours   `astran highlevel` over all folders: counts, map, spectrum, light curves, files and plots
  peer   gammapy's own: DataStore, SpectrumDatasetMaker, ReflectedRegionsBackgroundMaker, a fit of
         the stacked runs, FluxPointsEstimator, LightCurveEstimator by run

The bars: at most 60 s, at least 5 times as fast as the peer. That the norms agree is a test
(tests/highlevel/test_stacked_nights.py).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RUNS, PER_NIGHT, EVERY_S = 500, 10, 1800.0
MOST_SECONDS, LEAST_RATIO = 60.0, 5.0
CRAB, THETA, SOURCE_DEG = (83.63333, 22.01444), 0.11, 0.3
ENERGIES = (0.5, 50.0)
SOURCES = (23523, 23526, 23559, 23592)
NAMES = {
    "AEFF": "EFFECTIVE AREA",
    "EDISP": "ENERGY DISPERSION",
    "PSF": "POINT SPREAD FUNCTION",
    "BKG": "BACKGROUND",
}
"""gammapy finds IRFs without an index by these names."""
ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"


def replicate(data: Path, folder: Path, number: int) -> list[Path]:
    """Copies of the runs, a folder for each night; returns the folders."""
    import numpy as np
    from astropy.io import fits

    rng = np.random.default_rng(1)
    originals = []
    for run in SOURCES:
        with fits.open(data / "data" / f"hess_dl3_dr1_obs_id_{run:06d}.fits.gz") as hdus:
            originals.append(fits.HDUList([hdu.copy() for hdu in hdus]))
    begin = float(originals[0]["GTI"].data["START"][0])
    folders: list[Path] = []
    for k in range(number):
        night, place = divmod(k, PER_NIGHT)
        if place == 0:
            folders.append(folder / f"night{night:03d}")
            folders[-1].mkdir(parents=True)
        hdus = fits.HDUList([hdu.copy() for hdu in originals[k % len(originals)]])
        shift = begin + night * 86400.0 + place * EVERY_S - float(hdus["GTI"].data["START"][0])
        header = hdus["EVENTS"].header
        hdus["EVENTS"] = fits.BinTableHDU(_turned(hdus["EVENTS"], rng), header, name="EVENTS")
        hdus["EVENTS"].data["TIME"] += shift
        for name in ("START", "STOP"):
            hdus["GTI"].data[name] += shift
        for name in ("TSTART", "TSTOP"):
            hdus["EVENTS"].header[name] += shift
        for hdu in hdus[1:]:
            hdu.header["OBS_ID"] = 100000 + k
            hdu.name = NAMES.get(hdu.name, hdu.name)
        hdus.writeto(folders[-1] / f"run_{100000 + k}.fits")
    return folders


def _turned(hdu: Any, rng: Any) -> Any:
    """The events with their background turned about the pointing; the place of the source in it is
    filled from the opposite side."""
    import numpy as np
    from scipy.spatial.transform import Rotation

    from astran.gadf.sky import separation, vector

    axis, source = vector(hdu.header["RA_PNT"], hdu.header["DEC_PNT"]), vector(*CRAB)
    rows = hdu.data
    places = vector(rows["RA"].astype(float), rows["DEC"].astype(float))
    half = Rotation.from_rotvec(np.pi * axis)
    own = separation(places, source) < SOURCE_DEG
    opposite = separation(places, half.apply(source)) < SOURCE_DEG
    background = np.concatenate([places[~own], half.apply(places[opposite])])
    turned = Rotation.from_rotvec(rng.uniform(0, 2 * np.pi) * axis).apply(background)
    away = separation(turned, source) >= SOURCE_DEG
    index = np.concatenate([np.flatnonzero(~own), np.flatnonzero(opposite)])
    # what fills the place of the source has the time of another event
    later = np.concatenate([np.zeros((~own).sum()), np.full(opposite.sum(), 1e-3)])
    kept, number = turned[away], int(own.sum())
    found = np.concatenate([rows[own], rows[index[away]]])
    found["RA"][number:] = np.degrees(np.arctan2(kept[:, 1], kept[:, 0])) % 360
    found["DEC"][number:] = np.degrees(np.arcsin(kept[:, 2]))
    found["TIME"][number:] += later[away]
    found["EVENT_ID"] = np.arange(found.size) + 1
    return found[np.argsort(found["TIME"])]


def ours(folders: Sequence[Path], output: Path) -> None:
    """`astran highlevel` over all folders."""
    from astran.highlevel.__main__ import main as analyse

    ra, dec = map(str, CRAB)
    argv = [word for folder in folders for word in ("--dl3", str(folder))]
    argv += ["--output", str(output), "--target", "Crab", "--ra", ra, "--dec", dec]
    argv += ["--theta-cut", str(THETA)]
    argv += ["--energy-min", str(ENERGIES[0]), "--energy-max", str(ENERGIES[1])]
    if analyse(argv):
        raise SystemExit("astran highlevel failed")


def peer(folders: Sequence[Path]) -> None:
    """What gammapy's documentation shows, with the bins that ours has."""
    import warnings

    import numpy as np
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from gammapy.data import DataStore
    from gammapy.datasets import Datasets, SpectrumDataset
    from gammapy.estimators import FluxPointsEstimator, LightCurveEstimator
    from gammapy.makers import (
        DatasetsMaker,
        ReflectedRegionsBackgroundMaker,
        SafeMaskMaker,
        SpectrumDatasetMaker,
    )
    from gammapy.maps import MapAxis, RegionGeom
    from gammapy.modeling import Fit
    from gammapy.modeling.models import LogParabolaSpectralModel, SkyModel
    from regions import CircleSkyRegion

    warnings.simplefilter("ignore")
    files = sorted(path for folder in folders for path in folder.glob("run_*.fits"))
    observations = DataStore.from_events_files(files).get_observations(
        required_irf="full-enclosure"
    )
    energy = MapAxis.from_energy_edges(np.geomspace(*ENERGIES, 41), unit="TeV", name="energy")
    true = MapAxis.from_energy_bounds(
        0.1, 150, nbin=24, per_decade=True, unit="TeV", name="energy_true"
    )
    geom = RegionGeom.create(
        CircleSkyRegion(SkyCoord(*CRAB, unit="deg"), THETA * u.deg), axes=[energy]
    )
    maker = DatasetsMaker(
        [
            SpectrumDatasetMaker(
                selection=["counts", "exposure", "edisp"],
                containment_correction=True,
                use_region_center=True,
            ),
            ReflectedRegionsBackgroundMaker(),
            SafeMaskMaker(methods=["aeff-max"], aeff_percent=10),
        ],
        stack_datasets=False,
    )
    datasets = maker.run(SpectrumDataset.create(geom, energy_axis_true=true), observations)
    model = LogParabolaSpectralModel(
        amplitude="3e-11 cm-2 s-1 TeV-1", alpha=2.5, beta=0.1, reference="1 TeV"
    )
    source = SkyModel(spectral_model=model, name="crab")
    stacked = datasets.stack_reduce(name="stacked")
    stacked.models = [source]
    Fit().run([stacked])
    edges = np.geomspace(*ENERGIES, 11) * u.TeV
    FluxPointsEstimator(energy_edges=edges, source="crab").run(Datasets([stacked]))
    datasets.models = [source]
    LightCurveEstimator(
        energy_edges=np.array(ENERGIES) * u.TeV, source="crab", selection_optional=["ul"]
    ).run(datasets)


def measured(what: str, root: Path) -> dict[str, float]:
    """Seconds and gigabytes of a whole process."""
    command = [sys.executable, __file__, "--measure", what, "--folder", str(root)]
    begin = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if ended.returncode:
        raise SystemExit(f"{what}: {ended.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(getattr(after, n) - getattr(before, n) for n in ("ru_utime", "ru_stime"))
    return {"seconds": time.perf_counter() - begin, "cpu_s": cpu}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 where a bar is missed, 2 without the public data."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    parser.add_argument("--runs", type=int, default=RUNS, help="of the data set")
    parser.add_argument("--measure", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.measure:
        folders = sorted((args.folder / "dl3").iterdir())
        if args.measure == "ours":
            ours(folders, args.folder / "results")
        else:
            peer(folders)
        return 0
    data = Path(os.environ.get("ASTRAN_TEST_DATA", DATA)) / "hess-dl3-dr1"
    if not data.is_dir():
        print(f"no public DL3 data in {data}: set ASTRAN_TEST_DATA", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="astran-bench-") as place:
        replicate(data, Path(place) / "dl3", args.runs)
        mine, theirs = measured("ours", Path(place)), measured("peer", Path(place))
    ratio = theirs["seconds"] / mine["seconds"]
    print(f"{args.runs} runs: ours {mine}, gammapy {theirs}: {ratio:.1f} times")
    if args.json:
        found = {"name": "stack", "ours": mine["seconds"], "peer": theirs["seconds"]}
        print(json.dumps({**found, "ratio": ratio, "unit": f"s for {args.runs} runs"}))
    return 0 if mine["seconds"] <= MOST_SECONDS and ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
