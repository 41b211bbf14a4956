"""What all letters share: frame, subject, footer, Message-ID."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from astran.base.clock import Clock
from astran.base.mail_commands import MailCommand as Keyword
from astran.base.states import AnalysisState
from astran.base.text import one_line, shorten, strip_control
from astran.config.analysis import AnalysisConfig
from astran.config.site import MailSettings
from astran.mail.letters.content import CommandHint, Tone
from astran.mail.letters.mime import (
    Attachment,
    InlineImage,
    MailHeader,
    Thread,
    answer_subject,
    compose,
    message_id,
)
from astran.mail.letters.rendering import render_letter


class MailComposer:
    """Writes letters in the name of one mailbox. The clock gives them their dates.

    A mailbox that does not listen takes no commands, and no letter speaks of them.
    """

    def __init__(
        self,
        mail: MailSettings,
        site: str,
        simulated: bool,
        clock: Clock,
        *,
        listens: bool = True,
    ) -> None:
        self._mail = mail
        self._site = site
        self._simulated = simulated
        self._clock = clock
        self._listens = listens

    @property
    def address(self) -> str:
        """The mailbox."""
        return self._mail.address

    def _letter(
        self,
        kind: str,
        thread: Thread,
        *,
        headline: str,
        state: str,
        request_id: str = "",
        subject: str = "",
        tone: Tone = Tone.CALM,
        n: int = 1,
        generated: bool = False,
        simulated: bool | None = None,
        commands: Sequence[CommandHint] | None = None,
        pictures: Sequence[InlineImage] = (),
        enclosures: Sequence[Attachment] = (),
        **values: Any,
    ) -> EmailMessage:
        """A letter made of the template `kind` and its `values`.

        `subject` stands alone in the subject, before the tag; without one the letter answers under
        the subject of its conversation.
        """
        now = self._clock.now().astimezone(UTC)
        if not self._listens:
            commands = ()
        text, html = render_letter(
            kind,
            {
                **values,
                "headline": one_line(headline, 300),
                "tone": tone.value,
                "about": request_id,
                "request_id": request_id,
                "service": self._mail.name,
                "site": self._site,
                "address": self._mail.address,
                "moment": moment(now),
                "simulated": self._simulated if simulated is None else simulated,
                "commands": footer_commands(request_id) if commands is None else commands,
            },
        )
        tag = f"[{request_id}]" if request_id else ""
        answer = answer_subject(thread, f"{tag} {state}".strip())
        envelope = MailHeader(
            thread=thread,
            subject=f"{one_line(subject, 180)} {tag}".strip() if subject else answer,
            message_id=message_id(self._mail, kind, request_id, thread, n),
            date=now,
            generated=generated,
        )
        return compose(self._mail, envelope, text, html, pictures, enclosures)


def footer_commands(request_id: str, state: AnalysisState | None = None) -> tuple[CommandHint, ...]:
    """What can be asked for; `state` where the analysis has ended, None while it is under way."""
    usage = CommandHint("Ask how to write a request", Keyword.HELP.value)
    listing = CommandHint("List your analyses", Keyword.LIST.value)
    if not request_id:
        return (listing, usage)
    again = CommandHint("Run it again", f"{Keyword.RETRY} {request_id}")
    if state is not None:
        return (again, listing, usage)
    return (
        CommandHint("Ask how it is going", f"{Keyword.STATUS} {request_id}"),
        CommandHint("Stop it", f"{Keyword.CANCEL} {request_id}"),
        usage,
    )


def config_file(config: AnalysisConfig, text: str = "") -> Attachment:
    name = f"config_{config.label}.yml"
    return Attachment(name, (text or config.to_yaml()).encode(), "application/yaml")


def cut(text: str, limit: int) -> str:
    """A harmless text of several lines, not longer than a mail bears."""
    return shorten(strip_control(text[: 4 * limit]).strip(), limit)


def moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""
