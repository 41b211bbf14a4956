"""A folder of programs that answer like an installed lstchain, without one."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

OPTIONS = {
    "lstchain_dl1_to_dl2": "input-files path-models output-dir config overwrite log-level",
    "lstchain_create_irf_files": "input-gamma-dl2 input-proton-dl2 input-electron-dl2 "
    "output-irf-file point-like config global-gh-cut "
    "global-theta-cut energy-dependent-gh energy-dependent-theta gh-efficiency theta-containment "
    "overwrite log-level",
    "lstchain_create_dl3_file": "input-dl2 output-dl3-path input-irf-path irf-file-pattern "
    "source-name source-ra source-dec use-nearest-irf-node config overwrite log-level",
    "lstchain_create_dl3_index_files": "input-dl3-dir output-index-path file-pattern overwrite "
    "log-level",
}
"""As in lstchain 0.12.3."""
STANDARD = {
    "events_filters": {"intensity": [50, "inf"], "leakage_intensity_width_2": [0, 0.2]},
    "n_training_events": {"gamma_regressors": 1.0, "proton_classifier": 1.0},
    "random_forest_energy_regressor_args": {"max_depth": 30, "n_estimators": 50, "n_jobs": -1},
    "random_forest_particle_classifier_args": {"max_depth": 100, "n_jobs": -1},
}
"""Some of its standard configuration."""
_MODULES = {
    "lstchain/__init__.py": "",
    "lstchain/io.py": f"def get_standard_config():\n    return {STANDARD!r}\n",
    "ctapipe/__init__.py": "",
    "ctapipe/core.py": "class Tool:\n    class_trait_names = classmethod(lambda c, config: ())\n",
}


def make_environment(folder: Path, version: str = "0.12.3") -> Path:
    """Make the environment; returns its folder of programs."""
    programs = folder / "bin"
    packages = folder / "lib" / "python3.11" / "site-packages"
    _write(
        packages / f"lstchain-{version}.dist-info" / "METADATA",
        f"Metadata-Version: 2.1\nName: lstchain\nVersion: {version}\n",
    )
    entries = "".join(f"{tool} = fake_tools:{tool}\n" for tool in OPTIONS)
    _write(
        packages / f"lstchain-{version}.dist-info" / "entry_points.txt",
        f"[console_scripts]\n{entries}",
    )
    _write(packages / "fake_tools.py", "".join(map(_tool, OPTIONS)))
    for module, text in _MODULES.items():
        _write(packages / module, text)
    _write(
        programs / "python3",
        f'#!/bin/bash\nPYTHONPATH="{packages}" exec "{sys.executable}" -S "$@"\n',
    )
    for tool in OPTIONS:
        _write(programs / tool, f"#!{programs / 'python3'}\n")
    for path in programs.iterdir():
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return programs


def _tool(name: str) -> str:
    told = "\n".join(f"--{option}" for option in OPTIONS[name].split())
    return f"def {name}():\n    print({told!r})\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
