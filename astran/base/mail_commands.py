"""The words that a mail's subject holds to speak to ASTRAN."""

from __future__ import annotations

import re
from enum import StrEnum


class MailCommand(StrEnum):
    """What a mail can ask for; the value is the keyword."""

    LAUNCH = "ASTRAN-LAUNCH"
    DRYRUN = "ASTRAN-DRYRUN"
    STATUS = "ASTRAN-STATUS"
    CANCEL = "ASTRAN-CANCEL"
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
