"""What a requester gets from an archive with all that is wrong with archives, case by case."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from archive_fixtures import ArchiveHouse
from simulated_archive import NEW, OLD, truncate, without_events, write_check

from astran.base.states import AnalysisState
from astran.base.tasks import Stage
from astran.cli.main import main
from astran.service.reporting.overview import describe_analysis

pytestmark = [pytest.mark.lstchain]


def test_of_two_versions_the_newest_is_taken_and_said(house: ArchiveHouse) -> None:
    number = house.launch("20231213")
    assert house.end(number).state is AnalysisState.DONE
    assert house.runs_of(Stage.DL3) == [100, 101]
    dl2 = [task for task in house.scheduler.done if task.stage is Stage.DL2]
    assert all(f"/{NEW}/" in task.inputs[0] for task in dl2), "v0.10 is newer than v0.9"
    ((kind, text),) = house.letters(number)
    assert kind == "report"
    assert "DL1 v0.10 taken, the newest of v0.9, v0.10." in text
    assert "Quality not known, and not judged, of any run: " in text


def test_subruns_are_packed_and_put_together(house: ArchiveHouse) -> None:
    number = house.launch("20231214")
    assert house.end(number).state is AnalysisState.DONE
    dl2 = [task for task in house.scheduler.done if task.stage is Stage.DL2]
    (pack,) = [task for task in dl2 if task.run is None]
    assert len(pack.outputs) == 6, "few and small subruns: one task for all of both runs"
    assert [task.run for task in dl2 if task.run] == [200, 201]
    assert [task.needs for task in dl2 if task.run] == [(pack.key,)] * 2
    assert house.runs_of(Stage.DL3) == [200, 201]
    assert "DL1 of subruns: 6 files in 1 task;" in house.letters(number)[0][1]


def test_a_subrun_that_never_comes(house: ArchiveHouse) -> None:
    (path,) = house.archive.root.glob("DL1/20231214/*/*/dl1_LST-1.Run00201.0001.h5")
    path.unlink()
    house.clock.time = datetime(2023, 12, 15, 9, tzinfo=UTC)
    number = house.launch("20231214")
    house.tick(6)
    assert house.state(number).state is AnalysisState.WAITING
    assert house.runs_of(Stage.DL3) == [200], "a complete run does not wait for the others"
    ((kind, text),) = house.letters(number)
    assert kind == "waiting"
    assert "Run 201: 1 of 3 subruns have no DL1 yet" in text
    house.clock.time += timedelta(days=3)
    assert house.end(number).state is AnalysisState.DONE
    assert house.runs_of(Stage.DL3) == [200, 201]
    kinds = house.kinds(number)
    assert kinds == ["waiting", "report"], "all runs are there at last: no word at the deadline"
    assert (
        "Run 201: 1 of 3 subruns have no DL1 yet; it is analysed without them."
        in (house.letters(number)[-1][1])
    )


def test_a_missing_run_that_comes(house: ArchiveHouse) -> None:
    house.clock.time = datetime(2023, 12, 16, 9, tzinfo=UTC)
    number = house.launch("20231215")
    house.tick(6, timedelta(minutes=1))
    assert house.state(number).state is AnalysisState.WAITING
    assert house.runs_of(Stage.DL3) == [300]
    house.archive.files("20231215", 301)
    house.tick(1, timedelta(minutes=6))
    assert house.end(number).state is AnalysisState.DONE
    assert house.runs_of(Stage.DL2) == [300, 301], "nothing twice"
    assert house.kinds(number) == ["waiting", "report"]
    assert "Runs whose data are complete start now: 300." in house.letters(number)[0][1]


def test_a_missing_run_that_does_not_come(house: ArchiveHouse) -> None:
    house.clock.time = datetime(2023, 12, 16, 9, tzinfo=UTC)
    number = house.launch("20231215")
    house.tick(3)
    house.clock.time += timedelta(days=3)
    assert house.end(number).state is AnalysisState.PARTIAL
    assert house.kinds(number) == ["waiting", "deadline", "report"]
    assert "Run 301: no DL1 yet." in house.letters(number)[1][1]
    assert "301" in house.letters(number)[2][1]


def test_all_or_nothing_if_the_request_says_so(house: ArchiveHouse) -> None:
    house.clock.time = datetime(2023, 12, 16, 9, tzinfo=UTC)
    number = house.launch("20231215", waiting={"at_deadline": "expire", "hours": 4})
    house.tick()
    house.clock.time = datetime(2023, 12, 16, 15, 55, tzinfo=UTC)
    house.tick()
    assert house.state(number).state is AnalysisState.WAITING
    assert house.scheduler.done == [], "no run starts before all are there"
    house.clock.time = datetime(2023, 12, 16, 16, 1, tzinfo=UTC)  # four hours after noon
    assert house.end(number).state is AnalysisState.EXPIRED
    assert house.kinds(number) == ["waiting", "report"]
    first, last = (text for _, text in house.letters(number))
    assert "It waits until 2023-12-16 16:00" in first
    assert "run 301: no DL1 yet" in last
    assert "`waiting.at_deadline: expire`" in last


def test_nothing_at_the_deadline_expires(house: ArchiveHouse) -> None:
    house.clock.time = datetime(2023, 12, 16, 9, tzinfo=UTC)
    number = house.launch("20231215", runs=[301])
    for _ in range(3):
        house.tick(1, timedelta(minutes=6))
    assert house.kinds(number) == ["waiting"], "told once"
    house.clock.time += timedelta(days=3)
    assert house.end(number).state is AnalysisState.EXPIRED
    assert house.kinds(number) == ["waiting", "report"]
    assert "301" in house.state(number).reason


def test_an_old_night_without_data_is_answered_at_once(house: ArchiveHouse) -> None:
    house.clock.time = datetime(2024, 1, 20, 9, tzinfo=UTC)
    number = house.launch("20231215", runs=[301])
    house.tick()
    assert house.state(number).state is AnalysisState.FAILED
    assert house.kinds(number) == ["report"]


def test_a_truncated_file_is_waited_for_and_replaced(house: ArchiveHouse) -> None:
    path = house.file(401)
    whole_one = path.read_bytes()
    truncate(path)
    house.clock.time = datetime(2023, 12, 17, 9, tzinfo=UTC)
    number = house.launch("20231216")
    house.tick()
    ((kind, text),) = house.letters(number)
    assert kind == "waiting"
    assert "Run 401: its DL1 file is broken: it is truncated" in text
    path.write_bytes(whole_one)
    house.archive.age(path, "20231216", 7.5)
    house.tick(1, timedelta(minutes=6))
    assert house.end(number).state is AnalysisState.DONE
    assert sorted(house.runs_of(Stage.DL3), key=str) == [400, 401, 402, 403]


def test_a_growing_file_is_left_alone_until_it_rests(house: ArchiveHouse) -> None:
    path = house.file(402)
    house.clock.time = datetime(2023, 12, 17, 9, tzinfo=UTC)
    now = house.clock.time.timestamp()
    os.utime(path, (now - 5, now - 5))
    number = house.launch("20231216")
    house.tick(5)
    assert 402 not in house.runs_of(Stage.DL2)
    assert "Run 402: its DL1 file is still being written" in house.letters(number)[0][1]
    house.tick(1, timedelta(minutes=6))
    assert house.end(number).state is AnalysisState.DONE
    assert 402 in house.runs_of(Stage.DL3)


def test_a_file_that_is_being_copied_is_waited_for(house: ArchiveHouse) -> None:
    """It is there, but still empty; what rsync writes beside it has no name of DL1."""
    path = house.file(402)
    content = path.read_bytes()
    (path.parent / f".{path.name}.Xa81ds").write_bytes(content[:100_000])
    path.write_bytes(b"")
    house.archive.age(path, "20231216")
    house.clock.time = datetime(2023, 12, 17, 9, tzinfo=UTC)
    number = house.launch("20231216")
    house.tick(3)
    assert house.state(number).state is AnalysisState.WAITING
    assert house.state(number).left_out == ((402, "its DL1 file is still empty"),)
    assert "Run 402: its DL1 file is still empty" in house.letters(number)[0][1]
    assert "waits for run 402" in _words(house, number)
    path.write_bytes(content)
    house.archive.age(path, "20231216", 8.0)
    house.tick(1, timedelta(minutes=6))
    assert house.end(number).state is AnalysisState.DONE
    assert house.runs_of(Stage.DL3).count(402) == 1


def _words(house: ArchiveHouse, number: int) -> str:
    """What `astran show` says of it."""
    analysis = house.state(number)
    with house.context.db.begin() as db:
        found = describe_analysis(house.context, db, analysis)
    assert found["left_out"] == [] and found["awaited"]
    return str(found["words"])


def test_of_two_cleanings_the_one_written_last_is_taken_and_said(house: ArchiveHouse) -> None:
    first = house.file(101)
    second = Path(str(first).replace("tailcut84", "tailcut1005"))
    second.parent.mkdir()
    shutil.copy(first, second)
    house.archive.age(second, "20231213", 9.0)
    number = house.launch("20231213")
    assert house.end(number).state is AnalysisState.DONE
    text = house.letters(number)[0][1]
    assert "(100: tailcut84, 101: tailcut1005)" in text


def test_the_data_check_of_a_run_tells_its_nsb_level(house: ArchiveHouse) -> None:
    for run, spread in ((100, 1.6), (101, 2.9)):
        folder = house.file(run).parent / "datacheck"
        write_check(folder / f"datacheck_dl1_LST-1.Run{run:05d}.h5", [spread])
    number = house.launch("20231213", quality={"nsb_max": 2.3})
    assert house.end(number).state is AnalysisState.PARTIAL
    assert house.runs_of(Stage.DL2) == [100]
    text = house.letters(number)[0][1]
    assert "pedestal charge spread 2.90 p.e. is above 2.3 (quality.nsb_max)" in text


def test_a_time_stamp_in_the_future_holds_nothing_up(house: ArchiveHouse) -> None:
    path = house.file(402)
    house.clock.time = datetime(2023, 12, 17, 9, tzinfo=UTC)
    ahead = house.clock.time.timestamp() + 1e6
    os.utime(path, (ahead, ahead))
    number = house.launch("20231216")
    house.tick(2)
    assert house.state(number).state is AnalysisState.WAITING
    house.tick(1, timedelta(minutes=6))
    assert house.end(number).state is AnalysisState.DONE


def test_a_file_without_events_is_left_out_at_once(house: ArchiveHouse) -> None:
    without_events(house.file(400))
    house.clock.time = datetime(2023, 12, 17, 9, tzinfo=UTC)
    number = house.launch("20231216")
    assert house.end(number).state is AnalysisState.PARTIAL
    assert house.kinds(number) == ["report"], "waiting would not help"
    assert "its DL1 file holds no events" in house.letters(number)[0][1]


def test_a_broken_newest_version_gives_way_to_the_older_in_the_end(house: ArchiveHouse) -> None:
    truncate(house.file(403))
    house.clock.time = datetime(2023, 12, 25, 9, tzinfo=UTC)
    number = house.launch("20231216", runs=[403])
    assert house.end(number).state is AnalysisState.DONE
    (dl2,) = [task for task in house.scheduler.done if task.stage is Stage.DL2]
    assert f"/{OLD}/" in dl2.inputs[0]
    text = house.letters(number)[0][1]
    assert "because of v0.10 tailcut84 its DL1 file is broken: it is truncated" in text


def test_nothing_usable_at_all_is_answered_with_the_reasons(house: ArchiveHouse) -> None:
    for run in (400, 401, 402):
        truncate(house.file(run))
    house.clock.time = datetime(2023, 12, 25, 9, tzinfo=UTC)
    number = house.launch("20231216", runs=[400, 401, 402])
    assert house.end(number).state is AnalysisState.FAILED
    assert house.scheduler.done == [], "no computing"
    assert "run 401: its DL1 file is broken: it is truncated" in house.letters(number)[0][1]


def test_weather_and_moon_are_told_before_the_computing(house: ArchiveHouse) -> None:
    house.archive.datacheck("20231217", {500: (1.7, 1.8), 501: (3.1, 1.8), 502: (1.7, 0.9)})
    number = house.launch("20231217", quality={"nsb_max": 2.3})
    assert house.end(number).state is AnalysisState.PARTIAL
    assert house.runs_of(Stage.DL2) == [500]
    text = house.letters(number)[0][1]
    assert "pedestal charge spread 3.10 p.e. is above 2.3 (quality.nsb_max)" in text
    assert "rate at 422 p.e. 0.90 /s/p.e. is below 1.5 (quality.rate_422_min)" in text
    assert "relative to the night 0.1" in text or "relative to the night 0.2" in text
    assert "`quality.apply: no`" in text
    assert "not judged, of runs 503: pedestal charge spread" in text
    again = house.launch("20231217", quality={"apply": False, "nsb_max": 2.3})
    assert house.end(again).state is AnalysisState.DONE
    assert house.runs_of(Stage.DL2)[1:] == [501, 502, 503], "500 is reused"
    assert "kept, as quality.apply is no" in house.letters(again)[0][1]


def test_without_tables_runs_are_told_by_where_they_pointed(house: ArchiveHouse) -> None:
    shutil.rmtree(house.archive.root / "monitoring")
    number = house.launch("20231215")
    assert house.end(number).state is AnalysisState.DONE
    # what is called Mrk 421 here is cut from the Crab
    assert house.runs_of(Stage.DL3) == [300, 302]
    assert (
        "No RunCatalog: runs of Crab are those that pointed within 1.5 deg"
        in (house.letters(number)[0][1])
    )
    other = house.launch("20231215", "Mrk421")
    assert house.end(other).state is AnalysisState.FAILED
    assert "No run of the night 2023-12-15 pointed at Mrk 421" in house.letters(other)[0][1]


def test_a_source_that_was_not_observed(house: ArchiveHouse) -> None:
    number = house.launch("20231214", "Mrk421")
    assert house.end(number).state is AnalysisState.FAILED
    assert "the RunCatalog lists Crab" in house.letters(number)[0][1]


def test_a_person_can_see_what_astran_sees(
    house: ArchiveHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truncate(house.file(401))
    without_events(house.file(400))
    # written just now, by the clock of this machine
    house.file(402).touch()
    site = tmp_path / "site.yml"
    site.write_text(yaml.safe_dump(house.context.site.model_dump(mode="json", exclude={"mail"})))
    words = ["--night", "2023-12-16", "--night", "20231215", "--target", "Crab"]
    assert main(["catalogue", *words, "--json", "--site", str(site)]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    states = {run: row["state"] for run, row in rows.items()}
    assert states == {
        300: "complete",
        301: "missing",
        400: "empty",
        401: "broken",
        402: "growing",
        403: "complete",
    }
    assert "truncated" in rows[401]["reason"]
    assert (rows[403]["version"], rows[403]["versions"]) == (NEW, [OLD, NEW])
    assert rows[403]["folder"] == str(house.file(403).parent)
    assert rows[403]["offset_deg"] == pytest.approx(0.4, abs=0.02)
    assert abs(rows[300]["wobble_deg"] - rows[403]["wobble_deg"]) == pytest.approx(180, abs=2)
    assert 2 < rows[300]["livetime_s"] < 4
    assert 10 < rows[300]["zenith_deg"] < 30
    assert main(["catalogue", "--site", str(site)]) == 0
    shown = capsys.readouterr().out
    assert "Mrk421" in shown
    assert "unseen" in shown, "without a night named, nothing is opened"
    assert "0.40°" in shown, "what is known of other nights is remembered"
    assert main(["catalogue", "--night", "20231213", "--json", "--site", str(site)]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    assert {run: row["pair"] for run, row in rows.items()} == {100: 101, 101: 100, 102: None,
                                                               103: None}  # fmt: skip
    assert rows[100]["offset_deg"] == pytest.approx(0.4, abs=0.02), "of the source it observed"
    assert rows[102]["offset_deg"] > 5, "what is called Mrk 421 here is cut from the Crab"
