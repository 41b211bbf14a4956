"""The launch language: `key: value` lines in a mail, read forgivingly, judged strictly.

Spelling, order, typography and layout are forgiven. Whatever could be meant in two ways, or would
be dropped in silence, is a problem; all problems are found at once. No input raises, and the time
is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from astran.base.errors import ConfigError, Problem
from astran.base.text import one_line
from astran.base.unicode_fold import fold_punctuation
from astran.launch_language.bad_value import BadValue
from astran.launch_language.free_lines import (
    advise_theta,
    asks_beyond,
    find_wishes,
    is_theta_square,
    signature_begins,
)
from astran.launch_language.keys import KeyTable, ValueKind, keys_of
from astran.launch_language.lines import FreeLine, KeyLine, scan_lines
from astran.launch_language.values import read_value, refuse_strange

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
_NUMBER = re.compile(r"\d{0,3}\.?\d{1,6}")
_KEEP = {
    "date": "Keep one of them; both nights are `date: 20231207, 20231208`.",
    "target": "Keep one of them; both sources are `target: Crab, Mrk421`.",
}
# of a range that is written in two lines
_RANGE_END = re.compile(
    r"(?:from|to|since|until|till|(?:start|end|first|last) ?(?:date|night|day))"
)
_MODEL = (
    "Which model? Of the spectrum: `spectral model: power-law` (or log-parabola, "
    "exponential-cutoff); of the reconstruction: `models:` with its folder."
)
_NOT_TO_BE_SET = dict.fromkeys(("model", "spectrum"), _MODEL)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a mail says, and what is wrong with it."""

    params: dict[str, Any] = field(default_factory=dict)
    """Plain values by dotted name: target as written, date YYYY-MM-DD (of both a list of words
    where several are meant), runs a list or None."""
    problems: tuple[Problem, ...] = ()
    lines: dict[str, int] = field(default_factory=dict)
    """Line on which each parameter was found."""
    empty: bool = False
    """Nothing in the text looks like a launch at all."""
    corrected: bool = False
    """Whether `params` hold a correction of every problem: all were misspelt, none was unclear."""


def parse(text: str, telescope: str = "", written: datetime | None = None) -> Parsed:
    """Read a mail's new text. Never raises; a result without problems can be resolved.

    Parameters
    ----------
    telescope : whose keys hold where the text names none
    written : when the mail was written, by its sender's clock and in his time zone: `last night`
        counts from there
    """
    first = _parse(text, keys_of(telescope), written)
    named = first.params.get("telescope")
    if not named:
        return first
    try:
        return _parse(text, keys_of(named), written)
    except ConfigError as error:
        line = first.lines.get("telescope")
        problem = Problem("telescope", error.message, error.cure, line)
        return replace(first, problems=(*first.problems, problem), corrected=False)


def _parse(text: str, keys: KeyTable, written: datetime | None) -> Parsed:
    reading = _Reading(keys, written)
    if len(text) > MAX_CHARACTERS or text.count("\n") > MAX_LINES:
        reading.problems.append(
            Problem("the mail", "is too long to be a request.", "Send the launch lines alone.")
        )
    found = list(scan_lines(fold_punctuation(text[:MAX_CHARACTERS]), MAX_LINES, MAX_LINE, keys))
    reading.read(
        [entry for entry in found if isinstance(entry, KeyLine)],
        sorted((line for line in found if isinstance(line, FreeLine)), key=lambda it: it.number),
    )
    return reading.parsed()


class _Reading:
    """The values and problems of one text, as they are found."""

    def __init__(self, keys: KeyTable, written: datetime | None) -> None:
        self.problems: list[Problem] = []
        self._keys = keys
        self._sent = written
        self._params: dict[str, Any] = {}
        self._lines: dict[str, int] = {}
        self._written: dict[str, str] = {}
        self._clash: set[str] = set()
        self._failed: set[str] = set()
        self._known: set[str] = set()
        self._corrected = 0

    def read(self, entries: Sequence[KeyLine], free: Sequence[FreeLine]) -> None:
        """Read all lines of a text."""
        first, last = _extent(entries)
        self._known = {entry.key.name for entry in entries if entry.key is not None}
        # a line apart from a block that is whole may be small talk
        whole = set(REQUIRED) <= self._known
        signature = signature_begins(free, last, self._keys)
        talk: list[FreeLine] = []
        for entry in entries:
            if entry.key is not None:
                self._read(entry)
                continue
            inside, signed = first <= entry.line <= last, entry.line >= signature
            if problem := _unknown(entry, inside, whole, signed, self._keys):
                self.problems.append(problem)
                self._corrected += self._guess(entry)
            elif entry.written.lower() not in self._keys.sections:
                talk.append(FreeLine(entry.line, f"{entry.written}: {entry.value}"))
        lines = sorted([*free, *talk], key=lambda line: line.number)
        for wish in find_wishes(lines, entries, self._keys):
            self.problems.append(wish.problem)
            if wish.meant is not None:
                self._corrected += self._mend(wish.problem.line or 0, *wish.meant)

    def parsed(self) -> Parsed:
        """What was read."""
        if set(REQUIRED) <= self._clash:
            self.problems.append(
                Problem("the mail", "holds two launch blocks.", "Send one mail for each analysis.")
            )
        self.problems += _missing({*self._params, *self._failed})
        self.problems += _of_several(self._params, self._lines)
        empty = not self._known
        corrected = self._corrected == len(self.problems) > 0
        return Parsed(self._params, _capped(self.problems), self._lines, empty, corrected)

    def _read(self, entry: KeyLine) -> None:
        assert entry.key is not None
        name = entry.key.name
        if (
            not entry.value
            and entry.written.lower() in self._keys.sections
            and name not in REQUIRED
        ):
            return
        try:
            refuse_strange(entry.written)
            value = read_value(entry.key, entry.value, self._sent)
        except BadValue as error:
            self._failed.add(name)
            self.problems.append(Problem(entry.written, error.reason, error.suggestion, entry.line))
            return
        if name in self._params and self._params[name] != value:
            self._clash.add(name)
            before = one_line(self._written[name], 40)
            self.problems.append(
                Problem(
                    entry.written,
                    f"is given twice: `{before}` in line {self._lines[name]} and "
                    f"`{one_line(entry.value, 40)}` here.",
                    _KEEP.get(name, "Keep one of them."),
                    entry.line,
                )
            )
        elif name not in self._params:
            self._params[name], self._lines[name] = value, entry.line
            self._written[name] = entry.value

    def _guess(self, entry: KeyLine) -> bool:
        """Judge the value of a misspelt key, so that the next try is right in all; whether it is
        one that can be taken."""
        unlike = is_theta_square(entry.written) or entry.written.lower() in _NOT_TO_BE_SET
        guess = None if unlike else self._keys.suggest(entry.written)
        return guess is not None and self._mend(entry.line, guess, entry.value, entry.written)

    def _mend(self, line: int, name: str, value: str, written: str = "") -> bool:
        """Take a value for the key that was most probably meant, if nothing else gives one."""
        key = self._keys.find(name)
        if key is None or key.name in self._known or key.name in self._params:
            return False
        self._read(KeyLine(line, written or name, key, value))
        return key.name in self._params


def parse_agreeing(
    texts: Sequence[str], telescope: str = "", written: datetime | None = None
) -> Parsed:
    """Read a mail whose text exists in several forms (plain and HTML).

    The first form that says anything counts. A later one that says something else, or nothing, is
    a problem: it is then unknown which of them the sender saw.
    """
    forms = [(parse(text, telescope, written), text) for text in texts or [""]]
    # a plain form that only says "see the HTML" is common
    while len(forms) > 1 and forms[0][0].empty:
        del forms[0]
    (first, said), *others = forms
    if all(other.params == first.params for other, _ in others):
        # a wish that stands in one form only is none the less a wish
        more = [problem for other, text in others for problem in _beyond(other, text, said)]
        if not more:
            return first
        return replace(first, problems=_capped((*first.problems, *more)), corrected=False)
    problem = Problem(
        "the mail",
        "says different things in its plain text and in its HTML.",
        "Send it again as plain text.",
    )
    return replace(first, problems=(*first.problems, problem), corrected=False)


def _beyond(other: Parsed, text: str, said: str) -> list[Problem]:
    """Problems with lines of a form that the first one lacks; without the numbers of the lines,
    which are those of the other form. A line that both have is judged by the first one, in which it
    stands where its author put it."""
    known = _squashed(said)
    lines = text.split("\n")
    return [
        replace(problem, line=None)
        for problem in other.problems
        if problem.line is not None
        and _squashed("".join(lines[problem.line - 1 : problem.line])) not in known
    ]


def _squashed(text: str) -> str:
    return "".join(char for char in text[:MAX_CHARACTERS].lower() if char.isalnum())


def _extent(found: Sequence[KeyLine]) -> tuple[int, int]:
    """First and last line with a known key."""
    known = [entry.line for entry in found if entry.key is not None]
    return (known[0], known[-1]) if known else (1, 0)


def _unknown(
    entry: KeyLine, inside: bool, whole: bool, signed: bool, keys: KeyTable
) -> Problem | None:
    """The problem with an unknown key; None for small talk that happens to have a colon."""
    low = entry.written.lower()
    if low in keys.sections and not entry.value:
        return None
    if low == "bcc" and (inside or entry.joined):
        return Problem(entry.written, "is no key.", "Write `cc:`.", entry.line)
    if _RANGE_END.fullmatch(low) and _would_do("date", entry.value, keys):
        hint = "Write both ends in one line: `date: 20231207-20231213`."
        return Problem(entry.written, "is no key.", hint, entry.line)
    if _SMALL_TALK.fullmatch(low):
        return None
    if is_theta_square(entry.written):
        hint = advise_theta(match[0], keys) if (match := _NUMBER.search(entry.value)) else ""
        return Problem(entry.written, "unknown key.", hint, entry.line)
    guess = keys.suggest(entry.written)
    if not (inside or entry.joined or (asks_beyond(entry.written) and not signed)):
        if guess is None and "." not in low.strip("."):
            return None
        if whole and not (guess and _would_do(guess, entry.value, keys)):
            return None
    where = one_line(entry.written, 60)
    if own := _NOT_TO_BE_SET.get(low):
        return Problem(where, "unknown key.", own, entry.line)
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


def _of_several(params: Mapping[str, Any], lines: Mapping[str, int]) -> list[Problem]:
    """What only goes with one night of one target."""
    nights = isinstance(params.get("date"), list)
    targets = isinstance(params.get("target"), list)
    what = "several nights" if nights else "several targets"
    hint = "Leave it out, or ask for one night of one target."
    found = [
        Problem(name, f"does not go with {what}.", hint, lines.get(name))
        for name in ("runs",)
        if (nights or targets) and params.get(name) is not None
    ]
    found += [
        Problem(name, "does not go with several targets.", hint, lines.get(name))
        for name in ("ra", "dec")
        if targets and name in params
    ]
    if targets and "repeat" in params:
        hint = "Send one standing order for each target."
        found.append(Problem("target", "names several for one standing order.", hint,
                             lines.get("target")))  # fmt: skip
    return found


def _capped(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    more = Problem("the mail", f"has {len(problems) - MAX_PROBLEMS} more problems.")
    return (*problems[:MAX_PROBLEMS], more)
