"""Commands by mail: which one, and for which analysis."""

from __future__ import annotations

import re
from typing import NamedTuple

from astran.base.mail_commands import MailCommand, find_command
from astran.base.unicode_fold import fold_punctuation

__all__ = ["AskedCommand", "MailCommand", "command_of"]

_ID = re.compile(r"(?<![A-Za-z0-9.+-])[Aa]0{0,9}([1-9]\d{0,9})(?![A-Za-z0-9.+-])")
# right after the command people also write `12`, `#12`, `A 12`, `A-12`, `id: A12`
_ID_AFTER = re.compile(
    r"[\s:;,.\-#(\[]{0,6}(?:(?:analysis|request|id|no\.?|number)[\s:#]{0,4})?"
    r"[Aa]?[\s#-]{0,2}0{0,9}([1-9]\d{0,9})(?![A-Za-z0-9]|[+.-]\d)"
)

_ORDER_AFTER = re.compile(
    r"[\s:;,.\-#(\[]{0,6}(?:(?:standing )?order[\s:#]{0,4})?[Ss][\s#-]{0,2}0{0,9}([1-9]\d{0,8})\b"
)


class AskedCommand(NamedTuple):
    """A command, and the analysis it is about if one is named."""

    command: MailCommand | None
    analysis: int | None
    """12 for `A12`."""
    order: int | None = None
    """3 for the standing order `S3`."""


def command_of(subject: str, new_text: str, answers: bool = False) -> AskedCommand:
    """What a mail asks for.

    The first line of the sender's own text has the word where it begins with a keyword; else the
    subject. The command is None where neither holds one.

    An answer has inherited its subject: there a keyword acts only in the first line, for else each
    word of thanks in the thread of a RETRY would be one more. The subject still tells that a text
    is meant as parameters; without any, that asks for nothing.
    """
    title = subject[:1000]
    first = next(
        (line.strip() for line in fold_punctuation(new_text[:4000]).split("\n") if line.strip()), ""
    )
    line = first.lstrip("*_`\"'[( ")
    found = find_command(line)
    if found and line.upper().startswith(found[0].value):
        about = _about(line, found)
        order = _order(line, found)
        return AskedCommand(found[0], about if order or about else analysis_in(title), order)
    found = find_command(title)
    if found and (found[0].takes_parameters or not answers):
        return AskedCommand(found[0], _about(title, found), _order(title, found))
    return AskedCommand(None, analysis_in(title))


def analysis_in(text: str) -> int | None:
    """The analysis that a text names (`A12`); None where it names none or more than one."""
    found = {int(match[1]) for match in _ID.finditer(text[:4000])}
    return found.pop() if len(found) == 1 else None


def _order(text: str, found: tuple[MailCommand, int]) -> int | None:
    match = _ORDER_AFTER.match(text[found[1] : found[1] + 80])
    return int(match[1]) if match else None


def _about(text: str, found: tuple[MailCommand, int]) -> int | None:
    command, end = found
    if command in (MailCommand.LAUNCH, MailCommand.DRYRUN, MailCommand.LIST, MailCommand.HELP):
        return None
    if match := _ID_AFTER.match(text[end : end + 80]):
        return int(match[1])
    return analysis_in(text)
