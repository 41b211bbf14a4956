"""Exit records: written once, read also as older versions wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from astran.base.exit_record import ExitRecord, TaskOutcome

NAMES = ("log_excerpt", "telling")


@pytest.mark.parametrize("name", NAMES)
def test_the_excerpt_of_the_log_is_read_by_its_old_name_too(name: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record = ExitRecord(
        token="t.0", key="dl2-1", outcome=TaskOutcome.TOOL_FAILED, returncode=1, message="failed",
        started="2023-12-08T06:00:00+00:00", ended="2023-12-08T06:01:00+00:00", host="n1",
        log_excerpt=("KeyError: 'GH_CUTS'",),
    )  # fmt: skip
    record.write(path)
    data = json.loads(path.read_text())
    data[name] = data.pop("log_excerpt")
    path.write_text(json.dumps(data))
    assert ExitRecord.read(path) == record


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert ExitRecord.read(path) is None
    path.write_text('{"token": "t.0"')
    with pytest.raises(ValueError, match="is no exit record"):
        ExitRecord.read(path)
