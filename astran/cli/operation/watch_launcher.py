"""`astran watch-launcher`: mails the operator when the launcher has stopped, and when it is back.

For cron, beside astran-launcher. It needs no database.
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP

from astran.base.clock import SystemClock
from astran.base.errors import ConfigError
from astran.cli.common import Exit, add_site_option, read_site
from astran.mail.letters.service_letters import Letters
from astran.mail.smtp import SmtpPostman
from astran.service.operator.launcher_watch import QUIET_MIN, watch_launcher


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=QUIET_MIN,
        metavar="N",
        help=f"without a tick for so long, the launcher has stopped (default: {QUIET_MIN:g})",
    )
    add_site_option(parser)


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 2 <= value <= 1440:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes from 2 to 1440")
    return value


def run(args: argparse.Namespace) -> int:
    """Look once, and tell the operator where that has changed; prints what was found."""
    site = read_site(args)
    mail = site.mail
    if mail is None or not mail.operator:
        raise ConfigError(
            "Nobody can be told: the site names no operator.",
            cure="Set mail.operator in the site configuration.",
        )
    clock = SystemClock()
    letters = Letters(mail, site.site, site.simulated, clock)

    def send(letter: EmailMessage) -> None:
        SmtpPostman(mail.smtp).send(letter.as_bytes(policy=SMTP), mail.address, [mail.operator])

    found = watch_launcher(
        site,
        clock,
        send,
        lambda title, text, seed: letters.operator(title, text, seed=seed),
        timedelta(minutes=args.minutes),
    )
    print(found.words)
    return Exit.FAILED if found.quiet else Exit.OK
