"""Analysis configurations of any telescope: from plain data and from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from astran.base.errors import ConfigError
from astran.config.analysis import AnalysisConfig, Target
from astran.config.model import build_settings
from astran.config.yaml_files import read_yaml
from astran.telescopes.registry import find_chain


def build_analysis(data: dict[str, Any], what: str) -> AnalysisConfig:
    """A configuration from plain data, with the settings of its telescope.

    Raises
    ------
    ConfigError : with every problem; `what` begins its message
    """
    telescope = data.get("telescope") or ""
    if not isinstance(telescope, str):
        raise ConfigError(f"{what} cannot be used: telescope is no name.")
    model: type[AnalysisConfig] = find_chain(telescope).settings_type
    return build_settings(model, data, what)


def load_analysis(
    path: Path, resolve: Callable[[str], Target], telescope: str = ""
) -> AnalysisConfig:
    """An analysis configuration, as ASTRAN or a person wrote it.

    Parameters
    ----------
    resolve : name of a source to its entry in the catalogue: `target: Crab` alone is enough
    telescope : where the file names none

    Raises
    ------
    ConfigError : with every problem
    CatalogueError : an unknown source
    """
    data = read_yaml(path)
    if isinstance(data.get("target"), str):
        data["target"] = resolve(data["target"]).model_dump()
    data["telescope"] = data.get("telescope") or telescope
    return build_analysis(data, f"The analysis configuration {path}")
