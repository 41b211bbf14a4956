"""Remakes the results beside it from the DL3 files, with gammapy alone.

    python analysis.py [FOLDER_OF_DL3 ...]

`analysis_inputs.json` says which files, regions and energies; `results.json` is what is remade.
Name the folders that hold the DL3 files, unless these lie beside it (or list them in
the environment variable DL3_FOLDERS, separated by `:`). Exit code 1: something differs by more than
its tolerance.
"""

# %% [markdown]
# # Remake of a high-level analysis
#
# From DL3 files to counts, spectrum, flux points and fluxes of nights, with gammapy alone. The last
# cell compares them with `results.json`: counts must be equal, fluxes agree within their tolerance.

# %%
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import GTI, EventList, Observation
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    ExpCutoffPowerLawSpectralModel,
    LogParabolaSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateSpectralModel,
)
from regions import CircleSkyRegion, PointSkyRegion

warnings.simplefilter("ignore")
HERE = Path(__file__).resolve().parent if "__file__" in globals() else Path.cwd()
inputs = json.loads((HERE / "analysis_inputs.json").read_text(encoding="utf-8"))
results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
IN_NOTEBOOK = "ipykernel" in sys.modules
named = os.environ.get("DL3_FOLDERS", "").split(":") if IN_NOTEBOOK else sys.argv[1:]
FOLDERS = [Path(name) for name in named or os.environ.get("DL3_FOLDERS", "").split(":") if name]
FLUX_TOLERANCE = 0.1
"""Of parameters, in units of their errors."""
POINT_TOLERANCE = 0.2
"""Of flux points: the lowest ones depend on how the steep effective area is interpolated."""
NIGHT_TOLERANCE = 0.5
"""Of the fluxes of nights: results.json has weighted sums, here they are fitted."""
OUTSIDE_S = 1.0
"""Events so far outside of the good time count: some telescopes round it to seconds."""
target = SkyCoord(inputs["target"]["ra_deg"], inputs["target"]["dec_deg"], unit="deg")
print(f"{inputs['target']['name']}: {len(inputs['runs'])} runs")

# %% [markdown]
# ## Events
#
# Events with impossible values, events that are there twice and events outside of the good time do
# not count.


# %%
def find_file(place: str) -> Path:
    """A file in one of the named folders, first of all in one of the same name."""
    folder_name, name = Path(place).parts[-2:]
    found = [path for folder in (*FOLDERS, HERE) for path in sorted(folder.rglob(name))]
    found.sort(key=lambda path: path.resolve().parent.name != folder_name)
    if not found:
        raise SystemExit(f"{name} is not there. Name the folder of the DL3 files.")
    return found[0]


def repeated(*columns: Any) -> Any:
    """Which events have the values of an earlier one."""
    order = np.lexsort(columns)
    same = np.logical_and.reduce([np.diff(column[order]) == 0 for column in columns])
    found = np.zeros(columns[0].size, bool)
    found[order[1:]] = same
    return found


def read_part(path: Path) -> tuple[SkyCoord, Any]:
    """Directions and energies [TeV] of the good events of a file."""
    events, gti = EventList.read(path), GTI.read(path)
    table = events.table
    start = gti.time_ref
    time = (events.time - start).to_value("s")
    starts, stops = ((t - start).to_value("s") for t in (gti.time_start, gti.time_stop))
    inside = ((time >= starts[:, None] - OUTSIDE_S) & (time <= stops[:, None] + OUTSIDE_S)).any(0)
    ra, dec = (np.asarray(u.Quantity(table[name]).value, float) for name in ("RA", "DEC"))
    number = np.asarray(table["EVENT_ID"])
    energy = np.asarray(events.energy.to_value("TeV"), float)
    # a column of seconds, or of times as gammapy 2 makes it
    kind = getattr(getattr(table["TIME"], "dtype", None), "kind", "")
    raw = np.asarray(table["TIME"]) if kind == "f" else time
    twice = repeated(raw, number) | repeated(raw, ra, dec) | repeated(number, ra, dec)
    usable = np.isfinite(time) & np.isfinite(ra) & np.isfinite(dec) & (energy > 0)
    keep = inside & usable & ~twice
    return events.radec[keep], energy[keep]


def theta_limit(run: dict[str, Any], observation: Any, energy: Any) -> Any:
    """The theta cut of each event [deg]: fixed, or the bin of the RAD_MAX table that holds it."""
    if inputs["theta_cut_deg"] is not None:
        return np.full(energy.size, inputs["theta_cut_deg"])
    table = observation.rad_max
    axes = {axis.name: axis for axis in table.axes}
    edges = axes["energy"].edges.to_value("TeV")
    place = np.clip(np.searchsorted(edges, energy, side="right") - 1, 0, edges.size - 2)
    offsets = axes["offset"].center.to_value("deg")
    near = int(np.argmin(np.abs(offsets - run["offset_deg"])))
    cuts = table.data if table.axes.names[0] == "energy" else table.data.T
    return np.asarray((cuts[:, near] * table.unit).to_value("deg"), float)[place]


def circles(centres: Any) -> SkyCoord:
    """Centres of regions."""
    return SkyCoord(np.reshape(centres, (-1, 2)), unit="deg")


# %% [markdown]
# ## Counts

# %%
low = inputs["energy_min_tev"] or 0.0
high = inputs["energy_max_tev"] or np.inf
events: list[dict[str, Any]] = []
for run in inputs["runs"]:
    files = [find_file(name) for name in run["files"]]
    irfs = [find_file(name) for name in run["irf_files"]]
    observation = Observation.read(files[0], irf_file=irfs[0] if irfs else None)
    parts = [read_part(path) for path in files]
    place = SkyCoord(
        np.concatenate([[p.ra.deg, p.dec.deg] for p, _ in parts], axis=1).T, unit="deg"
    )
    energy = np.concatenate([e for _, e in parts])
    keep = (energy >= low) & (energy < high)
    place, energy = place[keep], energy[keep]
    limit = theta_limit(run, observation, energy)
    on = place.separation(target).deg <= limit
    off = [place.separation(centre).deg <= limit for centre in circles(run["off_centres_deg"])]
    events.append(
        {
            "run": run,
            "observation": observation,
            "place": place,
            "energy": energy,
            "limit": limit,
            "on": on,
            "n_on": int(on.sum()),
            "n_off": int(np.sum(off)),
        }
    )
counts = [(item["n_on"], item["n_off"]) for item in events]
print("ON, OFF:", sum(c[0] for c in counts), sum(c[1] for c in counts))

# %% [markdown]
# ## Spectra
#
# Counts of ON and OFF regions in bins of energy, with gammapy's effective area and energy
# dispersion at the place of the source; runs are stacked as they were for the fit.

# %%
spectrum = inputs["spectrum"]
datasets = Datasets()


def make_dataset(item: dict[str, Any], name: str) -> SpectrumDatasetOnOff:
    """Counts and response of a run."""
    part = item["run"]["spectrum"]
    axis = MapAxis.from_energy_edges(spectrum["edges_tev"], unit="TeV", name="energy")
    true = MapAxis.from_energy_edges(spectrum["true_edges_tev"], unit="TeV", name="energy_true")
    point_like = item["observation"].aeff.is_pointlike
    theta = inputs["theta_cut_deg"]
    region = CircleSkyRegion(target, theta * u.deg) if theta else PointSkyRegion(target)
    if point_like:
        region = PointSkyRegion(target)
    geom = RegionGeom.create(region, axes=[axis])
    empty = SpectrumDataset.create(geom, energy_axis_true=true, name=name)
    maker = SpectrumDatasetMaker(
        selection=["exposure", "edisp"],
        containment_correction=not point_like and item["observation"].psf is not None,
        use_region_center=True,
    )
    data = maker.run(empty, item["observation"])
    # of a run of several files gammapy has read the first only
    read = item["observation"].observation_live_time_duration.to_value("s")
    data.exposure.data = np.nan_to_num(data.exposure.data) * item["run"]["livetime_s"] / read
    mask = np.array(part["used"], bool)
    edges = np.array(spectrum["edges_tev"])
    n_on = np.histogram(item["energy"][item["on"]], edges)[0]
    centres = circles(part["off_centres_deg"])
    near = [item["place"].separation(centre).deg <= item["limit"] for centre in centres]
    n_off = np.sum([np.histogram(item["energy"][inside], edges)[0] for inside in near], axis=0)

    def by_energy(values: Any) -> RegionNDMap:
        return RegionNDMap.from_geom(geom, data=np.reshape(values, (-1, 1, 1)))

    data.counts = by_energy((n_on * mask).astype(float))
    data.mask_safe = by_energy(mask)
    return SpectrumDatasetOnOff.from_spectrum_dataset(
        dataset=data,
        acceptance=by_energy(np.ones(mask.size)),
        acceptance_off=by_energy(np.full(mask.size, float(len(centres)))),
        counts_off=by_energy((n_off * mask).astype(float)),
    )


stacks: dict[str, Datasets] = {}
nights: dict[str, Datasets] = {}
for index, item in enumerate(events):
    part = item["run"]["spectrum"]
    if part is not None:
        data = make_dataset(item, f"{index}-{item['run']['obs_id']}")
        stacks.setdefault(part["stack"], Datasets()).append(data)
        nights.setdefault(item["run"]["night"], Datasets()).append(data)
datasets = Datasets([group.stack_reduce(name=name) for name, group in stacks.items()])
print(datasets)

# %% [markdown]
# ## Fit, flux points, fluxes of nights

# %%
remade: dict[str, Any] = {
    "n_on": sum(c[0] for c in counts),
    "n_off": sum(c[1] for c in counts),
    "runs": [
        {"obs_id": item["run"]["obs_id"], "n_on": item["n_on"], "n_off": item["n_off"]}
        for item in events
    ],
    "models": {},
    "flux_points": [],
    "nights": [],
}
PER_CM2 = "cm-2 s-1 TeV-1"
UNITS = {"amplitude": PER_CM2, "inverse_cutoff": "TeV-1"}
MODELS = {
    "power-law": (PowerLawSpectralModel, {"index": 2.5}),
    "log-parabola": (LogParabolaSpectralModel, {"alpha": 2.5, "beta": 0.1}),
    "exponential-cutoff": (ExpCutoffPowerLawSpectralModel, {"index": 2.2, "inverse_cutoff": 0.05}),
}


def make_model(name: str, values: dict[str, float], held: dict[str, float]) -> tuple[Any, Any]:
    """A model of the source with these values, and the same as it arrives at Earth."""
    kind, start = MODELS[name]
    source = kind(amplitude=f"3e-11 {PER_CM2}", reference="1 TeV")
    for key, value in {**start, **held, **values}.items():
        parameter = parameter_of(source, key)
        parameter.quantity = value * u.Unit(UNITS.get(key, ""))
        parameter.frozen = key in held
    absorption = inputs["spectrum"].get("absorption")
    if absorption is None:
        return source, source
    share = TemplateSpectralModel(
        energy=absorption["energy_tev"] * u.TeV,
        values=absorption["transmission"] * u.Unit(""),
        interp_kwargs={"values_scale": "log"},
    )
    return source, source * share


def parameter_of(source: Any, key: str) -> Any:
    """The parameter by its name in results.json."""
    return getattr(source, "lambda_" if key == "inverse_cutoff" else key)


for known in results["spectrum"].get("models", []) if len(datasets) else []:
    source, model = make_model(known["name"], {}, known["fixed_parameters"])
    datasets.models = [SkyModel(spectral_model=model, name=known["name"])]
    Fit().run(datasets)
    remade["models"][known["name"]] = {
        name: float(parameter_of(source, name).quantity.to_value(UNITS.get(name, "")))
        for name in known["parameters"]
    }


def known_model() -> SkyModel:
    """The model that results.json took, with its parameters: fluxes are in units of it."""
    found = results["spectrum"]
    if found["model"]:
        _, model = make_model(found["model"], found["parameters"], found["fixed_parameters"])
    else:
        model = PowerLawSpectralModel(amplitude=f"3e-12 {PER_CM2}", index=found["assumed_index"])
    return SkyModel(spectral_model=model, name="known")


def estimate(group: Datasets, edges: Any) -> Any:
    """The norms of gammapy's FluxPointsEstimator, one for each bin."""
    data = group.stack_reduce(name="stacked")
    data.models = [known_model()]
    estimator = FluxPointsEstimator(
        energy_edges=np.array(edges) * u.TeV, source="known", selection_optional=[]
    )
    return np.ravel(estimator.run(Datasets([data])).norm.data)


if len(datasets):
    everything = Datasets([data for group in nights.values() for data in group])
    reference = known_model().spectral_model
    for point in results["spectrum"]["flux_points"]:
        norm = estimate(everything, [point["energy_min_tev"], point["energy_max_tev"]])[0]
        dnde = reference(point["energy_tev"] * u.TeV).to_value(PER_CM2)
        remade["flux_points"].append({"energy_tev": point["energy_tev"], "dnde": norm * dnde})
    above = [results["light_curve"][f"energy_{end}_tev"] for end in ("min", "max")]
    whole = [results["spectrum"][f"energy_{end}_tev"] for end in ("min", "max")]
    flux = reference.integral(above[0] * u.TeV, above[1] * u.TeV).to_value("cm-2 s-1")
    for night, group in nights.items():
        norm = estimate(group, whole)[0]
        remade["nights"].append({"night": night, "flux": norm * flux})

# %% [markdown]
# ## Comparison with `results.json`

# %%
differences: list[str] = []


def compare(what: str, mine: float, theirs: float, error: float, tolerance: float) -> None:
    """Print both, and keep what differs by more than the tolerance."""
    pull = (mine - theirs) / error if error else float(mine != theirs)
    good = bool(abs(pull) <= tolerance)
    print(f"{what:40s} {mine:12.5g} {theirs:12.5g}  {pull:+.3f} sigma{'' if good else '  DIFFERS'}")
    if not good:
        differences.append(what)


compare("ON counts", remade["n_on"], results["stacked"]["n_on"], 0, 0)
compare("OFF counts", remade["n_off"], results["stacked"]["n_off"], 0, 0)
for mine, theirs in zip(remade["runs"], results["runs"], strict=True):
    for name in ("n_on", "n_off"):
        if mine[name] != theirs[name]:
            compare(f"{name} of run {mine['obs_id']}", mine[name], theirs[name], 0, 0)
for known in results["spectrum"].get("models", []):
    for name, value in known["parameters"].items():
        found = remade["models"][known["name"]][name]
        compare(f"{known['name']}: {name}", found, value, known["errors"][name], FLUX_TOLERANCE)
for mine, theirs in zip(
    remade["flux_points"], results["spectrum"].get("flux_points", []), strict=True
):
    if not theirs["is_limit"]:
        what = f"flux point at {theirs['energy_tev']:.3g} TeV"
        compare(what, mine["dnde"], theirs["dnde"], theirs["dnde_error"], POINT_TOLERANCE)
for mine in remade["nights"]:
    for theirs in (results["light_curve"] or {}).get("nights", []):
        if theirs["label"] == mine["night"] and not theirs["is_limit"]:
            what = f"flux of night {mine['night']}"
            compare(what, mine["flux"], theirs["flux"], theirs["flux_error"], NIGHT_TOLERANCE)
remade["differences"] = differences
(HERE / "remade.json").write_text(json.dumps(remade, indent=1) + "\n", encoding="utf-8")
if differences:
    raise SystemExit(f"These differ: {', '.join(differences)}")
print("Everything agrees.")
