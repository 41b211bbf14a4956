"""`astran retry A12`: run again what failed; what succeeded is kept or reused.

In an analysis that is under way the failed tasks are planned once more; one that has ended is
repeated as a new one."""

from __future__ import annotations

import argparse
from typing import Any

from astran.base.errors import StoreError
from astran.base.text import count
from astran.cli.common import Exit, make_context, read_site
from astran.cli.one import add_choice, add_one_parser, choice, names
from astran.service.context import Context
from astran.service.steering import again, repeat_only
from astran.service.tick import tick
from astran.store import analyses
from astran.store.analyses import Analysis, Origin
from astran.store.wishes import Choice


def add_parser(subparsers: Any) -> None:
    add_choice(add_one_parser(subparsers, "retry", "run again what failed, of a stage or run too"))


def run(args: argparse.Namespace) -> int:
    """Repeat in place, or store a new analysis with the same configuration and mail thread."""
    context = make_context(read_site(args), print)
    part = choice(args)
    with context.db.begin() as db:
        old = analyses.get(db, args.id)
    if not old.state.final:
        return _in_place(context, old, part)
    origin = Origin(
        command="retry",
        subject=old.subject,
        in_reply_to=old.in_reply_to,
        references=old.references,
        params=old.params,
    )
    now, workdir = context.clock.now(), context.site.workdir
    with context.db.begin() as db:
        new = analyses.create(db, now, origin, old.label, old.config, workdir, old.requester)
        if not part.all:
            repeat_only(db, new, old, part)
    what = "" if part.all else f", of what failed only {part}"
    print(
        f"{old.name} runs again as {new.name}{what}; astran-launcher takes it up at its next tick."
    )
    return Exit.OK


def _in_place(context: Context, analysis: Analysis, part: Choice) -> int:
    meant = again(context, analysis, part)
    if not meant:
        raise StoreError(
            f"{analysis.name} is still under way ({analysis.state}), and nothing of it has failed "
            f"({part}).",
            f"Wait for its end, or stop it with `astran cancel {analysis.name}`.",
        )
    tick(context, mail=False, only=analysis.id)
    print(f"{analysis.name}: {count(len(meant), 'task')} run again: {names(meant)}.")
    return Exit.OK
