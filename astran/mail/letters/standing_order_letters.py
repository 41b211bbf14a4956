"""Letters about requests for several nights: standing orders, taken and over, and data sets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from email.message import EmailMessage

from astran.base.mail_commands import MailCommand as Keyword
from astran.base.text import count_noun, one_line
from astran.config.analysis import AnalysisConfig
from astran.mail.letters import content
from astran.mail.letters.composer import MailComposer
from astran.mail.letters.content import CommandHint, Tone
from astran.mail.letters.mime import Thread
from astran.report.tables import Table, TableRow


class OrderLetters(MailComposer):
    """See `astran.mail.letters.service_letters.Letters`."""

    def ordered(
        self,
        thread: Thread,
        order_id: str,
        config: AnalysisConfig,
        until: str,
        explicit: Collection[str] = (),
        *,
        n: int = 1,
    ) -> EmailMessage:
        """A standing order was taken."""
        target = one_line(config.target.name, 60)
        rows = [row for row in content.describe_settings(config, explicit) if row.key != "date"]
        return self._letter(
            "order",
            thread,
            headline=f"{target}: each new night is analysed until {until}",
            state=f"standing order: {target}",
            request_id=order_id,
            n=n,
            commands=(
                CommandHint("End it", f"{Keyword.CANCEL} {order_id}"),
                CommandHint("List your analyses and orders", Keyword.LIST.value),
            ),
            until=until,
            chosen=[row for row in rows if row.chosen],
            defaults=[row for row in rows if not row.chosen],
        )

    def data_set(
        self,
        thread: Thread,
        request_id: str,
        title: str,
        config: AnalysisConfig,
        facts: Sequence[tuple[str, str]],
        nights: Table,
        *,
        explicit: Collection[str] = (),
        question: str = "",
        at_once: int = 1,
        n: int = 1,
    ) -> EmailMessage:
        """A request for several nights was taken: what they hold and cost.

        `question` says why it is not started without the word of its requester, and how that is
        said; empty where it starts.
        """
        rows = [
            row
            for row in content.describe_settings(config, explicit)
            if row.key not in ("date", "target")
        ]
        taken = "waits for your GO" if question else "accepted"
        return self._letter(
            "data_set",
            thread,
            headline=f"{one_line(title, 200)}: request {request_id} {taken}",
            state=f"{taken}: {one_line(title, 120)}",
            request_id=request_id,
            tone=Tone.PART if question else Tone.CALM,
            n=n,
            facts=list(facts),
            columns=list(nights.columns),
            nights=list(nights.rows),
            question=[question] if question else [],
            at_once=at_once,
            chosen=[row for row in rows if row.chosen],
            defaults=[row for row in rows if not row.chosen],
        )

    def order_summary(
        self,
        thread: Thread,
        order_id: str,
        target: str,
        until: str,
        nights: Sequence[TableRow],
        *,
        n: int = 1,
    ) -> EmailMessage:
        """A standing order is over: what came of each night.

        `nights` holds night, request and outcome; a night without a result is not `ok`.
        """
        name = one_line(target, 60)
        good = sum(night.ok for night in nights)
        tally = f"{good} of {count_noun(len(nights), 'night')} with a result"
        return self._letter(
            "order_summary",
            thread,
            headline=f"{name}, standing order until {until}: {tally if nights else 'no data came'}",
            state=f"standing order over: {name}",
            request_id=order_id,
            tone=Tone.GOOD if good == len(nights) > 0 else Tone.PART,
            n=n,
            generated=True,
            commands=(CommandHint("List your analyses and orders", Keyword.LIST.value),),
            until=until,
            nights=list(nights),
            columns=_NIGHTS,
        )


_NIGHTS = ("Night", "Request", "Outcome")
