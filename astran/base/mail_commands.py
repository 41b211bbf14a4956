"""The words that a mail's subject holds to speak to ASTRAN."""

from __future__ import annotations

import difflib
import re
import unicodedata
from enum import StrEnum


class MailCommand(StrEnum):
    """What a mail can ask for; the value is the keyword."""

    LAUNCH = "ASTRAN-LAUNCH"
    DRYRUN = "ASTRAN-DRYRUN"
    STATUS = "ASTRAN-STATUS"
    CANCEL = "ASTRAN-CANCEL"
    HOLD = "ASTRAN-HOLD"
    RELEASE = "ASTRAN-RELEASE"
    RETRY = "ASTRAN-RETRY"
    LIST = "ASTRAN-LIST"
    HELP = "ASTRAN-HELP"

    @property
    def takes_parameters(self) -> bool:
        """Whether the mail's text is read as a launch block."""
        return self in (MailCommand.LAUNCH, MailCommand.DRYRUN)


# re.ASCII: without it, case folding would let the long s (ſ) pass for an S
_KEYWORD = re.compile(
    "|".join(re.escape(command.value) for command in MailCommand), re.I | re.ASCII
)
_JOINTS = re.compile(r"[ _-]+")


def find_command(text: str) -> tuple[MailCommand, int] | None:
    """The first keyword in a decoded text and the position after it; None where there is none.

    Case does not matter. The keyword stands alone: a letter, digit, hyphen or underscore beside it
    makes it another word. Look-alike letters and dashes are not it.
    """
    for match in _KEYWORD.finditer(text):
        start, end = match.span()
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        if not (_joins(before) or _joins(after)):
            return MailCommand(match.group().upper()), match.end()
    return None


def _joins(char: str) -> bool:
    return bool(char) and (char.isalnum() or char in "-_")


_NEAR = re.compile(
    r"\W{0,3}astran\W{0,5}(?:[_\W]{0,4}(?:(?:please|can you|could you) )?"
    r"([a-z]{2,14}(?:[ _-]{1,2}run\b)?)(?![a-z])[^\n]{0,200})?",
    re.I,
)
_MEANS = {
    "start": MailCommand.LAUNCH, "run": MailCommand.LAUNCH, "submit": MailCommand.LAUNCH,
    "analyse": MailCommand.LAUNCH, "analyze": MailCommand.LAUNCH, "request": MailCommand.LAUNCH,
    "launched": MailCommand.LAUNCH, "stop": MailCommand.CANCEL, "abort": MailCommand.CANCEL,
    "kill": MailCommand.CANCEL, "delete": MailCommand.CANCEL, "pause": MailCommand.HOLD,
    "resume": MailCommand.RELEASE, "continue": MailCommand.RELEASE, "rerun": MailCommand.RETRY,
    "restart": MailCommand.RETRY, "repeat": MailCommand.RETRY, "again": MailCommand.RETRY,
    "state": MailCommand.STATUS, "progress": MailCommand.STATUS, "info": MailCommand.HELP,
    "test": MailCommand.DRYRUN, "check": MailCommand.DRYRUN, "preview": MailCommand.DRYRUN,
}  # fmt: skip


def near_command(text: str) -> MailCommand | None:
    """The command that a line nearly is: other hyphens, blanks, letters or words; a bare name of
    the service asks for help. None where the line begins otherwise."""
    plain = unicodedata.normalize("NFKC", text[:300])
    plain = "".join(char for char in plain if unicodedata.category(char) != "Cf").strip()
    match = _NEAR.fullmatch(plain)
    if match is None:
        return None
    if match[1] is None:
        return MailCommand.HELP
    word = _JOINTS.sub("", match[1].lower())
    known = {each.value.removeprefix("ASTRAN-").lower(): each for each in MailCommand} | _MEANS
    if word in known:
        return known[word]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.75)
    return known[near[0]] if near else None
