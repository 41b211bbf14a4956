"""Mails of every program and kind: the right class for all, the right parameters exactly."""

from __future__ import annotations

import itertools
import time

import pytest
from corpus_blocks import BLOCKS, Block
from corpus_clients import SHAPES, Shape
from corpus_refused import REFUSED, Refused
from mail_samples import AUTHSERV, OWN, settings

from astran.base.night import Night
from astran.mail.parsing.headers import read_message
from astran.mail.parsing.mail_facts import MailFacts
from astran.service.intake.decision import Decision, MailOutcome, decide_from_headers, decide_mail

TODAY = Night.parse("20261120")
ALICE = "alice@institute.example"


def judged(raw: bytes) -> Decision:
    begin = time.process_time()
    decision = decide_mail(raw, settings(), TODAY)
    assert time.process_time() - begin < 2
    return decision


def wrapped(headers: str, body: bytes, **changes: str) -> bytes:
    """A mail by Alice, as it lies in the mailbox."""
    fields = {
        "Return-Path": f"<{ALICE}>",
        "Delivered-To": OWN,
        "Received": "from mail.institute.example by mx.lst.example; Fri, 8 Dec 2023 09:00:01 +0100",
        "Authentication-Results": f"{AUTHSERV}; dkim=pass header.d=institute.example;\r\n"
        " spf=pass smtp.mailfrom=institute.example; dmarc=pass (p=NONE) "
        "header.from=institute.example",
        "From": f"Alice Astronomer <{ALICE}>",
        "To": OWN,
        "Subject": "ASTRAN-LAUNCH",
        "Date": "Fri, 08 Dec 2023 09:00:00 +0100",
        "Message-ID": "<4711@institute.example>",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    top = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return (top + headers + "\r\n").encode("utf-8", "surrogateescape") + body


# html programs that make a table of the lines, or list them, cannot carry free text or lists
_PLAIN_ONLY = {"outlook_lists", "html_table"}
_TEXT_LIKE = {"greeting", "yaml-list", "wrapped", "bullets", "stars", "dashes", "accents",
              "japanese", "russian", "chinese", "comment", "smart-quotes", "nbsp",
              "signature", "unmarked-signature", "disclaimer", "full-width"}  # fmt: skip
_MARKED = {"range", "nbsp", "smart-quotes", "bullets"}
PAIRS = [
    pytest.param(shape, block, id=f"{shape.__name__}-{block.name}")
    for shape, block in itertools.product(SHAPES, BLOCKS)
    if not (shape.__name__ in _PLAIN_ONLY and block.name in _TEXT_LIKE)
    # marks whose bytes mean letters under the wrong label stay unreadable
    and not (shape.__name__ == "gb_under_wrong_label" and block.name in _MARKED)
]


@pytest.mark.parametrize(("shape", "block"), PAIRS)
def test_every_program_can_launch(shape: Shape, block: Block) -> None:
    decision = judged(wrapped(*shape(block)))
    assert decision.outcome is MailOutcome.LAUNCH, [str(p) for p in decision.problems]
    params = {"runs": None, **decision.params}
    expected = {
        key: pytest.approx(value) if isinstance(value, float) else value
        for key, value in block.params.items()
    }
    assert params == expected
    assert decision.config is not None


def test_the_corpus_is_large() -> None:
    assert len({param.id for param in PAIRS}) > 1000
    assert len(REFUSED) > 400
    assert len({one.name for one in REFUSED}) == len(REFUSED)


@pytest.mark.parametrize("mail", REFUSED, ids=lambda mail: mail.name)
def test_what_must_not_launch(mail: Refused) -> None:
    decision = judged(mail.raw)
    assert decision.outcome is mail.outcome, (decision.reason, list(map(str, decision.problems)))
    if decision.outcome is MailOutcome.ERROR_REPLY:
        assert decision.problems
    door = decide_from_headers(MailFacts(read_message(mail.raw)), len(mail.raw), settings())
    if door is not None:
        assert door.outcome is decision.outcome, "headers and whole mail must agree"
