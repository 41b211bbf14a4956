"""results.json is what docs/results.schema.json promises, whatever the data."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from synthetic_dl3 import DEC, RA, write_night, write_run

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import analyse, measure_folder
from astran.highlevel.options import Options
from astran.highlevel.output.assembly import assemble_results
from astran.results.codec import results_from_json, results_to_json

PATH = Path(__file__).resolve().parents[2] / "docs" / "results.schema.json"
SCHEMA: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
Data = Callable[[str], Path]


def results(folder: Path, position: tuple[float, float] = (RA, DEC), **values: Any) -> Any:
    """All but the plots."""
    options = Options(
        dl3=(folder,),
        output=Path("unused"),
        name="Crab",
        position=position,
        settings=HighlevelSettings(map_bin=0.1, map_width=2.0),
        **values,
    )
    data = assemble_results(measure_folder(options), options, datetime(2024, 1, 1, tzinfo=UTC))
    return json.loads(json.dumps(results_to_json(data)))


def check(data: dict[str, Any]) -> None:
    """Valid, and the same after it is read and written again."""
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    again, faults = results_from_json(data)
    assert faults == {}
    assert results_to_json(again) == data


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_night_without_irfs(tmp_path: Path) -> None:
    write_night(tmp_path / "dl3")
    write_run(tmp_path / "dl3", 15999, change=lambda hdus: hdus.pop("GTI"))
    data = results(tmp_path / "dl3")
    check(data)
    assert set(data) == set(SCHEMA["properties"])
    assert len(data["excluded"]) == 1


def test_hardly_anything_with_its_plots(tmp_path: Path) -> None:
    write_run(tmp_path / "dl3", 1, background=3, signal=0)
    options = Options(
        dl3=(tmp_path / "dl3",),
        output=tmp_path / "out",
        name="Crab",
        position=(RA, DEC),
        settings=HighlevelSettings(map_bin=0.1, map_width=2.0),
    )
    analyse(options)
    data = json.loads((tmp_path / "out" / "results.json").read_text())
    check(data)
    assert len(data["plots"]) == 8
    for key in ("stacked", "map", "warnings", "diagnostics"):
        with pytest.raises(jsonschema.ValidationError):
            check({name: value for name, value in data.items() if name != key})


def test_real_nights(public_data: Data) -> None:
    data = results(public_data("magic/rad_max"))
    check(data)
    assert data["spectrum"]["models"]
    assert data["diagnostics"]["irf"]
    place = (187.27915345, 2.05238857)
    weak = results(public_data("hess-dl3-dr1"), place, theta_cut=0.11)
    check(weak)
    assert weak["spectrum"]["model"] is None
