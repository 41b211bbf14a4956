"""Commands by mail."""

from __future__ import annotations

import pytest

from astran.requests.commands import Command, command_of


@pytest.mark.parametrize(
    ("subject", "text", "command", "analysis"),
    [
        ("ASTRAN-STATUS A12", "", Command.STATUS, 12),
        ("astran-status a12", "", Command.STATUS, 12),
        ("ASTRAN-CANCEL 12", "", Command.CANCEL, 12),
        ("ASTRAN-CANCEL #12 please", "", Command.CANCEL, 12),
        ("ASTRAN-RETRY: A-0012", "", Command.RETRY, 12),
        ("ASTRAN-RETRY A 12", "", Command.RETRY, 12),
        ("ASTRAN-CANCEL id A12", "", Command.CANCEL, 12),
        ("[A12] ASTRAN-STATUS", "", Command.STATUS, 12),
        ("ASTRAN-STATUS", "", Command.STATUS, None),
        ("ASTRAN-STATUS A12 A13", "", Command.STATUS, 12),
        ("ASTRAN-LIST", "", Command.LIST, None),
        ("ASTRAN-HELP", "", Command.HELP, None),
        ("ASTRAN-DRYRUN Crab", "", Command.DRYRUN, None),
        ("ASTRAN-LAUNCH A 0535+26", "target: Crab", Command.LAUNCH, None),
        ("Re: ASTRAN-LAUNCH [A12 received]", "ASTRAN-CANCEL", Command.CANCEL, 12),
        ("Re: ASTRAN-LAUNCH [A12]", "\n  astran-cancel a13\nthanks", Command.CANCEL, 13),
        ("Re: Crab", "ASTRAN-STATUS", Command.STATUS, None),
        ("Re: ASTRAN-LAUNCH [A12]", "please ASTRAN-CANCEL it", Command.LAUNCH, None),
        ("Re: Crab [A12]", "thanks", None, 12),
        ("Hello", "", None, None),
        ("ASTRAN\u2013CANCEL A12", "", None, 12),
        ("ASTRAN-CANCEL A0535+26", "", Command.CANCEL, None),
    ],
)
def test_commands(subject: str, text: str, command: Command | None, analysis: int | None) -> None:
    assert command_of(subject, text) == (command, analysis, None)


@pytest.mark.parametrize("word", ["STATUS", "CANCEL", "RETRY", "LIST", "HELP"])
def test_an_answer_acts_by_its_first_line_alone(word: str) -> None:
    inherited = f"Re: ASTRAN-{word} A1 [A2] accepted: Crab"
    assert command_of(inherited, "Thank you!", answers=True).command is None
    assert command_of(inherited, "", answers=True).command is None
    assert command_of(inherited, "thanks\nASTRAN-CANCEL", answers=True).command is None
    assert command_of(inherited, "ASTRAN-STATUS A7", answers=True) == (Command.STATUS, 7, None)
    assert command_of(inherited, "Thank you!").command is not None


def test_the_parameters_of_an_answer_are_read() -> None:
    asked = command_of("Re: ASTRAN-LAUNCH", "target: Crab\ndate: 20231207", answers=True)
    assert asked.command is Command.LAUNCH


@pytest.mark.parametrize(
    "subject", ["ASTRAN-CANCEL S3", "astran-cancel s3 please", "ASTRAN-CANCEL order S3"]
)
def test_a_standing_order_has_a_number_of_its_own(subject: str) -> None:
    assert command_of(subject, "") == (Command.CANCEL, None, 3)
    assert command_of("Re: [A12] accepted", subject) == (Command.CANCEL, None, 3)
