"""How the keys of LST-1 may be written in a mail."""

from __future__ import annotations

KEY_KINDS = {"lstchain": "version", "dl2.models": "path"}
"""Keys whose value is read in a way that their type does not tell."""
KEY_NAMES = {
    "quality.apply": ("quality", "quality cuts", "run selection"),
    "quality.zenith_max": ("zenith", "max zenith", "maximum zenith", "zd max"),
    "quality.nsb_max": ("max nsb", "maximum nsb"),
    "lstchain": ("lstchain version", "version of lstchain"),
    "dl2.nsb": ("nsb", "nsb level", "nsb tuning"),
    "dl2.models": ("rf models", "random forests", "model folder"),
    "dl3.gammaness_cut": ("gammaness", "gh cut", "gammaness threshold", "global gammaness cut",
        "DL3Cuts.global_gh_cut",
    ),
    "dl3.theta_cut": (
        "theta", "theta cut", "on radius", "global theta cut", "DL3Cuts.global_theta_cut",
    ),
    "dl3.gh_efficiency": ("gammaness efficiency", "gh eff", "DL3Cuts.gh_efficiency"),
    "dl3.theta_containment": ("DL3Cuts.theta_containment",),
    "dl3.irf_kind": ("irf", "irfs", "irf type", "kind of irfs"),
    "dl3.background": ("background irf", "background model"),
    "dl3.intensity_min": ("intensity", "intensity cut", "min intensity", "minimum intensity"),
}  # fmt: skip
FREE_KEYS = {name: name for name in ("lstchain_config", "dl3.tool")} | {
    name: f"dl3.tool.{name}"
    for name in (
        "EventSelector", "DL3Cuts", "DataBinning", "IRFFITSWriter", "DataReductionFITSWriter",
    )
}  # fmt: skip
"""Parameters of lstchain: any name may follow, which only lstchain itself can judge."""
