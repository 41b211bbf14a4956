"""One call of a command: who asks, what goes wrong, and what every command needs."""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

from fakes.slurm import tables
from fakes.slurm.faults import Faults
from fakes.slurm.state import State
from fakes.slurm.tables import View

DOWN = "Unable to contact slurm controller (connect failure)"
SOCKET = "Socket timed out on send/recv operation"
NO_DATABASE = "Problem talking to the database: Connection refused"
DISABLED = "Slurm accounting storage is disabled"
BANNER = "*** Maintenance on Monday, 8-10 h. Please log out. ***"
USER = "me"


@dataclass(frozen=True)
class Answer:
    """What a command prints and returns; `hangs`: it never does."""

    stdout: str = ""
    stderr: str = ""
    code: int = 0
    hangs: bool = False


class Usage(Exception):
    """Wrong words on the command line."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Usage(message)


@dataclass(frozen=True)
class Call:
    """One call of one command."""

    folder: Path
    state: State
    faults: Faults
    command: str
    number: int
    env: Mapping[str, str]

    @property
    def view(self) -> View:
        zone = self.env.get("TZ")
        cut = int(self.env.get("SLURM_BITSTR_LEN", tables.BITSTR_LEN))
        return View(ZoneInfo(zone) if zone else None, cut)

    def strikes(self, kind: str) -> bool:
        return self.faults.strikes(f"{self.command}-{kind}", self.number)

    @property
    def dice(self) -> random.Random:
        return self.faults.dice(self.command, self.number)

    def away(self, daemon: str) -> bool:
        state = self.state
        return daemon in state.stopped or self.faults.away(daemon, state.time())

    def fails(self, text: str, code: int = 1) -> Answer:
        return Answer(stderr=f"{self.command}: error: {text}\n", code=code)

    def table(self, lines: Sequence[str]) -> Answer:
        """The rows of an answer, after what misfortune does to them."""
        rows, dice, noise = list(lines), self.dice, ""
        if self.strikes("short") and rows:
            rows = rows[: dice.randrange(len(rows))]
        if self.strikes("doubled"):
            rows = [row for row in rows for _ in range(2)]
        if self.strikes("shuffled"):
            dice.shuffle(rows)
        text = "".join(f"{row}\n" for row in rows)
        if self.strikes("garbage") and text:
            text = text[: dice.randrange(len(text))] + dice.choice(("", "\x00\ufffd#", "|||"))
        if self.strikes("noisy"):
            text, noise = f"{BANNER}\n\n{text}", f"{self.command}: warning: {BANNER}\n"
        return Answer(text, noise)


def array_indices(text: str) -> list[int]:
    indices: list[int] = []
    for part in filter(None, text.partition("%")[0].split(",")):
        first, _, last = part.partition("-")
        indices += range(int(first), int(last or first) + 1)
    return indices


def words_of(text: str) -> list[str]:
    return [part for part in text.split(",") if part]
