"""Contents of the JSON files that the lstchain tools read.

The IRF tool and the DL3 tool get the very same file: lstchain does not notice if the events of DL3
were selected otherwise than the gammas of the IRF.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from astran.base.errors import SiteNotReady
from astran.base.night_data import IrfCuts
from astran.base.tasks import Expectation
from astran.telescopes.lst.event_cuts import event_filters
from astran.telescopes.lst.hdf5_open import SHOWER
from astran.telescopes.lst.planning.lstchain_parameters import ineffective_parameters
from astran.telescopes.lst.settings import Cuts, Dl3Settings

OPEN: list[float] = [0, float("inf")]
FORESTS = (
    "random_forest_energy_regressor_args",
    "random_forest_disp_regressor_args",
    "random_forest_disp_classifier_args",
    "random_forest_particle_classifier_args",
)
FILTERED = ("intensity", "width", "length", "wl", "r", "leakage_intensity_width_2")
"""Parameters in lstchain's standard `events_filters`, there without effect (0 to infinity)."""
_OFFSET_BINS: dict[str, float | int] = {
    "fov_offset_min": 0.1,
    "fov_offset_max": 1.1,
    "fov_offset_n_edges": 9,
    "bkg_fov_offset_min": 0.0,
    "bkg_fov_offset_max": 10.0,
    "bkg_fov_offset_n_edges": 21,
    "source_offset_min": 0.0,
    "source_offset_max": 1.0,
    "source_offset_n_edges": 101,
}
"""lstchain's standard, in deg: of diffuse gammas, of the background and of the PSF."""


def dl3_selection(dl3: Dl3Settings) -> str:
    """Configuration of lstchain_create_irf_files and lstchain_create_dl3_file, as JSON.

    All values are written out, so that an lstchain release with other defaults changes nothing.
    Keys and units as in lstchain.io.event_selection: angles in deg, energies in TeV.
    """
    return _text(
        merge_settings(
            {
                "EventSelector": {
                    "filters": {
                        "intensity": OPEN,
                        "width": OPEN,
                        "length": OPEN,
                        "r": [0, 1],
                        "wl": [0.01, 1],
                        "leakage_intensity_width_2": [0, 1],
                        "event_type": [SHOWER, SHOWER],
                        **event_filters(dl3),
                    }
                },
                "DL3Cuts": {
                    "min_event_p_en_bin": 100,
                    "global_gh_cut": dl3.gammaness_cut,
                    "gh_efficiency": dl3.gh_efficiency,
                    "min_gh_cut": 0.1,
                    "max_gh_cut": 0.98,
                    "global_theta_cut": dl3.theta_cut,
                    "theta_containment": dl3.theta_containment,
                    "min_theta_cut": 0.1,
                    "max_theta_cut": 0.32,
                    "fill_theta_cut": 0.32,
                    "allowed_tels": [1],
                },
                "DataBinning": {
                    **_energy_bins("true"),
                    **_energy_bins("reco"),
                    **(_OFFSET_BINS if dl3.full_enclosure or dl3.background else {}),
                    "scale_true_energy": 1.0,
                    "energy_migration_min": 0.2,
                    "energy_migration_max": 5.0,
                    "energy_migration_n_bins": 30,
                },
            },
            dl3.tool,
        )
    )


def cuts_of(dl3: Dl3Settings) -> IrfCuts:
    """The cuts that the IRFs of a request must have been made with."""
    full, by_energy = dl3.full_enclosure, dl3.cuts is not Cuts.GLOBAL
    if by_energy:
        theta_containment = None if full else dl3.theta_containment
        return IrfCuts(gh_efficiency=dl3.gh_efficiency, theta_containment=theta_containment)
    theta_cut = None if full else dl3.theta_cut
    return IrfCuts(gammaness_cut=dl3.gammaness_cut, theta_cut=theta_cut)


def expected_irfs(dl3: Dl3Settings) -> tuple[tuple[str, Expectation], ...]:
    """What IRFs of a request must be, for the checks."""
    kind = (("irf_kind", dl3.irf_kind.value),) if dl3.full_enclosure else ()
    background = (("background", True),) if dl3.background else ()
    return (*cuts_of(dl3).known, *kind, *background)


def forest_settings(
    site_text: str | None, asked: Mapping[str, Any], standard: Mapping[str, Any], cpus: int
) -> tuple[str, list[str]]:
    """Configuration of lstchain_dl1_to_dl2 from the site's file and the request, and notes on it.

    lstchain replaces whole top-level entries: one that is only partly given is completed from its
    standard configuration.

    lstchain counts the livetime from the gaps between the events that are left in DL2 (gaps of
    10 ms and more do not count): a filter that thins the events at this step shortens the livetime
    without a word. The filters are therefore opened here; the cuts come later, with DL3.

    Parameters
    ----------
    site_text : JSON of the site; None: it has none
    asked : what the request sets; wins over the site
    standard : lstchain's own configuration

    Returns
    -------
    JSON text, empty where neither site nor request sets anything; notes

    Raises
    ------
    SiteNotReady : the site's is not a JSON object
    """
    if site_text is None and not asked:
        return "", []
    config = merge_settings(_read(site_text) if site_text is not None else {}, asked)
    for name, value in config.items():
        own = standard.get(name)
        if isinstance(own, Mapping) and isinstance(value, Mapping) and name != "events_filters":
            config[name] = merge_settings(own, value)
    notes = ineffective_parameters(asked)
    closed = sorted(
        name for name, limits in config.get("events_filters", {}).items() if _thins(limits)
    )
    if closed:
        notes.append(
            f"The site's lstchain configuration filters events by {', '.join(closed)} at DL2; this "
            "was left out, as it would falsify the livetime. Cuts are applied with DL3."
        )
    if "events_filters" in config:
        config["events_filters"] = dict.fromkeys(FILTERED, OPEN)
    for name in FORESTS:
        if isinstance(config.get(name), dict):
            config[name] = {**config[name], "n_jobs": cpus}
    return _text(config), notes


def merge_settings(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings in mappings, `over` winning value by value."""
    found = dict(base)
    for name, value in over.items():
        old = found.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            found[name] = merge_settings(old, value)
        else:
            found[name] = value
    return found


def _read(site_text: str) -> dict[str, Any]:
    try:
        config = json.loads(site_text)
    except json.JSONDecodeError as error:
        raise SiteNotReady(
            f"The site's lstchain configuration is not valid JSON: {error}.",
            cure="Correct the file named by data.lstchain_config.",
        ) from error
    if not isinstance(config, dict):
        raise SiteNotReady("The site's lstchain configuration must hold a JSON object.")
    return config


def _numbers(value: Any) -> Any:
    """Infinity as the number that JSON of Python and lstchain spells Infinity."""
    if isinstance(value, Mapping):
        return {name: _numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return float(value) if value in ("inf", "-inf") else value


def _thins(limits: Any) -> bool:
    return list(limits) != OPEN


def _energy_bins(kind: str) -> dict[str, float | int]:
    """Five bins per decade from 5 GeV to 500 TeV."""
    return {
        f"{kind}_energy_min": 0.005,
        f"{kind}_energy_max": 500.0,
        f"{kind}_energy_n_bins": 25,
    }


def _text(config: dict[str, Any]) -> str:
    # lstchain's own configurations say Infinity, which Python's JSON reads and writes
    # sorted: the text is part of fingerprints, and what tools and caches tell has no order
    return json.dumps(_numbers(config), indent=2, sort_keys=True) + "\n"
