"""The operator's door to the table of return codes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from astran.cli.main import main
from astran.config.yaml_files import load_site
from astran.database.connection import Database
from astran.database.history import return_codes


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump({"site": "Test", "workdir": str(tmp_path / "work")}))
    return path


def test_a_code_is_set_used_and_removed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["exit-codes", "--site", str(site)]
    assert main([*words, "set", "mytool", "5", "--meaning", "no licence was free", "--passes"]) == 0
    assert main([*words, "set", "mytool", "5", "--meaning", "no licence", "--passes"]) == 0
    assert capsys.readouterr().out.count("no licence") == 2, "replaced, not doubled"
    db = Database.open(load_site(site).database_url)
    with db.begin() as c:
        assert return_codes.exit_meaning(c, ["apptainer", "exec", "x.sif", "mytool"], 5) == (
            "no licence",
            True,
        )
    assert main([*words, "remove", "mytool", "5"]) == 0
    assert "mytool" not in capsys.readouterr().out
    db.close()


@pytest.mark.parametrize(
    "wrong",
    [
        ["remove", "nobody", "5"],
        ["set", "mytool"],
        ["set", "mytool", "0", "--meaning", "x"],
        ["set", "mytool", "5"],
        ["set", "/opt/mytool", "5", "--meaning", "x"],
    ],
)
def test_a_mistake_is_told(
    site: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exit-codes", "--site", str(site), *wrong]) != 0
    assert "Traceback" not in capsys.readouterr().err
