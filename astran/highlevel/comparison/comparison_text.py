"""A comparison in words for a terminal of 80 columns, and as plain data for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from astran.base.text import count_noun
from astran.highlevel.comparison.compare_sides import ComparedNight, Comparison
from astran.highlevel.comparison.results_difference import FluxDifference
from astran.results.codec import to_json

SCHEMA = "astran-comparison-1"
WIDTH = 80
MOST_RUNS = 8
MOST_CHANGES = 30
MOST_NOTES = 10


def summary_line(found: Comparison) -> str:
    """One line of at most 80 columns: `SAME: …` or `DIFFERENT: cut, energy scale (unexplained)`."""
    both = sum(run.common for run in found.runs)
    runs = count_noun(len(found.runs), "run")
    tail = f"{both:,} events in common, {runs}" if found.runs else "by results alone"
    if found.same:
        return f"SAME: {tail}."
    kinds = dict.fromkeys((one.kind, one.attribution) for one in found.changes)
    with_causes = ", ".join(
        f"{kind}" if cause.startswith(kind) else f"{kind} ({cause})" for kind, cause in kinds
    )
    alone = ", ".join(dict.fromkeys(kind for kind, _ in kinds))
    wordings = (
        f"DIFFERENT: {with_causes}; {tail}.",
        f"DIFFERENT: {with_causes}.",
        f"DIFFERENT: {alone}.",
        f"DIFFERENT: {len(kinds)} kinds of changes; {tail}.",
    )
    return next((text for text in wordings if len(text) <= WIDTH), wordings[-1])


def comparison_lines(found: Comparison) -> list[str]:
    """The whole comparison, the summary first; at most 80 columns, but for names of folders."""
    lines = [summary_line(found), "", f"old: {found.old}", f"new: {found.new}"]
    if found.changes:
        lines += ["", "Changes"]
        for one in found.changes[:MOST_CHANGES]:
            runs = f" [{_runs(one.runs, len(found.runs))}]" if one.runs else ""
            own = one.attribution.startswith(one.kind)
            cause = "" if own else f" Cause: {one.attribution}."
            text = f"{one.kind}: {one.text}{runs}.{cause}"
            lines += textwrap.wrap(
                text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False
            )
        if len(found.changes) > MOST_CHANGES:
            lines.append(f"  and {len(found.changes) - MOST_CHANGES} more: --json has all of them")
    if found.nights:
        lines += ["", *_night_table(found.nights)]
    for note in found.notes[:MOST_NOTES]:
        lines += textwrap.wrap(f"Note: {note}", WIDTH, subsequent_indent="  ")
    return lines


def _runs(runs: Sequence[int], total: int) -> str:
    if len(runs) == total and total > 1:
        return f"all {total} runs"
    more = f" and {len(runs) - MOST_RUNS} more" if len(runs) > MOST_RUNS else ""
    word = "run" if len(runs) == 1 else "runs"
    return f"{word} {', '.join(map(str, runs[:MOST_RUNS]))}{more}"


def _night_table(nights: Sequence[ComparedNight]) -> Iterator[str]:
    yield "Night     Runs       Livetime [h]       Events                Common"
    yield "          old   new    old      new        old        new"
    for one in nights:
        yield (
            f"{one.night or '?':8} {one.old_runs:4d} {one.new_runs:5d} {one.old_livetime_h:8.3f} "
            f"{one.new_livetime_h:8.3f} {one.old_events:10d} {one.new_events:10d} {one.common:10d}"
        )
    with_counts = [one for one in nights if one.old_counts or one.new_counts]
    if with_counts:
        yield ""
        yield "Night     N_on           N_off          Flux [cm-2 s-1]       Change    Pull"
        yield "          old    new     old    new     old        new"
    for one in with_counts:
        counts = "".join(
            f" {'-' if side is None else f'{getattr(side, name):.0f}':>7}"
            for name in ("n_on", "n_off")
            for side in (one.old_counts, one.new_counts)
        )
        yield f"{one.night:8}{counts} {_flux(one.flux)}"


def _flux(one: FluxDifference | None) -> str:
    if one is None:
        return " -"
    pull = "-" if one.pull is None else f"{one.pull:+.2f}"
    return f" {one.old:10.3e} {one.new:10.3e} {100 * one.shift:+7.2f} % {pull:>6}"


def comparison_to_json(found: Comparison) -> dict[str, Any]:
    """Everything as plain data; docs/compare.md describes it."""
    plain: dict[str, Any] = to_json(found)
    for change, one in zip(plain["changes"], found.changes, strict=True):
        change["numbers"] = to_json(one.numbers)
        change["attribution"] = one.attribution
    return {"schema": SCHEMA, "same": found.same, "summary": summary_line(found), **plain}
