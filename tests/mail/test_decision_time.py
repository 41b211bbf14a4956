"""One mail takes a bounded time, whatever may be wrong with the code that reads it."""

from __future__ import annotations

import re
import time

import pytest
from mail_samples import mail, settings

from astran.base.errors import AstranError, DecisionTimeout
from astran.base.night import Night
from astran.mail.senders import verification
from astran.service.intake import decision as room
from astran.service.intake.decision import MailOutcome, decide_mail

TODAY = Night.parse("20231210")


def backtrack(*_: object) -> bool:
    return bool(re.fullmatch(r"(a+)+", "a" * 60 + "!"))


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "DECISION_LIMIT_S", 0.3)


def test_reading_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_mail(mail(), settings(), TODAY)
    monkeypatch.setattr(room, "parse_agreeing", backtrack)
    begin = time.process_time()
    with pytest.raises(DecisionTimeout, match="computing time"):
        decide_mail(mail(), settings(), TODAY)
    assert time.process_time() - begin < 5
    assert issubclass(DecisionTimeout, AstranError)
    assert (
        decide_mail(mail(Subject="ASTRAN-HELP"), settings(), TODAY).outcome is MailOutcome.COMMAND
    )


def test_who_cannot_be_verified_in_time_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "signed_by", backtrack)
    rules = settings(authserv_id="", verify_dkim=True)
    decision = decide_mail(mail("X: 1\r\n"), rules, TODAY)
    assert decision.outcome is MailOutcome.QUARANTINE
    assert "computing time" in decision.reason
    assert not decision.outcome.replied
