"""A telescope that ASTRAN knows nothing of: from a launch mail to its report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from mail_house import LAUNCH, MailHouse, house
from services.dovecot import Dovecot
from services.smtp import SmtpServer

from astran.base.errors import ConfigError
from astran.base.tasks import Task
from astran.cli.main import main
from astran.cli.production.check import check_dl2
from astran.cli.production.create import create_dl2
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.launch_language.parser import parse
from astran.service.context import Context
from astran.telescopes.configuration import build_analysis
from astran.telescopes.registry import chain_reference, find_chain, register_chains

ROOT = Path(__file__).parents[2]
CHAIN_FILE = ROOT / "tests" / "toy_telescope" / "toy_chain.py"
TUTORIAL = ROOT / "docs" / "new-telescope.md"
TOY_LAUNCH = f"{LAUNCH}telescope: toy\nlargest first: yes\n"


class ToyHouse(MailHouse):
    """An installation with both telescopes, whose tasks really run."""

    @property
    def context(self) -> Context:
        return Context(self.site, self.db, self.clock, sys.executable)

    def add_toy(self) -> None:
        text = re.findall(r"```yaml\n(.*?)```", TUTORIAL.read_text(), re.S)[0]
        text = text.replace("/path/to/toy_chain.py", str(CHAIN_FILE))
        text = text.replace("/path/to/toy", str(self.folder / "toy"))
        data = self.site.model_dump(exclude_unset=True) | yaml.safe_load(text)
        self.site = build_settings(SiteConfig, data, "the test site")

    def run_to_end(self) -> str:
        """Tick until the only analysis has ended; its state."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            self.tick()
            with self.db.begin() as db:
                (state,) = db.exec_driver_sql("SELECT state FROM analysis").scalars()
            if state in ("done", "partial", "failed", "expired"):
                return str(state)
            time.sleep(0.3)
        raise AssertionError("the analysis did not end")


@pytest.fixture
def toy_house(tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer) -> Iterator[ToyHouse]:
    for made in house(tmp_path, dovecot, smtp_server):
        made.__class__ = ToyHouse
        assert isinstance(made, ToyHouse)
        made.add_toy()
        night = tmp_path / "toy" / "20231207"
        night.mkdir(parents=True)
        (night / "raw_1.txt").write_text("3\n1\n2\n")
        (night / "raw_2.txt").write_text("20\n10\n")
        yield made


@pytest.fixture
def toy() -> None:
    register_chains({"TOY": f"{CHAIN_FILE}:CHAIN"})


def test_commands_by_hand_ask_its_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`astran catalogue` needs nothing but find_data; what the chain has not is said."""
    night = tmp_path / "toy" / "20231207"
    night.mkdir(parents=True)
    (night / "raw_7.txt").write_text("3\n1\n2\n")
    site = tmp_path / "site.yml"
    toy = {"chain": f"{CHAIN_FILE}:CHAIN", "settings": {"data": str(tmp_path / "toy")}}
    settings = {"site": "t", "workdir": str(tmp_path / "work"), "telescopes": {"TOY": toy}}
    site.write_text(yaml.safe_dump(settings))
    words = ["catalogue", "--site", str(site), "--telescope", "toy", "--night", "20231207"]
    assert main([*words, "--target", "Crab"]) == 0
    assert re.search(r"20231207 +\S +7 +\S +Crab", capsys.readouterr().out)
    assert main([*words, "--target", "Crab", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["run"], row["state"], row["files"], row["size"]) == (7, "complete", 1, 6)
    assert main(words) == 2
    assert "Use --night and --target" in capsys.readouterr().err
    asked = ["-t", "Crab", "-d", "20231207", "--set", "telescope=toy", "--site", str(site)]
    for command in (create_dl2, check_dl2):
        assert command(asked) == 2
        assert "makes whole analyses only" in capsys.readouterr().err


def test_a_launch_mail_ends_in_a_report(toy_house: ToyHouse) -> None:
    toy_house.tick()
    toy_house.send("ASTRAN-LAUNCH", TOY_LAUNCH)
    assert toy_house.run_to_end() == "done"
    folder = next(toy_house.site.workdir.glob("Crab20231207"))
    assert (folder / "cal" / "cal_1.txt").read_text() == "3\n2\n1\n"
    assert (folder / "sum" / "sum.txt").read_text() == "1\n2\n3\n10\n20\n"
    assert "telescope: toy" in (folder / "config_Crab20231207.yml").read_text()
    mails = toy_house.box()
    assert len(mails) == 2
    assert "descending" in mails[0].text
    assert "cal" in mails[1].text and "sum" in mails[1].text


def test_a_broken_product_is_found_by_the_check_of_the_chain(toy_house: ToyHouse) -> None:
    (toy_house.folder / "toy" / "20231207" / "raw_2.txt").write_text("no number\n")
    toy_house.tick()
    toy_house.send("ASTRAN-LAUNCH", TOY_LAUNCH)
    assert toy_house.run_to_end() in ("partial", "failed")
    assert "something else than numbers" in toy_house.box()[-1].text


def test_a_plan_by_hand(tmp_path: Path) -> None:
    night = tmp_path / "toy" / "20231207"
    night.mkdir(parents=True)
    (night / "raw_7.txt").write_text("1\n")
    toy = {"chain": f"{CHAIN_FILE}:CHAIN", "settings": {"data": str(tmp_path / "toy")}}
    site = {"site": "Test", "workdir": str(tmp_path / "work"), "telescopes": {"TOY": toy}}
    (tmp_path / "site.yml").write_text(yaml.safe_dump({**site, "telescope": "TOY"}))
    (tmp_path / "crab.yml").write_text("target: Crab\ndate: 20231207\n")
    words = ["--config-analysis", tmp_path / "crab.yml", "--site", tmp_path / "site.yml"]
    command = [sys.executable, "-m", "astran.cli.main", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "cal-7" in done.stdout and "sum" in done.stdout


@pytest.mark.usefixtures("toy")
class TestKeys:
    def test_each_telescope_has_its_own(self) -> None:
        asked = parse(TOY_LAUNCH)
        assert asked.problems == ()
        assert asked.params["descending"] is True
        (problem,) = parse(f"{TOY_LAUNCH}gammaness: 0.8\n").problems
        assert "unknown key" in problem.reason
        (problem,) = parse(f"{LAUNCH}descending: yes\n").problems
        assert "unknown key" in problem.reason

    def test_levels_are_the_own_ones(self) -> None:
        assert parse(f"{TOY_LAUNCH}start: cal\n").params["start"] == "cal"
        assert parse(f"{LAUNCH}start: cal\n").problems

    def test_an_unknown_telescope_is_a_problem(self) -> None:
        (problem,) = parse(f"{LAUNCH}telescope: Hubble\n").problems
        assert "LST-1" in problem.suggestion and "TOY" in problem.suggestion

    def test_a_wish_in_free_words_is_read_by_the_own_ones(self) -> None:
        asked = parse(f"{LAUNCH}telescope: toy\nlargest first yes\n")
        assert "descending: yes" in asked.problems[0].suggestion
        assert asked.corrected
        for line in ("gammaness 0.8", "theta2 cut: 0.04", "theta2 < 0.04"):
            (problem,) = parse(f"{LAUNCH}{line}\n", "TOY").problems
            assert "dl3." not in problem.suggestion
        (problem,) = parse(f"{LAUNCH}telescop: Hubble\n").problems[-1:]
        assert "TOY" in problem.suggestion

    def test_that_of_the_site_holds_where_none_is_named(self) -> None:
        assert parse(f"{LAUNCH}descending: yes\n", "TOY").problems == ()
        assert parse(f"{LAUNCH}telescope: LST-1\ngammaness: 0.8\n", "TOY").problems == ()


def test_spelling_does_not_matter() -> None:
    assert {find_chain(name).name for name in ("", "LST-1", "lst1", "LST 1")} == {"LST-1"}


def test_a_job_finds_its_chain_without_the_site(tmp_path: Path) -> None:
    register_chains({"TOY": f"{CHAIN_FILE}:CHAIN"})
    assert chain_reference("lst-1") == chain_reference("") == ""
    assert find_chain(chain_reference("toy")) is find_chain("TOY")
    old = Task("a", "dl2", ("x",), (), "", "", "", "").to_json()
    del old["telescope"]
    assert Task.from_json(old).telescope == ""


def test_a_chain_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be loaded"):
        find_chain(f"{tmp_path}/none.py:CHAIN")
    with pytest.raises(ConfigError, match="is not known"):
        find_chain("Hubble")


def test_stored_configurations_without_a_telescope_are_of_the_first_one() -> None:
    target = {"name": "Crab", "ra": 83.63, "dec": 22.01}
    assert build_analysis({"target": target, "date": "20231207"}, "old").start == "dl1"


def test_the_tutorial_shows_the_chain_as_it_is() -> None:
    code = "".join(re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.S))
    assert code.split() == CHAIN_FILE.read_text().split()
