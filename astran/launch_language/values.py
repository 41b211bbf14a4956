"""Reading the values of the launch language: what is written to what is meant."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

import yaml

from astran.config.analysis import nested
from astran.config.model import nearest_word
from astran.launch_language.bad_value import BadValue
from astran.launch_language.bad_value import shorten_value as _short
from astran.launch_language.dates import read_date, read_date_in_words
from astran.launch_language.keys import Key, ValueKind
from astran.launch_language.nights import read_nights

MAX_RUNS = 200
_LONGEST = 2_000
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 +\-._'()*]{0,59})")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+.{0,20}")
_WHOLE = re.compile(r"[+-]?\d{1,9}")
_DEGREES = re.compile(r"[d°]")
_JOINTS = re.compile(r"[\s_-]+")
_PATH = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_./+-]{0,400}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,60}")
_BEFORE_VERSION = re.compile(r"^(?:lstchain\b)?[\s=:_-]*+(?:(?:version|release)[\s=:]*+)?(?=v?\d)")
_VERSION = re.compile(r"v?\d+(\.(\d+|[x*]|post\d+|(\d+)?(a|b|rc)\d+))*")
_PLAIN_YAML = re.compile(r"[\w .,:+\-/\[\]{}\"']+", re.ASCII)
_POWER = re.compile(r"[+-]?[\d.]+e[+-]?\d{1,2}", re.I)
_NONE = frozenset({"", "none", "null", "~", "default", "auto"})
_ALL = frozenset({"all", "all runs", "any", "every run"})


def read_value(key: Key, text: str, written: datetime | None = None) -> Any:
    """The plain value (None, bool, int, float, str, list of int or str) of a key.

    A date becomes YYYY-MM-DD; several dates or targets become a list of words, see `read_nights`
    and `ALL_TARGETS`. Numbers are in the unit of the configuration. Ranges are not checked
    here but by the configuration model. `written` is the sender's time, from which words such as
    `last night` count. Raises BadValue.
    """
    if len(text) > _LONGEST:
        raise BadValue(f"the value is longer than {_LONGEST} characters.")
    text = text.strip()
    if key.kind is ValueKind.DATE and (found := read_date_in_words(text, written)):
        return found
    refuse_strange(text)
    if key.optional and text.lower() in _NONE:
        return None
    if not text:
        raise BadValue("has no value.")
    if key.kind is ValueKind.DATE:
        return read_nights(text, written)
    return _READERS[key.kind](key, text)


def refuse_strange(text: str) -> None:
    """Raise BadValue for characters that cannot be seen or that are taken for others."""
    for char in text:
        kind = unicodedata.category(char)
        if kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and char != "\t":
            raise BadValue(f"holds an invisible character (U+{ord(char):04X}).", "Type it anew.")
        if not char.isascii() and char != "°":
            name = unicodedata.name(char, f"U+{ord(char):04X}")
            raise BadValue(f"holds {char!r} ({name}).", "Write it in plain ASCII letters.")


ALL_TARGETS = "all"
"""In a list of targets: all that the catalogue shows for the nights."""
_EVERY_TARGET = frozenset(
    ("all", "all targets", "all sources", "any", "every target", "every source", "everything")
)
_BETWEEN_TARGETS = re.compile(r" ?[,;&] ?(?:and )?| and ")
_UNDECIDED = re.compile(r" or |\w ?/ ?\w", re.I)
_MOST_TARGETS = 50


def _target(key: Key, text: str) -> str | list[str]:
    """The name of a source, or a list of several."""
    plain = " ".join(text.split())
    if plain.lower() in _EVERY_TARGET:
        return [ALL_TARGETS]
    if _UNDECIDED.search(plain):
        hint = "Write one, or all that are meant with commas: `target: Crab, Mrk421`."
        raise BadValue(f"{_short(text)} leaves open which source is meant.", hint)
    bare = plain[1:-1] if plain.startswith("[") and plain.endswith("]") else plain
    names = [name.strip("\"' ") for name in _BETWEEN_TARGETS.split(bare)]
    for name in names:
        if not _NAME.fullmatch(name) or name.lower() in _EVERY_TARGET:
            reason = f"{_short(name or text)} is not the plain name of a source."
            raise BadValue(
                reason, "Write the name alone, as in `target: Crab`; several with commas."
            )
    names = list({name.casefold(): name for name in reversed(names)}.values())[::-1]
    if len(names) > _MOST_TARGETS:
        raise BadValue(f"names {len(names)} sources, at most {_MOST_TARGETS} are taken.")
    return names if len(names) > 1 else names[0]


_THOUSANDS = re.compile(r"(?<!\d)(?<!\d,)\d{1,3},\d{3}(?!\d|,\d)")
_REMARK = re.compile(r"(?<=\d) ?\(([^()\n]{0,60})\)")
_NO_REMARK = re.compile(
    r"\d{4}|\?|\b(?:not|no|don'?t|exclud\w{1,4}|skip\w{0,4}|bad|without|except|if|maybe|perhaps|drop"
    r"|omit|only|instead|half|first|last|until|from|remove|unless)\b",
    re.I,
)


def without_remarks(text: str) -> str:
    """A list of runs without the harmless remarks in brackets: `15865 (short)`."""
    return _REMARK.sub(lambda match: match[0] if _NO_REMARK.search(match[1]) else "", text)


_RUN = re.compile(r"(?:run)?[\s#_.-]{0,3}(\d{1,10})")
_DASH = re.compile(r"\s?(-|\.\.\.?|\bto\b|\buntil\b)\s?(?=(?:run)?\s?\d)")
_RUN_WORD = re.compile(r"\b(runs?)[\s#_]+(?=\d)")
_BETWEEN_RUNS = re.compile(r" ?[,;] ?(?:and )?| and | ?& ?| ?\+ ?| ")
_RANGE = re.compile(r"((?:run)?\s?\d{1,10})\s?(?:-|\.\.\.?|to|:|until)\s?((?:run)?\s?\d{1,10})")


def _runs(key: Key, text: str) -> list[int] | None:
    low = " ".join(without_remarks(text).lower().split())
    if low in _ALL:
        return None
    if match := _THOUSANDS.search(low):
        whole = match[0].replace(",", "")
        raise BadValue(
            f"`{match[0]}` can be one run or two.",
            f"Write {whole}, or {match[0].replace(',', ', ')}.",
        )
    if low.startswith("[") and low.endswith("]"):
        low = low[1:-1].strip()
    low = _DASH.sub(r"\1", low)
    low = _RUN_WORD.sub("run", low)
    runs: list[int] = []
    for word in _BETWEEN_RUNS.split(low):
        word = word.strip("\"'")
        if not word:
            continue
        if match := _RANGE.fullmatch(word):
            first, last = _run(match[1]), _run(match[2])
            if last < first:
                end = str(last)
                whole = str(first)[: -len(end)] + end
                hint = f"Write {first}-{whole}." if int(whole) > first else f"Write {last}-{first}."
                raise BadValue(f"the range {_short(word)} runs backward.", hint)
            if last - first >= MAX_RUNS:
                raise BadValue(f"the range {_short(word)} holds more than {MAX_RUNS} runs.")
            runs.extend(range(first, last + 1))
        else:
            runs.append(_run(word))
        if len(runs) > MAX_RUNS:
            raise BadValue(f"more than {MAX_RUNS} runs.")
    if not runs:
        raise BadValue("names no run.", "Write run numbers, or leave the line out for all runs.")
    return sorted(set(runs))


def _run(word: str) -> int:
    match = _RUN.fullmatch(word) if not word.startswith("-") else None
    number = int(match[1]) if match else 0
    if not 0 < number < 100_000_000:
        raise BadValue(
            f"{_short(word)} is no run number.",
            "Runs are positive whole numbers, for example `runs: 15864, 15865`.",
        )
    return number


_NUMBER = re.compile(
    r"([+-]?(?:\d{1,12}(?:\.\d{0,15})?|\.\d{1,15})(?:e[+-]?\d{1,2})?)(?:\s*([a-z°%'][^\d]{0,19}))?",
    re.I,
)
_FACTORS = {
    ("deg", "deg"): 1.0, ("deg", "°"): 1.0, ("deg", "degree"): 1.0, ("deg", "degrees"): 1.0,
    ("deg", "d"): 1.0, ("deg", "arcmin"): 1 / 60, ("deg", "'"): 1 / 60, ("deg", "arcsec"): 1 / 3600,
    ("tev", "tev"): 1.0, ("tev", "gev"): 1e-3, ("tev", "mev"): 1e-6, ("tev", "pev"): 1e3,
    ("p.e.", "p.e."): 1.0, ("p.e.", "p.e"): 1.0, ("p.e.", "pe"): 1.0, ("p.e.", "phe"): 1.0,
    ("", "%"): 0.01,
}  # fmt: skip


def _number(key: Key, text: str) -> float:
    match = _NUMBER.fullmatch(text)
    if not match:
        if _DECIMAL_COMMA.fullmatch(text):
            raise BadValue(
                f"{_short(text)} has a decimal comma.", f"Write {text.replace(',', '.')}."
            )
        square = _SQUARE.fullmatch(text)
        hint = theta_of_square(square[1]) if square and key.unit == "deg" else _unit_hint(key)
        raise BadValue(f"{_short(text)} is no number.", hint)
    unit = (match[2] or "").strip().lower()
    if not unit:
        return float(match[1])
    factor = _FACTORS.get((key.unit.lower(), unit))
    if factor is None:
        raise BadValue(f"{_short(unit)} is not a unit for it.", _unit_hint(key))
    # through decimal rounding: 12 arcmin shall be 0.2, not 0.2000…01
    return float(f"{float(match[1]) * factor:.12g}")


_SQUARE = re.compile(r"(\d{0,3}\.?\d{1,6}) ?(?:deg(?:rees)?|°) ?(?:\^|\*\*)?[2²]", re.I)


def theta_of_square(number: str) -> str:
    """The cut that a value of theta2 [deg2] means, in words."""
    return f"theta2 of {number} deg2 is `dl3.theta_cut: {math.sqrt(float(number)):.4g}`, in deg."


def _unit_hint(key: Key) -> str:
    return f"Write a number in {key.unit}." if key.unit else "Write a plain number."


def _whole(key: Key, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise BadValue(f"{_short(text)} is no whole number.")
    return int(text)


_SEXAGESIMAL = re.compile(
    r"([+-]?)(\d{1,3})\s?(?:[:hd°]|\s)\s?(\d{1,2})\s?(?:[:m']|\s)\s?(\d{1,2}(?:\.\d{0,9})?)\s?(?:s|\"|'')?",
    re.I,
)


def _angle(text: str, hours: bool) -> float | None:
    """Degrees from h:m:s or d:m:s."""
    match = _SEXAGESIMAL.fullmatch(text)
    if not match:
        return None
    if ("h" in text.lower()) and not hours:
        return None
    whole, minutes, seconds = int(match[2]), int(match[3]), float(match[4])
    if minutes >= 60 or seconds >= 60:
        return None
    in_hours = hours and not _DEGREES.search(text.lower())
    value = (whole + minutes / 60 + seconds / 3600) * (15 if in_hours else 1)
    return round(-value if match[1] == "-" else value, 8)


def _ra(key: Key, text: str) -> float:
    found = _angle(text, hours=True)
    return _number(key, text) if found is None else found


def _dec(key: Key, text: str) -> float:
    found = _angle(text, hours=False)
    return _number(key, text) if found is None else found


def _switch(key: Key, text: str) -> bool:
    words = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    try:
        return words[text.lower()]
    except KeyError:
        raise BadValue(f"{_short(text)} is neither yes nor no.", "Write yes or no.") from None


def _choice(key: Key, text: str) -> str:
    wanted = _JOINTS.sub("-", text.lower())
    if wanted in key.choices:
        return wanted
    guess = nearest_word(wanted[:60], key.choices)
    known = f"Known: {', '.join(key.choices)}."
    raise BadValue(
        f"{_short(text)} is not known.", f"Did you mean {guess}? {known}" if guess else known
    )


def _path(key: Key, text: str) -> str:
    if not _PATH.fullmatch(text) or ".." in (PurePosixPath(text).parts):
        raise BadValue(f"{_short(text)} is not a folder that can be used.")
    if key.name != "folder" and text.startswith("/"):
        raise BadValue(f"{_short(text)} must be given below the site's own folder.")
    return text


def _word(key: Key, text: str) -> str:
    if not _WORD.fullmatch(text):
        raise BadValue(f"{_short(text)} is not a plain word.")
    return text


def _version(key: Key, text: str) -> str:
    """A version, its beginning (0.12, 0.12.x, 0.12.*), or the name of an environment."""
    low = _BEFORE_VERSION.sub("", text.lower())
    if _VERSION.fullmatch(low):
        return low
    if not _WORD.fullmatch(text):
        raise BadValue(
            f"{_short(text)} is no version of lstchain.",
            "Write it like 0.12.3 or 0.12.x, or leave the line out for the site's own.",
        )
    return text


_DEEPEST = 12


def _free(key: Key, text: str) -> Any:
    """A parameter of lstchain: a number, yes or no, a word, a list or, of a group, a mapping."""
    if not _PLAIN_YAML.fullmatch(text) or (text.count("[") + text.count("{") > _DEEPEST):
        raise BadValue(
            f"{_short(text)} cannot be read.",
            "Write a number, yes, no, a word, or [0.1, inf].",
        )
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        raise BadValue(
            f"{_short(text)} cannot be read.",
            "Is each bracket closed? For example [0.1, inf].",
        ) from None
    group = "." not in key.name.removeprefix("dl3.")
    if group and not isinstance(value, dict):
        raise BadValue("holds parameters, not a value.", f"Write `{key.name}.<name>: <value>`.")
    try:
        return nested(_numbers(value))
    except ValueError as error:
        raise BadValue(f"{error}.") from None


def _numbers(value: Any) -> Any:
    """Numbers that YAML takes for words (1e-3); dates that it takes for what they are not."""
    if isinstance(value, dict):
        return {str(name): _numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str) and _POWER.fullmatch(value):
        try:
            return float(value)
        except ValueError:
            return value
    return str(value) if isinstance(value, date) else value


_UNTIL = re.compile(r"(?:(?:every|each) (?:night|day|morning) ?,? ?)?(?:until|till|to|thru) (.+)")


def _repeat(key: Key, text: str) -> str:
    match = _UNTIL.fullmatch(" ".join(text.lower().split()))
    if not match:
        raise BadValue(
            f"{_short(text)} does not say until when.", "Write `repeat: until 2026-12-31`."
        )
    return f"until {read_date(match[1])}"


_ADDRESS = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}"
)
_PERSON = re.compile(r"[^<>@]{0,100}<([^<>\s]{3,320})>")
_BETWEEN_READERS = re.compile(r"[,;]|\band\b")
_MOST_READERS = 10


def _readers(key: Key, text: str) -> list[str]:
    """Addresses, bare or behind a name, in lower case."""
    if text.strip().lower() in ("none", "nobody", "no"):
        return []
    found: dict[str, None] = {}
    for piece in filter(None, map(str.strip, _BETWEEN_READERS.split(text.lower()))):
        match = _PERSON.fullmatch(piece)
        words = [match[1]] if match else piece.split()
        for word in words:
            address = word.removeprefix("mailto:").strip("<>")
            if not _ADDRESS.fullmatch(address):
                raise BadValue(
                    f"{_short(piece)} is no mail address.",
                    "Write `cc: colleague@institute.example`.",
                )
            found[address] = None
    if len(found) > _MOST_READERS:
        raise BadValue(f"names {len(found)} readers, at most {_MOST_READERS} are taken.")
    return list(found)


_READERS: dict[ValueKind, Callable[[Key, str], Any]] = {
    ValueKind.TARGET: _target,
    ValueKind.RUNS: _runs,
    ValueKind.RA: _ra,
    ValueKind.DEC: _dec,
    ValueKind.NUMBER: _number,
    ValueKind.WHOLE: _whole,
    ValueKind.SWITCH: _switch,
    ValueKind.CHOICE: _choice,
    ValueKind.PATH: _path,
    ValueKind.WORD: _word,
    ValueKind.VERSION: _version,
    ValueKind.REPEAT: _repeat,
    ValueKind.READERS: _readers,
    ValueKind.FREE: _free,
}
