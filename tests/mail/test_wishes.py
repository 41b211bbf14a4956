"""No wish is lost: it is obeyed or asked about, and whoever may ask gets an answer."""

from __future__ import annotations

import pytest
from corpus_wishes import FURTHER_WISHES, WISHES, Wish
from mail_samples import ALICE, mail, settings

from astran.base.night import Night
from astran.service.intake.decision import Decision, MailOutcome, decide_mail

LAST_NIGHT = Night.parse("20231209")
OWN_ID = "<confirmation.A12.1.0123456789abcdef@lst.example>"
READERS = (ALICE, "@allowed.example", "bob@institute.example", "eve@institute.example")


def decided(wish: Wish) -> Decision:
    thread = {"In_Reply_To": OWN_ID, "References": OWN_ID} if wish.answer else {}
    raw = mail(
        Subject=wish.subject,
        body=wish.text,
        Date="Sun, 10 Dec 2023 09:12:00 +0100",
        Content_Type="text/plain; charset=utf-8",
        Content_Transfer_Encoding="8bit",
        **thread,
        **wish.other,
    )
    return decide_mail(raw, settings(allow=READERS), LAST_NIGHT)


def fault(wish: Wish, decision: Decision) -> str:
    """What is wrong with the decision; empty where it is one that the author expects."""
    lines = ["", *wish.text.split("\n")]
    told = " | ".join(f"{each} ({lines[each.line or 0]})" for each in decision.problems)
    made = {name: value for name, value in decision.params.items() if value is not None}
    match decision.outcome:
        case MailOutcome.LAUNCH if wish.launch is not None:
            return "" if _alike(made, wish.launch) else f"launches {made}"
        case MailOutcome.ERROR_REPLY if wish.asks is not None:
            return "" if wish.asks.lower() in told.lower() else f"asks {told}"
        case MailOutcome.ERROR_REPLY if len(wish.about) > 1:
            return "" if all(f"A{number}" in told for number in wish.about) else f"asks {told}"
        case MailOutcome.COMMAND if wish.command is not None:
            named = () if decision.about is None else (decision.about,)
            good = decision.command is wish.command and (named or (12,)) == wish.about
            return "" if good else f"{decision.command} {named}"
        case MailOutcome.IGNORE if wish.ignored:
            return ""
    return f"{decision.outcome}: {made or told}"


def _alike(made: dict[str, object], right: dict[str, object]) -> bool:
    return made.keys() == right.keys() and all(
        made[name] == (pytest.approx(value) if isinstance(value, float) else value)
        for name, value in right.items()
    )


@pytest.mark.parametrize("wish", WISHES + FURTHER_WISHES, ids=lambda wish: wish.name)
def test_the_author_gets_what_he_expects(wish: Wish) -> None:
    assert fault(wish, decided(wish)) == ""
