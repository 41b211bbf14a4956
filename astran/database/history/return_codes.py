"""The table of what return codes of tools mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from astran.database.schema import tables as t


class ExitMeaning(NamedTuple):
    """What a return code of a tool means."""

    meaning: str
    transient: bool
    """Whether another attempt may help."""


ANY_TOOL = "*"
_TOOL_WORDS = 20
"""A tool is named within so many words of its command."""


def _tool_names(argv: Sequence[str]) -> list[str]:
    """What the tool of a command may be called: its first word, or one after `apptainer exec
    IMAGE`, `python -m` and the like."""
    names = []
    for word in argv[:_TOOL_WORDS]:
        name = word.rpartition("/")[2].removesuffix(".py")
        names += [name, name.rpartition(".")[2]]
    return list(dict.fromkeys(filter(None, names)))


def exit_meaning(db: Connection, argv: Sequence[str], code: int) -> ExitMeaning | None:
    """What a return code of the tool of a command means, if that is known."""
    c, names = t.exit_code.c, [*_tool_names(argv), ANY_TOOL]
    query = select(c.tool, c.meaning, c.transient).where(c.tool.in_(names), c.code == code)
    rows = {row.tool: ExitMeaning(row.meaning, row.transient) for row in db.execute(query)}
    # a tool's own row before that of any
    return next((rows[name] for name in names if name in rows), None)


class ExitCode(NamedTuple):
    """One row of the table of return codes."""

    tool: str
    """Empty of any path; ANY_TOOL: of every tool."""
    code: int
    meaning: str
    transient: bool


def exit_codes(db: Connection) -> list[ExitCode]:
    """The table, by tool and code."""
    c = t.exit_code.c
    query = select(c.tool, c.code, c.meaning, c.transient).order_by(c.tool, c.code)
    return [ExitCode(*row) for row in db.execute(query)]


def set_exit_code(db: Connection, row: ExitCode) -> None:
    """Add a row, or replace the one of this tool and code."""
    remove_exit_code(db, row.tool, row.code)
    db.execute(insert(t.exit_code).values(**row._asdict()))


def remove_exit_code(db: Connection, tool: str, code: int) -> bool:
    """Remove a row; False where there is none."""
    c = t.exit_code.c
    return db.execute(delete(t.exit_code).where(c.tool == tool, c.code == code)).rowcount == 1
