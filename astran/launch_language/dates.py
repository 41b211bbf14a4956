"""Dates as people write them: months in their languages, and nights counted from the mail's own."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from functools import cache

LANGUAGES = (
    "en", "it", "fr", "es", "de", "pt", "ca", "hr", "pl", "cs", "sk", "sl", "ro", "bg", "fi", "sv",
    "da", "nb", "nl", "ru", "uk", "hu", "tr",
)  # fmt: skip
"""Languages whose months are read."""
_CLEAR_FROM_H, _CLEAR_TO_H = 6, 20
"""Hours of the sender's day between which `last night` means one night."""
_WORD = re.compile(r"[^\W\d_]+")
_AGO = re.compile(r"(\d{1,2}|two|three) (?:nights?|days?) ago")
_NUMBERS = {"two": 2, "three": 3}
_LAST_NIGHT = frozenset(
    (
        "yesterday", "last night", "yesterday night", "yesterday evening", "yesterday's night",
        "the last night", "previous night", "the previous night",
        "ieri", "ieri sera", "ieri notte", "la notte scorsa", "notte scorsa", "la scorsa notte",
        "hier", "hier soir", "la nuit dernière", "nuit dernière",
        "ayer", "anoche", "ayer noche", "gestern", "gestern nacht", "gestern abend",
        "letzte nacht", "ontem", "ontem à noite", "ahir", "anit", "jučer", "sinoć", "wczoraj",
        "wczoraj w nocy", "včera", "včera v noci", "včeraj", "ieri noapte", "вчера", "昨日", "昨夜",
        "昨晩", "eilen", "igår", "gisteren", "i går",
    )
)  # fmt: skip
_NIGHT_BEFORE = frozenset({"the night before last", "night before last", "day before yesterday"})
_OPEN = re.compile(
    r"(?:today|tonight|this (?:night|morning|evening)|(?:last |this |on )?"
    r"(?:mon|tues?|wednes|thurs?|fri|satur|sun)day(?: night)?)"
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class UnclearDate(ValueError):
    """Words for a date that mean more than one night."""


def months_called(name: str) -> frozenset[int]:
    """The months that are called so in any of `LANGUAGES`; more than one for `listopad`."""
    return _names().get(_plain(name), frozenset())


@cache
def _names() -> dict[str, frozenset[int]]:
    # data of many languages, for the few mails that need them
    from babel import Locale

    found: dict[str, set[int]] = {}
    for language in LANGUAGES:
        months = Locale(language).months
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in months[context][width].items():
                    for word in _WORD.findall(str(name)):
                        if len(word) > 2:
                            found.setdefault(_plain(word), set()).add(number)
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _plain(name: str) -> str:
    """Small letters without accents, for people leave them out."""
    apart = unicodedata.normalize("NFD", name.lower().rstrip("."))
    return "".join(char for char in apart if not unicodedata.combining(char))


def read_relative(text: str, written: datetime | None) -> str | None:
    """The night that words such as `last night` mean, as YYYY-MM-DD; None for other words.

    Parameters
    ----------
    text : words in lower case, parted by single blanks
    written : when the mail was written, in its sender's time zone; None where that is unknown

    Raises
    ------
    UnclearDate : more than one night can be meant; the text says which
    """
    back = 1 if text in _LAST_NIGHT else 2 if text in _NIGHT_BEFORE else 0
    if match := _AGO.fullmatch(text):
        back = _NUMBERS.get(match[1]) or int(match[1])
    is_open = _OPEN.fullmatch(text)
    if not back and not is_open:
        return None
    if written is None:
        raise UnclearDate("Write the date of the night's evening, for example 20231207.")
    if back and _CLEAR_FROM_H <= written.hour < _CLEAR_TO_H:
        return (written - timedelta(days=back)).date().isoformat()
    raise UnclearDate(_options(text, written, back))


def _options(text: str, written: datetime, back: int) -> str:
    days = [back, back + 1] if back else [0, 1]
    for number, day in enumerate(_DAYS):
        if not back and day in text:
            days = [(written.weekday() - number) % 7 or 7]
    options = [(written - timedelta(days=each)).strftime("%Y%m%d") for each in days]
    return f"Write {' or '.join(options)} (the date of the night's evening)."
