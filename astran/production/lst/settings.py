"""Contents of the JSON files that the lstchain tools read.

The IRF tool and the DL3 tool get the very same file: lstchain does not notice if the events of DL3
were selected otherwise than the gammas of the IRF.
"""

from __future__ import annotations

import json
from typing import Any

from astran.base.errors import ConfigError
from astran.base.nightdata import IrfCuts
from astran.config.analysis import Cuts, Dl3Settings

SHOWER = 32
"""event_type of a shower candidate (SUBARRAY); pedestals and flat-field events are others."""
OPEN: list[float] = [0, float("inf")]
FORESTS = (
    "random_forest_energy_regressor_args",
    "random_forest_disp_regressor_args",
    "random_forest_disp_classifier_args",
    "random_forest_particle_classifier_args",
)
FILTERED = ("intensity", "width", "length", "wl", "r", "leakage_intensity_width_2")
"""Parameters in lstchain's standard `events_filters`, there without effect (0 to infinity)."""


def selection(dl3: Dl3Settings) -> str:
    """Configuration of lstchain_create_irf_files and lstchain_create_dl3_file, as JSON.

    All values are written out, so that an lstchain release with other defaults changes nothing.
    Keys and units as in lstchain.io.event_selection: angles in deg, energies in TeV.
    """
    return _text(
        {
            "EventSelector": {
                "filters": {
                    "intensity": [dl3.intensity_min, float("inf")],
                    "width": OPEN,
                    "length": OPEN,
                    "r": [0, 1],
                    "wl": [0.01, 1],
                    "leakage_intensity_width_2": [0, 1],
                    "event_type": [SHOWER, SHOWER],
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
                "scale_true_energy": 1.0,
                "energy_migration_min": 0.2,
                "energy_migration_max": 5.0,
                "energy_migration_n_bins": 30,
            },
        }
    )


def cuts_of(dl3: Dl3Settings) -> IrfCuts:
    """The cuts that the IRFs of a request must have been made with."""
    if dl3.cuts is Cuts.GLOBAL:
        return IrfCuts(gammaness_cut=dl3.gammaness_cut, theta_cut=dl3.theta_cut)
    return IrfCuts(gh_efficiency=dl3.gh_efficiency, theta_containment=dl3.theta_containment)


def forests(site_text: str, cpus: int) -> tuple[str, list[str]]:
    """Configuration of lstchain_dl1_to_dl2 made from the site's, and notes on what was changed.

    lstchain counts the livetime from the gaps between the events that are left in DL2 (gaps of
    10 ms and more do not count): a filter that thins the events at this step shortens the livetime
    without a word. The filters are therefore opened here; the cuts come later, with DL3.

    Raises
    ------
    ConfigError : not a JSON object
    """
    try:
        config = json.loads(site_text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"The site's lstchain configuration is not valid JSON: {error}.",
            cure="Correct the file named by data.lstchain_config.",
        ) from error
    if not isinstance(config, dict):
        raise ConfigError("The site's lstchain configuration must hold a JSON object.")
    notes = []
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
    return json.dumps(config, indent=2) + "\n"
