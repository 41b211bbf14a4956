"""The configuration of a stored analysis, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astran.base.files import write_atomic
from astran.config.analysis import AnalysisConfig
from astran.database.analyses import Analysis
from astran.telescopes.configuration import build_analysis


def config_of(analysis: Analysis | Mapping[str, Any]) -> AnalysisConfig:
    """The configuration of a stored analysis."""
    data = analysis.config if isinstance(analysis, Analysis) else analysis
    return build_analysis(dict(data), "The stored configuration")


def write_config(analysis: Analysis, config: AnalysisConfig) -> Path:
    """Write `config_<Target><date>.yml` into the folder of the analysis."""
    path = analysis.folder / f"config_{analysis.label}.yml"
    header = (
        f"ASTRAN analysis {analysis.name}: {config.target.name}, night of {config.night.iso}\n"
        f"Run it again by hand:\n"
        f"  astran --config-analysis {path} --submit --verbose"
    )
    write_atomic(path, config.to_yaml(header))
    return path
