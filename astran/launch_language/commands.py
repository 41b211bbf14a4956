"""Commands by mail: which one, and for which analysis."""

from __future__ import annotations

import re
from typing import NamedTuple

from astran.base.mail_commands import MailCommand, find_command, near_command
from astran.base.unicode_fold import fold_punctuation

__all__ = ["AskedCommand", "MailCommand", "command_of"]

_ID = re.compile(r"(?<![A-Za-z0-9.+-])[Aa]0{0,9}([1-9]\d{0,9})(?![A-Za-z0-9.+-])")
_ID_IN_PROSE = re.compile(r"(?<![A-Za-z0-9.+-])[Aa]0{0,9}([1-9]\d{0,9})(?![A-Za-z0-9+-]|\.\d)")
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


_WORD_ALONE = re.compile(
    r"(?:please )?(cancel|status|hold|release|list|help)"
    r"(?: (?:it|this(?: one)?|please|now|(A0{0,9}[1-9]\d{0,9})))?"
    r"[ ?!.,]{0,4}(?:please|thanks|thank you)?[ ?!.,]{0,4}",
    re.I,
)
_WISH = re.compile(
    r"\?|\b(?:stop|cancel|abort|kill|delete|status|progress|when|why|how|what|which|again|rerun"
    r"|re-run|retry|restart|repeat|wrong|mistake|instead|should|don'?t|do not|launch|run|start|help"
    r"|could you|can you|would you|please"
    r"|can i|could i|is not|are not|isn't|missing|forget|undo|change|i'd like"
    r"|i would like|i want|i need|not what|use|any news|annulla|ferma"
    r"|annule[rz]?|arr[eê]te[rz]?|abbrechen|stopp?en|cancela|cancelar|parar|detener)\b",
    re.I,
)
_NO_WISH = re.compile(r"\bplease (?:find|note|see)\b|\bno need\b|\bwhat an?\b", re.I)
_THANKS = re.compile(
    r"\W{0,4}(?:(?:many|best|kind|warm|with) )?(?:regards|cheers|best|sincerely|greetings)\b", re.I
)
_MOST_LINES = 8
_GO = re.compile(r"(?:go|confirm(?:ed)?)[ .!]{0,3}(?:please)?[.!]?", re.I)
_DIGIT_OR_COLON = re.compile(r"[\d:=]")


def command_word(new_text: str) -> tuple[MailCommand, int | None] | None:
    """The command whose bare word is the first line of an answer (`cancel`, `status?`), and the
    analysis that it names. No word starts anything."""
    first = next(iter(_own_lines(new_text)), "")
    match = _WORD_ALONE.fullmatch(first[:80])
    if match is None:
        return None
    return MailCommand(f"ASTRAN-{match[1].upper()}"), int(match[2][1:]) if match[2] else None


def says_go(new_text: str) -> bool:
    """Whether an answer says GO (or CONFIRM) and nothing that would change what is started."""
    first, *others = _own_lines(new_text) or [""]
    plain = not any(_DIGIT_OR_COLON.search(line) for line in others)
    return bool(_GO.fullmatch(first[:20])) and plain and not asks_something("\n".join(others))


def asks_something(new_text: str) -> str:
    """The first line of an answer that asks for something in free words; empty for thanks."""
    for line in _own_lines(new_text):
        if near_command(line) or (_WISH.search(line[:300]) and not _NO_WISH.search(line[:300])):
            return line
    return ""


def _own_lines(text: str) -> list[str]:
    """The first lines above the signature."""
    found: list[str] = []
    for line in fold_punctuation(text[:4000]).split("\n"):
        if len(found) == _MOST_LINES or line.startswith("--") or _THANKS.match(line):
            break
        if stripped := " ".join(line.split()):
            found.append(stripped)
    return found


def analyses_after(subject: str, new_text: str) -> list[int]:
    """All analyses that are named behind a command, or in the text where none is named there."""
    first = next(iter(_own_lines(new_text)), "")
    own = find_command(first)
    text, found = (first, own) if own else (subject[:1000], find_command(subject[:1000]))
    named = _all(text[found[1] :]) if found else []
    return named or ([] if own else _all("\n".join(_own_lines(new_text))))


def _all(text: str) -> list[int]:
    return list(dict.fromkeys(int(match[1]) for match in _ID_IN_PROSE.finditer(text[:4000])))


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
