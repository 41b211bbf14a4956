"""What remakes the results with gammapy alone: a script, the same as a notebook, and their inputs.

The script is templates/highlevel/analysis.py, as it is: it reads everything from
`analysis_inputs.json` and `results.json` beside it. Notebook format:
https://nbformat.readthedocs.io/en/latest/format_description.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from astran.base.files import packaged_path, write_atomic, write_json
from astran.highlevel.aperture.counts import RunCounts
from astran.highlevel.arrays import Floats
from astran.highlevel.geometry import radec
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.spectral.spectra import RunSpectrum
from astran.highlevel.spectral.spectrum import Spectral

SCRIPT, NOTEBOOK, INPUTS = "analysis.py", "analysis.ipynb", "analysis_inputs.json"
EXECUTABLE = (SCRIPT, NOTEBOOK, INPUTS)
INPUTS_SCHEMA = "astran-analysis-inputs-1"
_CELL, _TEXT = "# %%", "# %% [markdown]"


def write_executable(found: FolderMeasurement, folder: Path) -> tuple[str, ...]:
    """Write script, notebook and inputs; returns their names."""
    script = (packaged_path("templates") / "highlevel" / SCRIPT).read_text(encoding="utf-8")
    write_json(folder / INPUTS, analysis_inputs(found))
    write_atomic(folder / SCRIPT, script)
    write_atomic(folder / NOTEBOOK, json.dumps(make_notebook(script), indent=1) + "\n")
    return EXECUTABLE


def analysis_inputs(found: FolderMeasurement) -> dict[str, Any]:
    """Files, regions and energies of an analysis. Angles in degrees (ICRS), energies in TeV."""
    spectral = found.spectral if isinstance(found.spectral, Spectral) else None
    parts = _spectra_by_run(spectral)
    return {
        "schema": INPUTS_SCHEMA,
        "target": {
            "name": found.target.name,
            "ra_deg": found.target.ra,
            "dec_deg": found.target.dec,
        },
        "theta_cut_deg": found.cut.theta_deg,
        "energy_min_tev": found.energy_min,
        "energy_max_tev": found.energy_max,
        "runs": [_run(run, parts) for run in found.runs],
        "spectrum": spectral
        and {
            "edges_tev": spectral.stacked.edges.tolist(),
            "true_edges_tev": spectral.stacked.true_edges.tolist(),
            "absorption": _absorption(spectral),
        },
    }


def _absorption(spectral: Spectral) -> dict[str, Any] | None:
    """Share of the gamma rays that arrive, by energy; none where the models have none."""
    absorption = spectral.best and spectral.best.absorption
    if not absorption:
        return None
    edges = spectral.stacked.true_edges
    energy, share = absorption.tabulate(edges[0], edges[-1])
    return {"energy_tev": energy.tolist(), "transmission": share.tolist()}


def _run(counts: RunCounts, parts: dict[int, tuple[RunSpectrum, str]]) -> dict[str, Any]:
    run = counts.run
    part = parts.get(id(counts))
    return {
        "obs_id": run.obs_id,
        "start": run.start.isoformat(timespec="seconds"),
        "night": str(run.night),
        "files": [_place(path) for path in (run.path, *run.more_files)],
        "irf_files": [_place(path) for path in run.irf_files],
        "offset_deg": counts.offset,
        "alpha": counts.alpha,
        "livetime_s": run.livetime_s,
        "off_centres_deg": _places(counts.off_centres),
        "spectrum": part
        and {
            "stack": part[1],
            "off_centres_deg": _places(part[0].off_centres),
            "used": part[0].spectrum.used.tolist(),
        },
    }


def _place(path: Path) -> str:
    """Name of a file with that of its folder. The file is published: where a site keeps its data is
    nobody's business."""
    whole = path.resolve()
    return f"{whole.parent.name}/{whole.name}"


def _places(centres: tuple[Floats, ...]) -> list[tuple[float, float]]:
    return [radec(centre) for centre in centres]


def _spectra_by_run(spectral: Spectral | None) -> dict[int, tuple[RunSpectrum, str]]:
    """The spectrum of each run, and the stack in which it was fitted, by identity of its counts: a
    number may be that of two runs."""
    if spectral is None:
        return {}
    if spectral.joint:
        return {
            id(part.part): (part, f"{n}-{part.part.run.obs_id}")
            for n, part in enumerate(spectral.parts)
        }
    return {id(part.part): (part, stack.name) for stack in spectral.fitted for part in stack.parts}


def make_notebook(script: str) -> dict[str, Any]:
    """A script in the percent format as a notebook; what stands before its first cell is text."""
    head, *blocks = script.split(f"\n{_CELL}")
    cells = [_cell("markdown", head.strip().strip('"').strip())]
    for block in blocks:
        title, _, body = f"{_CELL}{block}".partition("\n")
        if title.strip() == _TEXT:
            lines = (line.removeprefix("#").removeprefix(" ") for line in body.split("\n"))
            cells.append(_cell("markdown", "\n".join(lines).strip()))
        else:
            cells.append(_cell("code", body.strip("\n")))
    return {
        "cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(kind: str, text: str) -> dict[str, Any]:
    of_code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {
        "cell_type": kind,
        "metadata": {},
        "source": text.splitlines(keepends=True),
        **of_code,
    }
