"""Reading YAML: versions stay what is written."""

from __future__ import annotations

from pathlib import Path

from astran.config.load import read_yaml


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
