"""results.json as types: the schema, reading and writing."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from astran.results.codec import FaultKind, results_from_json, results_to_json
from astran.results.document import MissingPart, PartKind
from astran.results.json_schema import schema_text

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "results.schema.json"


def test_the_schema_is_made_from_the_classes() -> None:
    """`make schema` writes it."""
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


def test_an_empty_file_is_read_as_not_known() -> None:
    results, faults = results_from_json({})
    assert math.isnan(results.stacked.n_on) and results.stacked.theta_cut_deg is None
    assert results.runs == () and results.map is None and results.versions == {}
    assert results.spectrum.numbers is None
    assert faults["stacked"] is FaultKind.ABSENT and faults["runs"] is FaultKind.ABSENT


@pytest.mark.parametrize("junk", [None, 3, "text", [None, 3, "x"], {"a": 1}, True, [[]]])
def test_junk_in_every_place_is_named(junk: Any) -> None:
    names = list(results_to_json(results_from_json({})[0]))
    results, faults = results_from_json(dict.fromkeys(names, junk))
    assert results.runs == () and results.plots == ()
    assert "stacked.n_on" in faults or "stacked" in faults
    json.dumps(results_to_json(results), allow_nan=False)


def test_faults_have_a_place_and_a_kind() -> None:
    run = {"obs_id": 2, "n_on": "3", "n_off": None, "alpha": math.nan}
    results, faults = results_from_json({"runs": [run, 7]})
    assert [item.obs_id for item in results.runs] == [2]
    assert faults["runs[0].n_on"] is FaultKind.WRONG_TYPE
    assert faults["runs[0].n_off"] is faults["runs[0].alpha"] is FaultKind.NULL
    assert faults["runs[0].excess"] is FaultKind.ABSENT
    assert faults["runs[1]"] is FaultKind.WRONG_TYPE


def test_unknown_keys_of_a_later_version_are_passed_over() -> None:
    results, _ = results_from_json({"later": 1, "stacked": {"n_on": 3, "later": 2}})
    assert results.stacked.n_on == 3


def test_a_field_with_a_default_is_written_only_where_it_differs() -> None:
    results, _ = results_from_json({"excluded": [{"obs_id": 1, "file": "a", "reason": "b"}]})
    results = replace(results, left_out=(MissingPart(PartKind.PLOT, "theta2", "odd"),))
    data = results_to_json(results)
    assert data["excluded"] == [{"obs_id": 1, "file": "a", "reason": "b"}]
    assert data["left_out"] == [{"kind": "plot", "name": "theta2", "reason": "odd"}]
    assert data["spectrum"] == {"model": None, "reason": None}
    assert data["files"] == {}


def test_a_plot_of_an_older_version_belongs_into_the_mail() -> None:
    results, _ = results_from_json({"plots": [{"name": "theta2"}, {"mail": False}]})
    assert [plot.mail for plot in results.plots] == [True, False]
