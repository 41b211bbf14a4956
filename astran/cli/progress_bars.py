"""Progress bars on the terminal: one per part of a long piece of work."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

_STEP_WIDTH = 70


class Bars:
    """Parts in the order in which they begin; a new part completes the one before.

    On standard error, so that standard output stays for results. Where that is no terminal, one
    line per step is printed instead.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[step]}"),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._current: TaskID | None = None
        self._last = ""

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *error: object) -> None:
        if kind is None:
            self._finish()
        self._bars.stop()

    def stage(self, name: str) -> None:
        """Begin a part."""
        self._finish()
        self._current = self._bars.add_task(name, total=1, step="")
        self._line(name)

    def progress(self, step: str, done: int, total: int) -> None:
        """Within the part: what is being done, and how many steps of how many are done."""
        if self._current is not None:
            short = step if len(step) <= _STEP_WIDTH else f"{step[: _STEP_WIDTH - 1]}…"
            self._bars.update(self._current, completed=done, total=total, step=escape(short))
        self._line(f"  {done}/{total} {step}")

    def _finish(self) -> None:
        if self._current is None:
            return
        total = self._bars.tasks[self._current].total or 1
        self._bars.update(self._current, completed=total, step="")
        self._current = None

    def _line(self, text: str) -> None:
        if self._bars.disable and not self._quiet and text != self._last:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
            self._last = text
