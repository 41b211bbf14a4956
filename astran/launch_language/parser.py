"""The launch language: `key: value` lines in a mail, read forgivingly, judged strictly.

Spelling, order, typography and layout are forgiven. Whatever could be meant in two ways, or would
be dropped in silence, is a problem; all problems are found at once. No input raises, and the time
is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from astran.base.errors import ConfigError, Problem
from astran.base.text import one_line
from astran.base.unicode_fold import fold_punctuation
from astran.launch_language.keys import KeyTable, ValueKind, keys_of
from astran.launch_language.lines import KeyLine, scan_lines
from astran.launch_language.values import BadValue, read_value, refuse_strange

MAX_CHARACTERS = 100_000
MAX_LINES = 2_000
MAX_LINE = 4_000
MAX_PROBLEMS = 40
REQUIRED = ("target", "date")
# what people write with a colon in greetings and signatures
_SMALL_TALK = re.compile(
    r"(?:tel|(?:tele)?phone|fax|mobile?|cell|mob|e-?mail|mailto|web(?:site)?|www|https?|url|home"
    r"(?:page)?|address|office|room|building|skype|zoom|orcid|twitter|github|linkedin|p\.?p?\.?s|nb"
    r"|n\.b|note|re|fwd?|to|from|b?cc|subject|sent|betreff|von|an|gesendet|objet|asunto|oggetto"
    r"|hello|hi|hey|dear|thanks|cheers|regards|best|greetings|tlf|tél|hours|confidential(?:ity)?"
    r"|disclaimer|notice|fyi|btw|todo|name|title|position|department|institute)\b\.?(?: .*)?"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a mail says, and what is wrong with it."""

    params: dict[str, Any] = field(default_factory=dict)
    """Plain values by dotted name: target as written, date YYYY-MM-DD, runs a list or None."""
    problems: tuple[Problem, ...] = ()
    lines: dict[str, int] = field(default_factory=dict)
    """Line on which each parameter was found."""
    empty: bool = False
    """Nothing in the text looks like a launch at all."""


def parse(text: str, telescope: str = "") -> Parsed:
    """Read a mail's new text. Never raises; a result without problems can be resolved.

    Parameters
    ----------
    telescope : whose keys hold where the text names none
    """
    first = _parse(text, keys_of(telescope))
    named = first.params.get("telescope")
    if not named:
        return first
    try:
        return _parse(text, keys_of(named))
    except ConfigError as error:
        line = first.lines.get("telescope")
        problem = Problem("telescope", error.message, error.cure, line)
        return replace(first, problems=(*first.problems, problem))


def _parse(text: str, keys: KeyTable) -> Parsed:
    problems: list[Problem] = []
    if len(text) > MAX_CHARACTERS or text.count("\n") > MAX_LINES:
        problems.append(
            Problem("the mail", "is too long to be a request.", "Send the launch lines alone.")
        )
    params: dict[str, Any] = {}
    lines: dict[str, int] = {}
    written: dict[str, str] = {}
    clash: set[str] = set()
    failed: set[str] = set()
    found = list(scan_lines(fold_punctuation(text[:MAX_CHARACTERS]), MAX_LINES, MAX_LINE, keys))
    first, last = _extent(found)
    # a line apart from a block that is whole may be small talk
    whole = set(REQUIRED) <= {entry.key.name for entry in found if entry.key is not None}
    for entry in found:
        if entry.key is None:
            if problem := _unknown(entry, first <= entry.line <= last, whole, keys):
                problems.append(problem)
            continue
        name = entry.key.name
        if not entry.value and entry.written.lower() in keys.sections and name not in REQUIRED:
            continue
        try:
            refuse_strange(entry.written)
            value = read_value(entry.key, entry.value)
        except BadValue as error:
            failed.add(name)
            problems.append(Problem(entry.written, error.reason, error.suggestion, entry.line))
            continue
        if name in params and params[name] != value:
            clash.add(name)
            problems.append(
                Problem(
                    entry.written,
                    f"is given twice: `{one_line(written[name], 40)}` in line {lines[name]} and "
                    f"`{one_line(entry.value, 40)}` here.",
                    "Keep one of them.",
                    entry.line,
                )
            )
            continue
        if name not in params:
            params[name], lines[name], written[name] = value, entry.line, entry.value
    known = {entry.key.name for entry in found if entry.key is not None}
    if set(REQUIRED) <= clash:
        problems.append(
            Problem("the mail", "holds two launch blocks.", "Send one mail for each analysis.")
        )
    problems += _missing({*params, *failed})
    return Parsed(params, _capped(problems), lines, empty=not known)


def parse_agreeing(texts: Sequence[str], telescope: str = "") -> Parsed:
    """Read a mail whose text exists in several forms (plain and HTML).

    The first form that says anything counts. A later one that says something else, or nothing, is
    a problem: it is then unknown which of them the sender saw.
    """
    forms = [parse(text, telescope) for text in texts] or [parse("", telescope)]
    # a plain form that only says "see the HTML" is common
    while len(forms) > 1 and forms[0].empty:
        del forms[0]
    first, *others = forms
    if all(other.params == first.params for other in others):
        return first
    problem = Problem(
        "the mail",
        "says different things in its plain text and in its HTML.",
        "Send it again as plain text.",
    )
    return replace(first, problems=(*first.problems, problem))


def _extent(found: Sequence[KeyLine]) -> tuple[int, int]:
    """First and last line with a known key."""
    known = [entry.line for entry in found if entry.key is not None]
    return (known[0], known[-1]) if known else (1, 0)


def _unknown(entry: KeyLine, inside: bool, whole: bool, keys: KeyTable) -> Problem | None:
    """The problem with an unknown key; None for small talk that happens to have a colon."""
    low = entry.written.lower()
    if low in keys.sections and not entry.value:
        return None
    if _SMALL_TALK.fullmatch(low):
        return None
    guess = keys.suggest(entry.written)
    if not (inside or entry.joined):
        if guess is None and "." not in low.strip("."):
            return None
        if whole and not (guess and _would_do(guess, entry.value, keys)):
            return None
    where = one_line(entry.written, 60)
    hint = f"Did you mean {guess!r}?" if guess else "ASTRAN-HELP in a subject gets all keys."
    return Problem(where, "unknown key.", hint, entry.line)


def _would_do(name: str, value: str, keys: KeyTable) -> bool:
    """Whether a value is one for this key: then its key was misspelt."""
    key = keys.find(name)
    try:
        if key is not None:
            read_value(key, value)
    except BadValue:
        return False
    return key is not None


def _missing(given: set[str]) -> list[Problem]:
    hints = {
        "target": "Add a line like `target: Crab`.",
        "date": "Add a line like `date: 20231207` (the evening of the night).",
    }
    found = [
        Problem(name, "is required and not given.", hints[name])
        for name in REQUIRED
        if name not in given and not (name == "date" and ValueKind.REPEAT in given)
    ]
    for one, other in (("ra", "dec"), ("dec", "ra")):
        if one in given and other not in given:
            found.append(Problem(other, f"is needed beside {one}.", "Give both in degrees, ICRS."))
    if ValueKind.REPEAT in given:
        hint = "Leave one of them out: a standing order takes every night as it comes."
        found += [
            Problem(name, "does not go with a standing order (repeat).", hint)
            for name in ("date", "runs", "start", "folder")
            if name in given
        ]
    return found


def _capped(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    more = Problem("the mail", f"has {len(problems) - MAX_PROBLEMS} more problems.")
    return (*problems[:MAX_PROBLEMS], more)
