"""What letters are told: small plain types, and tables made for letters alone."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from astran.base.errors import Problem
from astran.base.tasks import Plan, Task
from astran.base.text import duration, one_line, quoted_line
from astran.config.analysis import AnalysisConfig
from astran.config.model import dotted_fields
from astran.report.tables import TableRow

_WITHOUT = re.compile(r"\b(?:none|empty): (.+?)\.?$")
_UNIT = re.compile(r"\[([^\[\]]+)\]")


class Tone(StrEnum):
    """Colour of a letter, by what it brings."""

    GOOD = "good"
    PART = "part"
    BAD = "bad"
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class ExecutionStats:
    """How busy the service is, for the confirmation."""

    analyses_live: int = 0
    tasks_running: int = 0
    tasks_waiting: int = 0
    scheduler: str = ""
    typical: tuple[tuple[str, float], ...] = ()
    """Typical wall time by stage, learnt from earlier analyses [s]."""
    read_s: float | None = None
    """Time between the arrival of the mail and its reading [s]."""


@dataclass(frozen=True, slots=True)
class CommandHint:
    """Something that can be asked of the service by mail."""

    what: str
    subject: str

    @property
    def pair(self) -> tuple[str, str]:
        return self.what, self.subject


@dataclass(frozen=True, slots=True)
class Setting:
    """One analysis parameter as shown to people."""

    key: str
    value: str
    chosen: bool
    """Set in the request, not by default."""

    @property
    def pair(self) -> tuple[str, str]:
        return self.key, self.value


@dataclass(frozen=True, slots=True)
class MailLine:
    """A line of the requester's mail, with what is wrong in it."""

    number: int
    text: str
    problems: tuple[str, ...]


def describe_load(stats: ExecutionStats) -> list[tuple[str, str]]:
    """The execution stats in words."""
    rows = [
        ("Analyses under way", str(stats.analyses_live)),
        ("Tasks", f"{stats.tasks_running} running, {stats.tasks_waiting} waiting"),
    ]
    if stats.scheduler:
        rows.append(("Scheduler", stats.scheduler))
    if stats.read_s is not None:
        rows.append(("Your mail was read after", duration(stats.read_s)))
    rows += [(f"Typical time for {stage}", duration(s)) for stage, s in stats.typical]
    return rows


def analysis_title(config: AnalysisConfig) -> str:
    """`Crab, 2023-12-07`."""
    return f"{one_line(config.target.name, 60)}, {config.night.iso}"


def describe_settings(config: AnalysisConfig, chosen: Collection[str]) -> list[Setting]:
    """Every parameter in force, those that the requester chose marked.

    `chosen` holds dotted names; `dl3` stands for all that is below it.
    """
    idle = config.idle_keys
    target = config.target
    place = f"{one_line(target.name, 60)} (RA {target.ra:g} deg, Dec {target.dec:+g} deg, ICRS)"
    named = any(name.partition(".")[0] == "target" for name in chosen)
    rows = [Setting("target", place, named)]
    for key, help_text in dotted_fields(type(config)).items():
        if key.startswith("target.") or key in idle:
            continue
        value = _plain_value(config, key)
        if isinstance(value, Mapping):
            # free parameters: only those that are set
            rows += [Setting(f"{key}.{name}", text, True) for name, text in _leaves(value)]
        else:
            rows.append(Setting(key, _value(config, key, help_text), _is_in(key, chosen)))
    return rows


def describe_stages(plan: Plan) -> list[TableRow]:
    """The stages of a plan: name, number of tasks, what each of them asks for."""
    rows: dict[str, list[Task]] = {}
    for task in plan.tasks:
        rows.setdefault(str(task.stage), []).append(task)
    return [
        TableRow(
            (
                stage,
                str(len(tasks)),
                str(max(task.resources.cpus for task in tasks)),
                f"{max(task.resources.memory_mb for task in tasks) / 1000:g} GB",
                duration(60.0 * max(task.resources.time_min for task in tasks)),
            )
        )
        for stage, tasks in rows.items()
    ]


def _is_in(key: str, chosen: Collection[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in chosen)


def _plain_value(config: AnalysisConfig, key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name) if isinstance(value, BaseModel) else None
    return value


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values, as they are written in a mail."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, one_line(json.dumps(inner).replace('"', ""), 80)


def _value(config: AnalysisConfig, key: str, help_text: str) -> str:
    if absent := config.describe_absent(key):
        return absent
    value = _plain_value(config, key)
    if value is None or value == "":
        # help texts say what an absent value means: "none: all runs of the target"
        meaning = _WITHOUT.search(help_text)
        return meaning[1] if meaning else "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    unit = _UNIT.search(help_text)
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{shown} {unit[1]}" if unit else shown


def describe_transcript(text: str, problems: Sequence[Problem], limit: int = 60) -> list[MailLine]:
    """What the requester wrote, each problem at its line (lines count from 1)."""
    return list(_transcript(text, problems, limit))


def _transcript(text: str, problems: Sequence[Problem], limit: int) -> Iterator[MailLine]:
    lines = text.splitlines()
    last = max((p.line or 0 for p in problems), default=0)
    for number, line in enumerate(lines[: max(limit, min(last, 2 * limit))], start=1):
        found = tuple(p for p in problems if p.line == number)
        if line.strip() or found:
            yield MailLine(
                number,
                quoted_line(line, 200),
                tuple(one_line(f"{p.reason} {p.suggestion}", 400) for p in found),
            )
