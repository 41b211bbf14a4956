"""Letters from templates: one source per kind, rendered once as text and once as HTML.

A kind's template speaks in the words of `ui` (paragraph, facts, table, ...). `ui.txt.j2` and
`ui.html.j2` define the same words for either format, so text and HTML cannot say different things.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from astran.base.text import one_line, strip_control
from astran.report.tables import TableRow
from astran.report.templating import make_environment

if TYPE_CHECKING:
    import jinja2

_FIGURE = re.compile(r"[-+]?\d[^,:]{0,15}$|–$")
_CELLS = 300
"""Cells of a table: 50 runs of six numbers; more would take an HTML letter beyond 100 kB."""
WIDTH = 76
"""Columns of the text part: fits a quoted line into 80."""


def render_letter(kind: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """Text and HTML of a letter."""
    text = _environment(html=False).get_template(f"{kind}.j2").render(values)
    html = _environment(html=True).get_template(f"{kind}.j2").render(values)
    return _tidy(text), html


@cache
def _environment(html: bool) -> jinja2.Environment:
    environment = make_environment("mail", 'style="white-space:nowrap"', html=html)
    environment.filters |= {
        "aligned": aligned,
        "facts": fact_lines,
        "few": shorten_list,
        "few_rows": shorten_rows,
        "fill": fill,
        "numeric": numeric,
        "value": value_line,
        "url": lambda text: quote(text, safe=""),
    }
    form = "html" if html else "txt"
    environment.globals["ui"] = environment.get_template(f"ui.{form}.j2").module
    environment.globals["base"] = f"base.{form}.j2"
    return environment


def shorten_list(items: Sequence[str], most: int = 12) -> list[str]:
    """A list short enough for a mail, each item on one line; says how many are left out."""
    shown = [one_line(item, 300) for item in items[:most]]
    return shown if len(items) <= most else [*shown, f"… {_more(len(items) - most)}"]


def shorten_rows(rows: Sequence[TableRow], columns: Sequence[str]) -> list[TableRow]:
    """Rows of a table, as many as a mail holds."""
    most = _CELLS // len(columns)
    shown = [
        TableRow(tuple(one_line(cell) for cell in row.cells), row.ok, one_line(row.remark, 300))
        for row in rows[:most]
    ]
    return (
        shown if len(rows) <= most else [*shown, TableRow(("…",), remark=_more(len(rows) - most))]
    )


def _more(number: int) -> str:
    return f"and {number} more"


def fill(text: str, indent: int = 0, first: str = "") -> str:
    """A paragraph of the text part; commands and paths are never broken."""
    return textwrap.fill(
        " ".join(strip_control(text).split()),
        WIDTH,
        initial_indent=first or " " * indent,
        subsequent_indent=" " * max(indent, len(first)),
        break_long_words=False,
        break_on_hyphens=False,
    )


def value_line(text: str) -> str:
    """A value as shown beside its name."""
    return one_line(text, 500)


def fact_lines(rows: Sequence[tuple[str, str]]) -> str:
    """`label   value` with the values under each other."""
    plain = [(one_line(label), value_line(value)) for label, value in rows]
    column = min(max((len(label) for label, _ in plain), default=0), WIDTH // 2) + 2
    return "\n".join(fill(value, column, f"{label:<{column - 2}}  ") for label, value in plain)


def numeric(columns: Sequence[str], rows: Sequence[TableRow]) -> list[bool]:
    """Which columns hold figures (to be set to the right); the first one never counts."""
    lines = [row.cells for row in rows if len(row.cells) == len(columns)]
    held = [[line[i] for line in lines if line[i]] for i in range(len(columns))]
    return [
        i > 0 and bool(cells) and all(map(_FIGURE.match, cells)) for i, cells in enumerate(held)
    ]


def aligned(columns: Sequence[str], rows: Sequence[TableRow]) -> str:
    """A table: figures to the right, words to the left, remarks across."""
    lines = [row.cells for row in rows]
    full = [tuple(columns), *(line for line in lines if len(line) == len(columns))]
    widths = [max(len(line[i]) for line in full) for i in range(len(columns))]
    widths[0] = max([widths[0], *(len(line[0]) for line in lines)])
    right = numeric(columns, rows)
    out = [_aligned_row(columns, widths, right), "  ".join("-" * width for width in widths)]
    for row, line in zip(rows, lines, strict=True):
        if row.remark:
            out.append(fill(row.remark, widths[0] + 2, f"{line[0]:<{widths[0]}}  "))
        else:
            out.append(_aligned_row(line, widths, right))
    return "\n".join(out)


def _aligned_row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    shown = zip(cells, widths, right, strict=False)
    return "  ".join(f"{cell:{'>' if r else '<'}{width}}" for cell, width, r in shown).rstrip()


def _tidy(text: str) -> str:
    """No blanks at line ends (other than the signature's mark), no more than one empty line."""
    lines: list[str] = []
    for line in text.splitlines():
        kept = "-- " if line == "-- " else line.rstrip()
        if kept or (lines and lines[-1]):
            lines.append(kept)
    return "\n".join(lines).strip("\n") + "\n"
