"""A night as an archive has it, from DL1 to results with the real tools, through the real command
lines: one run in subruns, one broken in its newest version, one empty, one that never came."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from demo_fixtures import SmallNight
from simulated_archive import NEW, OLD, Archive, truncate, without_events

from astran.cli.main import main
from astran.cli.production.check import check_dl2, check_dl3

pytestmark = [pytest.mark.lstchain, pytest.mark.slow]

NIGHT = "20231213"
SOME_BAD, PARTIAL, ODD = 1, 3, 3


@pytest.fixture(scope="module")
def site(simulated_night: SmallNight, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("night")
    tree = simulated_night.tree
    archive = Archive(root / "real", tuple(tree.dl1(run) for run in simulated_night.runs))
    archive.run(NIGHT, 1, parts=3)
    archive.run(NIGHT, 2, version=OLD)
    (newest,) = archive.run(NIGHT, 2)
    truncate(newest)
    without_events(archive.run(NIGHT, 3)[0])
    archive.run(NIGHT, 4, there=False)
    archive.run(NIGHT, 5, "Mrk421")
    archive.write_tables()
    data = {**tree.data_settings(), **archive.settings()}
    # one node is enough here
    data["mc_dl2"] = data["mc_dl2"].replace("node_*", "node_theta_23.630*")
    here = {"bin": str(Path(sys.executable).parent)}
    settings = {
        "site": "archive",
        "workdir": str(root / "work"),
        "simulated": True,
        "scheduler": {"kind": "local"},
        "lstchain": {"default": "here", "environments": {"here": here}},
        "data": data,
    }
    path = root / "site.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_the_night_ends_as_a_person_would_want(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = site.with_name("config.yml")
    config.write_text(f"target: Crab\ndate: {NIGHT}\n")
    at = ["--site", str(site)]
    assert main(["--config-analysis", str(config), "--submit", *at]) == PARTIAL
    shown = " ".join(capsys.readouterr().out.split())
    assert "partial" in shown
    assert "run 3: its DL1 file holds no events" in shown
    assert "run 4: no DL1 yet" in shown
    folder = site.parent / "work" / f"Crab{NIGHT}"
    results = json.loads((folder / "results" / "results.json").read_text())
    assert {run["obs_id"] for run in results["runs"]} == {1, 2}

    assert check_dl2(["--config-analysis", str(config), "--json", *at]) == SOME_BAD
    found = {run["run"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert {run: one["state"] for run, one in found.items()} == {
        1: "ok",
        2: "ok",
        3: "missing",
        4: "missing",
    }
    subruns, older = found[1], found[2]
    assert [Path(path).name for path in subruns["dl1"]] == [
        f"dl1_LST-1.Run00001.{part:04d}.h5" for part in range(3)
    ]
    assert subruns["rows"] == subruns["expected_rows"] < subruns["dl1_rows"] == 3 * 6000
    assert f"/{OLD}/" in older["dl1"][0] and f"/{NEW}/" not in older["dl1"][0]
    assert found[3]["problems"] == ["There is no DL2 of it: its DL1 file holds no events."]
    assert found[4]["problems"] == ["There is no DL2 of it: no DL1 yet."]

    assert check_dl3([str(folder), "--json"]) == ODD, "IRFs of one node, and not a near one"
    dl3 = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in dl3["runs"]] == [1, 2]
    assert [one["state"] for one in dl3["index"]] == ["ok", "ok"]
    for run in dl3["runs"]:
        (warning,) = run["warnings"]
        assert "outside of the simulated pointings" in warning
        assert run["gti"]["events_outside"] == 0
        assert run["livetime_s"] == pytest.approx(found[run["run"]]["livetime_s"], rel=1e-3)
