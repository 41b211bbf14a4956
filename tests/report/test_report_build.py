"""Reading results.json, and packing logs."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path

import pytest

from astran.report.result_files import entries_by_run, pack_logs, read_results
from astran.results.codec import results_from_json


def write(folder: Path, data: object) -> None:
    (folder / "results.json").write_text(json.dumps(data))


class TestResults:
    def test_all_there(self, tmp_path: Path) -> None:
        (tmp_path / "theta2.png").write_bytes(b"png")
        plot = {"name": "theta2", "file": "theta2.png", "title": "theta2", "alt": "A peak."}
        write(
            tmp_path,
            {
                "stacked": {"significance": 24.3},
                "plots": [plot],
                "warnings": ["few OFF events"],
                "versions": {"gammapy": "1.3"},
                "simulated": True,
            },
        )
        found = read_results(tmp_path)
        assert found.results is not None and found.results.stacked.significance == 24.3
        assert [(p.path, p.title, p.alt) for p in found.plots] == [
            (tmp_path / "theta2.png", "theta2", "A peak.")
        ]
        assert found.warnings == ("few OFF events",)
        assert found.versions == (("gammapy", "1.3"),)
        assert found.simulated

    def test_absent(self, tmp_path: Path) -> None:
        found = read_results(tmp_path)
        assert found.results is None and found.warnings == ()

    @pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '"text"', "\xff"])
    def test_damaged(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "results.json").write_bytes(text.encode("latin-1"))
        found = read_results(tmp_path)
        assert found.results is None
        [warning] = found.warnings
        assert "results.json" in warning

    @pytest.mark.parametrize("junk", [None, 3, "text", [None, 3, "x"], {"a": 1}])
    def test_junk_in_every_place(self, tmp_path: Path, junk: object) -> None:
        write(tmp_path, dict.fromkeys(("plots", "warnings", "versions", "runs", "stacked"), junk))
        found = read_results(tmp_path)
        assert found.results is not None and found.plots == ()
        assert entries_by_run(found.results.runs) == {}

    def test_a_plot_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        write(tmp_path, {"plots": [{"name": "map", "file": "map.png", "title": "Sky map"}]})
        found = read_results(tmp_path)
        assert found.plots == ()
        assert found.warnings == ("The plot Sky map is not available.",)

    def test_plots_come_from_the_folder_alone(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret.png"
        secret.write_bytes(b"secret")
        folder = tmp_path / "results"
        folder.mkdir()
        write(folder, {"plots": [{"file": "../secret.png"}, {"file": str(secret)}, {"file": ".."}]})
        assert read_results(folder).plots == ()

    def test_by_run(self) -> None:
        entries = [{"obs_id": 7, "n_on": 1}, {"obs_id": None}, {"x": 1}, "text"]
        results, _ = results_from_json({"runs": entries})
        assert entries_by_run(results.runs) == {7: results.runs[0]}
        assert entries_by_run(()) == {}


class TestLogs:
    def test_content_and_order(self, tmp_path: Path) -> None:
        logs = [tmp_path / "b.log", tmp_path / "a.log", tmp_path / "absent.log", tmp_path / "e.log"]
        logs[0].write_text("bad\n")
        logs[1].write_text("good\n")
        logs[3].write_text("")
        archive = pack_logs(logs, tmp_path / "out" / "logs.zip")
        assert archive == tmp_path / "out" / "logs.zip"
        with zipfile.ZipFile(archive) as file:
            assert file.testzip() is None
            assert {name: file.read(name) for name in file.namelist()} == {
                "b.log": b"bad\n",
                "a.log": b"good\n",
            }

    def test_nothing_to_pack(self, tmp_path: Path) -> None:
        assert pack_logs([tmp_path / "absent.log"], tmp_path / "logs.zip") is None
        assert pack_logs([], tmp_path / "logs.zip") is None
        assert not (tmp_path / "logs.zip").exists()

    def test_equal_names_are_kept_apart(self, tmp_path: Path) -> None:
        logs = []
        for name in ("dl2", "dl3"):
            (tmp_path / name).mkdir()
            logs.append(tmp_path / name / "run.log")
            logs[-1].write_text(name)
        archive = pack_logs([*logs, logs[0]], tmp_path / "logs.zip")
        assert archive is not None
        with zipfile.ZipFile(archive) as file:
            assert file.namelist() == ["run.log", "run.2.log"]

    def test_equal_logs_give_equal_archives(self, tmp_path: Path) -> None:
        (tmp_path / "a.log").write_text("same\n" * 100)
        one = pack_logs([tmp_path / "a.log"], tmp_path / "1.zip")
        two = pack_logs([tmp_path / "a.log"], tmp_path / "2.zip")
        assert one and two and one.read_bytes() == two.read_bytes()

    @pytest.mark.parametrize("number", [1, 3, 40])
    def test_the_ends_of_large_logs_fit(self, tmp_path: Path, number: int) -> None:
        noise = random.Random(7)
        logs = []
        for index in range(number):
            logs.append(tmp_path / f"run{index}.log")
            lines = (f"{noise.getrandbits(256):x}\n" for _ in range(4000))
            logs[-1].write_text("".join(lines) + f"last line of {index}\n")
        archive = pack_logs(logs, tmp_path / "logs.zip")
        assert archive is not None
        assert 100_000 < archive.stat().st_size <= 200_000
        with zipfile.ZipFile(archive) as file:
            assert len(file.namelist()) == number
            for index in range(number):
                text = file.read(f"run{index}.log").decode()
                assert text.endswith(f"last line of {index}\n")
                assert text.startswith("[... ") or len(text) == logs[index].stat().st_size

    def test_a_small_log_leaves_its_share_to_the_next(self, tmp_path: Path) -> None:
        noise = random.Random(7)
        small, large = tmp_path / "small.log", tmp_path / "large.log"
        small.write_text("one line\n")
        large.write_text("".join(f"{noise.getrandbits(256):x}\n" for _ in range(20_000)))
        archive = pack_logs([small, large], tmp_path / "logs.zip")
        assert archive is not None and archive.stat().st_size > 150_000


def test_plots_that_are_not_for_the_mail_stay_out(tmp_path: Path) -> None:
    for name in ("theta2.png", "irfs.png"):
        (tmp_path / name).write_bytes(b"png")
    plots = [{"file": "theta2.png", "title": "a"}, {"file": "irfs.png", "mail": False}]
    (tmp_path / "results.json").write_text(json.dumps({"plots": plots}))
    found = read_results(tmp_path)
    assert [plot.path.name for plot in found.plots] == ["theta2.png"]
    assert found.warnings == ()
