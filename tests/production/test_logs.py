"""The lines of a log that tell why a task failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from astran.production.job.logs import TAIL, WIDTH, extract_log_excerpt

# as lstchain writes it: colours, warnings that say ERROR or Error without meaning it
HARMLESS = """\
ASTRAN: dl2-15861 on node7, 2026-11-21T00:43:51+00:00
2026-11-21 00:43:51,542 \x1b[1;33mWARNING\x1b[0m [lstchain.reco.utils] (utils.filter_events): \
Data contains not-predictable events.
/env/ctapipe/core/provenance.py:280: MissingReferenceMetadata: Could not read reference metadata \
for input file: /models
  warnings.warn(
/env/tables/group.py:1220: UserWarning: problems loading leaf ``/provenance/dl1_to_dl2``::
The leaf will become an ``UnImplemented`` node.
ERROR: IERS table not valid, using the packaged one
2026-11-21 00:43:52,308 \x1b[1;32mINFO\x1b[0m [lstchain.lstchain_dl1_to_dl2] (tool.run): Finished
"""
TRACEBACK = """\
2026-11-21 00:43:51,542 \x1b[1;31mCRITICAL\x1b[0m [lstchain.DataReductionFITSWriter] \
(tool.run): Caught unexpected exception: 'GH_CUTS'
Traceback (most recent call last):
  File "/env/lstchain/tools/lstchain_create_dl3_file.py", line 340, in setup
    if not compare_irfs(self.irf_list):
  File "/env/lstchain/high_level/interpolate.py", line 80, in compare_irfs
    raise KeyError("Extension 'GH_CUTS' not found.")
KeyError: "Extension 'GH_CUTS' not found."
"""


def told(tmp_path: Path, text: str, limit: int = 12) -> tuple[str, ...]:
    log = tmp_path / "task.log"
    log.write_text(text)
    return extract_log_excerpt(log, limit)


def test_the_end_of_a_traceback_is_told_and_its_inside_is_not(tmp_path: Path) -> None:
    lines = told(tmp_path, HARMLESS + TRACEBACK)
    assert lines[-1] == "KeyError: \"Extension 'GH_CUTS' not found.\""
    assert len(lines) == 2
    assert "Caught unexpected exception" in lines[0]
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    "line",
    [
        "lstchain_create_dl3_file: error: unrecognized arguments: --input-irf",
        "slurmstepd: error: *** JOB 77 ON node7 CANCELLED AT 2026-11-21 DUE TO TIME LIMIT ***",
        "/var/spool/script: line 12: 4711 Killed                  lstchain_dl1_to_dl2",
        "OSError: [Errno 28] No space left on device",
        "cp: cannot create regular file: Disk quota exceeded",
        "bash: lstchain_dl1_to_dl2: command not found",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB",
        "IndexError: index 0 is out of bounds for axis 0 with size 0",
        "ASTRAN: dl2-15861: check-failed: dl2.h5 holds no table of events",
    ],
)
def test_lines_that_tell(tmp_path: Path, line: str) -> None:
    assert told(tmp_path, HARMLESS + line + "\nGoodbye\n") == (line,)


def test_harmless_lines_do_not_hide_what_happened_last(tmp_path: Path) -> None:
    lines = told(tmp_path, HARMLESS)
    assert not any("MissingReferenceMetadata" in line or "ERROR" in line for line in lines)
    assert lines[-1].endswith("Finished")  # nothing stands out: the last lines


def test_success_is_no_telling_line(tmp_path: Path) -> None:
    text = "ASTRAN: dl2-1: ok: done\nValueError: bad\n"
    assert told(tmp_path, text) == ("ValueError: bad",)


def test_lines_are_limited_in_number_and_length_and_said_once(tmp_path: Path) -> None:
    text = "".join(f"ERROR number {i}\n" for i in range(50)) + "ERROR number 49\n" * 3
    assert told(tmp_path, text, limit=3) == (
        "ERROR number 47",
        "ERROR number 48",
        "ERROR number 49",
    )
    (line,) = told(tmp_path, "ERROR " + "x" * 5000)
    assert len(line) == WIDTH


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    text = "ERROR at the start\n" + "fine\n" * (TAIL // 4) + "ERROR at the end\n"
    assert told(tmp_path, text) == ("ERROR at the end",)


def test_progress_bars_and_strange_bytes(tmp_path: Path) -> None:
    log = tmp_path / "task.log"
    log.write_bytes(b"10%\r20%\rERROR disk\xff\x00\r30%\n")
    assert extract_log_excerpt(log, 5) == ("ERROR disk\ufffd",)


def test_no_log_tells_nothing(tmp_path: Path) -> None:
    assert extract_log_excerpt(tmp_path / "none.log") == ()
