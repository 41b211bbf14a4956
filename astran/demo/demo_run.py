"""`astran demo`: from a mail about a simulated night to the mail with its results."""

from __future__ import annotations

import email
import email.policy
import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Protocol

import yaml

from astran.base.clock import Clock
from astran.base.errors import ProductError
from astran.base.files import write_json
from astran.config.model import build_settings
from astran.demo.data_tree import DataTree
from astran.demo.demo_folder import (
    OPERATOR,
    SERVICE,
    USER,
    DemoFolder,
    make_fresh_folder,
    write_site,
)
from astran.demo.mails import launch_mail, mistaken_mail
from astran.demo.servers import Delivered, MailServers
from astran.demo.simulate import SOURCE, TEST_NODES, Simulation, simulated_night
from astran.demo.ticks import Launcher
from astran.demo.truth import count_gammas
from astran.results.codec import results_from_json
from astran.telescopes.lst.settings import LstConfig

_REPORT_TIMEOUT = 1200.0
_ANSWER_TIMEOUT = 180.0
_REFUSALS = frozenset({"problems", "refusal", "help", "cancelled"})


class Display(Protocol):
    """Shows a person how far the demo is."""

    def stage(self, name: str) -> None:
        """A new part of the demo begins."""
        ...

    def progress(self, step: str, done: int, total: int) -> None:
        """Within the part: what is being done, and how many steps of how many are done."""
        ...


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Where the demo left what."""

    files: DemoFolder
    summary: dict[str, Any]
    """The content of summary.json."""


def run_demo(
    output: Path,
    simulation: Simulation,
    clock: Clock,
    display: Display,
    to_html: Callable[[bytes], str],
    linger: Callable[[MailServers], None] = lambda servers: None,
) -> DemoResult:
    """Run the demo in a folder, which is emptied first if it holds a former demo.

    Parameters
    ----------
    to_html : makes a self-contained page from a raw mail
    linger : called at the end while the mail servers still run

    Raises
    ------
    AstranError : with the logs to look at
    """
    began = time.monotonic()
    with make_fresh_folder(output) as files:
        display.stage("Simulating the night")
        tree, _ = simulated_night(simulation, clock, display.progress, files.night)
        shutil.copyfile(tree.truth, files.truth)
        simulate_s = time.monotonic() - began
        display.stage("Starting the mail servers")
        with MailServers(files.mail_server, (SERVICE, USER, OPERATOR)) as servers:
            write_site(files, tree, servers)
            sent = _correspond(files, servers, simulation, clock, display)
            display.stage("Collecting mails, logs and numbers")
            received = servers.inbox(USER)
            _keep_mails(files, sent, received, to_html)
            _keep_logs(files)
            figures = _figures(files, tree, simulation)
            summary = {
                **figures,
                "mails_received": len(received),
                "analyses_started": len(list(files.analysis.glob("*/config_*.yml"))),
                "wall_s": round(time.monotonic() - began, 1),
                "simulate_s": round(simulate_s, 1),
            }
            write_json(files.summary, summary)
            linger(servers)
    return DemoResult(files, summary)


def _correspond(
    files: DemoFolder,
    servers: MailServers,
    simulation: Simulation,
    clock: Clock,
    display: Display,
) -> list[Delivered]:
    """Send both mails, each followed by ticks until its answer is there."""
    # DL2 and DL3 of each run, the IRFs, index, results
    tasks = 2 * simulation.runs + len(TEST_NODES) + 2

    def tasks_done() -> None:
        done = len(list(files.analysis.glob("*/jobmanager/*/*.record.json")))
        display.progress(_last_words(files.launcher_log), min(done, tasks), tasks)

    display.stage("Launch mail sent; analysing, tick by tick")
    sent = [_send(servers, clock, launch_mail(clock, SOURCE, str(simulation.night)))]
    launcher = Launcher(files, servers, clock)
    try:
        launcher.until("report", _REFUSALS, _REPORT_TIMEOUT, tasks_done)
    except BaseException:
        launcher.cancel()
        raise
    display.stage("A mail with typing errors, and its answer")
    sent.append(_send(servers, clock, mistaken_mail(clock)))
    launcher.until("problems", _REFUSALS - {"problems"}, _ANSWER_TIMEOUT)
    return sent


def _send(servers: MailServers, clock: Clock, message: EmailMessage) -> Delivered:
    sent = Delivered(clock.now(), message.as_bytes(policy=SMTP))
    servers.send(USER, message)
    return sent


def _last_words(log: Path) -> str:
    """What the launcher did last, without time and level."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+ +", "", lines[-1]) if lines else ""


def _keep_mails(
    files: DemoFolder,
    sent: list[Delivered],
    received: list[Delivered],
    to_html: Callable[[bytes], str],
) -> None:
    """Write each mail as NN-*.eml and NN-*.html, in the order of their times."""
    both = [("sent", mail) for mail in sent] + [("received", mail) for mail in received]
    for number, (way, mail) in enumerate(sorted(both, key=lambda pair: pair[1].when), 1):
        message = email.message_from_bytes(mail.raw, policy=email.policy.default)
        words = re.sub(r"[^A-Za-z0-9]+", "-", str(message["Subject"])).strip("-").lower()
        path = files.mails / f"{number:02d}-{way}-{words[:60].strip('-')}.eml"
        path.write_bytes(mail.raw)
        path.with_suffix(".html").write_text(to_html(mail.raw), encoding="utf-8")


def _keep_logs(files: DemoFolder) -> None:
    """Bring the logs of the tasks beside that of the launcher."""
    for log in sorted(files.analysis.glob("*/log/*.log")):
        shutil.copyfile(log, files.logs / log.name)


def _figures(files: DemoFolder, tree: DataTree, simulation: Simulation) -> dict[str, Any]:
    """The result, and the truth under the same cuts."""
    folder = files.analysis / f"{SOURCE}{simulation.night}"
    results_file = folder / "results" / "results.json"
    try:
        results, _ = results_from_json(json.loads(results_file.read_text()))
    except OSError as error:
        raise ProductError(
            f"The report came, but there are no results in {results_file}.",
            f"See the mails in {files.mails} and the logs in {files.logs}.",
        ) from error
    config = build_settings(
        LstConfig,
        yaml.safe_load((folder / f"config_{folder.name}.yml").read_text()),
        "The configuration of the analysis",
    )
    event_lists = sorted((folder / "DL3").glob("dl3_LST-1.Run*.fits*"))
    truth = count_gammas(tree.truth, event_lists, config.dl3.theta_cut)
    stacked = results.stacked
    return {
        "target": SOURCE,
        "night": str(simulation.night),
        "runs": [run["run"] for run in json.loads(tree.truth.read_text())["runs"]],
        "significance": stacked.significance,
        "excess": stacked.excess,
        "excess_error": stacked.excess_error,
        "excess_truth": truth.on,
        "livetime_h": stacked.livetime_h,
        "map_peak_offset_deg": results.map and results.map.peak_offset_deg,
    }
