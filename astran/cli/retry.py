"""`astran retry A12`: the same analysis anew; what succeeded is reused."""

from __future__ import annotations

import argparse
from typing import Any

from astran.base.errors import StoreError
from astran.cli.common import Exit, make_context, read_site
from astran.cli.one import add_one_parser
from astran.store import analyses
from astran.store.analyses import Origin


def add_parser(subparsers: Any) -> None:
    add_one_parser(subparsers, "retry", "run an analysis again; what succeeded is reused")


def run(args: argparse.Namespace) -> int:
    """Store a new analysis with the same configuration, requester and mail thread."""
    context = make_context(read_site(args), print)
    with context.db.begin() as db:
        old = analyses.get(db, args.id)
        if not old.state.final:
            raise StoreError(
                f"{old.name} is still under way ({old.state}).",
                f"Wait for its end, or stop it with `astran cancel {old.name}`.",
            )
        origin = Origin(
            command="retry",
            subject=old.subject,
            in_reply_to=old.in_reply_to,
            references=old.references,
            params=old.params,
        )
        new = analyses.create(
            db,
            context.clock.now(),
            origin,
            old.label,
            old.config,
            context.site.workdir,
            old.requester,
        )
    print(f"{old.name} runs again as {new.name}; astran-launcher takes it up at its next tick.")
    return Exit.OK
