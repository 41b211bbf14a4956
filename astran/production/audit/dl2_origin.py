"""What a DL2 file was made from, as the tasks tell that lie beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from astran.base.night_data import run_number
from astran.base.tasks import Stage, Task

DL1 = "dl1_"


@dataclass(frozen=True, slots=True)
class Dl2Origin:
    """Empty where it is not known."""

    dl1: tuple[Path, ...] = ()
    settings: str = ""
    """The JSON configuration of lstchain_dl1_to_dl2."""


class Origins:
    """Reads the tasks of analysis folders, each folder once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Task, ...]] = {}

    def of(self, path: Path) -> Dl2Origin:
        """What the DL2 file `path`, or the file that it links to, was made from."""
        for place in dict.fromkeys((path.absolute(), path.resolve())):
            tasks = self._tasks(place.parent.parent)
            if any(output.path == str(place) for task in tasks for output in task.outputs):
                return _origin(tasks, run_number(path.name))
        return Dl2Origin()

    def _tasks(self, folder: Path) -> tuple[Task, ...]:
        """DL2 tasks of an analysis folder, the oldest first."""
        if folder not in self._known:
            scripts = sorted(
                folder.glob("jobmanager/*/Script_*.json"), key=lambda file: file.stat().st_mtime
            )
            read = (_read(script) for script in scripts)
            self._known[folder] = tuple(task for task in read if task is not None)
        return self._known[folder]


def _read(script: Path) -> Task | None:
    try:
        task = Task.from_json(json.loads(script.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not ours, or of another time
    return task if task.stage is Stage.DL2 else None


def _origin(tasks: tuple[Task, ...], run: int | None) -> Dl2Origin:
    """DL1 of the run from the tasks that read it: one, or those of its subruns."""
    files: dict[str, Path] = {}
    settings = ""
    for task in tasks:
        for text in task.inputs:
            path = Path(text)
            if path.name.startswith(DL1) and run_number(path.name) == run:
                files[path.name] = path
                named = (content for name, content in task.files if name in task.argv)
                settings = next(named, settings)
    return Dl2Origin(tuple(files[name] for name in sorted(files)), settings)
