"""Reading Slurm's tables. The samples are verbatim output of Slurm 22.05."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from astran.base.scheduler import JobState
from astran.scheduler.slurm.parsing import (
    ElementRow,
    Unreadable,
    parse_sacct,
    read_limit,
    read_queue,
    read_set,
    read_size_mb,
    read_time,
    split_queue,
    write_set,
    write_time,
)

SQUEUE = """\
1|1|tok-1|FAILED|1792|2026-11-21T00:41:08|n1|2026-11-21T00:41:08|2026-11-21T00:41:10|NonZeroExitCode|
1|2|tok-1|FAILED|9|2026-11-21T00:41:08|n1|2026-11-21T00:41:08|2026-11-21T00:41:09|JobLaunchFailure|
1|5-7,9%2|tok-1|PENDING|0|2026-11-21T00:41:08||N/A|N/A|JobArrayTaskLimit|
1|4|tok-1|RUNNING|0|2026-11-21T00:41:08|n1|2026-11-21T00:41:08|2026-11-21T01:41:08|None|
7|N/A|tok-3|CANCELLED|0|2026-11-21T00:41:15||2026-11-21T00:41:16|2026-11-21T00:41:16|JobArrayTaskLimit|
8|0|tok-4|TIMEOUT|15|2026-11-21T00:41:15|n2|2026-11-21T00:41:15|2026-11-21T00:42:16|TimeLimit|
9|1,4,...,289,324,...%5|tok-5|PENDING|0|2026-11-21T00:41:15||N/A|N/A|None|
"""

SACCT = """\
1_0|tok-1|COMPLETED|0:0|2026-11-21T00:41:08|6||n1|None
1_0.batch|batch|COMPLETED|0:0|2026-11-21T00:41:09|6|4280K|n1|
1_0.extern|extern|COMPLETED|0:0|2026-11-21T00:41:09|6|12K|n1|
1_1|tok-1|FAILED|7:0|2026-11-21T00:41:08|2||n1|None
1_1.batch|batch|FAILED|7:0|2026-11-21T00:41:09|2||n1|
1_2|tok-1|FAILED|0:9|2026-11-21T00:41:08|1||n1|None
1_3|tok-1|CANCELLED by 0|0:0|2026-11-21T00:41:08|2||n1|None
1_4|tok-1|RUNNING|0:0|2026-11-21T00:41:08|4||n2|JobArrayTaskLimit
1_5|tok-1|OUT_OF_MEMORY|0:125|2026-11-21T00:41:08|4||n2|None
7_[1,6-9%2]|tok-3|CANCELLED by 0|0:0|2026-11-21T00:41:15|0||None assigned|JobHeldUser
"""


def parse_squeue(text: str) -> list[ElementRow]:
    return [row for lines in split_queue(text).values() for row in read_queue(lines)]


def test_squeue_rows() -> None:
    failed, killed, pending, running, rest, late, cut = parse_squeue(SQUEUE)
    assert (failed.parent, failed.indices, failed.name) == ("1", (1,), "tok-1")
    assert failed.submitted == datetime(2026, 11, 21, 0, 41, 8, tzinfo=UTC)
    assert (failed.seen.state, failed.seen.exit_code, failed.seen.signal) == (
        JobState.FAILED,
        7,
        None,
    )
    assert (killed.seen.exit_code, killed.seen.signal) == (0, 9)
    assert pending.seen.state is JobState.PENDING
    assert (pending.seen.reason, pending.seen.node) == ("JobArrayTaskLimit", "")
    assert pending.indices == [5, 6, 7, 9] and pending.shared and not running.shared
    assert (failed.seen.elapsed_s, late.seen.elapsed_s) == (2, 61)
    assert (running.seen.reason, running.seen.exit_code) == ("", None)
    assert rest.indices is None and rest.seen.state is JobState.CANCELLED
    assert late.seen.state is JobState.TIMEOUT
    assert cut.indices is None, "the rest of a list that was cut is not known"


@pytest.mark.parametrize(
    ("status", "ending"),
    [("1792", (7, None)), ("7:0", (7, None)), ("9", (0, 9)), ("0:9", (0, 9)), ("0:0", (0, None))],
)
def test_endings_as_older_and_newer_squeue_print_them(
    status: str, ending: tuple[int, int | None]
) -> None:
    [row] = parse_squeue(f"1|2|tok|FAILED|{status}|2026-11-21T00:41:08|n1|N/A|N/A|None|\n")
    assert (row.seen.exit_code, row.seen.signal) == ending


def test_sacct_rows() -> None:
    found = parse_sacct(SACCT)
    rows = {(row.parent, index): row for row in found for index in row.indices or ()}
    assert set(rows) == {*(("1", i) for i in range(6)), *(("7", i) for i in (1, 6, 7, 8, 9))}
    done = rows["1", 0].seen
    assert (done.state, done.exit_code, done.signal, done.elapsed_s) == (
        JobState.COMPLETED,
        0,
        None,
        6,
    )
    assert done.max_rss_mb == pytest.approx(4280 / 1024)
    assert rows["1", 1].seen.exit_code == 7
    assert rows["1", 2].seen.signal == 9
    assert rows["1", 3].seen.state is JobState.CANCELLED
    assert rows["1", 4].seen.exit_code is None
    assert rows["1", 5].seen.state is JobState.OUT_OF_MEMORY
    rest = rows["7", 8]
    assert rest.shared and rest.seen.node == "" and rest.seen.state is JobState.CANCELLED


@pytest.mark.parametrize("parse", [parse_squeue, parse_sacct])
def test_nothing_and_banners_give_no_rows(parse: object) -> None:
    assert callable(parse)
    assert parse("") == []
    assert parse("\nWelcome to the cluster\nquota: 80 %\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "1|2|tok|RUNNING\n",
        "x|2|tok|RUNNING|0|2026-11-21T00:41:08|n1|N/A|N/A|None|\n",
        "1|y|tok|RUNNING|0|2026-11-21T00:41:08|n1|N/A|N/A|None|\n",
        "1|2|tok|RUNNING|?|2026-11-21T00:41:08|n1|N/A|N/A|None|\n",
        "1|2|tok|RUNNING|0:|2026-11-21T00:41:08|n1|N/A|N/A|None|\n",
    ],
)
def test_broken_rows_of_squeue_are_not_guessed(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_squeue(text)


@pytest.mark.parametrize(
    "text",
    [
        "1_0|tok|COMPLETED|0:0\n",
        "1_0|tok|COMPLETED|ok|2026-11-21T00:41:08|6||n1|None\n",
        "one|tok|COMPLETED|0:0|2026-11-21T00:41:08|6||n1|None\n",
        "1_[3-|tok|COMPLETED|0:0|2026-11-21T00:41:08|6||n1|None|more|\n",
        "1_[a-b]|tok|COMPLETED|0:0|2026-11-21T00:41:08|6||n1|None\n",
    ],
)
def test_broken_rows_of_sacct_are_not_guessed(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_sacct(text)


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("7", [7]),
        ("[10-13%10]", [10, 11, 12, 13]),
        ("[20-22,51,70-71%10]", [20, 21, 22, 51, 70, 71]),
        ("[1-10:3]", [1, 4, 7, 10]),
        ("[1,4,9,16,25,36,49,64,81,10", [1, 4, 9, 16, 25, 36, 49, 64, 81]),
        ("[1,4,...,289,324,...%5]", [1, 4]),
        ("[1,4,9,...%5]", [1, 4, 9]),
        ("3,10-12%2", [3, 10, 11, 12]),
    ],
)
def test_sets_of_indices(text: str, indices: list[int]) -> None:
    assert read_set(text) == indices


@pytest.mark.parametrize(
    ("indices", "text"), [([3], "3"), ([1, 2, 3, 7], "1-3,7"), ([5, 0, 1, 5, 9], "0-1,5,9")]
)
def test_sets_are_written_short(indices: list[int], text: str) -> None:
    assert write_set(indices) == text
    assert read_set(f"[{text}]") == sorted(set(indices))


def test_times_are_utc_both_ways() -> None:
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert read_time(write_time(moment)) == moment
    for word in ("Unknown", "N/A", "None", ""):
        assert read_time(word) is None


@pytest.mark.parametrize(
    ("text", "size"), [("4376K", 4.2734375), ("1.5G", 1536), ("200M", 200), ("1048576", 1)]
)
def test_sizes(text: str, size: float) -> None:
    assert read_size_mb(text) == pytest.approx(size)
    assert read_size_mb("") is None


def test_array_limit() -> None:
    assert read_limit("MaxArraySize            = 1001\n") == 1001
    both = "MaxArraySize  = 10001\nSchedulerParameters     = bf_interval=2,max_array_tasks=500\n"
    assert read_limit(both) == 500
    assert read_limit("Slurmctld(primary) at vm is UP\n") is None
