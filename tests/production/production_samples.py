"""A site, a night and lstchain's options as data, for tests that touch no telescope file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from astran.base.night_data import (
    ConfigText,
    FileRef,
    McNode,
    Models,
    MonteCarlo,
    NightData,
    RunFile,
)
from astran.config.site import SiteConfig
from astran.telescopes.lst.environment.toolset import Tool, Toolset
from astran.telescopes.lst.settings import LstConfig

OPTIONS = {
    Tool.DL1_TO_DL2: "input-files path-models output-dir config overwrite log-level",
    Tool.CREATE_IRF: "input-gamma-dl2 input-proton-dl2 input-electron-dl2 "
    "output-irf-file point-like config global-gh-cut "
    "global-theta-cut energy-dependent-gh energy-dependent-theta gh-efficiency theta-containment "
    "overwrite log-level",
    Tool.CREATE_DL3: "input-dl2 output-dl3-path input-irf-path irf-file-pattern source-name "
    "source-ra source-dec use-nearest-irf-node config overwrite log-level",
    Tool.CREATE_INDEX: "input-dl3-dir output-index-path file-pattern overwrite log-level",
}
"""As in lstchain 0.12.3."""
TOOLS = Toolset(
    "0.12",
    "0.12.3",
    "/opt/lst/bin",
    {tool: frozenset(words.split()) for tool, words in OPTIONS.items()},
)


def without(tool: Tool, *options: str) -> Toolset:
    """TOOLS of an older version that lacks some options."""
    known = {**TOOLS.options, tool: TOOLS.options[tool] - set(options)}
    return replace(TOOLS, options=known)


def a_site(workdir: Path, **more: Any) -> SiteConfig:
    environments = {"0.12": {"bin": "/opt/lst/bin"}}
    lstchain = {"default": "0.12", "environments": environments}
    return SiteConfig.model_validate(
        {"site": "test", "workdir": str(workdir), "lstchain": lstchain, **more}
    )


def a_config(**more: Any) -> LstConfig:
    target = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
    return LstConfig.model_validate({"target": target, "date": "20231213", **more})


def ref(path: str, size: int = 1000, mtime_ns: int = 5) -> FileRef:
    return FileRef(path, size, mtime_ns)


def a_night(**more: Any) -> NightData:
    """Two runs of DL1, models, two Monte Carlo nodes.

    `models`, `nodes` and `ready_irfs` are those of the only Monte Carlo.
    """
    forests = ("reg_energy", "cls_gh", "reg_disp_norm", "cls_disp_sign")
    names = ("theta_10.000_az_102.199", "theta_23.630_az_100.758")
    alone = MonteCarlo(
        models=Models(
            "/models/dec_2276", tuple(ref(f"/models/dec_2276/{n}.sav") for n in forests), True
        ),
        nodes=tuple(McNode(name, ref(f"/mc/node_{name}_/dl2_gamma.h5")) for name in names),
    )
    of_it = {name: more.pop(name) for name in ("models", "nodes", "ready_irfs") if name in more}
    night = NightData(
        complete=True,
        runs=tuple(
            RunFile(run, ref(f"/data/DL1/dl1_LST-1.Run{run}.h5"), "v0.12", "tailcut84")
            for run in (15861, 15862)
        ),
        monte_carlo=(replace(alone, **of_it),),
    )
    return replace(night, **more)


def a_night_of_two_levels() -> NightData:
    """Runs 15861 and 15863 of NSB 0.14, 15862 of NSB 0.50."""
    night = a_night()
    (alone,) = night.monte_carlo
    levels = {15861: "0.14", 15862: "0.50", 15863: "0.14"}
    return replace(
        night,
        runs=tuple(
            RunFile(run, ref(f"/data/DL1/dl1_LST-1.Run{run}.h5"), level=level)
            for run, level in levels.items()
        ),
        monte_carlo=tuple(
            MonteCarlo(
                level,
                Models(f"/models/nsb_{level}", (ref(f"/models/nsb_{level}/reg_energy.sav"),), True),
                tuple(
                    McNode(node.name, ref(f"/mc/nsb_{level}/{node.name}.h5"))
                    for node in alone.nodes
                ),
            )
            for level in ("0.14", "0.50")
        ),
    )


def the_models(night: NightData) -> Models:
    """Of its only Monte Carlo."""
    (one,) = night.monte_carlo
    assert one.models is not None
    return one.models


def site_settings(text: str) -> ConfigText:
    return ConfigText(ref("/models/lstchain_config.json"), text)
