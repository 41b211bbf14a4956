"""What the demo's user writes."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from astran.base.clock import Clock
from astran.demo.demo_folder import DOMAIN, SERVICE, USER, address

_TYPOS = """\
taget: Crba
dat: 2023-13-07
dl3.gamaness_cut: 0.7
dl3.theta_cut: 12
"""


def launch_mail(clock: Clock, target: str, night: str) -> EmailMessage:
    """The request for an analysis, with one parameter set."""
    return _mail(
        clock,
        f"ASTRAN-LAUNCH {target}",
        f"target: {target}\ndate: {night}\ndl3.gammaness_cut: 0.7\n",
    )


def mistaken_mail(clock: Clock) -> EmailMessage:
    """A request full of typing errors."""
    return _mail(clock, "ASTRAN-LAUNCH in a hurry", _TYPOS)


def _mail(clock: Clock, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"Shifter <{address(USER)}>"
    message["To"] = address(SERVICE)
    message["Subject"] = subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = make_msgid(domain=DOMAIN)
    message.set_content(text)
    return message
