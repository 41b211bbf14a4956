"""One letter of each kind, with made-up but plausible content."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from astran.base.errors import Problem
from astran.base.states import AnalysisState
from astran.base.tasks import Plan, Stage, Task
from astran.config.analysis import Target
from astran.config.site import MailSettings, Server
from astran.mail.letters.content import ExecutionStats
from astran.mail.letters.mime import Thread
from astran.mail.letters.service_letters import Letters
from astran.report.model import Report, ReportPlot
from astran.report.outcomes import RunOutcome, StageLine
from astran.report.tables import TableRow
from astran.results.codec import read_value, results_from_json
from astran.results.document import Results, RunNumbers
from astran.telescopes.lst.settings import Dl3Settings, LstConfig

NOW = datetime(2023, 12, 8, 9, 12, 30, tzinfo=UTC)
SERVER = Server(host="localhost", port=993)
MAIL = MailSettings(
    address="astran@lst1.example", imap=SERVER, smtp=SERVER, operator="operator@lst1.example"
)
THREAD = Thread("shifter@institute.example", "ASTRAN-LAUNCH Crab", "<ask.1@institute.example>")
CONFIG = LstConfig(
    target=Target(name="Crab", ra=83.6331, dec=22.0145),
    date="20231207",
    runs=(15864, 15865, 15866),
    dl3=Dl3Settings(theta_cut=0.2, gammaness_cut=0.7),
)
NOTES = (
    "DL1 of version v0.10, tailcut84: the newest of 2 versions.",
    "IRF reused from an earlier analysis: the same cuts and models.",
)
STATS = ExecutionStats(2, 14, 5, "slurm", (("dl2", 1260.0), ("highlevel", 55.0)), 21.0)
PROBLEMS = (
    Problem("targt", "unknown key.", "Did you mean 'target'?", 1),
    Problem("date", "a night is written YYYYMMDD (given: '2023-13-07').", "", 2),
    Problem("target", "is required and not given."),
)


PLAN = Plan(
    tasks=(
        Task("dl2-15864", Stage.DL2, ("tool",), (), "/f", "/s", "/l", "/r", run=15864),
        Task("highlevel", Stage.HIGHLEVEL, ("astran",), (), "/f", "/s", "/l", "/r"),
    ),
    notes=NOTES,
    left_out=((15866, "no DL1 yet"),),
)
NIGHTS = (
    TableRow(("2023-12-07", "A12", "24.3 sigma in 1.02 h, 3 of 3 runs")),
    TableRow(("2023-12-08", "A13", "failed, 0 of 2 runs: the disk is full"), ok=False),
)
HELD = (
    TableRow(("dl2-15864", "It is held by an administrator of the cluster.")),
    TableRow(("dl2-15865", "It is held by an administrator of the cluster.")),
)
STRANGERS = (
    TableRow(
        ("12-07 21:04", "stranger", "eve@elsewhere.example", "ASTRAN-LAUNCH", "not on the list")
    ),
    TableRow(("12-08 02:31", "unauthenticated", "ann@institute.example", "Hi", "no DMARC pass")),
)
KINDS = (
    *("confirmation", "problems", "waiting", "status", "cancelled", "help", "refusal"),
    *("notice", "fault", "operator", "result", "partial", "failed"),
    *("plan", "order", "order_summary", "digest", "decision"),
)


class Frozen:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a letter never waits")


def png(width: int = 4, height: int = 3, padding: int = 0) -> bytes:
    """A real PNG image, with `padding` bytes of a private chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    rows = b"".join(b"\x00" + b"\x80" * width for _ in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"prVt", b"\x55" * padding)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def numbers(n_on: int, n_off: int, excess: float, sigma: float, hours: float) -> dict[str, Any]:
    """As in an entry of results.json."""
    return {
        "n_on": n_on,
        "n_off": n_off,
        "alpha": 1 / 3,
        "excess": excess,
        "excess_error": 20.9,
        "significance": sigma,
        "livetime_h": hours,
        "off_regions": 3,
        "theta_cut_deg": 0.2,
        "rate_per_min": excess / hours / 60,
        "rate_error": 0.59,
    }


def run_numbers(*values: Any) -> RunNumbers:
    found: RunNumbers = read_value(RunNumbers, numbers(*values), "", {})
    return found


def make_results(**parts: Any) -> Results:
    """Results of which some parts are known."""
    return results_from_json(parts)[0]


RUNS = (
    RunOutcome(15864, True, "highlevel", numbers=run_numbers(402, 321, 295.0, 16.6, 0.335)),
    RunOutcome(15865, True, "highlevel", numbers=run_numbers(388, 333, 277.0, 15.5, 0.342)),
    RunOutcome(15866, True, "highlevel", numbers=run_numbers(395, 318, 289.0, 16.3, 0.343)),
)
BAD_RUN = RunOutcome(
    15866,
    False,
    "dl3",
    "the tool ended with return code 1",
    (
        "Traceback (most recent call last):",
        '  File "create_dl3.py", line 412',
        "OSError: truncated",
    ),
)
RESULTS = make_results(
    stacked=numbers(1185, 972, 861.0, 24.3, 1.02),
    map={
        "peak_significance": 25.1,
        "peak_offset_deg": 0.012,
        "off_mean": -0.02,
        "off_sigma": 1.03,
    },
    spectrum={
        "model": "log-parabola",
        "energy_min_tev": 0.1,
        "energy_max_tev": 10.0,
        "flux": {"value": 4.61e-10, "error": 0.21e-10, "is_limit": False},
        "crab": {"value": 1.02, "error": 0.047, "is_limit": False},
    },
)
STAGES = (
    StageLine("dl2", 3, 3, 0, 0, 3, 423.5, 6210.0),
    StageLine("irf", 1, 0, 1, 0, 0),
    StageLine("dl3", 3, 3, 0, 0, 4, 61.0, 1480.0),
)


def write_plots(folder: Path, padding: int = 0) -> tuple[ReportPlot, ...]:
    """Three small images."""
    plots = []
    for name, title in (("theta2", "theta2 around Crab"), ("map", "Sky map"), ("cum", "Growth")):
        path = folder / f"{name}.png"
        path.write_bytes(png(padding=padding))
        plots.append(ReportPlot(path, title, f"{title}, described: 861 events of excess."))
    return tuple(plots)


def make_report(folder: Path) -> Report:
    """A result with everything in it."""
    return Report(
        request_id="A12",
        state=AnalysisState.DONE,
        config=CONFIG,
        site="LST-1, La Palma",
        requester="shifter@institute.example",
        runs=RUNS,
        stages=STAGES,
        received=NOW - timedelta(minutes=14),
        started=NOW - timedelta(minutes=13),
        ended=NOW,
        versions=(("astran", "0.1.0"), ("lstchain", "0.12.3")),
        notes=NOTES,
        results=RESULTS,
        plots=write_plots(folder),
        folder="/data/astran/Crab20231207",
    )


def make_partial(folder: Path) -> Report:
    """One of three runs failed."""
    return replace(
        make_report(folder),
        state=AnalysisState.PARTIAL,
        runs=(*RUNS[:2], BAD_RUN),
        warnings=("The sky map off the source has sigma 1.21: its peak is overestimated.",),
        simulated=True,
    )


def make_failed(folder: Path) -> Report:
    """All runs failed."""
    return replace(
        make_report(folder),
        state=AnalysisState.FAILED,
        runs=tuple(replace(BAD_RUN, run=run.run) for run in RUNS),
        results=None,
        plots=(),
    )


def make_letters(simulated: bool = False) -> Letters:
    return Letters(MAIL, "LST-1, La Palma", simulated, Frozen())


def every_letter(folder: Path) -> dict[str, EmailMessage]:
    """All kinds of letters by name."""
    letters = make_letters()
    chosen = ("target", "date", "runs", "dl3.theta_cut")
    return {
        "confirmation": letters.confirmation(
            THREAD, "A12", CONFIG, explicit=chosen, plan_notes=NOTES, stats=STATS
        ),
        "problems": letters.problems(THREAD, PROBLEMS, "targt: Crab\ndate: 2023-13-07\n"),
        "waiting": letters.waiting(
            THREAD, "A12", CONFIG, ["DL1 of run 15866"], NOW + timedelta(hours=48)
        ),
        "status": letters.status(
            THREAD,
            "A12",
            "Crab, 2023-12-07: running",
            [("Estimated time left", "6 min")],
            columns=("Task", "State", "Time"),
            rows=[
                TableRow(("dl2-15864", "done", "2 min 10 s")),
                TableRow(("dl3",), remark="waits"),
            ],
            notes=["The queue is full: 5 tasks wait."],
        ),
        "decision": letters.decision(
            THREAD, "A12", CONFIG, "2 jobs will not start without help", HELD
        ),
        "cancelled": letters.cancelled(THREAD, "A12", CONFIG, [("Tasks stopped", "4")]),
        "plan": letters.plan(THREAD, CONFIG, PLAN, chosen),
        "order": letters.ordered(THREAD, "S3", CONFIG, "2024-03-31", ("target",)),
        "order_summary": letters.order_summary(THREAD, "S3", "Crab", "2023-12-31", NIGHTS),
        "digest": letters.digest(NOW, STRANGERS, 3),
        "help": letters.help(THREAD, keys=[("dl3.theta_cut", "Radius of the ON region [deg].")]),
        "refusal": letters.refusal(THREAD, "Only members of the collaboration may ask."),
        "notice": letters.notice(THREAD, "A12 has ended", "One.\n\nTwo.", request_id="A12"),
        "fault": letters.fault(THREAD, "A12", "KeyError: 'significance'"),
        "operator": letters.operator(
            "Tick failed", "Traceback:\n  File\nKeyError: 1", [("Host", "cp01")]
        ),
        "result": letters.report(THREAD, make_report(folder)),
        "partial": letters.report(THREAD, make_partial(folder)),
        "failed": letters.report(THREAD, make_failed(folder)),
    }


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
