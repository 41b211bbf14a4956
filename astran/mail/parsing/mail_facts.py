"""What the headers of a mail say, each read once."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property

from astran.mail.parsing.headers import (
    MAX_HEADERS,
    SINGLE,
    Message,
    UnclearHeaders,
    all_headers,
    content_type,
    decode,
    one_address,
)

_MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
_BARE_ID = re.compile(r"[^<>\s@]{1,400}@[^<>\s@]{1,400}")


class MailFacts:
    """The headers of a mail for all who judge it. Nothing raises, however broken they are."""

    def __init__(self, message: Message) -> None:
        self.message = message

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Every header from top to bottom, as (name in lower case, unfolded undecoded value)."""
        return all_headers(self.message)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.headers:
            found.setdefault(name, []).append(value)
        return found

    def values(self, name: str) -> list[str]:
        """All values of a header (name in lower case), from top to bottom."""
        return self._by_name.get(name, [])

    def value(self, name: str) -> str:
        """The first value of a header; empty where there is none."""
        return next(iter(self.values(name)), "")

    @cached_property
    def sender(self) -> str:
        """The one address of the one From header in lower case; empty where it is not exactly one.

        Where programs could read two different addresses out of it, it counts as none: otherwise
        the mail server could verify one of them and ASTRAN believe the other.
        """
        lines = self.values("from")
        if len(self.message) > MAX_HEADERS or len(lines) != 1:
            return ""
        return one_address(lines[0]) or ""

    @cached_property
    def from_local_part(self) -> str:
        """Local part of the first From address, in lower case; empty where it is not clear."""
        return (one_address(self.value("from")) or "").rpartition("@")[0]

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """Every subject, decoded, each on one line; an honest mail has at most one."""
        return tuple(" ".join(decode(text).split()) for text in self.values("subject"))

    @property
    def subject(self) -> str:
        """The first subject; empty where there is none."""
        return next(iter(self.subjects), "")

    @cached_property
    def message_id(self) -> str:
        """The Message-ID with its angle brackets; empty where there is none that can be used."""
        text = self.value("message-id").strip()
        if _BARE_ID.fullmatch(text):
            return f"<{text}>"
        found = _MESSAGE_ID.findall(text)
        return found[0] if len(found) == 1 else ""

    @cached_property
    def references(self) -> tuple[str, ...]:
        """Message-IDs that this mail answers or continues: References, then In-Reply-To."""
        text = " ".join([*self.values("references"), *self.values("in-reply-to")])
        return tuple(dict.fromkeys(_MESSAGE_ID.findall(text)))

    @cached_property
    def content_type(self) -> tuple[str, dict[str, str]]:
        """`text/plain` and the parameters, both with lower-case names."""
        return content_type(self.message)

    @cached_property
    def date(self) -> datetime | None:
        """When it was sent, by its own word; None where it names no moment."""
        try:
            sent = parsedate_to_datetime(self.value("date"))
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return sent if sent.tzinfo is not None else None

    @cached_property
    def ambiguity(self) -> str:
        """Why two programs may read these headers in two ways; empty where they cannot.

        One of the programs verifies the mail, the other acts upon it: what each sees must be the
        same.
        """
        for defect in self.message.defects:
            if isinstance(defect, UnclearHeaders):
                return str(defect)
        if len(self.message) > MAX_HEADERS:
            return f"more than {MAX_HEADERS} headers"
        twice = (name for name, values in self._by_name.items() if len(values) > 1)
        name = next((name for name in twice if name in SINGLE), None)
        return f"{name.title()} stands twice, which must be single" if name else ""
