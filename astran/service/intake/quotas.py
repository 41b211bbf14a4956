"""How much may be asked for: analyses under way, launches in 24 hours; per sender, per domain and
of all. And how often somebody hears a no."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from email.message import EmailMessage

from sqlalchemy import Connection

from astran.database import analyses, events, outbox
from astran.database.orders import standing_orders
from astran.mail.identity import organization, person_of
from astran.service.context import Context
from astran.service.outgoing.enqueue import enqueue_letter, tell_operator

_log = logging.getLogger(__name__)

_DAY = timedelta(days=1)
_NOES = ("refusal", "problems")


def quota_exceeded(context: Context, db: Connection, sender: str, *, order: bool = False) -> str:
    """Why one more launch (or standing order) of this sender is too much; empty where it is not."""
    quotas = context.mail.quotas
    if order:
        person = person_of(sender)
        active = standing_orders.active_orders(db)
        number = sum(person_of(one.requester) == person for one in active)
        if number >= quotas.orders_per_user:
            return (
                f"You have {number} standing orders in force, the most at this site. "
                "ASTRAN-LIST shows them, ASTRAN-CANCEL ends one."
            )
        return ""
    live = analyses.live_by_requester(db)
    if (own := _of_person(live, sender)) >= quotas.live_per_user:
        return (
            f"{own} analyses of yours are under way, the most at this site. "
            "Send your request again when one of them has ended."
        )
    if (all_of := _of_domain(live, sender)) >= quotas.live_per_domain:
        return (
            f"{all_of} analyses of {_domain(sender)} are under way, the most of one domain at this "
            "site. Send your request again when one of them has ended."
        )
    if sum(live.values()) >= quotas.live_total:
        return (
            f"{quotas.live_total} analyses are under way, as many as this site takes at once. "
            "Send your request again later."
        )
    launched = analyses.launches_by_requester(db, context.clock.now() - _DAY)
    if _of_person(launched, sender) >= quotas.launches_per_user:
        return (
            f"You have launched {quotas.launches_per_user} analyses in the last 24 hours, the "
            "most at this site. Send your request again tomorrow."
        )
    if _of_domain(launched, sender) >= quotas.launches_per_domain:
        return (
            f"{quotas.launches_per_domain} analyses were launched from {_domain(sender)} in the "
            "last 24 hours, the most of one domain at this site. Send your request again tomorrow."
        )
    if sum(launched.values()) >= quotas.launches_total:
        return (
            f"{quotas.launches_total} analyses were launched in the last 24 hours, as many as "
            "this site takes. Send your request again tomorrow."
        )
    return ""


def enqueue_no(
    context: Context,
    db: Connection,
    kind: str,
    letter: EmailMessage,
    sender: str,
    *,
    stranger: bool = False,
) -> None:
    """Queue an answer that says no (of kind `refusal` or `problems`), unless its recipient has had
    as many as the site sends in a day: two machines that answer each other must come to an end.

    Beyond that there is silence, which is logged; the operator is told once a day. Of strangers the
    whole domain counts together.
    """
    now, quotas = context.clock.now(), context.mail.quotas
    written = outbox.letters_since(db, _NOES, now - _DAY)
    own = _of_person(written, sender) >= quotas.refusals_per_user
    if not (own or (stranger and _of_domain(written, sender) >= quotas.refusals_per_domain)):
        enqueue_letter(context, db, kind, letter)
        return
    who = person_of(sender) if own else _domain(sender)
    limit = quotas.refusals_per_user if own else quotas.refusals_per_domain
    text = f"{limit} answers that say no went to {who} in 24 hours; {sender} gets no more today."
    events.note_event(db, now, "silence", text)
    _log.warning("%s", text)
    tell_operator(
        context,
        db,
        key=f"silence.{who}.{now:%Y%m%d}",
        title=f"no more answers to {who} today",
        text=f"{text}\n\nIt may be a program that answers by itself. ASTRAN reads its mails as "
        "before, and launches what is right in them.",
    )


def _domain(sender: str) -> str:
    return organization(sender.rpartition("@")[2])


def _of_person(numbers: Mapping[str, int], sender: str) -> int:
    person = person_of(sender)
    return sum(number for address, number in numbers.items() if person_of(address) == person)


def _of_domain(numbers: Mapping[str, int], sender: str) -> int:
    domain = _domain(sender)
    return sum(number for address, number in numbers.items() if _domain(address) == domain)
