"""Reading YAML: versions stay what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from astran.base.errors import ConfigError
from astran.config.yaml_files import read_yaml, read_yaml_value


def test_a_version_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text(
        "lstchain:\n  default: 0.10\n  environments:\n    0.10: {venv: /a}\n    0.12.3: {}\n"
        "theta_cut: 0.20\n"
    )
    data = read_yaml(path)
    assert data["lstchain"]["default"] == "0.10"
    assert list(data["lstchain"]["environments"]) == ["0.10", "0.12.3"]
    assert data["theta_cut"] == 0.2
    path.write_text("lstchain: 0.10\n")
    assert read_yaml(path) == {"lstchain": "0.10"}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lstchain", "0.10", "0.10"),
        (" lstchain", " 0.10 ", "0.10"),
        ("lstchain", "0.12.3", "0.12.3"),
        ("lstchain", "", None),
        ("dl3.theta_cut", "0.20", 0.2),
        ("runs", "[1, 2]", [1, 2]),
        ("lstchain_config", "{a: {b: 0.10}}", {"a": {"b": 0.1}}),
    ],
)
def test_a_single_value_is_read_as_in_a_file(name: str, text: str, value: object) -> None:
    assert read_yaml_value(name, text) == value


@pytest.mark.parametrize("text", ["[1", "{a: 1, a: 2}", "!!python/name:os.system"])
def test_a_value_that_is_no_yaml(text: str) -> None:
    with pytest.raises(ConfigError, match=r"runs: the value .* cannot be read"):
        read_yaml_value("runs", text)
