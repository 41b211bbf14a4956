"""How much may be asked for: analyses under way, launches in 24 hours; per sender and of all."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from astran.database import analyses, standing_orders
from astran.service.context import Context

_DAY = timedelta(days=1)


def quota_exceeded(context: Context, db: Connection, sender: str, *, order: bool = False) -> str:
    """Why one more launch (or standing order) of this sender is too much; empty where it is not."""
    quotas = context.mail.quotas
    if order:
        number = len(standing_orders.active_orders(db, sender))
        if number >= quotas.orders_per_user:
            return (
                f"You have {number} standing orders in force, the most at this site. "
                "ASTRAN-LIST shows them, ASTRAN-CANCEL ends one."
            )
        return ""
    since = context.clock.now() - _DAY
    live = analyses.live_count(db, sender)
    if live >= quotas.live_per_user:
        return (
            f"{live} analyses of yours are under way, the most at this site. "
            "Send your request again when one of them has ended."
        )
    if analyses.live_count(db) >= quotas.live_total:
        return (
            f"{quotas.live_total} analyses are under way, as many as this site takes at once. "
            "Send your request again later."
        )
    if analyses.launches_since(db, since, sender) >= quotas.launches_per_user:
        return (
            f"You have launched {quotas.launches_per_user} analyses in the last 24 hours, the "
            "most at this site. Send your request again tomorrow."
        )
    if analyses.launches_since(db, since) >= quotas.launches_total:
        return (
            f"{quotas.launches_total} analyses were launched in the last 24 hours, as many as "
            "this site takes. Send your request again tomorrow."
        )
    return ""
