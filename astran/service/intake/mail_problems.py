"""What is wrong with a mail itself, whatever it asks for: age, readers, priority, damage."""

from __future__ import annotations

from datetime import datetime, timedelta

from astran.base.errors import Problem
from astran.base.mail_commands import MailCommand
from astran.base.night import Night
from astran.base.scheduler import Priority
from astran.config.site import MailSettings
from astran.launch_language.parser import Parsed
from astran.launch_language.resolve import several_nights
from astran.mail.gate import may_alert, may_read
from astran.mail.letters.mime import Thread
from astran.mail.parsing.mail_facts import MailFacts

_CLOCK_AHEAD = timedelta(days=1)


def too_old(facts: MailFacts, rules: MailSettings, now: datetime) -> str:
    """Why a mail that is verified by its own signature may be a kept copy; empty where it is new,
    or where the mail server vouches for it."""
    if not rules.verify_dkim or rules.authserv_id or rules.trust_from:
        return ""
    if facts.date is None:
        return "has no Date, so it may be an old one that somebody kept; nothing was done."
    if -_CLOCK_AHEAD <= now - facts.date <= timedelta(days=rules.max_age_days):
        return ""
    return (
        f"was written on {facts.date:%Y-%m-%d}, and signed mails count for "
        f"{rules.max_age_days:g} days; nothing was done."
    )


_CLOCKS_APART = timedelta(days=2)


def written_at(facts: MailFacts, today: Night) -> datetime | None:
    """When a mail was written, in its sender's time zone; None where its clock cannot be right."""
    written = facts.date
    if written is None or abs(written.date() - today.evening) > _CLOCKS_APART:
        return None
    return written


def problems_of_readers(parsed: Parsed, rules: MailSettings) -> list[Problem]:
    """Readers of `cc:` to whom the site sends no reports."""
    return [
        Problem(
            "cc",
            f"{reader} is not among those who may get reports of this site.",
            "Leave the address out; the operator may add it to mail.readers.",
            parsed.lines.get("cc"),
        )
        for reader in parsed.params.get("cc", ())
        if not may_read(reader, rules)
    ]


def problems_of_priority(parsed: Parsed, sender: str, rules: MailSettings) -> list[Problem]:
    """A priority that its sender may not ask for."""
    if parsed.params.get("priority") != Priority.ALERT or may_alert(sender, rules):
        return []
    reason = f"{Priority.ALERT} is not for {sender} to ask for at this site."
    cure = "Leave it out; the operator may add you to mail.alert_senders."
    return [Problem("priority", reason, cure, parsed.lines.get("priority"))]


def problems_of_nights(parsed: Parsed, rules: MailSettings, command: MailCommand) -> list[Problem]:
    """What a site does not do with several nights at once."""
    several, most = several_nights(parsed.params), rules.quotas.nights_per_request
    if several is None:
        return []
    line = parsed.lines.get("date")
    found = []
    if several.number > most:
        reason = f"are {several.number} nights, and this site takes at most {most} at once."
        found.append(Problem("date", reason, "Ask for fewer nights, or in several mails.", line))
    if command is MailCommand.DRYRUN:
        reason = "are several nights or targets, and a plan is made for one."
        hint = "Name one; a launch of several first tells nights, runs, hours and cost."
        found.append(Problem("date", reason, hint, line))
    return found


def problems_of_mail(damage: str, aside: str, thread: Thread) -> list[Problem]:
    """What is wrong with the mail itself."""
    found = []
    if damage:
        found.append(Problem("the mail", f"did not arrive whole: {damage}.", "Send it again."))
    if aside:
        reason = f"has its launch lines only {aside}."
        found.append(Problem("the mail", reason, "Write them into the text of the mail itself."))
    if not thread.in_reply_to:
        reason = "has no Message-ID, without which a launch could happen twice."
        found.append(Problem("the mail", reason, "Send it with another mail program."))
    return found
