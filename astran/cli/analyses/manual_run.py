"""`astran --config-analysis FILE [--submit]`: the plan, or the run with live progress."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from astran.base.errors import ConfigError
from astran.base.scheduler import Priority
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Plan
from astran.catalogue.sources import resolve_source
from astran.cli.common import Exit, make_context, read_site
from astran.cli.interrupt import interruptible
from astran.config.analysis import AnalysisConfig
from astran.config.site import SiteConfig
from astran.database.analyses import Analysis
from astran.service.context import Context
from astran.service.manual_run import AnalysisProgress, drive_analysis, find_or_start
from astran.telescopes.configuration import load_analysis

_COLOURS = {
    "done": "green",
    "reused": "green",
    "running": "cyan",
    "failed": "red",
    "cancelled": "yellow",
}


def run(args: argparse.Namespace) -> int:
    """Show the plan, or do the work."""
    site = read_site(args)
    config = load_analysis(args.config_analysis, resolve_source, site.telescope)
    if args.email and site.mail is None:
        raise ConfigError(
            "--email needs a mailbox to send from.",
            cure="Fill in `mail` in the site configuration, or leave --email out.",
        )
    if args.email and args.email.count("@") != 1:
        raise ConfigError(f"{args.email!r} is no mail address.")
    if not args.submit:
        return _show_plan(site, config)
    return _submit(args, site, config)


def _submit(args: argparse.Namespace, site: SiteConfig, config: AnalysisConfig) -> int:
    console = Console()
    context = make_context(site)
    priority = Priority(args.priority) if args.priority else None
    analysis, new = find_or_start(
        context, config, args.config_analysis, args.email, args.again, priority
    )
    if analysis.state.final:
        console.print(
            f"{analysis.name} {analysis.label} has already ended: {analysis.state}. "
            "Use --again to run it anew."
        )
        return _end(console, analysis)
    console.print(
        f"{'Starting' if new else 'Resuming'} {analysis.name} {analysis.label} in {analysis.folder}"
    )
    try:
        with Live(console=console, refresh_per_second=4) as live, interruptible() as check:

            def show(now: AnalysisProgress) -> None:
                check()
                live.update(_table(analysis, now))

            ended = drive_analysis(context, analysis.id, show)
    except KeyboardInterrupt:
        again = ["astran", "--config-analysis", str(args.config_analysis), "--submit"]
        if args.verbose:
            again.append("--verbose")
        if args.email:
            again += ["--email", args.email]
        if args.priority:
            again += ["--priority", args.priority]
        if args.site:
            again += ["--site", args.site]
        console.print(
            f"\nStopped watching; the jobs of {analysis.name} go on. To resume:\n"
            f"  {shlex.join(again)}\nTo stop them: astran cancel {analysis.name}",
            highlight=False,
        )
        return Exit.INTERRUPTED
    return _end(console, ended, context)


def _end(console: Console, analysis: Analysis, context: Context | None = None) -> int:
    style = {"done": "bold green", "partial": "bold yellow"}.get(analysis.state, "bold red")
    console.print(Text(f"{analysis.name} {analysis.label}: {analysis.state}", style=style))
    if context is not None:
        from astran.service.reporting.reports import build_report

        with context.db.begin() as db:
            report = build_report(context, db, analysis)
        console.print(Text(report.headline))
        for bad in report.bad:
            why = bad.reason or "is in no results"
            console.print(Text(f"  run {bad.run}: {why}", style="red"))
            for line in bad.log_excerpt:
                console.print(Text(f"    {line}", style="dim"))
    results = analysis.folder / "results"
    if results.exists():
        console.print(f"Results: {results}", highlight=False, soft_wrap=True)
    console.print(f"Logs: {analysis.folder / 'log'}", highlight=False, soft_wrap=True)
    return {
        AnalysisState.DONE: Exit.OK,
        AnalysisState.PARTIAL: Exit.PARTIAL,
    }.get(analysis.state, Exit.FAILED)


def _table(analysis: Analysis, now: AnalysisProgress) -> Table:
    awaited = "\n".join(f"waits for run {run}: {why}" for run, why in now.awaited[:10])
    table = Table(
        title=f"{analysis.name} {analysis.label}: {now.state}",
        title_justify="left",
        caption=awaited or None,
        caption_justify="left",
    )
    table.add_column("Stage")
    table.add_column("Progress")
    table.add_column("Tasks", justify="right")
    table.add_column("")
    for stage, states in now.stages:
        ended = sum(state.final for state in states)
        counts: dict[str, int] = {}
        for state in states:
            counts[state.value] = counts.get(state.value, 0) + 1
        words = Text()
        for word, number in counts.items():
            words.append(f"{number} {word}  ", style=_COLOURS.get(word, "dim"))
        table.add_row(stage, _bar(states), f"{ended}/{len(states)}", words)
    return table


def _bar(states: tuple[TaskState, ...], width: int = 24) -> Text:
    bar = Text()
    for index in range(width):
        state = states[index * len(states) // width]
        if state.succeeded:
            bar.append("━", style="green")
        elif state in (TaskState.FAILED, TaskState.CANCELLED):
            bar.append("━", style="red")
        elif state in (TaskState.RUNNING, TaskState.CHECKING):
            bar.append("━", style="cyan")
        else:
            bar.append("─", style="dim")
    return bar


def _show_plan(site: SiteConfig, config: AnalysisConfig) -> int:
    from astran.base.clock import SystemClock
    from astran.database.connection import Database
    from astran.service.planning import describe_awaited, find_data, make_plan_of

    # in a file or pipe nothing is gained by folding lines
    console = Console(width=None if sys.stdout.isatty() else 160)
    folder = site.workdir / config.label
    # nothing is stored: the database only tells what earlier tasks needed
    database = Database.existing(site.database_url) or Database("sqlite://")
    context = Context(site, database, SystemClock(), sys.executable)
    data = find_data(context, config, patient=True)
    waits = describe_awaited(context, config, data)
    if waits and not data.runs:
        console.print(f"{config.label} {waits}.\nNothing can be planned before.", highlight=False)
        return Exit.OK
    plan = make_plan_of(context, config, data, folder, keep=False)
    console.print(f"[bold]Plan for {config.target.name}, night of {config.night.iso}[/]")
    console.print(f"Folder: {folder}", highlight=False, soft_wrap=True)
    if waits:
        console.print(Text(f"It {waits}.", style="yellow"))
        console.print("Of what is there now, this would run:")
    _print_plan(console, plan)
    console.print("\nNothing was submitted. Add --submit to run it.")
    return Exit.OK


def _print_plan(console: Console, plan: Plan) -> None:
    for name, version in plan.versions:
        console.print(f"Software: {name} {version}", highlight=False)
    for note in plan.notes:
        console.print(f"Note: {note}", highlight=False)
    for run_number, reason in plan.left_out:
        console.print(f"[yellow]Left out: run {run_number}: {reason}[/]", highlight=False)
    table = Table(show_lines=False)
    for title in ("Stage", "Task", "Script", "Cores", "Memory", "Time", "Waits for"):
        table.add_column(title, justify="right" if title in ("Cores", "Memory", "Time") else "left")
    for task in plan.tasks:
        waits = task.needs or (("any of " + task.after[0].split("-")[0],) if task.after else ())
        table.add_row(
            task.stage,
            task.key,
            Path(task.script).name,
            str(task.resources.cpus),
            f"{task.resources.memory_mb} MB",
            f"{task.resources.time_min} min",
            ", ".join(waits) if len(waits) < 4 else f"{len(waits)} tasks",
        )
    console.print(table)
    for task in plan.tasks:
        console.print(f"[bold]{task.key}[/]", highlight=False)
        console.print(f"  {shlex.join(task.argv)}", highlight=False, soft_wrap=True, markup=False)
