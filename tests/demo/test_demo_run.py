"""The demo as a user runs it: mail in, results out, compared with the truth."""

import importlib.util
import json
import subprocess
import sys
from email import message_from_bytes
from email.policy import default

import pytest
from conftest import require

pytestmark = [pytest.mark.lstchain, pytest.mark.slow]
KEYS = {
    *("target", "night", "runs", "significance", "excess", "excess_error", "excess_truth"),
    *("livetime_h", "map_peak_offset_deg", "mails_received", "analyses_started"),
    *("wall_s", "simulate_s"),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Folder and summary of a demo, run by its command."""
    for package in ("lstchain", "aiosmtpd", "pymap"):
        require(importlib.util.find_spec(package), package, "Install astran[lst,demo].")
    folder = tmp_path_factory.mktemp("demo") / "my demo"
    done = subprocess.run(
        [sys.executable, "-m", "astran.cli.main", "demo", "--output", str(folder), "--json"],
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_the_crab_is_found_as_simulated(demo):
    _, summary = demo
    assert summary["significance"] > 15
    assert abs(summary["excess"] - summary["excess_truth"]) < 3 * summary["excess_error"]
    assert summary["map_peak_offset_deg"] < 0.05


def test_the_livetime_is_right(demo):
    folder, summary = demo
    runs = json.loads((folder / "truth.json").read_text())["runs"]
    expected = sum(run["livetime_s"] for run in runs) / 3600
    assert summary["livetime_h"] == pytest.approx(expected, rel=3e-3)


def test_the_summary_is_complete(demo):
    folder, summary = demo
    assert set(summary) == KEYS
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["target"] == "Crab"
    assert summary["runs"] == [15861, 15862, 15863]
    assert summary["analyses_started"] == 1


def test_every_mail_is_kept_in_order(demo):
    folder, summary = demo
    mails = sorted((folder / "mails").glob("*.eml"))
    ways = [path.name.split("-")[1] for path in mails]
    assert [int(path.name[:2]) for path in mails] == list(range(1, len(mails) + 1))
    assert ways == ["sent", "received", "received", "sent", "received"]
    assert summary["mails_received"] == ways.count("received")
    for path in mails:
        page = path.with_suffix(".html").read_text()
        assert "<html" in page
    letters = [message_from_bytes(path.read_bytes(), policy=default) for path in mails]
    report, hurry, answer = letters[2], letters[3], letters[4]
    assert "SIMULATED" in report["Subject"]
    assert any(part.get_content_type() == "image/png" for part in report.walk())
    assert answer["In-Reply-To"] == hurry["Message-ID"]
    text = answer.get_body(("plain",)).get_content()
    assert "'target'" in text
    assert "'dl3.gammaness_cut'" in text


def test_logs_and_results_are_there(demo):
    folder, _ = demo
    logs = {path.name for path in (folder / "logs").iterdir()}
    assert {"launcher.log", "dl2-15861.log", "highlevel.log"} <= logs
    results = folder / "analysis" / "Crab20231213" / "results"
    assert json.loads((results / "results.json").read_text())["simulated"] is True
    assert list(results.rglob("*.png"))
