"""GO in reply to a corrected request starts it: for its own sender, once, and just as shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mail_desk import Desk
from mail_house import ALICE, LAUNCH

BOB = "bob@astran.test"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, allow=[ALICE, BOB])


def offer(desk: Desk, lines: str = "gamaness: 0.9\n") -> str:
    """A request with a slip; returns the Message-ID of the answer."""
    desk.box.add(desk.raw("ASTRAN-LAUNCH", LAUNCH + lines))
    desk.read()
    query = "select message_id from outgoing_mail where kind = 'problems' order by id desc limit 1"
    [[letter]] = desk.rows(query)
    return str(letter)


def answer(desk: Desk, letter: str, text: str = "GO\n", sender: str = ALICE) -> None:
    headers = {"In_Reply_To": letter, "References": letter}
    desk.box.add(desk.raw("Re: ASTRAN-LAUNCH [not started]", text, sender, **headers))
    desk.read()


def test_go_starts_what_was_shown(desk: Desk) -> None:
    letter = offer(desk)
    assert desk.analyses() == 0
    answer(desk, letter, "Go!\n\nThanks\nAlice\n")
    [[config]] = desk.rows("select config from analysis")
    assert json.loads(str(config))["dl3"]["gammaness_cut"] == 0.9


def test_go_starts_once(desk: Desk) -> None:
    letter = offer(desk)
    answer(desk, letter)
    answer(desk, letter)
    assert desk.analyses() == 1
    assert len(desk.letters(ALICE)) == 3


def test_go_is_for_its_sender(desk: Desk) -> None:
    answer(desk, offer(desk), sender=BOB)
    assert desk.analyses() == 0
    assert len(desk.letters(BOB)) == 1


@pytest.mark.parametrize(
    "text", ["GO but only run 15864\n", "GO\nruns: 15864\n", "go on\n", "GO?\n"]
)
def test_go_with_more_is_no_go(desk: Desk, text: str) -> None:
    answer(desk, offer(desk), text)
    assert desk.analyses() == 0


@pytest.mark.parametrize("lines", ["without run 15865\n", "gammaness > 2\n", "do not start yet\n"])
def test_what_is_unclear_is_not_offered(desk: Desk, lines: str) -> None:
    answer(desk, offer(desk, lines))
    assert desk.analyses() == 0


def test_an_offer_ends(desk: Desk) -> None:
    letter = offer(desk)
    desk.clock.sleep(8 * 86_400)
    answer(desk, letter)
    assert desk.analyses() == 0
