"""Two results: what is put down to what, and pulls of fluxes that share events."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astran.cli.main import main
from astran.config.analysis import Target
from astran.database import analyses
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.highlevel.comparison.compare_sides import Comparison, compare_sides
from astran.highlevel.comparison.comparison_text import (
    comparison_lines,
    comparison_to_json,
    summary_line,
)
from astran.highlevel.comparison.results_difference import correlated_pull, count_correlation
from astran.highlevel.comparison.sides import ComparedSide, read_side
from astran.results.codec import results_from_json
from astran.service.provenance.origin_record import read_origin
from astran.telescopes.lst.settings import LstConfig

NIGHT = "20231207"


def run_numbers(obs_id: int, **other: Any) -> dict[str, Any]:
    counts = {"n_on": 100, "n_off": 60, "livetime_h": 0.3}
    return {"obs_id": obs_id, "file": f"{obs_id}.fits", "night": NIGHT, **counts, **other}


def results(**other: Any) -> dict[str, Any]:
    cut = {"kind": "fixed", "origin": "irf", "max_deg": 0.2, "typical_deg": 0.2}
    stacked = {"theta_cut_deg": 0.2, "off_regions": 3, "significance": 20.0, "theta_cut": cut}
    stacked |= other.pop("stacked", {})
    return {
        "target": {"name": "Crab", "ra_deg": 83.63, "dec_deg": 22.01},
        "night": NIGHT,
        "versions": {"astran": "0.2.0", "lstchain": "0.10.12"},
        "stacked": stacked,
        "runs": [run_numbers(1), run_numbers(2)],
        "excluded": [],
        "light_curve": light_curve(1.0e-10),
        **other,
    }


def light_curve(flux: float, low: float = 0.1) -> dict[str, Any]:
    night = {"label": NIGHT, "flux": flux, "flux_error": 0.1e-10}
    return {"energy_min_tev": low, "energy_max_tev": 10.0, "nights": [night]}


def compare(old: dict[str, Any], new: dict[str, Any], /, **records: Any) -> Comparison:
    sides = [
        ComparedSide(name, results_from_json(data)[0], record=records.get(name, {}))
        for name, data in (("old", old), ("new", new))
    ]
    return compare_sides(*sides)


def kinds(found: Comparison) -> dict[str, str]:
    return {one.kind.value: one.attribution for one in found.changes}


OTHER: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing": ({}, {}),
    "theta cut": ({"stacked": {"theta_cut_deg": 0.15}}, {"cut": "cuts"}),
    "least energy": ({"stacked": {"energy_min_tev": 0.2}}, {"cut": "cuts"}),
    "OFF regions": ({"stacked": {"off_regions": 5}}, {"settings": "settings"}),
    "target": (
        {"target": {"name": "Crab", "ra_deg": 83.73, "dec_deg": 22.01}},
        {"target": "settings"},
    ),
    "version": (
        {"versions": {"astran": "0.2.0", "lstchain": "0.11.0"}},
        {"software": "software"},
    ),
    "version, and counts with it": (
        {
            "versions": {"astran": "0.2.0", "lstchain": "0.11.0"},
            "runs": [run_numbers(1), run_numbers(2, n_on=120)],
        },
        {"software": "software"},
    ),
    "a run less": ({"runs": [run_numbers(1)]}, {"runs": "data"}),
    "counts alone": (
        {"runs": [run_numbers(1), run_numbers(2, n_on=101)]},
        {"results": "unexplained"},
    ),
    "counts beside a run less": (
        {"runs": [run_numbers(1, n_on=101)]},
        {"runs": "data", "results": "unexplained"},
    ),
    "livetime alone": (
        {"runs": [run_numbers(1, livetime_h=0.31), run_numbers(2)]},
        {"results": "unexplained"},
    ),
    "significance alone": ({"stacked": {"significance": 19.0}}, {"results": "unexplained"}),
}


@pytest.mark.parametrize("case", OTHER)
def test_what_two_results_tell(case: str) -> None:
    other, expected = OTHER[case]
    assert kinds(compare(results(), results(**other))) == expected


def test_why_a_run_is_not_there_any_more_is_told() -> None:
    gone = {"obs_id": 2, "file": "2.fits", "reason": "it is truncated."}
    found = compare(results(), results(runs=[run_numbers(1)], excluded=[gone]))
    assert "Run 2 was left out of new: it is truncated." in found.notes


def test_fluxes_of_other_energies_are_not_compared() -> None:
    found = compare(results(), results(light_curve=light_curve(2e-10, low=0.2)))
    assert found.nights[0].flux is None
    assert any("other energies" in note for note in found.notes)


def test_without_events_there_is_no_pull() -> None:
    flux = compare(results(), results(light_curve=light_curve(1.1e-10))).nights[0].flux
    assert flux is not None
    assert flux.shift == pytest.approx(0.1)
    assert (flux.correlation, flux.pull) == (None, None)


# ---- provenance ----------------------------------------------------------------------------------

RECORD = {
    "data": {"dl1_1.h5": "1 byte"},
    "models": {"reg.sav": "a"},
    "software": {"lstchain": "0.10"},
    "cuts": {"dl3.gammaness_cut": "0.7"},
    "settings": {"nsb": "1"},
}


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("data", {"dl1_1.h5": "2 bytes"}, "data"),
        ("data", {}, "data"),
        ("models", {"reg.sav": "b"}, "models"),
        ("software", {"lstchain": "0.11"}, "software"),
        ("cuts", {"dl3.gammaness_cut": "0.8"}, "cut"),
        ("settings", {"nsb": "2"}, "settings"),
    ],
)
def test_what_provenance_records_is_named(name: str, values: dict[str, str], kind: str) -> None:
    found = compare(results(), results(), old=RECORD, new={**RECORD, name: values})
    assert list(kinds(found)) == [kind]
    assert kinds(compare(results(), results(), old=RECORD, new=RECORD)) == {}


def test_the_record_of_an_analysis(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'astran.sqlite'}")
    now = datetime(2023, 12, 8, 9, tzinfo=UTC)
    target = Target(name="Crab", ra=83.6, dec=22.0)
    config = LstConfig(target=target, date=NIGHT, dl3={"gammaness_cut": 0.8})
    with db.begin() as connection:
        made = analyses.create_analysis(
            connection, now, RequestOrigin(), config.label, config.plain(), tmp_path, ""
        )
        analyses.change_analysis(connection, made.id, versions=[["lstchain", "0.10.12"]])
        origin = read_origin(connection, made.id)
    assert (origin.name, origin.dl3, origin.argv) == ("A1", (), ())
    assert origin.record["cuts"]["dl3.gammaness_cut"] == "0.8"
    assert origin.record["software"] == {"lstchain": "0.10.12"}
    assert not any("Crab" in value for value in origin.record["settings"].values())


# ---- pulls ---------------------------------------------------------------------------------------


def test_the_pull_of_a_part_is_that_of_barlow() -> None:
    """hep-ex/0207026, section 5: the variance is the difference of the variances."""
    n_old, n_new = 1000, 640
    errors = 1 / math.sqrt(n_old), 1 / math.sqrt(n_new)
    rho = count_correlation(n_old, n_new, n_new)
    assert rho is not None
    pull = correlated_pull(1.0, errors[0], 1.02, errors[1], rho)
    assert pull == pytest.approx(0.02 / math.sqrt(errors[1] ** 2 - errors[0] ** 2))


def test_the_pull_of_independent_values_is_the_plain_one() -> None:
    assert correlated_pull(1.0, 0.3, 2.0, 0.4, 0.0) == pytest.approx(2.0)


def test_the_same_events_have_no_pull() -> None:
    assert count_correlation(500, 500, 500) == 1.0
    assert correlated_pull(1.0, 0.1, 1.05, 0.1, 1.0) is None


def test_pulls_of_samples_that_overlap_have_width_one() -> None:
    rng = np.random.default_rng(5)
    common, old, new = (rng.poisson(mean, 4000) for mean in (300, 100, 200))
    pulls, plain = [], []
    for both, one, other in zip(common, old, new, strict=True):
        counts = int(both + one), int(both + other)
        values = counts[0] / 400, counts[1] / 500
        errors = math.sqrt(counts[0]) / 400, math.sqrt(counts[1]) / 500
        rho = count_correlation(*counts, int(both))
        assert rho is not None
        pull = correlated_pull(values[0], errors[0], values[1], errors[1], rho)
        assert pull is not None
        pulls.append(pull)
        plain.append((values[1] - values[0]) / math.hypot(*errors))
    assert float(np.std(pulls)) == pytest.approx(1.0, abs=0.05)
    assert float(np.std(plain)) < 0.75


# ---- the command ---------------------------------------------------------------------------------


def write_results(folder: Path, data: dict[str, Any]) -> str:
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(data))
    return str(folder)


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = write_results(tmp_path / "old", results())
    other = {"stacked": {"theta_cut_deg": 0.1}, "versions": {"astran": "\x1b[31m9"}}
    new = write_results(tmp_path / "new", results(**other))
    assert main(["compare", old, old]) == 0
    assert capsys.readouterr().out.startswith("SAME")
    output = tmp_path / "out"
    assert main(["compare", old, new, "--output", str(output)]) == 1
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "DIFFERENT: software, cut; by results alone."
    assert "\x1b" not in shown
    assert (output / "comparison.txt").read_text() == shown
    assert main(["compare", old, new, "--json"]) == 1
    plain = json.loads(capsys.readouterr().out)
    assert plain == json.loads((output / "comparison.json").read_text())
    assert (plain["schema"], plain["same"]) == ("astran-comparison-1", False)
    assert [one["attribution"] for one in plain["changes"]] == ["software", "cuts"]
    (tmp_path / "empty").mkdir()
    for word in ("empty", "nowhere"):
        assert main(["compare", old, str(tmp_path / word)]) == 2
    (tmp_path / "old" / "results.json").write_text("{")
    assert main(["compare", old, new]) == 2


def test_the_first_line_has_eighty_columns() -> None:
    many = {one: f"{one}-2" for one in RECORD}
    changed = {name: {"value": other} for name, other in many.items()}
    before = {name: {"value": "1"} for name in many}
    new = results(runs=[run_numbers(1)], stacked={"theta_cut_deg": 0.1, "off_regions": 5})
    found = compare(results(), new, old=before, new=changed)
    assert len(found.changes) > 6
    assert len(summary_line(found)) <= 80
    assert all(len(line) <= 80 for line in comparison_lines(found))
    assert json.dumps(comparison_to_json(found), allow_nan=False)


def test_the_dl3_of_results_is_found_beside_them(tmp_path: Path) -> None:
    write_results(tmp_path / "results", results())
    (tmp_path / "DL3").mkdir()
    (tmp_path / "DL3" / "dl3_LST-1.Run00001.fits").write_bytes(b"no FITS")
    for folder in (tmp_path, tmp_path / "results"):
        side = read_side("x", folder)
        assert side.results is not None
        assert list(side.unreadable) == ["dl3_LST-1.Run00001.fits"]
