"""Several nights in one value: lists and ranges of dates.

Whatever can be read in two ways, or holds a word that is not understood, is a question: no night is
added or dropped in silence.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from astran.launch_language.bad_value import BadValue, shorten_value
from astran.launch_language.dates import MONTHS, read_date, read_date_in_words

_HINT = "Write for example 20231207-20231213, or 20231207, 20231209."
_NAME = "|".join(sorted(MONTHS, key=len, reverse=True))
_WORDS = (
    "day before yesterday|the night before last|night before last|the last night|last night"
    "|yesterday|tonight|today"
)
_DATE = re.compile(
    r"(?<!\d)(?:\d{8}|\d{4} ?[-/.] ?\d{1,2} ?[-/.] ?\d{1,2}|\d{1,2} ?[-/.] ?\d{1,2} ?[-/.] ?\d{4}"
    r"|(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,? )?"
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)?[ .,-]{{0,2}}(?:{_NAME})[ .,-]{{0,2}}\d{{4}}"
    rf"|(?:{_NAME})[ .]{{0,2}}\d{{1,2}}(?:st|nd|rd|th)?[ ,]{{1,2}}\d{{4}}))(?!\d)"
    rf"|\b(?:{_WORDS})\b"
)
_LEAD = re.compile(r"(?:from |between |(?:the )?nights?(?: of| from)? |\[)?")
_TAIL = re.compile(r" ?(?:\(?(?:inclusive|included)\)?|\])?")
_TO = re.compile(r" ?(?:-{1,2}|\.{2,3}|(?:up )?to|until|till|through|thru)(?: and including)? ?")
_AND = re.compile(r" ?(?:[,;] ?(?:and )?|and |& ?|\+ ?)| ")
_SLASH = re.compile(r" ?/ ?")
_DIGITS = re.compile(r"(\d{1,4})(?!\d)")
_DAYS_OF_MONTH = re.compile(
    r"(?:from )?(\d{1,2})(?:st|nd|rd|th)? ?(?:-|to|until|through) ?(\d{1,2})(?:st|nd|rd|th)? "
    rf"?({_NAME})\.? ?(\d{{4}})"
)
_MONTH_OF_DAYS = re.compile(
    rf"({_NAME})\.? (\d{{1,2}})(?:st|nd|rd|th)? ?(?:-|to|until|through) ?"
    r"(\d{1,2})(?:st|nd|rd|th)?,? (\d{4})"
)
_MONTH = re.compile(rf"({_NAME})\.? ?(\d{{4}})|(\d{{4}})[-/]?(\d{{2}})")
_ALL_OF_MONTH = re.compile(r"(?:all (?:nights )?(?:of|in) |(?:the )?month of |in )")
_LAST = re.compile(r"(?:the )?(?:last|past|previous) (?:(\d{1,3}) )?(night|day|week|month|year)s?")
_DAYS_IN = {"night": 1, "day": 1, "week": 7, "month": 30, "year": 365}
_EVERY = frozenset({"all", "all nights", "any", "every night", "all dates", "ever", "everything"})
_OPEN = re.compile(
    r"(?:from|since|after|until|till|before|up to|starting|to) |.*(?:-|onwards?|on)$"
)


@dataclass(frozen=True, slots=True, order=True)
class NightSpan:
    """Nights that follow each other, by the dates of their evenings; both ends belong to it."""

    first: date
    last: date

    @classmethod
    def parse(cls, text: str) -> NightSpan:
        """Read what `str` gives."""
        first, _, last = text.partition(" to ")
        return cls(date.fromisoformat(first), date.fromisoformat(last or first))

    def __str__(self) -> str:
        one = self.first == self.last
        return f"{self.first}" if one else f"{self.first} to {self.last}"

    @property
    def number(self) -> int:
        """How many nights."""
        return (self.last - self.first).days + 1

    def nights(self) -> Iterator[date]:
        """Each of them."""
        for day in range(self.number):
            yield self.first + timedelta(days=day)


def spans_of(value: str | Sequence[str]) -> tuple[NightSpan, ...]:
    """The nights that the value of `date` means, as a mail's parameters hold it."""
    return tuple(NightSpan.parse(one) for one in ([value] if isinstance(value, str) else value))


def read_nights(text: str, written: datetime | None = None) -> str | list[str]:
    """One date as YYYY-MM-DD, or several nights as a list of dates and of `A to B`, in order.

    Parameters
    ----------
    text : as a person wrote it, in plain typography
    written : when, in the time zone of the person; words such as `yesterday` count from there

    Raises
    ------
    BadValue : it is no date, can be read in two ways, or names nights in words that are not read
    """
    low = " ".join(text.lower().split())
    try:
        return read_date_in_words(text, written) or read_date(text)
    except BadValue:
        if not (spans := _spans(low, written)):
            _refuse_words(low, written)
            raise
    merged = _merge(spans)
    if len(merged) == 1 and merged[0].number == 1:
        return str(merged[0])
    return [str(span) for span in merged]


def _spans(low: str, written: datetime | None) -> list[NightSpan]:
    """All spans of a text; empty where it holds no second date."""
    if match := _DAYS_OF_MONTH.fullmatch(low):
        return [_of_days(match[1], match[2], match[3], match[4], low)]
    if match := _MONTH_OF_DAYS.fullmatch(low):
        return [_of_days(match[2], match[3], match[1], match[4], low)]
    lead = _LEAD.match(low)
    at = lead.end() if lead else 0
    between = low.startswith("between ")
    found = _DATE.match(low, at)
    if found is None or _TAIL.fullmatch(low, found.end()):
        return []
    spans: list[NightSpan] = []
    while found is not None:
        first = last = _read(found[0], written)
        at = found.end()
        match = (_AND if between else _TO).match(low, at)
        other = _DATE.match(low, match.end()) if match else None
        if other is not None:
            last, at = _read(other[0], written), other.end()
        elif match and not between:
            _refuse_rest(low, first, match.end())
        spans.append(_range(first, last))
        if _TAIL.fullmatch(low, at):
            return spans
        if (match := _SLASH.match(low, at)) and _DATE.match(low, match.end()):
            raise BadValue(f"{shorten_value(low)} can be a range or a list.", _HINT)
        match = _AND.match(low, at)
        found = _DATE.match(low, match.end()) if match else None
    rest = shorten_value(low[at:].strip())
    raise BadValue(f"{shorten_value(low)} is not a date: {rest} is not understood.", _HINT)


def _read(text: str, written: datetime | None) -> date:
    return date.fromisoformat(read_date_in_words(text, written) or read_date(text))


def _range(first: date, last: date) -> NightSpan:
    if last < first:
        raise BadValue(
            f"the range ends ({last}) before it begins ({first}).",
            f"Write {_plain(last)}-{_plain(first)}.",
        )
    return NightSpan(first, last)


def _of_days(first: str, last: str, month: str, year: str, text: str) -> NightSpan:
    return _range(
        date.fromisoformat(read_date(f"{first} {month} {year}")),
        date.fromisoformat(read_date(f"{last} {month} {year}")),
    )


def _refuse_rest(low: str, first: date, at: int) -> None:
    """A range whose end is cut short: `20231207-13`."""
    if match := _DIGITS.match(low, at):
        whole = _plain(first)[: 8 - len(match[1])] + match[1]
        try:
            end = date.fromisoformat(whole)
        except ValueError:
            end = first
        hint = f"Write {_plain(first)}-{whole}." if end > first else _HINT
        raise BadValue(f"the range {shorten_value(low)} does not end with a date.", hint)


def _refuse_words(low: str, written: datetime | None) -> None:
    """Raise for words that mean nights, with what to write in their place."""
    if low in _EVERY:
        reason = f"{shorten_value(low)} does not say which nights."
        raise BadValue(reason, "Write the first and the last one: 2023-11-01 to 2024-02-29.")
    bare = _ALL_OF_MONTH.sub("", low, count=1)
    if " or " in low and len(_DATE.findall(low)) > 1:
        raise BadValue(f"{shorten_value(low)} leaves open which night is meant.", _HINT)
    first, _, last = bare.partition(" to ")
    begin, end = _month(first), _month(last or first)
    if begin and end and end.last >= begin.first:
        reason = f"{shorten_value(low)} names a month, not nights."
        raise BadValue(reason, f"Write {begin.first} to {end.last}.")
    if match := _LAST.fullmatch(low):
        hint = _HINT
        if written is not None:
            days = int(match[1] or 1) * _DAYS_IN[match[2]]
            back = [(written - timedelta(days=n)).date() for n in (days, 1)]
            hint = f"Write {_plain(back[0])}-{_plain(back[1])}, or the nights that you mean."
        reason = f"{shorten_value(low)} can mean more than one range of nights."
        raise BadValue(reason, hint)
    if _OPEN.fullmatch(low) or (_OPEN.match(low) and _DATE.search(low)):
        raise BadValue(f"{shorten_value(low)} names only one end of a range.", _HINT)


def _month(text: str) -> NightSpan | None:
    match = _MONTH.fullmatch(text)
    if match is None:
        return None
    year = int(match[2] or match[3])
    month = MONTHS[match[1]] if match[1] else int(match[4])
    if not (1 <= month <= 12 and year >= 2000):
        return None
    return NightSpan(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))


def _plain(day: date) -> str:
    return day.strftime("%Y%m%d")


def _merge(spans: list[NightSpan]) -> list[NightSpan]:
    """In order, each night once."""
    merged: list[NightSpan] = []
    for span in sorted(spans):
        if merged and span.first <= merged[-1].last + timedelta(days=1):
            merged[-1] = NightSpan(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    return merged
