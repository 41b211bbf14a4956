"""`from astran import Client`: the checks of a mail, the engine of the service."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from astran import Client as LazyClient
from astran.base.errors import AstranError, ConfigError, StoreError
from astran.base.states import AnalysisState
from astran.service.client import Client

DOCS = Path(__file__).resolve().parents[2] / "docs" / "python.md"
NIGHT = {"target": "Crab", "date": "20131003", "start": "dl3", "folder": "rad_max"}


@pytest.fixture
def site(public_data: Callable[[str], Path], tmp_path: Path) -> Path:
    """A site with public MAGIC runs, without mailbox."""
    settings = {
        "site": "Test",
        "workdir": str(tmp_path / "work"),
        "scheduler": {"kind": "local", "local": {"cores": 2, "memory_mb": 64000}},
        "data": {"roots": [str(public_data("magic"))]},
    }
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def client(site: Path) -> Client:
    return Client(site)


def test_import_astran_stays_light() -> None:
    code = "import sys, astran; print(sorted(m for m in sys.modules if m.startswith('astran')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "['astran']"
    assert LazyClient is Client


def test_keys_and_text_say_the_same(client: Client) -> None:
    text = "target: Crab\ndate: 2013-10-03\nstart: dl3\nfolder: rad_max\nhighlevel.off_regions: 5"
    by_text = client.check(text)
    assert client.check(**NIGHT, **{"highlevel.off_regions": 5}) == by_text
    assert (by_text.label, by_text.highlevel.off_regions) == ("Crab20131003", 5)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"target": "Crabb Nebulla"}, "target"),
        ({"date": "20991231"}, "future"),
        ({"date": "soon"}, "date"),
        ({"highlevel.off_regions": 900}, "off_regions"),
        ({"higlevel.off_regions": 3}, "higlevel"),
        ({"telescope": "VLT"}, "telescope"),
        ({"repeat": "until 2030-01-01"}, "by mail only"),
        ({"cc": "someone@institute.example"}, "by mail only"),
        ({"date": "20231207-20231209"}, "astran campaign"),
        ({"target": "Crab\nfolder: elsewhere"}, "one line"),
        ({"folder: elsewhere\ntarget": "Crab"}, "one line"),
    ],
)
def test_what_a_mail_may_not_ask_for_is_refused_here(
    client: Client, keys: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        client.launch(**{**NIGHT, **keys})
    assert client.analyses() == []


def test_a_misspelt_key_is_not_corrected_silently(client: Client) -> None:
    with pytest.raises(ConfigError):
        client.launch("targett: Crab\ndate: 20131003")
    assert client.analyses() == []


def test_a_requester_needs_a_mailbox(client: Client) -> None:
    with pytest.raises(ConfigError, match="no mailbox"):
        client.launch(**NIGHT, requester="me@institute.example")


def test_once_is_once(site: Path) -> None:
    first = Client(site).launch(**NIGHT, once="paper")
    assert Client(site).launch(**NIGHT, once="paper").id == first.id
    assert Client(site).launch(**NIGHT, once="talk").id != first.id
    assert [one.id for one in Client(site).analyses()] == ["A2", "A1"]


def test_cancel_then_retry(client: Client) -> None:
    launched = client.launch(**NIGHT)
    assert (launched.id, launched.state) == ("A1", AnalysisState.RECEIVED)
    with pytest.raises(StoreError, match="no results"):
        client.results(launched)
    with pytest.raises(StoreError, match="not under way"):
        client.hold(launched)
    ended = client.cancel("A1")
    assert ended.ended
    again = client.retry(1)
    assert (again.id, again.label, again.state) == ("A2", "Crab20131003", AnalysisState.RECEIVED)


@pytest.mark.parametrize("name", ["A99", 99])
def test_an_unknown_analysis_is_named(client: Client, name: str | int) -> None:
    with pytest.raises(StoreError, match="A99"):
        client.status(name)


@pytest.mark.parametrize("name", ["", "Crab", "A-1", "A1 or so", "²"])
def test_what_is_no_analysis_is_said(client: Client, name: str) -> None:
    with pytest.raises(AstranError, match="no analysis"):
        client.status(name)


@pytest.mark.slow
def test_the_example_of_the_documentation_runs(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From launch to results; then the capsule of it, and it is the same as itself."""
    from astran.cli.main import main

    monkeypatch.chdir(site.parent)
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    exec(compile(code, str(DOCS), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "A1 received"
    # 25.3 sigma with three OFF regions and a fixed cut of 0.1414 deg; here the files' own cuts
    assert re.fullmatch(r"Crab: \d\d\.\d sigma in 0\.65 h", lines[1])
    assert [line.split()[0] for line in lines[2:]] == ["5029747", "5029748"]

    at = ["--site", str(site)]
    assert main(["compare", "A1", "A1", *at]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("SAME: 22,890 events in common, 2 runs.")
    assert main(["capsule", "A1", "-o", "a.zip", *at]) == 0
    capsys.readouterr()
    assert main(["rerun", "a.zip", "--output", "again", "--no-plots"]) == 0
    assert capsys.readouterr().out.startswith("EQUAL")
