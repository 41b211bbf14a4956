"""`astran dl2` fails where lstchain leaves a stub, though lstchain itself ends with 0."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tables

from astran.dl2 import engine

STOCK = """#!/bin/bash
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
mkdir -p "$out"
{leave}
exit 0
"""
"""A tool that ends well, whatever it leaves."""


@pytest.mark.parametrize("kind", ["stub", "nothing", "whole"])
def test_return_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    source = tmp_path / "made.h5"
    with tables.open_file(str(source), "w") as handle:
        # all that a failed start of lstchain_dl1_to_dl2 leaves
        handle.create_array("/provenance", "dl1_to_dl2", b"{}", createparents=True)
        if kind == "whole":
            handle.create_table(
                "/dl2/event/telescope/parameters",
                "LST_LSTCam",
                {"event_id": tables.Int64Col()},
                createparents=True,
            ).row.append()
    product = tmp_path / "out" / "dl2_LST-1.Run00001.h5"
    tool = tmp_path / "bin" / "lstchain_dl1_to_dl2"
    tool.parent.mkdir()
    tool.write_text(STOCK.format(leave="" if kind == "nothing" else f"cp {source} {product}"))
    tool.chmod(0o755)
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(sys, "executable", str(tool.with_name("python")))
    monkeypatch.setattr(engine, "_lacking", lambda: "an environment without numba")
    words = ["-f", str(tmp_path / "dl1_LST-1.Run00001.h5"), "-p", str(tmp_path / "models")]
    code = engine.run_engine([*words, "-o", str(product.parent)], trusted=[tmp_path])
    assert code == (0 if kind == "whole" else 1)
    said = {"stub": "holds no table of events", "nothing": "was not made", "whole": ""}[kind]
    assert said in caplog.text
