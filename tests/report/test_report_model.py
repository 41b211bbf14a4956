"""The report's one-line answer and its tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from astran.base.states import AnalysisState
from astran.config.analysis import Target
from astran.report.formatting import (
    finite_number,
    format_count,
    format_fixed,
    format_livetime,
    format_measured,
)
from astran.report.model import Report
from astran.report.outcomes import RunOutcome, StageLine
from astran.report.tables import number_rows
from astran.results.codec import read_value, results_from_json
from astran.results.document import Results, RunNumbers
from astran.telescopes.lst.settings import Cuts, Dl3Settings, LstConfig, StartLevel

CONFIG = LstConfig(target=Target(name="Crab", ra=83.6331, dec=22.0145), date="20231207")
STACKED = {
    "n_on": 1185,
    "n_off": 972,
    "off_regions": 3,
    "alpha": 1 / 3,
    "excess": 861.0,
    "excess_error": 35.94,
    "significance": 24.34,
    "livetime_h": 1.0234,
    "theta_cut_deg": 0.1414,
    "rate_per_min": 14.02,
    "rate_error": 0.585,
}
NUMBERS = read_value(RunNumbers, STACKED, "", {})
RUNS = tuple(RunOutcome(run, True, numbers=NUMBERS) for run in (15864, 15865, 15866))


def make_results(**parts: Any) -> Results:
    """Results of which some parts are known."""
    return results_from_json(parts)[0]


REPORT = Report(
    "A12",
    AnalysisState.DONE,
    CONFIG,
    "LST-1",
    "a@x.example",
    runs=RUNS,
    results=make_results(stacked=STACKED),
)
FAILED = tuple(RunOutcome(run, False, "dl3", "no memory") for run in (15864, 15865))


class TestHeadline:
    def test_result(self) -> None:
        assert REPORT.headline == "Crab, 2023-12-07: 24.3 sigma in 1.02 h, 3 of 3 runs"

    def test_partial(self) -> None:
        report = replace(REPORT, state=AnalysisState.PARTIAL, runs=(RUNS[0], *FAILED))
        assert report.headline == "Crab, 2023-12-07: 24.3 sigma in 1.02 h, 1 of 3 runs"

    def test_failure_gives_the_most_common_reason(self) -> None:
        odd = RunOutcome(15866, False, "dl2", "node failed")
        report = replace(REPORT, state=AnalysisState.FAILED, runs=(odd, *FAILED), results=None)
        assert report.headline == "Crab, 2023-12-07: failed, 0 of 3 runs: no memory"

    def test_failure_of_the_whole_comes_first(self) -> None:
        report = replace(
            REPORT, state=AnalysisState.FAILED, runs=FAILED, errors=("the disk is full", "x")
        )
        assert report.headline == "Crab, 2023-12-07: failed, 0 of 2 runs: the disk is full"

    def test_failure_without_any_word(self) -> None:
        report = replace(REPORT, state=AnalysisState.FAILED, runs=(), results=None)
        assert report.headline == "Crab, 2023-12-07: failed: the cause is not known"

    def test_short_livetime_is_given_in_minutes(self) -> None:
        short = make_results(stacked={**STACKED, "livetime_h": 0.08})
        assert replace(REPORT, results=short).headline.startswith(
            "Crab, 2023-12-07: 24.3 sigma in 4.8 min, "
        )

    @pytest.mark.parametrize("results", [None, {}, {"stacked": None}, {"stacked": {}}])
    def test_no_significance(self, results: dict[str, object] | None) -> None:
        known = None if results is None else make_results(**results)
        report = replace(REPORT, results=known)
        assert report.headline == "Crab, 2023-12-07: significance not available, 3 of 3 runs"

    def test_cancelled(self) -> None:
        report = replace(REPORT, state=AnalysisState.CANCELLED, runs=())
        assert report.headline == "Crab, 2023-12-07: cancelled"

    def test_is_one_harmless_line(self) -> None:
        target = Target(name="Crab\n\x1b[31mNebula\u202e", ra=1, dec=2)
        report = replace(REPORT, config=CONFIG.model_copy(update={"target": target}))
        assert report.headline.startswith("Crab Nebula, 2023-12-07: ")


class TestNumbers:
    def test_rows(self) -> None:
        rows = {row.label: row.value for row in REPORT.number_rows}
        assert rows == {
            "Significance (Li&Ma)": "24.3 sigma",
            "Excess": "861 ± 36",
            "Livetime": "1.02 h",
            "N_on": "1185",
            "N_off": "972 in 3 OFF regions",
            "alpha": "0.3333",
            "Excess rate": "14.02 ± 0.58 per min",
            "Cuts": "gammaness > 0.7, theta < 0.141 deg, intensity > 50 p.e.",
            "Position (ICRS)": "RA 83.6331 deg, Dec +22.0145 deg",
        }

    def test_sky_map(self) -> None:
        sky = {"peak_significance": 25.1, "peak_offset_deg": 0.0121, "off_mean": -0.021}
        rows = {row.label: row.value for row in number_rows(make_results(map=sky), CONFIG)}
        assert rows["Sky-map peak"] == "25.1 sigma, 0.012 deg from the source"
        assert rows["Sky map off the source"].startswith("mean -0.02, sigma not available")

    def test_what_else_the_results_tell(self) -> None:
        more = {"background_per_min": 5.301, "background_error": 0.17, "energy_min_tev": 0.1}
        results = {
            "stacked": {**STACKED, **more},
            "rate": {"chi2": 1.83, "ndf": 2},
            "runs": [{"zenith_deg": 11.7}, {"zenith_deg": 24.6}, {"zenith_deg": None}],
        }
        rows = {row.label: row.value for row in number_rows(make_results(**results), CONFIG)}
        assert rows["Background rate"] == "5.30 ± 0.17 per min"
        assert rows["Rate from run to run"] == "chi2/ndf = 1.8/2 for a constant"
        assert rows["Energy"] == "reconstructed, > 0.1 TeV"
        assert rows["Zenith distance"] == "12 to 25 deg"


class TestCuts:
    """The mail names the cuts that were made, not merely those that were asked for."""

    def cuts(self, stacked: dict[str, object], **changes: object) -> str:
        rows = number_rows(make_results(stacked=stacked), CONFIG.model_copy(update=changes))
        return next(row.value for row in rows if row.label == "Cuts")

    def test_energy_dependent(self) -> None:
        dl3 = Dl3Settings(cuts=Cuts.ENERGY_DEPENDENT, gh_efficiency=0.8)
        made = {"kind": "energy-dependent", "min_deg": 0.0812, "max_deg": 0.3}
        shown = self.cuts({"theta_cut_deg": None, "theta_cut": made}, dl3=dl3)
        assert shown == (
            "gammaness for 0.8 of the gammas at each energy, theta < 0.0812 to 0.3 deg by energy,"
            " intensity > 50 p.e."
        )

    def test_dl3_of_others_has_cuts_of_its_own(self) -> None:
        shown = self.cuts({"theta_cut_deg": 0.1}, start=StartLevel.DL3)
        assert shown == "theta < 0.1 deg; gammaness and intensity as in the DL3 files"

    def test_unknown(self) -> None:
        assert self.cuts({}).startswith("gammaness > 0.7, theta < 0.2 deg")
        assert self.cuts({}, start=StartLevel.DL3).startswith("theta cut not available")


class TestWords:
    @pytest.mark.parametrize("value", [None, "7", float("nan"), float("inf"), True, [1], {}])
    def test_what_is_no_number_is_not_available(self, value: object) -> None:
        assert finite_number(value) is None
        assert format_fixed(value, 2, "h") == format_count(value) == "not available"
        assert format_measured(value, 1.0) == format_livetime(value) == "not available"

    @pytest.mark.parametrize(
        ("value", "error", "expected"),
        [
            (861.4, 35.9, "861 ± 36"),
            (14.021, 0.585, "14.02 ± 0.58"),
            (12345.6, 432.1, "12346 ± 432"),
            (0.12341, 0.00123, "0.1234 ± 0.0012"),
            (5.0, None, "5"),
            (5.0, 0.0, "5"),
            (-3.2, 2.4, "-3.2 ± 2.4"),
        ],
    )
    def test_measured(self, value: float, error: float | None, expected: str) -> None:
        assert format_measured(value, error) == expected

    def test_no_minus_zero(self) -> None:
        assert format_fixed(-0.0, 1) == "0.0"


class TestTables:
    def test_runs_in_order_with_failures_told(self) -> None:
        report = replace(REPORT, runs=(RUNS[2], FAILED[1], RUNS[0]))
        table = report.run_table
        assert [row.cells[0] for row in table.rows] == ["15864", "15865", "15866"]
        assert table.rows[0].cells == ("15864", "24.3", "861 ± 36", "61.4 min", "1185", "972")
        assert table.rows[1].remark == "failed at dl3: no memory"
        assert not table.rows[1].ok

    def test_absent_numbers_of_a_run_are_dashes(self) -> None:
        bare = RunOutcome(1, True, numbers=read_value(RunNumbers, {"n_on": 3}, "", {}))
        [row] = replace(REPORT, runs=(bare,)).run_table.rows
        assert row.cells == ("1", "–", "–", "–", "3", "–")

    def test_without_any_number_the_table_has_none(self) -> None:
        table = replace(REPORT, runs=FAILED).run_table
        assert table.columns == ("Run", "Outcome")
        assert table.rows[0].cells == ("15864", "failed at dl3: no memory")

    def test_stages(self) -> None:
        stages = (
            StageLine("dl2", 3, 1, 1, 1, 5, 100.0, 6210.0),
            StageLine("dl3", 2, wall_s=None, max_rss_mb=410.0),
        )
        rows = replace(REPORT, stages=stages).stage_table.rows
        assert rows[0].cells == (
            *("dl2", "1 done, 1 reused, 1 failed", "5", "1 min 40 s", "6.2 GB"),
        )
        assert not rows[0].ok
        assert rows[1].cells == ("dl3", "2 not run", "0", "–", "410 MB")

    def test_times_are_shown_in_utc(self) -> None:
        start = datetime(2023, 12, 8, 10, 0, tzinfo=timezone(timedelta(hours=1)))
        report = replace(REPORT, received=start, ended=datetime(2023, 12, 8, 9, 14, tzinfo=UTC))
        rows = {row.label: row.value for row in report.time_rows}
        assert rows == {
            "Received": "2023-12-08 09:00:00 UTC",
            "Ended": "2023-12-08 09:14:00 UTC",
            "From mail to result": "14 min 00 s",
        }


class TestSpectrumRows:
    SPECTRUM = {
        "model": "log-parabola",
        "parameters": {"amplitude": 4.32e-11, "alpha": 2.585, "beta": 0.195},
        "errors": {"amplitude": 3.3e-12, "alpha": 0.1, "beta": 0.052},
        "energy_min_tev": 0.0891,
        "energy_max_tev": 28.2,
        "crab": {"value": 1.266, "error": 0.055, "upper_limit": 1.38, "is_limit": False},
    }

    def facts(self, **changes: object) -> dict[str, str]:
        results = {"stacked": STACKED, "spectrum": {**self.SPECTRUM, **changes}}
        return dict(fact.pair for fact in number_rows(make_results(**results), CONFIG))

    def test_flux_and_model(self) -> None:
        facts = self.facts()
        assert facts["Flux"] == "1.266 ± 0.055 Crab, from 0.0891 to 28.2 TeV"
        assert facts["Spectrum"] == (
            "log-parabola, (4.32 ± 0.33)e-11 cm-2 s-1 TeV-1 at 1 TeV, alpha 2.58 ± 0.10, "
            "beta 0.195 ± 0.052"
        )

    def test_a_weak_source_has_a_limit(self) -> None:
        crab = {"value": 0.01, "error": 0.02, "upper_limit": 0.052, "is_limit": True}
        facts = self.facts(model=None, parameters={}, errors={}, crab=crab)
        assert facts["Flux"] == "below 0.052 Crab (95 %), from 0.0891 to 28.2 TeV"
        assert "Spectrum" not in facts

    def test_without_a_spectrum_nothing_is_said(self) -> None:
        facts = dict(fact.pair for fact in number_rows(make_results(stacked=STACKED), CONFIG))
        assert not {"Flux", "Spectrum"} & set(facts)
