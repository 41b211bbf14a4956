"""Commands by mail."""

from __future__ import annotations

import pytest

from astran.launch_language.commands import MailCommand, command_of


@pytest.mark.parametrize(
    ("subject", "text", "command", "analysis"),
    [
        ("ASTRAN-STATUS A12", "", MailCommand.STATUS, 12),
        ("astran-status a12", "", MailCommand.STATUS, 12),
        ("ASTRAN-CANCEL 12", "", MailCommand.CANCEL, 12),
        ("ASTRAN-CANCEL #12 please", "", MailCommand.CANCEL, 12),
        ("ASTRAN-RETRY: A-0012", "", MailCommand.RETRY, 12),
        ("ASTRAN-RETRY A 12", "", MailCommand.RETRY, 12),
        ("ASTRAN-CANCEL id A12", "", MailCommand.CANCEL, 12),
        ("[A12] ASTRAN-STATUS", "", MailCommand.STATUS, 12),
        ("ASTRAN-STATUS", "", MailCommand.STATUS, None),
        ("ASTRAN-STATUS A12 A13", "", MailCommand.STATUS, 12),
        ("ASTRAN-LIST", "", MailCommand.LIST, None),
        ("ASTRAN-HELP", "", MailCommand.HELP, None),
        ("ASTRAN-DRYRUN Crab", "", MailCommand.DRYRUN, None),
        ("ASTRAN-LAUNCH A 0535+26", "target: Crab", MailCommand.LAUNCH, None),
        ("Re: ASTRAN-LAUNCH [A12 received]", "ASTRAN-CANCEL", MailCommand.CANCEL, 12),
        ("Re: ASTRAN-LAUNCH [A12]", "\n  astran-cancel a13\nthanks", MailCommand.CANCEL, 13),
        ("Re: Crab", "ASTRAN-STATUS", MailCommand.STATUS, None),
        ("Re: ASTRAN-LAUNCH [A12]", "please ASTRAN-CANCEL it", MailCommand.LAUNCH, None),
        ("Re: Crab [A12]", "thanks", None, 12),
        ("Hello", "", None, None),
        ("ASTRAN\u2013CANCEL A12", "", None, 12),
        ("ASTRAN-CANCEL A0535+26", "", MailCommand.CANCEL, None),
    ],
)
def test_commands(
    subject: str, text: str, command: MailCommand | None, analysis: int | None
) -> None:
    assert command_of(subject, text) == (command, analysis, None)


@pytest.mark.parametrize("word", ["STATUS", "CANCEL", "RETRY", "LIST", "HELP"])
def test_an_answer_acts_by_its_first_line_alone(word: str) -> None:
    inherited = f"Re: ASTRAN-{word} A1 [A2] accepted: Crab"
    assert command_of(inherited, "Thank you!", answers=True).command is None
    assert command_of(inherited, "", answers=True).command is None
    assert command_of(inherited, "thanks\nASTRAN-CANCEL", answers=True).command is None
    assert command_of(inherited, "ASTRAN-STATUS A7", answers=True) == (MailCommand.STATUS, 7, None)
    assert command_of(inherited, "Thank you!").command is not None


def test_the_parameters_of_an_answer_are_read() -> None:
    asked = command_of("Re: ASTRAN-LAUNCH", "target: Crab\ndate: 20231207", answers=True)
    assert asked.command is MailCommand.LAUNCH


@pytest.mark.parametrize(
    "subject", ["ASTRAN-CANCEL S3", "astran-cancel s3 please", "ASTRAN-CANCEL order S3"]
)
def test_a_standing_order_has_a_number_of_its_own(subject: str) -> None:
    assert command_of(subject, "") == (MailCommand.CANCEL, None, 3)
    assert command_of("Re: [A12] accepted", subject) == (MailCommand.CANCEL, None, 3)
