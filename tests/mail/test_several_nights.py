"""Mails about several nights and targets: the right thing, or a question that names the fix.

The answers are those that a reader of docs/data-sets.md expects; nothing that was not asked for is
ever launched.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from astran.base.mail_commands import MailCommand
from astran.base.night import Night
from astran.config.model import build_settings
from astran.config.site import MailSettings
from astran.launch_language.resolve import several_nights
from astran.service.intake.decision import Decision, MailOutcome, decide_mail

NOW = datetime(2024, 3, 4, 10, tzinfo=UTC)  # a Monday
SERVER = {"host": "localhost", "port": 1}
RULES = build_settings(
    MailSettings,
    {
        "address": "astran@astran.test",
        "allow": ["alice@astran.test"],
        "authserv_id": "mx.astran.test",
        "imap": SERVER,
        "smtp": SERVER,
        "quotas": {"nights_per_request": 200},
    },
    "the rules",
)


def decided(text: str, title: str = "ASTRAN-LAUNCH", written: datetime = NOW) -> Decision:
    head = {
        "Authentication-Results": "mx.astran.test; dmarc=pass header.from=astran.test",
        "From": "alice@astran.test",
        "To": "astran@astran.test",
        "Subject": title,
        "Message-ID": "<1@client.test>",
        "Date": f"{written:%a, %d %b %Y %H:%M:%S +0000}",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return decide_mail(f"{lines}\r\n{text}".encode(), RULES, Night.of(NOW), now=NOW)


LAUNCHED = {
    # nights
    "target: Crab\ndate: yesterday\n": "Crab 20240303",
    "target: Crab\ndate: last night\n": "Crab 20240303",
    "target: Crab\nnight: the night before last\n": "Crab 20240302",
    "target: Crab\ndate: 20231207-20231213\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: 2023-12-07-2023-12-13\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: 2023-12-07 - 2023-12-13\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: 20231207 – 20231213\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: 20231207..20231213\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: 20231207 to 2023-12-13\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: from 20231207 until 20231213\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: between 20231207 and 20231213\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: 7-13 December 2023\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: Dec 7-13, 2023\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: 7 Dec 2023 to 13 Dec 2023\n": "Crab 20231207 to 20231213",
    "target: Crab\ndate: 13/12/2023-20/12/2023\n": "Crab 20231213 to 20231220",
    "target: Crab\ndate: 20231207 to 20231213 (inclusive)\n": "Crab 20231207 to 20231213",
    "target: Crab\nnights: 2023-11-01 to 2024-02-29\n": "Crab 20231101 to 20240229",
    "target: Crab\ndates: 20231207, 20231209\n": "Crab 20231207, 20231209",
    "target: Crab\ndates: 20231207 20231209\n": "Crab 20231207, 20231209",
    "target: Crab\nnights: 20231207 and 20231209\n": "Crab 20231207, 20231209",
    "target: Crab\nnights: 20231207; 20231209\n": "Crab 20231207, 20231209",
    "target: Crab\nnights: [20231207, 2023-12-09]\n": "Crab 20231207, 20231209",
    "target: Crab\nnights: Dec 7, 2023, Dec 9, 2023\n": "Crab 20231207, 20231209",
    "target: Crab\nnights: 20231209, 20231207\n": "Crab 20231207, 20231209",
    "target: Crab\nnights: 20231207-20231209, 20231211\n": "Crab 20231207 to 20231209, 20231211",
    "target: Crab\nnights: 20231207-20231209, 20231208\n": "Crab 20231207 to 20231209",
    "target: Crab\nnights: 20231207, 20231207\n": "Crab 20231207",
    "target: Crab\nnights: 20240301 to yesterday\n": "Crab 20240301 to 20240303",
    # targets
    "target: Crab, Mrk421\ndate: 20231207\n": "Crab, Mrk421 20231207",
    "target: Crab and Mrk 421\ndate: 20231207\n": "Crab, Mrk 421 20231207",
    "targets: Crab; Mrk421; Mrk501\ndate: last night\n": "Crab, Mrk421, Mrk501 20240303",
    "sources: [Crab, Mrk421]\nnights: 20231207-20231209\n": "Crab, Mrk421 20231207 to 20231209",
    "target: all\ndate: yesterday\n": "all 20240303",
    "target: all sources\nnights: 20231207-20231209\n": "all 20231207 to 20231209",
    "target: 1ES 1959+650\ndate: 20231207-20231208\n": "1ES 1959+650 20231207 to 20231208",
    "target: Crab, Crab\ndate: 20231207\n": "Crab 20231207",
    # all in one line, with other keys, in other forms
    "target: Crab, Mrk421, date: 20231207-20231209\n": "Crab, Mrk421 20231207 to 20231209",
    "target: Crab; nights: 20231207, 20231209; start: dl3; folder: dl3\n": (
        "Crab 20231207, 20231209"
    ),
    "Hi,\n\ntarget: Crab\nnights: 20231207-20231209\n\nThanks,\nAlice\n": (
        "Crab 20231207 to 20231209"
    ),
}
ASKED = {
    # text: what the answer names
    "target: Crab\ndate: 20231213-20231207\n": "Write 20231207-20231213",
    "target: Crab\ndate: 20231207-13\n": "Write 20231207-20231213",
    "target: Crab\ndate: 20231207-1213\n": "Write 20231207-20231213",
    "target: Crab\ndate: 01/02/2024\n": "Write 20240201 or 20240102",
    "target: Crab\ndate: 01/02/2024 - 05/02/2024\n": "Write 20240201 or 20240102",
    "target: Crab\ndate: 20231207/20231213\n": "a range or a list",
    "target: Crab\ndate: 20231207 or 20231208\n": "or 20231208",
    "target: Crab\ndate: 20231207-20231208-20231209\n": "-20231209",
    "target: Crab\ndate: 20240301-20240310\n": "in the future. The last night",
    "target: Crab\ndate: 20240301, 20300101\n": "2030-01-01 is in the future",
    "target: Crab\ndate: 20231230-20240230\n": "not in the calendar",
    "target: Crab\nnights: 2022-01-01 to 2023-12-31\n": (
        "are 730 nights, and this site takes at most 200"
    ),
    "target: Crab, Mrk421\nnights: 20230801-20231231\n": "are 306 nights",
    "target: Crab\nnights: November 2023\n": "Write 2023-11-01 to 2023-11-30",
    "target: Crab\nnights: 2023-11\n": "Write 2023-11-01 to 2023-11-30",
    "target: Crab\nnights: all of November 2023\n": "Write 2023-11-01 to 2023-11-30",
    "target: Crab\nnights: November 2023 to February 2024\n": "Write 2023-11-01 to 2024-02-29",
    "target: Crab\nnights: last week\n": "Write 20240226-20240303",
    "target: Crab\nnights: the last 3 nights\n": "Write 20240301-20240303",
    "target: Crab\nnights: all\n": "first and the last one",
    "target: Crab\nnights: from 20231207\n": "only one end of a range",
    "target: Crab\nnights: since 20231207\n": "only one end of a range",
    "target: Crab\nnights: 20231207 onwards\n": "onwards",
    "target: Crab\nnights: 20231207-\n": "is not understood",
    "target: Crab\nnights: 20231207-20231213 except 20231210\n": "except 20231210",
    "target: Crab\nnights: 20231207 for 3 nights\n": "for 3 nights",
    "target: Crab\nnights: 7, 8 and 9 December 2023\n": "Write it as YYYYMMDD",
    "target: Crab\ndate: last Monday\n": "20240226",
    "target: Crab\ndate: tonight\n": "20240304",
    "target: Crab\nfrom: 20231207\nto: 20231213\n": "both ends in one line",
    "target: Crab\ndate: 20231207\nto: 20231213\n": "both ends in one line",
    "target: Crab\ndate: 20231207\ndate: 20231208\n": "`date: 20231207, 20231208`",
    "target: Crab\ndate: 20231207\n20231208\n": "`date: 20231207, 20231208`",
    "target: Crab\nnights:\n- 20231207\n- 20231208\n": "`date: 20231207, 20231208`",
    "target: Crab\ntarget: Mrk421\ndate: 20231207\n": "`target: Crab, Mrk421`",
    "target: Crab or Mrk421\ndate: 20231207\n": "with commas",
    "target: Crab/Mrk421\ndate: 20231207\n": "with commas",
    "target: all except Crab\ndate: 20231207\n": "all except Crab",
    "target: all, Crab\ndate: 20231207\n": "not the plain name",
    "target: Crab, NoSuchSource\ndate: 20231207\n": "NoSuchSource",
    "target: Crab Mrk421\ndate: 20231207\n": "Crab Mrk421",
    "target: Crab, Mrk421\ndate: 20231207\nra: 83.6\ndec: 22\n": "does not go with several targets",
    "target: Crab\ndate: 20231207-20231209\nruns: 15864\n": "does not go with several nights",
    "target: Crab\ndate: 20231207-20231209\nrepeat: until 2024-12-31\n": "standing order",
    "target: Crab, Mrk421\nrepeat: until 2024-12-31\n": "one standing order",
    "target: all\n": "date: is required",
}


@pytest.mark.parametrize("text", LAUNCHED)
def test_what_is_launched(text: str) -> None:
    decision = decided(text)
    assert decision.outcome is MailOutcome.LAUNCH, list(map(str, decision.problems))
    assert asked_for(decision) == LAUNCHED[text]


def asked_for(decision: Decision) -> str:
    several = several_nights(decision.params)
    if several is None:
        assert decision.config is not None
        return f"{decision.params['target']} {decision.config.date}"
    nights = ", ".join(map(str, several.spans)).replace("-", "")
    return f"{', '.join(several.targets) or 'all'} {nights}"


@pytest.mark.parametrize("text", ASKED)
def test_what_is_asked_about(text: str) -> None:
    decision = decided(text)
    assert decision.outcome is MailOutcome.ERROR_REPLY
    assert decision.config is None
    assert ASKED[text] in " ".join(map(str, decision.problems))
    assert not decision.offered


def test_yesterday_in_the_dark_is_asked_about() -> None:
    """At 3 h in the night, last night can be this one or the one before."""
    decision = decided("target: Crab\ndate: last night\n", written=NOW.replace(hour=3))
    assert decision.outcome is MailOutcome.ERROR_REPLY
    assert "20240303 or 20240302" in str(decision.problems[0])


def test_no_plan_of_several_nights() -> None:
    text = "target: Crab\nnights: 20231207-20231209\n"
    decision = decided(text, "ASTRAN-DRYRUN")
    assert decision.outcome is MailOutcome.ERROR_REPLY
    assert "first tells nights, runs, hours and cost" in str(decision.problems[0])


@pytest.mark.parametrize(
    ("title", "command"),
    [("ASTRAN-HOLD A12", MailCommand.HOLD), ("ASTRAN-RELEASE A12", MailCommand.RELEASE)],
)
def test_hold_and_release(title: str, command: MailCommand) -> None:
    decision = decided("", title)
    assert (decision.outcome, decision.command) == (MailOutcome.COMMAND, command)
    assert decision.about == 12


def test_a_number_behind_a_point_is_no_analysis() -> None:
    """A12.3 is neither A12 nor A3."""
    decision = decided("", "ASTRAN-CANCEL A12.3")
    assert decision.about is None
