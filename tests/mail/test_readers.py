"""`cc:` sends the report to further readers, as far as the site allows them."""

from __future__ import annotations

import pytest
from mail_samples import ALICE, OWN, mail, settings

from astran.base.night import Night
from astran.launch_language.parser import parse
from astran.launch_language.resolve import write_launch
from astran.mail.gate import may_read
from astran.service.intake.decision import Decision, MailOutcome, decide_mail

TODAY = Night.parse("20231210")
BLOCK = "target: Crab\ndate: 20231207\n"
RULES = settings(readers=("@observatory.example", "eva@uni.example"))


def judged(line: str) -> Decision:
    return decide_mail(mail(body=BLOCK + line), RULES, TODAY)


@pytest.mark.parametrize(
    ("line", "readers"),
    [
        ("cc: eva@uni.example", ["eva@uni.example"]),
        ("Cc: Eva Example <Eva@Uni.Example>", ["eva@uni.example"]),
        ("copy to: eva@uni.example and x@observatory.example",
         ["eva@uni.example", "x@observatory.example"]),
        ("CC = a@allowed.example; eva@uni.example,", ["a@allowed.example", "eva@uni.example"]),
        ("cc: eva@uni.example<mailto:eva@uni.example>", ["eva@uni.example"]),
        ("cc: eva@uni.example, eva@uni.example", ["eva@uni.example"]),
        ("cc: none", []),
    ],
)  # fmt: skip
def test_readers_that_the_site_allows(line: str, readers: list[str]) -> None:
    found = judged(line + "\n")
    assert found.outcome is MailOutcome.LAUNCH, found.problems
    assert found.params["cc"] == readers


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("cc: eve@evil.example", "eve@evil.example"),
        ("cc: eva@uni.example, eve@evil.example", "eve@evil.example"),
        ("cc: x@sub.observatory.example", "x@sub.observatory.example"),
        (f"cc: {OWN}", OWN),
        ("cc: everybody", "no mail address"),
        ("cc: eva@uni", "no mail address"),
        ("cc:", "cc"),
        ("cc: " + ", ".join(f"a{n}@allowed.example" for n in range(11)), "11 readers"),
    ],
)
def test_others_are_named_and_nothing_starts(line: str, word: str) -> None:
    found = judged(line + "\n")
    assert found.outcome is MailOutcome.ERROR_REPLY
    assert any(word in str(problem) for problem in found.problems), found.problems
    assert not found.offered


def test_the_corrected_request_holds_the_readers() -> None:
    found = judged("cc: eva@uni.example, a@allowed.example\ngamaness: 0.9\n")
    assert found.offered
    again = parse(found.example)
    assert again.params["cc"] == ["eva@uni.example", "a@allowed.example"]
    assert parse(write_launch(again.params)).params == again.params


def test_who_may_read() -> None:
    assert may_read(ALICE.upper(), RULES)
    assert may_read("x@Observatory.example", RULES)
    assert not may_read("x@uni.example", RULES)
    assert not may_read(OWN, RULES)
