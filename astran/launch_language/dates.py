"""Dates as people write them: months in their languages, and nights counted from the mail's own."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, timedelta
from functools import cache

from astran.launch_language.bad_value import BadValue, shorten_value

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


def _months_called(name: str) -> frozenset[int]:
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


def _relative(text: str, written: datetime | None) -> str | None:
    """The night that words such as `last night` mean, as YYYY-MM-DD; None for other words.

    Parameters
    ----------
    text : words in lower case, parted by single blanks
    written : when the mail was written, in its sender's time zone; None where that is unknown

    Raises
    ------
    BadValue : more than one night can be meant; the suggestion says which
    """
    back = 1 if text in _LAST_NIGHT else 2 if text in _NIGHT_BEFORE else 0
    if match := _AGO.fullmatch(text):
        back = _NUMBERS.get(match[1]) or int(match[1])
    is_open = _OPEN.fullmatch(text)
    if not back and not is_open:
        return None
    if written is None:
        hint = "Write the date of the night's evening, for example 20231207."
        raise BadValue(f"{shorten_value(text)} can mean more than one night.", hint)
    if back and _CLEAR_FROM_H <= written.hour < _CLEAR_TO_H:
        return (written - timedelta(days=back)).date().isoformat()
    reason = f"{shorten_value(text)} can mean more than one night."
    raise BadValue(reason, _options(text, written, back))


def _options(text: str, written: datetime, back: int) -> str:
    days = [back, back + 1] if back else [0, 1]
    for number, day in enumerate(_DAYS):
        if not back and day in text:
            days = [(written.weekday() - number) % 7 or 7]
    options = [(written - timedelta(days=each)).strftime("%Y%m%d") for each in days]
    return f"Write {' or '.join(options)} (the date of the night's evening)."


MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january", "feb february", "mar march", "apr april", "may", "jun june",
            "jul july", "aug august", "sep sept september", "oct october", "nov november",
            "dec december",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
# runs of white space are one blank already
_YMD = re.compile(r"(\d{4}) ?([-/.]?) ?(\d{1,2}) ?\2 ?(\d{1,2})")
_XXY = re.compile(r"(\d{1,2}) ?[-/.] ?(\d{1,2}) ?[-/.] ?(\d{4})")
_DMY = re.compile(_WEEKDAY + r"(\d{1,2})(?:st|nd|rd|th)?[\s.,-]*([a-z]{3,9})[\s.,-]*(\d{4})")
_MDY = re.compile(_WEEKDAY + r"([a-z]{3,9})[\s.]*(\d{1,2})(?:st|nd|rd|th)?[\s,]+(\d{4})")
_DATE_HINT = "Write it as YYYYMMDD, for example 20231207."
_DATE_IN_WORDS = re.compile(
    r"(?:[^\W\d_]{2,12}\.?,? )?(\d{1,2})(?:er|[.º°ªe])?,? ?(?:de |d'|of )?([^\W\d_]{3,15})\.?,? ?"
    r"(?:de |del )?(\d{4})\.?(?: ?r\.| ?г\.)?"
)
_EAST_ASIAN = re.compile(r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일号]?(?: ?\(.\))?")


def read_date_in_words(text: str, written: datetime | None) -> str | None:
    """A date by words of many languages; None for any other text."""
    low = " ".join(unicodedata.normalize("NFC", text[:80].lower()).split())
    if found := _relative(low, written):
        return found
    if match := _EAST_ASIAN.fullmatch(low):
        return _day(match[1], match[2], match[3], text)
    match = _DATE_IN_WORDS.fullmatch(low)
    if match is None or match[2] in MONTHS:
        return None
    months = sorted(_months_called(match[2]))
    if len(months) > 1:
        options = " or ".join(f"{match[3]}{month:02d}{int(match[1]):02d}" for month in months)
        raise BadValue(f"{match[2]} is more than one month.", f"Write {options}.")
    return _day(match[3], months[0], match[1], text) if months else None


def read_date(text: str) -> str:
    """A date in figures, or with an English month, as YYYY-MM-DD. Raises BadValue."""
    low = " ".join(text.lower().split())
    if match := _YMD.fullmatch(low):
        if not match[2] and len(match[3]) + len(match[4]) != 4:
            raise BadValue(f"{shorten_value(text)} is no date.", _DATE_HINT)
        return _day(match[1], match[3], match[4], text)
    if match := _XXY.fullmatch(low):
        first, second, year = int(match[1]), int(match[2]), match[3]
        if first <= 12 and second <= 12 and first != second:
            options = [f"{year}{month:02d}{day:02d}" for month, day in
                       ((second, first), (first, second))]  # fmt: skip
            raise BadValue(
                f"{shorten_value(text)} can be read as two dates.",
                f"Write {options[0]} or {options[1]}.",
            )
        return _day(year, *((second, first) if first > 12 else (first, second)), text)
    if (match := _DMY.fullmatch(low)) and match[2] in MONTHS:
        return _day(match[3], MONTHS[match[2]], match[1], text)
    if (match := _MDY.fullmatch(low)) and match[1] in MONTHS:
        return _day(match[3], MONTHS[match[1]], match[2], text)
    raise BadValue(f"{shorten_value(text)} is not a date that can be read.", _DATE_HINT)


def _day(year: str | int, month: str | int, day: str | int, text: str) -> str:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        raise BadValue(f"{shorten_value(text)} is not in the calendar.", _DATE_HINT) from None
    if found.year < 2000:
        raise BadValue(f"{shorten_value(text)} is before any data.", _DATE_HINT)
    return found.isoformat()
