"""Playing a schedule: real ticks of the engine over a simulated world."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest.mock import patch

from fakes.slurm import life
from fakes.slurm.faults import Faults
from sqlalchemy.exc import SQLAlchemyError

from astran.base.errors import AstranError, StoreError
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database import analyses
from astran.database.analyses import Analysis
from astran.database.task_requests import TaskRequest, TaskSelection
from astran.scheduler.slurm.controller import SlurmScheduler
from astran.service import manual_run, planning, tick
from astran.service.context import Context
from astran.service.intake import mailbox
from astran.service.jobs import completion, disk_space, polling, submission
from astran.service.jobs.cancellation import request_cancel
from astran.service.jobs.task_control import request_for_tasks
from astran.service.outgoing import delivery
from astran.telescopes.configuration import build_analysis
from astran.telescopes.registry import register_chains
from world import chain, invariants
from world.database import shared_database
from world.mail import Post, Postman, open_inbox
from world.schedule import (
    NIGHTS,
    Arrive,
    HandRun,
    Operate,
    Say,
    Schedule,
    Step,
    Tick,
    Trouble,
    Turn,
    Word,
    meeting,
)
from world.world_cluster import WorldCluster, play
from world.world_faults import Fault, Killed, Process, Strike

SERVICE, OPERATOR = "astran@astran.test", "operator@astran.test"
USERS = tuple(f"user{n}@astran.test" for n in range(5))
STRANGER = "somebody@elsewhere.test"
AUTHSERV = "mx.astran.test"
BEGIN = datetime(2023, 12, 8, 13, tzinfo=UTC).timestamp()
"""After the end of the wait for the data of both nights but the last hours of the second."""
CALM_S = (60, 120, *(300,) * 3, *(600,) * 5, *(1800,) * 6, *(3600,) * 10, *(21600,) * 14)
"""Pauses between ticks once everything works again [s]."""


Branch = Callable[[str, int], Fault | None]


@dataclass(frozen=True)
class Launch:
    """A launch mail that was sent."""

    user: int
    night: int
    message_id: str
    raw: bytes


@dataclass(frozen=True)
class Played:
    """What came of a schedule."""

    schedule: Schedule
    breaches: tuple[str, ...]
    step: int
    """So many steps were taken: all of them, or up to the breach."""
    trace: tuple[str, ...]
    calls: int
    ticks: int
    by_tick: tuple[dict[str, int], ...] = ()
    """Calls of each port, in each tick of a step."""

    @property
    def digest(self) -> str:
        """The same for two plays that were the same to the last byte."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


class WorldClock:
    """True time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class ProcessClock:
    """The clock of one machine."""

    def __init__(self, clock: WorldClock, ahead_s: float) -> None:
        self._clock = clock
        self._ahead_s = ahead_s

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.seconds + self._ahead_s, UTC)

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


class World:
    """One installation, its users and everything around it."""

    def __init__(self, schedule: Schedule, branch: Branch | None = None) -> None:
        self.schedule = schedule
        self.branch = branch
        self.clock = WorldClock(BEGIN)
        self.post = Post(SERVICE)
        self.faults = Faults(
            seed=schedule.seed, rates=dict(schedule.rates), fates=dict(schedule.fates),
            wait_s=(0.0, 60.0), work_s=schedule.work_s, lag_s=schedule.lag_s,
            taken_late_s=schedule.taken_late_s,
        )  # fmt: skip
        self.cluster = WorldCluster(self, self.faults, BEGIN, accounting=schedule.accounting)
        self.site = site_of(schedule.live_per_user)
        self.db = shared_database()
        self.db.empty(self)
        self.troubles: set[Trouble] = set()
        self.longest_s: dict[Trouble, float] = {}
        self._since: dict[Trouble, float] = {}
        self.launches: list[Launch] = []
        self.breaches: list[str] = []
        self.trace: list[str] = []
        self.stack: list[Process] = [Process("outside")]
        self.calls = self.ticks = 0
        self.fault: Fault | None = None
        """Of the call that is under way."""
        self.by_tick: list[dict[str, int]] = []
        self.copy_s = schedule.copy_s
        self.at_rest = self.calm = False
        """All steps were taken; and some ticks later."""
        self.lost = False
        """Whether products of an analysis that had ended were lost."""
        self.allowed = frozenset(USERS)
        self.cancels: dict[str, set[str]] = {}
        """By analysis: who asked for its end."""
        self.noticed = invariants.Memory()
        self._numbers = count(1)
        self._tokens = count(1)
        chain.SKY.away = False
        chain.SKY.announced = {
            night: set(range(1, number + 1))
            for night, number in zip(NIGHTS, schedule.runs, strict=True)
        }
        chain.SKY.runs = {
            night: set(range(1, number + 1))
            for night, number in zip(NIGHTS, schedule.there, strict=True)
        }

    # --- what is asked of it

    @property
    def process(self) -> Process:
        return self.stack[-1]

    @property
    def imap_away(self) -> bool:
        return Trouble.IMAP in self.troubles

    @property
    def smtp_away(self) -> bool:
        return Trouble.SMTP in self.troubles

    @property
    def misled(self) -> bool:
        """Whether a clock was wrong, or exit records could not be read, at any time."""
        seen = self.troubles | self.longest_s.keys()
        return bool(seen & {Trouble.CLOCK, Trouble.WORK})

    @property
    def sees_all(self) -> bool:
        """Whether squeue and sacct always told the truth in good time."""
        seen = self.troubles | self.longest_s.keys()
        away = seen & {Trouble.SLURMCTLD, Trouble.SLURMDBD}
        struck = any(getattr(step, "strikes", ()) for step in self.schedule.steps)
        return self.schedule.accounting and not (self.schedule.rates or away or struck)

    @property
    def database_away(self) -> bool:
        return Trouble.DATABASE in self.troubles and self.process.name != "outside"

    def note(self, line: str) -> None:
        self.calls += 1
        self.trace.append(f"{self.clock.seconds:.3f} {line}")

    def token_hex(self, length: int = 4) -> str:
        return f"{next(self._tokens):0{2 * length}x}"

    # --- what happens in it

    def do(self, step: Step) -> None:
        self.trace.append(f"{self.clock.seconds:.3f} -- {step}")
        match step:
            case Tick():
                for number in range(step.times):
                    self.clock.sleep(step.wait_s)
                    strikes = () if number else step.strikes
                    self.tick(f"L{step.launcher % self.schedule.launchers}", strikes)
            case Say():
                self._say(step)
            case Turn():
                self._turn(step.trouble, step.on)
            case Arrive():
                self._arrive(NIGHTS[step.night])
            case HandRun():
                self.clock.sleep(step.wait_s)
                self._hand_run(step)
            case Operate():
                self._operate(step)
        self.cluster.advance()
        self.post.settle(self.clock.seconds)

    def do_all(self) -> int:
        """All steps, or up to the first breach; returns how many."""
        done = 0
        for step in self.schedule.steps:
            self.do(step)
            done += 1
            invariants.check_step(self)
            if self.breaches:
                break
        return done

    def tick(self, name: str, strikes: tuple[Strike, ...] = (), **how: Any) -> None:
        """One process makes one tick, and ends or dies."""
        self.cluster.advance()
        self.ticks += 1
        process = Process(name, strikes, branch=None if self.at_rest else self.branch)
        self.by_tick.append(process.calls)
        self.stack.append(process)
        context = self.context(name)
        try:
            result = tick.run_tick(context, **how)
            self.trace.append(f"{name} taken={result.taken} sent={result.sent} {result.faults}")
            if self.calm and result.faults:
                self.breaches.append(f"G17 faults in a calm tick: {result.faults}")
        except Killed:
            self.trace.append(f"{name} is dead")
        except Exception as error:
            if not (process.struck or self.troubles):
                raise
            self.breaches.append(f"G9 a tick raised {type(error).__name__}: {error}")
        finally:
            self.stack.pop()

    def tick_others(self) -> None:
        """Every launcher that is not in a tick already makes one."""
        busy = {process.name for process in self.stack}
        if len(busy) > 3:
            return
        for number in range(self.schedule.launchers):
            if f"L{number}" not in busy:
                self.clock.sleep(1)
                self.tick(f"L{number}")
                break

    def context(self, name: str) -> Context:
        ahead = 86400.0 if Trouble.CLOCK in self.troubles and name == "L0" else 0.0
        settings, dice = self.site.scheduler.slurm, random.Random(self.schedule.seed)
        return Context(
            self.site, self.db, ProcessClock(self.clock, ahead), "python",
            make_scheduler=lambda: SlurmScheduler(settings, {}, dice, self.cluster.run),
            rng=dice,
        )  # fmt: skip

    def _say(self, step: Say) -> None:
        sender = USERS[step.user % self.schedule.users]
        about = f"A{step.about + 1}"
        match step.word:
            case Word.LAUNCH:
                raw, name = self._mail(
                    "ASTRAN-LAUNCH", f"target: Crab\ndate: {NIGHTS[step.about]}\n", sender
                )
                self.launches.append(Launch(step.user % self.schedule.users, step.about, name, raw))
            case Word.AGAIN:
                if step.about < len(self.launches):
                    self.post.box.add(self.launches[step.about].raw)
            case Word.CANCEL | Word.RETRY | Word.STATUS:
                if step.word is Word.CANCEL:
                    self.cancels.setdefault(about, set()).add(sender)
                self._mail(f"ASTRAN-{step.word.upper()} {about}", "", sender)
            case Word.NONSENSE:
                self._mail("ASTRAN-LAUNCH", "target: Crab\ndate: yesteryear\n", sender)
            case Word.STRANGER:
                self._mail("ASTRAN-LAUNCH", f"target: Crab\ndate: {NIGHTS[0]}\n", STRANGER)

    def _mail(self, subject: str, body: str, sender: str) -> tuple[bytes, str]:
        name = f"<{next(self._numbers)}@client.test>"
        domain = sender.rpartition("@")[2]
        head = {
            "Authentication-Results": f"{AUTHSERV}; dmarc=pass header.from={domain}",
            "From": sender,
            "To": SERVICE,
            "Subject": subject,
            "Date": format_datetime(datetime.fromtimestamp(int(self.clock.seconds), UTC)),
            "Message-ID": name,
        }
        raw = (
            "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n" + body.replace("\n", "\r\n")
        )
        self.post.box.add(raw.encode())
        return raw.encode(), name

    def _turn(self, trouble: Trouble, on: bool) -> None:
        if on and trouble not in self.troubles:
            self.troubles.add(trouble)
            self._since[trouble] = self.clock.seconds
        elif not on and trouble in self.troubles:
            self.troubles.discard(trouble)
            lasted = self.clock.seconds - self._since[trouble]
            self.longest_s[trouble] = max(lasted, self.longest_s.get(trouble, 0.0))
        chain.SKY.away = Trouble.DATA in self.troubles
        daemons = {Trouble.SLURMCTLD: "slurmctld", Trouble.SLURMDBD: "slurmdbd"}
        self.cluster.state.stopped = [n for t, n in daemons.items() if t in self.troubles]

    def _arrive(self, night: str) -> None:
        missing = sorted(chain.SKY.announced[night] - chain.SKY.runs[night])
        if missing:
            chain.SKY.runs[night].add(missing[0])

    def _hand_run(self, step: HandRun) -> None:
        config = build_analysis(
            {"telescope": "WORLD", "target": {"name": "Crab", "ra": 83.63, "dec": 22.01},
             "date": NIGHTS[step.night]}, "hand"
        )  # fmt: skip
        self.stack.append(Process("hand"))
        try:
            made, _ = manual_run.find_or_start(
                self.context("hand"), config, Path(f"/hand/{step.night}.yml"), ""
            )
        except (AstranError, SQLAlchemyError, OSError) as error:
            # the person sees it, and tries again
            self.trace.append(f"hand-run: {error}")
            return
        finally:
            self.stack.pop()
        self.tick("hand", step.strikes, mail=False, only=made.id)

    def _operate(self, step: Operate) -> None:
        context = self.context("outside")
        try:
            with self.db.begin() as db:
                analysis = analyses.get_analysis(db, step.about + 1)
            if analysis.state.final:
                if step.verb == "lose":
                    self.lost = True
                    shutil.rmtree(analysis.folder / "products", ignore_errors=True)
                return
            if step.verb == "lose":
                return
            if step.verb == "cancel":
                self.cancels.setdefault(analysis.name, set()).add("operator")
                request_cancel(context, analysis)
            else:
                request_for_tasks(context, analysis, TaskSelection(), TaskRequest(step.verb))
        except StoreError as error:
            self.trace.append(f"operator: {error}")

    def be_calm(self) -> None:
        """Everything works again, all data come: now all must come to its end."""
        self.at_rest = True
        for trouble in list(self.troubles):
            self._turn(trouble, False)
        self.cluster.faults = replace(self.faults, rates={})
        for night in NIGHTS:
            while not self.schedule.never and chain.SKY.announced[night] - chain.SKY.runs[night]:
                self._arrive(night)
        for number, pause in enumerate(CALM_S):
            self.clock.sleep(pause)
            if number == 2:
                for one in self._unfinished():
                    self._release(one)
            self.tick(f"L{number % self.schedule.launchers}", meeting(self.schedule, number))
            invariants.check_times(self)
            self.post.settle(self.clock.seconds)
            self.cluster.advance()
            invariants.check_step(self)
            if self.breaches or invariants.is_quiet(self):
                break
            self.calm = number > 5

    def _unfinished(self) -> list[Analysis]:
        with self.db.begin() as db:
            return analyses.live_analyses(db)

    def _release(self, analysis: Analysis) -> None:
        try:
            request_for_tasks(
                self.context("outside"), analysis, TaskSelection(), TaskRequest.RELEASE
            )
        except StoreError:
            return


def play_schedule(schedule: Schedule, branch: Branch | None = None) -> Played:
    """Play all of it; ends at the first breach of an invariant.

    Parameters
    ----------
    branch : asked for one more fault at each call of a step, see `single_faults`
    """
    with _installed():
        world = World(schedule, branch)
        with _connected(world):
            done = world.do_all()
            if not world.breaches:
                world.be_calm()
            if not world.breaches:
                invariants.check_end(world)
    return Played(
        schedule, tuple(world.breaches), done, tuple(world.trace),
        world.calls, world.ticks, tuple(world.by_tick),
    )  # fmt: skip


@cache
def site_of(live_per_user: int) -> SiteConfig:
    register_chains({"WORLD": "world.chain:CHAIN"})
    server = {"host": "localhost", "port": 1}
    return build_settings(
        SiteConfig,
        {
            "site": "World",
            "workdir": str(work_folder()),
            "telescope": "WORLD",
            "telescopes": {"WORLD": {"chain": "world.chain:CHAIN"}},
            "scheduler": {"kind": "slurm", "slurm": {"timeout": 20}, "learn": False,
                          "poll_shortest_s": 10, "poll_longest_s": 60},
            "disk_reserve_gb": 0.0,
            "mail": {
                "address": SERVICE, "allow": list(USERS), "operator": OPERATOR,
                "authserv_id": AUTHSERV, "imap": server, "smtp": server, "daily_digest": False,
                "quotas": {"live_per_user": live_per_user},
            },
        },
        "the world",
    )  # fmt: skip


@cache
def _root() -> Path:
    """Exit records and scripts are files all the same: in memory, where there is such a place."""
    memory = Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="astran-world-", dir=base))
    import atexit

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def work_folder() -> Path:
    """Where the files of the schedule that is played lie."""
    return _root() / "work"


@contextmanager
def _installed() -> Iterator[None]:
    work = work_folder()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _connected(world: World) -> Iterator[None]:
    """The engine finds the world behind its ports."""

    def read_record(*words: Any) -> Any:
        if Trouble.WORK in world.troubles:
            raise PermissionError(13, "Permission denied", "record")
        return polling_read_record(*words)

    def write_scripts(*words: Any) -> Any:
        if Trouble.DISK in world.troubles:
            _full()
        return planning_write_scripts(*words)

    polling_read_record, planning_write_scripts = polling.read_record, planning.write_scripts
    stand_ins = (
        (mailbox, "Inbox", lambda settings: open_inbox(world)),
        (delivery, "Inbox", lambda settings: open_inbox(world)),
        (delivery, "SmtpPostman", lambda server: Postman(world)),
        (tick, "lock_path", lambda site: site.workdir / f".lock.{world.process.name}"),
        (submission, "secrets", SimpleNamespace(token_hex=world.token_hex)),
        (life, "_run", play),
        (polling, "read_record", read_record),
        (completion, "read_record", read_record),
        (planning, "write_scripts", write_scripts),
        (disk_space, "free_bytes", lambda folder: 10**13),
    )
    with ExitStack() as stack:
        for module, name, stand_in in stand_ins:
            stack.enter_context(patch.object(module, name, stand_in))
        yield


def _full() -> NoReturn:
    raise OSError(28, "No space left on device", "script")
