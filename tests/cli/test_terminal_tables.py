"""Tables on the terminal and as plain lines."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
from datetime import UTC, datetime, timedelta

import pytest

from astran.cli.terminal_tables import View, columns_of, format_plain, show_view, tally_states

HOSTILE = "<script>\x1b[31mred\x1b]0;title\x07\u202egnp\r\x9b2J\x00\u2066end [bold]x[/bold]"


class Hands:
    """A clock whose hands move when somebody waits."""

    def __init__(self) -> None:
        self.time = datetime(2023, 12, 8, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Story:
    """A view that changes each time it is looked at."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def __call__(self) -> View:
        state = self.states.pop(0)
        return View(("A1",), ("Task", "State"), (("dl2", state),), over=not self.states)


def test_columns_stand_under_each_other() -> None:
    view = View(("Title",), ("Id", "State"), (("A1", "running"), ("A1000", "done")), ("End",))
    assert format_plain(view) == "Title\nId     State\nA1     running\nA1000  done\nEnd"


def test_empty_columns_are_left_out() -> None:
    rows = columns_of([("a", "", "1"), ("b", "", "")], ("Name", "Remark", "Number"))
    assert rows == (("Name", "Number"), ("a", "1"), ("b", ""))


def test_a_tally() -> None:
    assert tally_states({"done": 2, "running": 1}) == "2 done, 1 running"


def test_hostile_text_is_harmless_in_plain_lines() -> None:
    text = format_plain(View((HOSTILE,), ("T",), ((HOSTILE + "x" * 1_000_000,),), (HOSTILE,)))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert len(text) < 2000
    assert text.count("<script>red") == 3


def test_without_terminal_only_changes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    show_view(Story("running", "running", "done"), Hands(), watch=True)
    assert capsys.readouterr().out.count("dl2") == 2


def test_without_watch_it_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    show_view(Story("running", "done"), Hands())
    assert capsys.readouterr().out == "A1\nTask  State\ndl2   running\n"


@pytest.mark.parametrize("watch", [False, True])
def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch, watch: bool) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        story = Story("running", HOSTILE) if watch else Story(HOSTILE)
        show_view(story, Hands(), watch=watch)
        terminal.flush()
        shown = ""
        while "[bold]x[/bold]" not in shown and select.select([ours], [], [], 10)[0]:
            shown += os.read(ours, 65536).decode(errors="replace")
    os.close(ours)
    assert "<script>red" in shown
    assert "[bold]x[/bold]" in shown
    # colours and movements of the cursor are ours, what the text brought is gone
    assert not re.search("\x1b\\]|\x9b|\x07|\x00|\u202e|\u2066", shown)


def test_ctrl_c_ends_the_watch(capsys: pytest.CaptureFixture[str]) -> None:
    class Impatient(Hands):
        def sleep(self, seconds: float) -> None:
            raise KeyboardInterrupt

    show_view(Story("running", "done"), Impatient(), watch=True)
    assert "running" in capsys.readouterr().out
