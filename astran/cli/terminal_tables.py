"""Tables on the terminal, alive where wanted; plain lines where nobody looks at them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from astran.base.clock import Clock
from astran.base.text import one_line

_WIDEST = 300
"""Characters of one cell."""
_TONES = {
    "done": "green",
    "reused": "green",
    "failed": "red",
    "lost": "red",
    "expired": "red",
    "partial": "yellow",
    "waiting": "yellow",
    "running": "cyan",
}


@dataclass(frozen=True, slots=True)
class View:
    """What is shown: a line or two, a table, and lines below it."""

    head: tuple[str, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    foot: tuple[str, ...] = ()
    over: bool = False
    """Nothing will change any more."""


def show_view(
    make: Callable[[], View], clock: Clock, *, watch: bool = False, every: float = 2.0
) -> None:
    """Print a view; with `watch`, again and again until it is over (Ctrl-C ends it earlier).

    On a terminal the table is drawn anew in its place; elsewhere a changed view is printed below
    the last one.
    """
    try:
        if sys.stdout.isatty():
            _on_terminal(make, clock, watch, every)
        else:
            _plainly(make, clock, watch, every)
    except KeyboardInterrupt:
        print(file=sys.stderr)


def format_plain(view: View) -> str:
    """The view as text: columns under each other, two blanks between them."""
    rows = [tuple(_clean(cell) for cell in row) for row in (view.columns, *view.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (rows if view.rows else [])
    ]
    return "\n".join([*map(_clean, view.head), *table, *map(_clean, view.foot)])


def _plainly(make: Callable[[], View], clock: Clock, watch: bool, every: float) -> None:
    last = ""
    while True:
        view = make()
        if (text := format_plain(view)) != last:
            print(text, flush=True)
            last = text
        if not watch or view.over:
            return
        clock.sleep(every)


def _on_terminal(make: Callable[[], View], clock: Clock, watch: bool, every: float) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def drawn(view: View) -> Group:
        parts: list[Text | Table] = [
            Text(_clean(line), style="bold" if n == 0 else "") for n, line in enumerate(view.head)
        ]
        if view.rows:
            table = Table(header_style="bold", box=None, pad_edge=False)
            for title in view.columns:
                table.add_column(title, overflow="fold")
            for row in view.rows:
                table.add_row(*(Text(c := _clean(cell), style=_tone(c)) for cell in row))
            parts.append(table)
        parts += [Text(_clean(line)) for line in view.foot]
        return Group(*parts)

    console = Console()
    if not watch:
        console.print(drawn(make()))
        return
    view = make()
    with Live(drawn(view), console=console, auto_refresh=False) as live:
        while not view.over:
            clock.sleep(every)
            view = make()
            live.update(drawn(view), refresh=True)


def _tone(cell: str) -> str:
    return _TONES.get(cell.split(" ")[-1] if cell else "", "")


def _clean(cell: str) -> str:
    """Text from outside: on one line, without anything that acts on a terminal."""
    return one_line(cell, _WIDEST)


def tally_states(counts: dict[str, int]) -> str:
    """`2 done, 1 running`."""
    return ", ".join(f"{number} {state}" for state, number in counts.items())


def columns_of(
    rows: Sequence[tuple[str, ...]], titles: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    """Titles and rows without the columns in which nothing stands."""
    kept = [i for i in range(len(titles)) if any(row[i] for row in rows)]
    return tuple(tuple(row[i] for i in kept) for row in (tuple(titles), *rows))
