"""A postman who keeps what he is given, behind the Postman port."""

from __future__ import annotations

from collections.abc import Sequence

from astran.base.errors import MailError, MailRejected


class FakePostman:
    """Refuses the recipients in `unknown`; raises what `script` holds, one per mail, first."""

    def __init__(self, unknown: Sequence[str] = ()) -> None:
        self.unknown = set(unknown)
        self.script: list[MailError] = []
        self.sent: list[tuple[str, tuple[str, ...], bytes]] = []

    def send(self, raw: bytes, sender: str, recipients: Sequence[str]) -> tuple[str, ...]:
        if self.script:
            raise self.script.pop(0)
        refused = tuple(one for one in recipients if one in self.unknown)
        if len(refused) == len(recipients):
            raise MailRejected(f"every recipient was refused: {', '.join(refused)}")
        taken = tuple(one for one in recipients if one not in self.unknown)
        self.sent.append((sender, taken, raw))
        return refused
