"""`astran check-mail`: what would be done, as JSON and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from astran.cli.main import main

RULES = ["--allow", "@institute.example", "--authserv-id", "mx.lst.example"]
RULES += ["--own-address", "astran@lst.example"]
TOP = "Authentication-Results: mx.lst.example; dmarc=pass header.from=institute.example\n"
HEAD = f"{TOP}From: Alice <alice@institute.example>\nTo: astran@lst.example\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place without any site configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ASTRAN_SITE", raising=False)
    return tmp_path


def write(folder: Path, name: str, body: str, head: str = HEAD, **headers: str) -> str:
    fields = {"Subject": "ASTRAN-LAUNCH", "Message-ID": f"<{name}@x>", **headers}
    lines = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    (folder / name).write_text(f"{head}{lines}\n{body}")
    return name


def judged(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["check-mail", "--json", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_launch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(folder, "a.eml", "Target: M1\ndate: 7 Dec 2023\nruns: 15864-15866\ntheta: 0.1\n")
    [found] = judged(capsys, *RULES, name)
    assert found["file"] == name
    assert found["outcome"] == "launch"
    assert found["sender"] == "alice@institute.example"
    assert found["params"] == {
        "target": "M1", "date": "2023-12-07", "runs": [15864, 15865, 15866], "dl3.theta_cut": 0.1
    }  # fmt: skip
    assert found["config"]["target"] == {"name": "Crab", "ra": 83.63333, "dec": 22.01444}
    assert found["config"]["dl3"]["theta_cut"] == 0.1
    assert found["problems"] == []
    assert found["replied"] is True


def test_runs_are_null_where_none_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [found] = judged(capsys, *RULES, write(folder, "a.eml", "target: Crab\ndate: 20231207\n"))
    assert found["params"] == {"target": "Crab", "date": "2023-12-07", "runs": None}


def test_a_standing_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "target: Crab\nrepeat: until 31 Dec 2099\n"
    [found] = judged(capsys, *RULES, write(folder, "a.eml", body))
    assert found["outcome"] == "launch"
    assert found["params"]["repeat"] == "until 2099-12-31"
    assert "date" not in found["config"]


def test_every_outcome(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = "target: Crab\ndate: 20231207\n"
    stranger = HEAD.replace("institute", "other")
    files = {
        write(folder, "wrong.eml", "target: Crba\ndate: 2023-13-01\n"): ("error_reply", True),
        write(folder, "list.eml", "", Subject="ASTRAN-LIST"): ("command", True),
        write(folder, "away.eml", block, Auto_Submitted="auto-replied"): ("ignore", False),
        write(folder, "talk.eml", block, Subject="Lunch"): ("ignore", False),
        write(folder, "bob.eml", block, head=stranger): ("refuse", True),
        write(folder, "forged.eml", block, head=HEAD.replace("pass", "fail")): (
            "quarantine", False,
        ),
        write(folder, "own.eml", block, head=HEAD.replace("alice@institute", "astran@lst")): (
            "ignore", False,
        ),
    }  # fmt: skip
    found = judged(capsys, *RULES, *files)
    assert {one["file"]: (one["outcome"], one["replied"]) for one in found} == files
    wrong = " ".join(found[0]["problems"])
    assert "line 1" in wrong
    assert "line 2" in wrong
    assert found[0]["config"] is None


def test_each_file_by_itself_unless_told_to_remember(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, "a.eml", "target: Crab\ndate: 20231207\n", Date="Mon, 1 Jan 2001 1:00:00")
    stranger = write(folder, "b.eml", "", head=HEAD.replace("institute", "other"))
    again = write(folder, "c.eml", "", head=HEAD.replace("institute", "other"))
    files = [name, name, stranger, again]
    alone = [(one["outcome"], one["replied"]) for one in judged(capsys, *RULES, *files)]
    assert alone == [("launch", True), ("launch", True), ("refuse", True), ("refuse", True)]
    as_one = judged(capsys, *RULES, "--remember", *files)
    assert [(one["outcome"], one["replied"]) for one in as_one] == [
        ("launch", True), ("ignore", False), ("refuse", True), ("refuse", False)
    ]  # fmt: skip


def test_only_a_mail_that_acts_is_remembered(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = write(folder, "a.eml", "target: Crab\n")
    same = {"Message-ID": "<a.eml@x>"}
    whole = write(folder, "b.eml", "target: Crab\ndate: 20231207\n", **same)
    found = judged(capsys, *RULES, "--remember", damaged, damaged, whole, whole)
    assert [(one["outcome"], one["replied"]) for one in found] == [
        ("error_reply", True), ("error_reply", False), ("launch", True), ("ignore", False)
    ]  # fmt: skip


def test_rules_of_a_site_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = "{host: localhost, port: 1, security: none}"
    (folder / "site.yml").write_text(
        f"site: Test\nworkdir: {folder}\nmail:\n  address: astran@lst.example\n  imap: {server}\n"
        f"  smtp: {server}\n  allow: ['@institute.example']\n  authserv_id: mx.lst.example\n"
    )
    name = write(folder, "a.eml", "target: Crab\ndate: 20231207\n")
    for words in ([], ["--site", "site.yml"]):
        assert judged(capsys, *words, name)[0]["outcome"] == "launch"
    assert judged(capsys, "--site", "site.yml", "--allow", "x@y.z", name)[0]["outcome"] == "refuse"


def test_without_authserv_id_the_from_line_is_believed_and_that_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, "a.eml", "target: Crab\ndate: 20231207\n", head=HEAD.replace(TOP, ""))
    assert main(["check-mail", "--json", "--allow", "@institute.example", name]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["outcome"] == "launch"
    assert "believed" in said.err
    assert main(["check-mail", name]) == 0
    said = capsys.readouterr()
    assert "refuse" in said.out
    assert "nobody may launch" in said.err


def test_in_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(folder, "a.eml", "target: Crba\ndate: 20231207\n")
    assert main(["check-mail", *RULES, name]) == 0
    said = capsys.readouterr().out
    assert "error_reply" in said
    assert "Crab" in said


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, "a.eml", "target: Crab\ndate: 20231207\n")
    assert main(["check-mail", "--json", *RULES, "nothing.eml", name]) == 2
    said = capsys.readouterr()
    assert "nothing.eml" in said.err
    assert len(said.out.splitlines()) == 1


def test_with_a_site_its_lstchain_is_asked_too(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from astran.telescopes.lst import chain
    from astran.telescopes.lst.environment.toolset import Toolset

    def toolset(site: Any, wanted: str, *, keep: bool) -> Toolset:
        assert not keep
        return Toolset("here", "0.12.3", standard={"tailcut": {"picture_thresh": 8}})

    monkeypatch.setattr(chain, "find_toolset", toolset)
    site: dict[str, Any] = {"site": "test", "workdir": str(folder / "work")}
    server = {"host": "localhost", "port": 1, "security": "none"}
    site["mail"] = {"address": "astran@lst.example", "imap": server, "smtp": server}
    (folder / "site.yml").write_text(json.dumps(site))
    body = "target: Crab\ndate: 20231207\nlstchain_config.tailcut.picture_tresh: 6\n"
    [found] = judged(capsys, "--site", "site.yml", *RULES, write(folder, "a.eml", body))
    assert found["outcome"] == "error_reply"
    assert "picture_thresh" in found["problems"][0]
    [found] = judged(capsys, *RULES, "a.eml")
    assert found["outcome"] == "launch", "without a site nobody can be asked"
