"""The launch language: forgiving in spelling, strict in meaning, all problems at once."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astran.launch_language.parser import MAX_PROBLEMS, Parsed, parse, parse_agreeing

BLOCK = "target: Crab\ndate: 20231207\n"
BASE = {"target": "Crab", "date": "2023-12-07"}


def good(text: str) -> dict[str, Any]:
    parsed = parse(text)
    assert not parsed.problems, [str(problem) for problem in parsed.problems]
    return parsed.params


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse(text).problems]


@pytest.mark.parametrize(
    "text",
    [
        BLOCK,
        "date: 20231207\ntarget: Crab",
        "TARGET: Crab\nDATE: 20231207",
        "Source:Crab\nNight:20231207",
        "source name = Crab\nobservation date = 20231207",
        "Target Name : 'Crab'\r\nDate : \"2023-12-07\".\r\n",
        "- target: Crab\n- date: 20231207",
        "• target: Crab\n• date: 20231207",
        "1. target: Crab\n2) date: 20231207",
        "**target:** Crab\n*date*: 20231207",
        "*Target: Crab*\n`date: 20231207`",
        "target\tCrab\ndate\t20231207",
        "target: Crab, date: 20231207",
        "target: Crab; date: 20231207;",
        "{target: Crab, date: 20231207}",
        "target:\nCrab\ndate:\n20231207",
        "target:\n  name: Crab\ndate: 20231207",
        "target.name: Crab\ndate: 20231207",
        "target\uff1a Crab\ndate:\u00a0２０２３１２０７",
        "\ufefftarget: Crab\u200b\n\u200bdate: 20231207",
        "target: “Crab”\ndate: 2023\u20112012\u201107".replace("2012", "12"),
        "target: Crab  # the nebula\ndate: 20231207 # last week",
        f"Dear ASTRAN,\n\nplease analyse this:\n\n{BLOCK}\nThanks: a lot\nTel: +34 91 2\nAlice\n",
        f"{BLOCK}{BLOCK}",
        f"> target: Mrk421\n> date: 20200101\n{BLOCK}",
        f"http://x.example/a\nhttps://target: x\n{BLOCK}",
        f"Confidential: this mail must not be shown to others: never\n\n\n{BLOCK}",
    ],
)
def test_layouts(text: str) -> None:
    assert good(text) == BASE


@pytest.mark.parametrize(
    "date",
    [
        "20231207", "2023-12-07", "2023/12/07", "2023.12.07", "2023-12-7", "7 Dec 2023",
        "07 December 2023", "7th Dec 2023", "7-Dec-2023", "Dec 7, 2023", "December 7th 2023",
        "Thu, 7 Dec 2023", "Thursday 7 December 2023", "7. Dec. 2023", "7Dec2023",
    ],
)  # fmt: skip
def test_dates(date: str) -> None:
    assert good(f"target: Crab\ndate: {date}") == BASE


def test_a_date_that_can_only_be_read_one_way() -> None:
    assert good("target: Crab\ndate: 25/12/2023")["date"] == "2023-12-25"
    assert good("target: Crab\ndate: 12-25-2023")["date"] == "2023-12-25"
    assert good("target: Crab\ndate: 07/07/2023")["date"] == "2023-07-07"


@pytest.mark.parametrize(
    ("date", "reason"),
    [
        ("07/12/2023", "two dates"),
        ("7.12.2023", "two dates"),
        ("20230230", "calendar"),
        ("2023-13-01", "calendar"),
        ("00000000", "calendar"),
        ("19991207", "before any data"),
        ("yesterday", "more than one night"),
        ("2023127", "no date"),
        ("07-12-23", "not a date"),
        ("20231207T120000", "not a date"),
        ("7 Foo 2023", "not a date"),
        ("2023-12/07", "not a date"),
        ("20231207 or 20231208", "not a date"),
        ("", "no value"),
    ],
)
def test_dates_that_cannot_be_used(date: str, reason: str) -> None:
    [problem] = problems(f"target: Crab\ndate: {date}\n\n")
    assert reason in problem


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ("15864", [15864]),
        ("15864, 15865", [15864, 15865]),
        ("15865,15864,15864", [15864, 15865]),
        ("15864 15865", [15864, 15865]),
        ("15864 and 15865", [15864, 15865]),
        ("15864, 15865 & 15866", [15864, 15865, 15866]),
        ("[15864, 15865]", [15864, 15865]),
        ("Run15864, run 15865, RUN_15866", [15864, 15865, 15866]),
        ("15861-15864", [15861, 15862, 15863, 15864]),
        ("15861 – 15863", [15861, 15862, 15863]),
        ("15861..15863", [15861, 15862, 15863]),
        ("15861 to 15863, 15870", [15861, 15862, 15863, 15870]),
        ("Run15861-Run15863", [15861, 15862, 15863]),
        ("015864", [15864]),
        ("all", None),
        ("none", None),
        ("", None),
        ("\n- 15864\n- Run15865\n", [15864, 15865]),
        ("15861, 15862,\n15863", [15861, 15862, 15863]),
        ("15861,\n  15862\n  15863", [15861, 15862, 15863]),
    ],
)
def test_runs(runs: str, expected: list[int] | None) -> None:
    assert good(f"{BLOCK}runs: {runs}\n\nThanks") == {**BASE, "runs": expected}


@pytest.mark.parametrize(
    ("further", "expected"),
    [
        ("15866, 15867", [15864, 15865, 15866, 15867]),
        ("15866 # clouds\n15867 // fine", [15864, 15865, 15866, 15867]),
        ("- run 15866\n- run 15867", [15864, 15865, 15866, 15867]),
        ("and 15866\nto 15868", [15864, 15865, 15866, 15867, 15868]),
        ("15866 (clouds)", [15864, 15865, 15866]),
        ("- 15866 (short, wobble 3)", [15864, 15865, 15866]),
        ("Thanks!", [15864, 15865]),
        ("Tel 0123 4567", [15864, 15865]),
        ("2 nights later came the Moon", [15864, 15865]),
    ],
)
def test_further_lines_of_runs(further: str, expected: list[int]) -> None:
    assert good(f"{BLOCK}runs: 15864, 15865\n{further}\n")["runs"] == expected


@pytest.mark.parametrize(
    ("first", "further", "line"),
    [
        ("15864, 15865,", "15866, 15867, 15868, 15869, 15870, 15871, 15872 (no clouds?)", 4),
        ("15864, 15865", "15866, 15867 (only the first half)", 4),
        ("15864, 15865", "15866 was cloudy", 4),
        ("15864, 15865", "run 15866, perhaps", 4),
        ("15864, 15865,", "not 15866", 4),
        ("15864,", "15865\n15866 (not sure)", 5),
        ("", "15864 (skip it)", 4),
        ("15864 (bad)", "15865", 3),
    ],
)
def test_a_remark_in_a_list_of_runs_is_asked_about(first: str, further: str, line: int) -> None:
    [problem] = problems(f"{BLOCK}runs: {first}\n{further}\n")
    assert problem.startswith(f"line {line}: runs: ")
    assert "no run number" in problem


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ("0", "no run number"),
        ("-5", "no run number"),
        ("15864.5", "no run number"),
        ("1e4", "no run number"),
        ("15864; rm -rf", "no run number"),
        ("15865-15864", "runs backward"),
        ("1-100000", "more than 200"),
        ("999999999999", "no run number"),
        ("Crab", "no run number"),
        ("[]", "names no run"),
        ("0x10", "no run number"),
    ],
)
def test_runs_that_cannot_be_used(runs: str, reason: str) -> None:
    [problem] = problems(f"{BLOCK}runs: {runs}")
    assert reason in problem
    assert problem.startswith("line 3: runs")


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("dl3.theta_cut: 0.2", "dl3.theta_cut", 0.2),
        ("DL3.Theta_Cut: 0.2 deg", "dl3.theta_cut", 0.2),
        ("theta cut: 0.2°", "dl3.theta_cut", 0.2),
        ("theta_cut [deg]: 0.2", "dl3.theta_cut", 0.2),
        ("theta: 12 arcmin", "dl3.theta_cut", 0.2),
        ("gammaness: .7", "dl3.gammaness_cut", 0.7),
        ("dl3.gammaness_cut: 70 %", "dl3.gammaness_cut", 0.7),
        ("gh-efficiency: 8e-1", "dl3.gh_efficiency", 0.8),
        ("intensity_min: 80 p.e.", "dl3.intensity_min", 80.0),
        ("emin: 300 GeV", "highlevel.energy_min", 0.3),
        ("highlevel.energy_max: none", "highlevel.energy_max", None),
        ("off regions: 3", "highlevel.off_regions", 3),
        ("nearest irf: yes", "dl3.nearest_irf", True),
        ("cuts: Energy Dependent", "dl3.cuts", "energy-dependent"),
        ("start: DL3", "start", "dl3"),
        ("folder: magic/rad_max", "folder", "magic/rad_max"),
        ("lstchain: 0.10.4", "lstchain", "0.10.4"),
        ("models: 20230901_v0.10/dec_2276", "dl2.models", "20230901_v0.10/dec_2276"),
        ("ra: 83.63\ndec: 22.01", "ra", 83.63),
        ("RA (deg): 83.63\nDec (deg): +22.01", "dec", 22.01),
        ("ra: 05:34:31.2\ndec: +22 00 52", "ra", 83.63),
        ("ra: 5h34m31.2s\ndec: -22d30m00s", "dec", -22.5),
    ],
)
def test_parameters(line: str, name: str, value: object) -> None:
    found = good(f"{BLOCK}{line}\n")
    assert found[name] == (pytest.approx(value) if isinstance(value, float) else value)
    assert type(found[name]) is type(value)


def test_sections_as_in_the_file() -> None:
    text = f"{BLOCK}dl3:\n  theta_cut: 0.3\n  gammaness_cut: 0.8\nhighlevel:\n  map_width: 3\n"
    assert good(text) == {
        **BASE, "dl3.theta_cut": 0.3, "dl3.gammaness_cut": 0.8, "highlevel.map_width": 3.0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("dl3.theta_cut: 0,2", "Write 0.2"),
        ("dl3.theta_cut: wide", "no number"),
        ("dl3.theta_cut: 0.2 TeV", "unit"),
        ("dl3.theta_cut: nan", "no number"),
        ("dl3.theta_cut: 1e999", "no number"),
        ("dl3.nearest_irf: perhaps", "yes nor no"),
        ("start: dl4", "Did you mean dl"),
        ("lstchain: $(id)", "no version of lstchain"),
        ("folder: ../../etc", "folder"),
        ("models: /etc", "below the site"),
        ("ra: 83.6", "needed beside ra"),
        ("ra: 25:99:00\ndec: 1", "no number"),
    ],
)
def test_parameters_that_cannot_be_used(line: str, reason: str) -> None:
    [problem] = problems(f"{BLOCK}{line}\n")
    assert reason in problem


@pytest.mark.parametrize(
    ("line", "guess"),
    [
        ("targt: Crab", "target"),
        ("dat: 20231207", "date"),
        ("rnus: 15864", "runs"),
        ("gammanes: 0.8", "dl3.gammaness_cut"),
        ("dl3.thetacutt: 0.2", "dl3.theta_cut"),
        ("dl3.tetha_cut: 0.2", "dl3.theta_cut"),
        ("tаrget: Crab", "target"),  # a Cyrillic а
    ],
)
def test_a_misspelt_key_gets_the_nearest_one(line: str, guess: str) -> None:
    found = problems(f"{BLOCK}\n\nsome words\n\n{line}")
    assert len(found) == 1
    assert f"Did you mean '{guess}'?" in found[0]


def test_an_unknown_key_within_the_block_is_no_small_talk() -> None:
    assert len(problems("target: Crab\nfoo: 3\ndate: 20231207")) == 1
    assert len(problems(f"{BLOCK}foo: 3\n")) == 1
    assert problems(f"{BLOCK}\nfoo: 3\n") == []


@pytest.mark.parametrize(
    "target",
    [
        "Сrab",  # a Cyrillic С
        "Cr\u200bab",
        "Cr\u202eab",
        "Cr\x00ab",
        "Cr\x1b[31mab",
        "C\u0301rab",
        "<b>Crab</b>",
        "../Crab",
        "/etc/passwd",
        "Crab; rm -rf /",
        "$(reboot)",
        "`id`x",
        "!!python/object:os.system",
        "&a Crab",
        "*a",
        "{{ config }}",
        "Crab | cat",
        "[Crab, *a]",
        "x" * 61,
        "|",
        ">",
    ],
)
def test_a_target_is_a_plain_name(target: str) -> None:
    assert len(problems(f"target: {target}\ndate: 20231207\n\n")) == 1


@pytest.mark.parametrize(
    "name",
    ["1ES 1959+650", "LS I +61 303", "HESS J0632+057", "Sgr A*", "PKS 2155-304", "W 51", "3C 58",
     "RX J1713.7-3946", "GRB 221009A", "H.E.S.S. J1", "Barnard's star"],
)  # fmt: skip
def test_names_of_sources(name: str) -> None:
    assert good(f"target: {name}\ndate: 20231207")["target"] == name


def test_all_problems_at_once_with_their_lines() -> None:
    found = problems("Hi,\n\nsource: Сrab\ndate: 07/12/2023\nrnus: 1\ntheta cut: big\n")
    assert [problem.split(":")[0] for problem in found] == [f"line {n}" for n in (3, 4, 5, 6)]


def test_what_is_missing_is_said() -> None:
    assert "target: is required" in problems("date: 20231207")[0]
    assert "date: is required" in problems("target: Crab")[0]
    assert not parse("date: 20231207").empty


def test_text_without_a_launch_is_empty() -> None:
    for text in ("", "thanks!", "Hello: you\nTel: 3", "> target: Crab"):
        assert parse(text).empty


def test_a_key_given_twice() -> None:
    assert "given twice" in problems(f"{BLOCK}target: Mrk421\n")[0]
    assert problems(f"{BLOCK}date: 2023-12-07\n") == []
    assert "two launch blocks" in problems(f"{BLOCK}target: Mrk421\ndate: 20231208")[-1]


def test_forms_that_disagree() -> None:
    assert not parse_agreeing([BLOCK, f"*{BLOCK}"]).problems
    assert not parse_agreeing(["See the HTML form.", BLOCK]).problems
    assert parse_agreeing([]).empty
    for other in (f"{BLOCK}runs: 3", "target: Mrk421\ndate: 20231207", "nothing of the kind"):
        assert "different things" in str(parse_agreeing([BLOCK, other]).problems[-1])
    misspelt = f"{BLOCK}gamaness: 0.8\n"
    assert parse(misspelt).corrected
    assert not parse_agreeing([misspelt, BLOCK]).corrected


def test_a_standing_order_has_no_date() -> None:
    for text in ("until 2026-12-31", "Until 31 Dec 2026", "every night until 20261231"):
        assert good(f"target: Crab\nrepeat: {text}") == {
            "target": "Crab", "repeat": "until 2026-12-31"
        }  # fmt: skip
    assert "does not go with" in problems(f"{BLOCK}repeat: until 2026-12-31")[0]
    assert "until when" in problems("target: Crab\nrepeat: daily")[0]
    assert "two dates" in problems("target: Crab\nrepeat: until 7/12/2026")[0]


def test_caps() -> None:
    assert "too long" in problems(BLOCK + "x\n" * 3000)[0]
    assert "too long" in problems(BLOCK + "x" * 200_000)[0]
    many = parse("\n".join(f"target: <{n}>" for n in range(500)))
    assert len(many.problems) == MAX_PROBLEMS + 1


keys = st.sampled_from(
    ["target", "date", "runs", "ra", "dec", "theta", "dl3", "start", "foo", "Tel", "repeat", "тa"]
)
marks = st.sampled_from([":", "=", "：", "\t", " : ", ": *", ": [", ":\n", ": \u202e"])
lines = st.builds(lambda k, m, v: k + m + v, keys, marks, st.text(max_size=40))


@given(st.lists(lines | st.text(max_size=60), max_size=12).map("\n".join))
def test_nothing_raises_and_nothing_launches_half(text: str) -> None:
    parsed = parse(text)
    assert isinstance(parsed, Parsed)
    if not parsed.problems:
        assert {"target", "date"} <= set(parsed.params)
    for value in parsed.params.values():
        assert value is None or isinstance(value, str | int | float | list)


@given(
    st.sampled_from(["Crab", "Mrk 421", "1ES 1959+650"]),
    st.dates(min_value=__import__("datetime").date(2018, 1, 1)),
    st.lists(st.integers(1, 99_999), min_size=1, max_size=20),
    st.permutations(["target", "date", "runs"]),
    st.sampled_from([": ", ":", " = ", "： ", " :\u00a0"]),
    st.booleans(),
)
def test_whatever_the_order_and_typography(
    target: str, date: Any, runs: list[int], order: list[str], mark: str, capitals: bool
) -> None:
    values = {"target": target, "date": date.isoformat(), "runs": ", ".join(map(str, runs))}
    text = "\n".join((k.upper() if capitals else k) + mark + values[k] for k in order)
    assert good(text) == {**values, "runs": sorted(set(runs))}


@pytest.mark.parametrize(
    "text",
    [
        "runs: " + "1," * 40_000,
        "runs:\n" + "1\n" * 1500,
        "runs: 15864,\n" + "15866, " * 500 + "(clouds)",
        ("runs: 15864,\n" + "15866" * 700 + "x\n") * 20,
        ("runs: 1,\n" + " " * 3900 + "x\n") * 20,
        "date: 2023" + " " * 1900 + "1" + " " * 90 + "x",
        "target: a" + ", b: c" * 16_000,
        "target: " + "a, b" * 20_000,
        "target: " + "x:" * 40_000,
        ("runs: " + "1-" * 900 + "\n") * 50,
        ("date: " + "7 " * 1900 + "\n") * 25,
        "a" * 100_000,
        ("aaaaaaaa: b\n") * 2000,
        ("gammaness_cutt: b\n") * 2000,
        ":" * 100_000,
        " " * 100_000,
        ("ra: " + "1" * 1900 + "\n") * 50,
        ("target:" + " " * 3000 + "x\n") * 30,
    ],
)
def test_hostile_text_is_read_in_time(text: str) -> None:
    begin = time.process_time()
    parse(text)
    assert time.process_time() - begin < 10  # linear: well below a second; quadratic: minutes


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0.10.x", "0.10.x"),
        ("v0.12.*", "v0.12.*"),
        ("0.10", "0.10"),
        ("lstchain v0.10.18", "v0.10.18"),
        ("version 0.12", "0.12"),
        ("0.12.0rc1", "0.12.0rc1"),
        ("our_own-env", "our_own-env"),
    ],
)
def test_versions_of_lstchain(written: str, read: str) -> None:
    parsed = parse(f"target: Crab\ndate: 20231207\nlstchain: {written}\n")
    assert not parsed.problems
    assert parsed.params["lstchain"] == read


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (
            "lstchain_config.random_forest_zd_interpolation.interpolate_energy: no",
            "lstchain_config.random_forest_zd_interpolation.interpolate_energy",
            False,
        ),
        ("DataBinning.true_energy_n_bins = 20", "dl3.tool.DataBinning.true_energy_n_bins", 20),
        ("dl3.tool.DL3Cuts.min_theta_cut: 1e-1", "dl3.tool.DL3Cuts.min_theta_cut", 0.1),
        (
            "- EventSelector.filters.length: [0.1, Infinity]",
            "dl3.tool.EventSelector.filters.length",
            [0.1, "inf"],
        ),
        (
            "DataReductionFITSWriter.interp_method: nearest",
            "dl3.tool.DataReductionFITSWriter.interp_method",
            "nearest",
        ),
        ("lstchain_config: {tailcut: {picture_thresh: 6}}", "lstchain_config",
         {"tailcut": {"picture_thresh": 6}}),
        ("DL3Cuts.global_gh_cut: 0.8", "dl3.gammaness_cut", 0.8),
    ],
)  # fmt: skip
def test_parameters_of_lstchain(line: str, name: str, value: object) -> None:
    parsed = parse(f"target: Crab\ndate: 20231207\n{line}\n")
    assert not parsed.problems
    assert parsed.params[name] == value


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lstchain_confg.tailcut.picture_thresh: 6", "lstchain_config.tailcut.picture_thresh"),
        ("lstchain_config: 6", "holds parameters, not a value"),
        ("DL3Cuts.min_theta_cut: [0.1", "bracket closed"),
        ("DL3Cuts.min_theta_cut: " + "[" * 40, "cannot be read"),
        ("DL3Cuts.min_theta_cut: !!python/object:os.system", "cannot be read"),
        ("DL3Cuts.min_theta_cut: &a [*a]", "cannot be read"),
        ("DL3Cuts.min_theta_cut:", "has no value"),
    ],
)
def test_parameters_of_lstchain_that_cannot_be_read(line: str, said: str) -> None:
    parsed = parse(f"target: Crab\ndate: 20231207\n{line}\n")
    assert any(said in str(problem) for problem in parsed.problems), parsed.problems
