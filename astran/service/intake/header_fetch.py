"""Looking at mails on a server that may fail with some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from astran.base.clock import Clock
from astran.base.errors import MailUnavailable
from astran.mail.ports import FetchedHeader, Mailbox

MOST_FAILURES = 30
"""After so many failures of the server in one tick, or after `PATIENCE`, the next tick goes on."""
PATIENCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class HeaderFetch:
    """What the server shows of one mail."""

    uid: int
    envelope: FetchedHeader | None
    """None: nothing."""
    reason: str = ""
    """Why nothing, where the server says so."""
    again: bool = False
    """The mail was put off before."""


class HeaderFetcher:
    """The looks of one tick, and how often the server failed meanwhile."""

    def __init__(self, inbox: Mailbox, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock
        self._begin = clock.now()
        self._failures = 0

    def looks(self, uids: Sequence[int], *, again: bool = False) -> Iterator[HeaderFetch]:
        """What the server shows of each mail; one that it fails with is told apart by halves.

        Raises
        ------
        MailUnavailable : the mailbox is away, or fails too often
        """
        try:
            found = {envelope.uid: envelope for envelope in self._inbox.envelopes(uids)}
        except MailUnavailable as error:
            self._inbox.renew()
            self.count_failure(error)
            half = len(uids) // 2
            if not half:
                yield HeaderFetch(uids[0], None, str(error), again)
                return
        else:
            yield from (HeaderFetch(uid, found.get(uid), again=again) for uid in uids)
            return
        yield from self.looks(uids[:half], again=again)
        yield from self.looks(uids[half:], again=again)

    def count_failure(self, error: MailUnavailable) -> None:
        """End the pass where the server fails too often or too slowly."""
        self._failures += 1
        if self._failures > MOST_FAILURES or self._clock.now() - self._begin > PATIENCE:
            raise error
