"""Lines of a mail that are no `key: value`, and yet ask for something.

Each of them is a problem, for nothing that was wished for is dropped in silence: the line is shown
with what to write in its place. Greetings, thanks, affiliations and legal notes are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from astran.base.errors import Problem
from astran.base.text import one_line
from astran.launch_language.bad_value import BadValue
from astran.launch_language.keys import Key, KeyTable, ValueKind
from astran.launch_language.lines import FreeLine, KeyLine, is_run_list
from astran.launch_language.values import read_value, theta_of_square

_LONGEST = 400
"""Characters of a line that are looked at."""
_NAMES_RUN = re.compile(r"\bruns?\b[^\d]{0,12}(?!20\d\d\b)\d{3}", re.I)
_PICKS_RUNS = re.compile(
    r"\b(?:only|just|except|without|exclud(?:e|ing)|skip|omit|but)\b[^\n]{0,40}\bruns\b"
    r"|\bruns? only\b|\b(?:only|just)\b[^\d\n]{0,20}\d{4,6}\b"
    r"|^\d{4,6} (?:is|was|are|were|has|had)\b"
    r"|\b(?:only|except|without|excluding|exclude|skip|omit|not)(?: the| our)?"
    r"(?: first| last| second| third)? run\b"
    r"|\b(?:except|without|exclud(?:e|ing)|skip(?:ping)?|omit|leave out|drop|discard|remove)\b"
    r"[^\d\n]{0,30}\d{4}",
    re.I,
)
_CHANGES = re.compile(
    r"\b(?:also|same|too|as well|instead|but|not|except|without|only|use|with|can you|could you"
    r"|would you|please|do)\b",
    re.I,
)
_ASKS_FOR_THIS = re.compile(
    r"\b(?:run|launch|analy[sz]e|process|do|have|make|start|look at|see|find) (?:this|these|it|the"
    r"|that|below|following|them)\b|\bfollowing\b|\bbelow\b",
    re.I,
)
_LEAVES_OUT = re.compile(r"\b(?:but|except|without|exclud\w{1,4}|skip|omit|not|drop|leave)\b", re.I)
_HOLDS_BACK = re.compile(
    r"\b(?:do not|don'?t|not to) (?:\w{1,12} ){0,2}(?:start|launch|run|process|analy[sz]e|submit"
    r"|begin)\b|\bwait (?:until|till|for|before|with)\b|\bhold (?:this|on|off|it|until|back)\b"
    r"|\bnot (?:before|yet|start)\b|\bfor later\b|\bjust a test\b|\bonly a test\b",
    re.I,
)
_TAKES_BACK = re.compile(r"\b(?:ignore|disregard|forget) (?:this|my|that|it)\b", re.I)
_CANNOT_WAIT = re.compile(r"\b(?:can'?t|cannot|can not|couldn'?t) wait\b", re.I)
_LEGAL = re.compile(
    r"\b(?:recipients?|intended|confidential\w{0,4}|disclos\w{1,4}|addressees?|in error|print)\b",
    re.I,
)
_COMPARES = re.compile(r"[\w)\]°^] {0,3}(?:<=|>=|==|<|>|≤|≥) {0,3}\.?\d", re.I)
_TERM = re.compile(
    r"\b(?:gammaness|theta|zenith|intensity|nsb|lstchain|off.?regions?|efficiency|containment"
    r"|energ(?:y|ies)|thresholds?|cuts?|wobble|binning|bins?|spectr(?:um|al)|flux|light.?curves?"
    r"|redshift|livetime|models?|radius|irfs?|background|log.?parabola|power.?law"
    r"|source.?dependent)\b|\btheta[²^2]",
    re.I,
)
_QUANTITY = re.compile(r"\d ?(?:[tgm]ev|deg2?|degrees?|arcmin|p\.e)\b|\d ?°", re.I)
_PASSES_ON = re.compile(r"\b(?:send|cc|copy|forward|reports?|results?|also|include|add)\b", re.I)
_SQUARE = re.compile(
    r"\btheta ?(?:\^? ?2|²|\*\*2|squared?)(?: cut)?[^\d.]{0,12}(\d{0,3}\.?\d{1,6})", re.I
)
_SQUARE_NAME = re.compile(r"(?:\w{1,20}[ ._])?theta[ _]?(?:2|\^2|²|squared?|sq)\b", re.I)
_DIGIT = re.compile(r"\d")
_BULLET = re.compile(r"[-*•+] {1,4}")
_NUMBER = re.compile(r"\d{4}")
_PHONE = re.compile(r"(?:tel|phone|fax|mob|cell|room|office|ext)", re.I)
_EIGHT = re.compile(r"(?<!\d)20\d{6}(?!\d)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_SIGN_OFF = re.compile(
    r"\W{0,4}(?:(?:many|best|kind|warm|with|all|the|very) ){0,2}(?:thanks?|thank you|thx|cheers"
    r"|regards|best|wishes|greetings|sincerely|yours|merci|grazie|gracias|danke|gr[uü](?:ss|ß)e?"
    r"|saluti|saludos|cordialement|obrigad[oa]|hvala|dzi[eę]kuj[eę]|pozdrav|mfg|lg|vg)\b",
    re.I,
)
_NAME = re.compile(r"[A-Z](?:[^\W\d_]|[.'-]){0,20}(?: [A-Z](?:[^\W\d_]|[.'-]){0,20}){0,3}")
_FILLER = re.compile(
    r"(?:please|use|with|an?|the|set|take|apply|only|just|and|also|for|runs?|numbers?|from|:|,)"
    r"(?: |$)",
    re.I,
)
_LESS = re.compile(
    r"(?:cut )?(?:is )?(?:<=?|≤|below|under|less than|smaller than|at most|max) ?", re.I
)
_MORE = re.compile(r"(?:cut )?(?:is )?(?:>=?|≥|above|over|more than|at least|min) ?", re.I)
_EQUAL = re.compile(r"(?:cut )?(?:(?:is|of|at|to|==?|->|=>|-->) ?)?", re.I)
_ENERGY = re.compile(r"e|energy|energies", re.I)
_MOST_WORDS = 14
_FEW_WORDS = 8


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a line stands."""

    inside: bool
    """Between known keys, without an empty line."""
    beside: bool
    """Known keys stand in the same paragraph."""
    signed: bool
    """Below thanks or a name that ends the mail."""
    early: bool
    """Above the last known key, or right below it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A line that asks for something in other words than `key: value`."""

    problem: Problem
    meant: tuple[str, str] | None = None
    """The key and the value that it most probably means."""


def find_wishes(free: Sequence[FreeLine], entries: Sequence[KeyLine], keys: KeyTable) -> list[Wish]:
    """Each line that asks for something in other words than `key: value`.

    Parameters
    ----------
    free : the lines that are no `key: value`, empty ones included
    entries : those that are; without a known key among them, nothing is found
    """
    known = [entry.line for entry in entries if entry.key is not None]
    if not known:
        return []
    places = _places(free, known, keys)
    found = (_wish(line, places[line.number], keys) for line in _joined(free) if _is_own(line))
    return [wish for wish in found if wish is not None]


def asks_beyond(written: str) -> bool:
    """Whether a key that is not known names something of an analysis."""
    return bool(_TERM.search(written))


def is_theta_square(written: str) -> bool:
    """Whether a key means theta2, whose values must never be taken for those of theta."""
    return bool(_SQUARE_NAME.match(written.strip()))


def advise_theta(square_deg2: str, keys: KeyTable) -> str:
    """The cut that a value of theta2 means, where the telescope has one."""
    known = keys.find("dl3.theta_cut") is not None
    return theta_of_square(square_deg2) if known else "ASTRAN-HELP in a subject gets all keys."


def signature_begins(free: Iterable[FreeLine], last_known: int, keys: KeyTable) -> int:
    """The first line of the thanks, or of the name, that ends the mail."""
    for line in free:
        named = _NAME.fullmatch(line.text) and not (
            _TERM.search(line.text) or keys.find(line.text.split()[0])
        )
        if line.number > last_known and (named or _SIGN_OFF.match(line.text)):
            return line.number
    return 10**9


def _places(free: Sequence[FreeLine], known: Sequence[int], keys: KeyTable) -> dict[int, _Place]:
    last = max(known)
    end = signature_begins(free, last, keys)
    empty = sorted(line.number for line in free if not line.text)
    # paragraphs by number: how many empty lines stand above
    paragraph: dict[int, int] = {}
    at = 0
    for number in sorted({*known, *(line.number for line in free)}):
        while at < len(empty) and empty[at] <= number:
            at += 1
        paragraph[number] = at
    known_in: dict[int, list[int]] = {}
    for number in known:
        known_in.setdefault(paragraph[number], []).append(number)
    places = {}
    for line in free:
        near = known_in.get(paragraph[line.number], [])
        inside = bool(near) and min(near) < line.number < max(near)
        places[line.number] = _Place(
            inside, bool(near), line.number >= end, line.number <= last + 2
        )
    return places


def _joined(free: Sequence[FreeLine]) -> list[FreeLine]:
    """The lines, with those that go on with a list of numbers as one."""
    found: list[FreeLine] = []
    ends = 0
    for line in free:
        more = bool(found) and line.number == ends + 1 and len(found[-1].text) < _LONGEST
        if more and is_run_list(_item(line.text)) and is_run_list(_item(found[-1].text)):
            text = f"{found[-1].text.rstrip(', ')}, {_item(line.text)}"
            found[-1] = FreeLine(found[-1].number, text)
        else:
            found.append(line)
        ends = line.number
    return found


def _is_own(line: FreeLine) -> bool:
    """Whether a line is neither empty nor quoted."""
    return bool(line.text) and not line.text.startswith((">", "|"))


def _item(text: str) -> str:
    bullet = _BULLET.match(text)
    return text[bullet.end() :] if bullet else text


def _wish(line: FreeLine, place: _Place, keys: KeyTable) -> Wish | None:
    text = " ".join(line.text[:_LONGEST].split())
    if square := _SQUARE.search(text):
        return Wish(_problem(line, "theta2 is not a key.", advise_theta(square[1], keys)))
    reason = _anywhere(text, place)
    if not reason and not place.signed:
        reason = _above_signature(text, place, keys)
    if not reason:
        return None
    if meant := _meant(text, keys):
        hint = f"Did you mean `{meant[0]}: {meant[1]}`?"
        return Wish(_problem(line, reason, hint), meant)
    return Wish(_problem(line, reason, _advice(text)))


def _anywhere(text: str, place: _Place) -> str:
    """Why a line asks for something, wherever it stands; empty where it does not."""
    legal = _LEGAL.search(text)
    if _NAMES_RUN.search(text) or _PICKS_RUNS.search(text):
        return "names runs, but not as `runs: 15864, 15865`."
    if _COMPARES.search(text) and "@" not in text:
        return "compares, but not as `key: value`."
    if _HOLDS_BACK.search(text) and not _CANNOT_WAIT.search(text) and not legal:
        return "asks to hold the request back, which cannot be done: nothing was started."
    if _TAKES_BACK.search(text) and place.early and not legal:
        return "takes the request back: nothing was started."
    return ""


def _above_signature(text: str, place: _Place, keys: KeyTable) -> str:
    """Why a line above the signature asks for something; empty where it does not."""
    words = len(text.split())
    bullet = _BULLET.match(text)
    item = _item(text)
    if is_run_list(item) and not _YEAR.fullmatch(item):
        return "is a list of numbers without a key."
    if "@" in text and (place.beside or _PASSES_ON.search(text)):
        return "names a reader, but reports go to you alone."
    digit = bool(_DIGIT.search(text))
    if words <= _MOST_WORDS and digit and (_TERM.search(text) or _QUANTITY.search(text)):
        return "is not understood: it is no `key: value`."
    if not place.beside or _SIGN_OFF.match(text):
        return ""
    if (
        place.inside
        or bullet
        or (_NUMBER.search(text) and not _PHONE.match(text))
        or (_CHANGES.search(text) and not _ASKS_FOR_THIS.search(text))
        or (words <= _FEW_WORDS and (_TERM.search(text) or _key_value(text, keys) is not None))
    ):
        return "is not understood: it is no `key: value`."
    return ""


def _problem(line: FreeLine, reason: str, hint: str) -> Problem:
    return Problem(one_line(line.text, 60), reason, hint, line.number)


def _meant(text: str, keys: KeyTable) -> tuple[str, str] | None:
    """The key and the value that a line means, where only one can be meant."""
    if _EIGHT.search(text) or _HOLDS_BACK.search(text) or _TAKES_BACK.search(text):
        return None
    if (_NAMES_RUN.search(text) or _PICKS_RUNS.search(text)) and _LEAVES_OUT.search(text):
        return None
    return _key_value(_item(text), keys)


def _advice(text: str) -> str:
    if _EIGHT.search(text):
        return "Write all nights in one line: `date: 20231207, 20231208`."
    if _NAMES_RUN.search(text) or _PICKS_RUNS.search(text):
        return "List the runs that you want: `runs: 15864, 15865`."
    return "Leave it out, or write it as one of the keys (ASTRAN-HELP in a subject gets them all)."


def _key_value(text: str, keys: KeyTable) -> tuple[str, str] | None:
    """The key and the value that a line without a colon most probably means."""
    rest = text
    named_runs = False
    while (filler := _FILLER.match(rest)) and filler.end():
        named_runs = named_runs or filler.group().lower().startswith("run")
        rest = rest[filler.end() :]
    if named_runs or is_run_list(rest):
        rest = _EQUAL.sub("", rest, count=1).removesuffix("please").strip(" .")
        return ("runs", rest) if _reads(keys.find("runs"), rest) else None
    words = rest.split()
    for count in range(min(4, len(words) - 1), 0, -1):
        name, value = " ".join(words[:count]), " ".join(words[count:])
        if found := _of_key(name, value, keys):
            return found
    return None


def _of_key(name: str, value: str, keys: KeyTable) -> tuple[str, str] | None:
    key = keys.find(name)
    less, more = _LESS.match(value), _MORE.match(value)
    if key is None and _ENERGY.fullmatch(name) and (less or more):
        key = keys.find("highlevel.energy_max" if less else "highlevel.energy_min")
    if key is None or (key.kind is ValueKind.TARGET and len(value.split()) > 2):
        return None
    # advice in the wrong direction would be a wrong cut
    upper = key.name.endswith(("_max", "theta_cut"))
    if (less and not upper) or (more and upper):
        return None
    match = less or more or _EQUAL.match(value)
    bare = value[match.end() if match else 0 :].strip(" .,")
    return (key.name, bare) if bare and _reads(key, bare) else None


def _reads(key: Key | None, value: str) -> bool:
    try:
        return key is not None and bool(value) and read_value(key, value) is not None
    except BadValue:
        return False
