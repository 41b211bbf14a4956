"""`astran retry A12`: run again what failed; what succeeded is kept or reused.

In an analysis that is under way the failed tasks are planned once more; one that has ended is
repeated as a new one."""

from __future__ import annotations

import argparse

from astran.base.errors import StoreError
from astran.base.text import count_noun
from astran.cli.analyses.selection import add_choice, add_id, read_selection, task_names
from astran.cli.common import Exit, make_context, read_site
from astran.database import analyses
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.task_requests import TaskSelection
from astran.service.context import Context
from astran.service.data_sets.launch import repeat_in_data_set
from astran.service.jobs.task_control import repeat_analysis, repeat_tasks
from astran.service.tick import run_tick


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_id(parser)
    add_choice(parser)


def run(args: argparse.Namespace) -> int:
    """Repeat in place, or store a new analysis with the same configuration and mail thread."""
    context = make_context(read_site(args))
    part = read_selection(args)
    with context.db.begin() as db:
        old = analyses.get_analysis(db, args.id)
    if not old.state.final:
        return _in_place(context, old, part)
    origin = RequestOrigin(
        command="retry",
        subject=old.subject,
        in_reply_to=old.in_reply_to,
        references=old.references,
        params=old.params,
    )
    with context.db.begin() as db:
        new = repeat_in_data_set(context, db, origin, old, old.requester)
        if new is None:
            now, workdir = context.clock.now(), context.site.workdir
            new = analyses.create_analysis(
                db, now, origin, old.label, old.config, workdir, old.requester
            )
        if not part.all and not new.is_data_set:
            repeat_tasks(db, new, old, part)
    what = "" if part.all else f", of what failed only {part}"
    print(
        f"{old.name} runs again as {new.name}{what}; astran-launcher takes it up at its next tick."
    )
    return Exit.OK


def _in_place(context: Context, analysis: Analysis, part: TaskSelection) -> int:
    meant = repeat_analysis(context, analysis, part)
    if not meant:
        raise StoreError(
            f"{analysis.name} is still under way ({analysis.state}), and nothing of it has failed "
            f"({part}).",
            f"Wait for its end, or stop it with `astran cancel {analysis.name}`.",
        )
    run_tick(context, mail=False, only=analysis.id)
    print(f"{analysis.name}: {count_noun(len(meant), 'task')} run again: {task_names(meant)}.")
    return Exit.OK
