"""Days in the life of an installation, up to a moment at which everything is under way."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes

from fakes.disk_scheduler import Fate
from upgrade.upgrade_house import ALICE, CAROL, DORA, STRANGER, House, Killed, killed_in

from astran.base.errors import MailUnavailable
from astran.catalogue.sources import resolve_source
from astran.database import analyses
from astran.database.task_requests import TaskRequest, TaskSelection
from astran.service.intake.mailbox import take_in
from astran.service.jobs.task_control import request_for_tasks
from astran.service.manual_run import find_or_start
from astran.service.outgoing.delivery import deliver_due
from astran.service.reporting import reports
from astran.service.tick import run_tick
from astran.telescopes.configuration import load_analysis

BEGIN = datetime(2023, 12, 16, 9, tzinfo=UTC)
END = datetime(2023, 12, 17, 10, tzinfo=UTC)
"""Shortly after the last moment."""
RUNNING = "Crab20231201_3"
"""Folder of the analysis whose tasks are in every state."""
HELD = "Crab20231205"
LAUNCH = "target: Crab\ndate: {night}\n{more}"
BOUNCE = """\
--b
Content-Type: text/plain

The mail could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.astran.test

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 no such user

--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
Subject: x

--b--
"""


def play(house: House) -> None:
    """Everything; afterwards the house stands still."""
    house.open()
    with house.connected():
        _ended_ones(house)
        _mails_that_are_no_requests(house)
        _next_morning(house)
        _under_way(house)
        _last_moments(house)
    house.context.db.close()
    assert house.clock.moment < END


def ticks(house: House, times: int, seconds: float = 60) -> None:
    for _ in range(times):
        house.clock.sleep(seconds)
        result = run_tick(house.context)
        assert result.faults == [], result.faults


def launch(house: House, night: str, more: str = "", sender: str = ALICE) -> None:
    house.mail("ASTRAN-LAUNCH", LAUNCH.format(night=night, more=more), sender)


def _ended_ones(house: House) -> None:
    house.scheduler.fates |= {
        "Crab20231202/dl2-202": Fate.FAIL,
        "Crab20231203/dl2-*": Fate.FAIL,
        "Crab20231204/*": Fate.WAIT,
    }
    launch(house, "20231201")
    launch(house, "20231202")
    launch(house, "20231203", sender=DORA)
    launch(house, "20231204")
    launch(house, "20231215", "waiting.at_deadline: expire\nwaiting.hours: 4\n")
    house.mail("ASTRAN-LAUNCH", "target: Mrk421\nrepeat: until 2024-03-31\n")
    ticks(house, 8)
    house.mail("ASTRAN-CANCEL A4")
    ticks(house, 4)
    _by_hand(house, "20231201")
    ticks(house, 4)
    house.clock.moment = datetime(2023, 12, 16, 16, 1, tzinfo=UTC)
    ticks(house, 3)


def _by_hand(house: House, night: str) -> None:
    file = house.root / "by-hand.yml"
    file.write_text(LAUNCH.format(night=night, more=""))
    find_or_start(house.context, load_analysis(file, resolve_source), file, "")


def _mails_that_are_no_requests(house: House) -> None:
    house.mail("ASTRAN-LAUNCH", "target: Crba\ndate: 20231201\n")
    house.mail("ASTRAN-HELP", sender=CAROL)
    house.mail("ASTRAN-LAUNCH", LAUNCH.format(night="20231202", more=""), STRANGER)
    house.mail("ASTRAN-LAUNCH", "target: Crab\n", Authentication_Results="mx.astran.test; none")
    house.mail("ASTRAN-LAUNCH", "target: Crab\n", Auto_Submitted="auto-generated")
    ticks(house, 3)
    ours = next(raw for _, to, raw in house.post.sent if DORA in to)
    report = 'multipart/report; report-type=delivery-status; boundary="b"'
    text = BOUNCE.format(recipient=DORA, message_id=message_from_bytes(ours)["Message-ID"])
    house.mail("Undelivered", text, "MAILER-DAEMON@astran.test", Content_Type=report)
    ticks(house, 3)


def _next_morning(house: House) -> None:
    """The standing order finds its night."""
    house.clock.moment = datetime(2023, 12, 17, 9, 30, tzinfo=UTC)
    ticks(house, 8)


def _under_way(house: House) -> None:
    house.scheduler.fates |= {
        f"{HELD}/*": Fate.WAIT,
        f"{RUNNING}/dl3-103": Fate.RUN,
        f"{RUNNING}/dl3-104": Fate.WAIT,
        f"{RUNNING}/dl3-105": Fate.QUIET,
        f"{RUNNING}/dl3-107": Fate.UNKNOWN,
    }
    launch(house, "20231205")
    launch(house, "20231216")
    ticks(house, 6)
    with house.context.db.begin() as db:
        held = next(one for one in analyses.live_analyses(db) if one.folder.name == HELD)
    request_for_tasks(house.context, held, TaskSelection(), TaskRequest.HOLD)
    ticks(house, 2)
    launch(house, "20231201", "dl3.theta_cut: 0.3\n")
    launch(house, "20231206")
    with killed_in(reports, "report_analysis"):
        for _ in range(8):
            with suppress(Killed):
                ticks(house, 1, seconds=4)


def _last_moments(house: House) -> None:
    """A letter is under way and a mail has just been read when the lights go out."""
    deliver_due(house.context)
    house.clock.sleep(2)
    house.mail("ASTRAN-STATUS A1")
    take_in(house.context)
    house.post.script.append(MailUnavailable("the connection was lost"))
    deliver_due(house.context)
    house.clock.sleep(2)
    launch(house, "20231207")
    house.mail("ASTRAN-LAUNCH", "target: Crab\n", Authentication_Results="mx.astran.test; none")
    house.mail("ASTRAN-DRYRUN", LAUNCH.format(night="20231207", more=""))
    take_in(house.context)
