"""An installation of which nothing is real but ASTRAN itself: mailbox, cluster, clock and data are
stand-ins. What it holds below its root can be moved to another."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import yaml
from fakes.disk_scheduler import DiskScheduler
from fakes.lstchain_environment import make_environment
from fakes.mailbox import FakeMailbox
from fakes.postman import FakePostman

from astran.config.yaml_files import load_site
from astran.database.connection import Database
from astran.service.context import Context
from astran.service.intake import mailbox as intake
from astran.service.outgoing import delivery

ROOT = Path("/srv/astran")
"""Where the kept databases were made."""
PYTHON = "/opt/astran/bin/python3"
SERVICE, OPERATOR = "astran@astran.test", "operator@astran.test"
ALICE, CAROL, DORA = "alice@astran.test", "carol@astran.test", "dora@astran.test"
STRANGER = "bob@elsewhere.test"
AUTHSERV = "mx.astran.test"
WRITTEN = datetime(2023, 12, 1, 12, tzinfo=UTC).timestamp()
NODES = ("theta_10.000_az_248.117", "theta_23.630_az_259.265", "theta_32.059_az_248.099")
RUNS = {
    "20231201": dict.fromkeys(range(101, 109), "Crab"),
    "20231202": {201: "Crab", 202: "Crab"},
    "20231203": {301: "Crab"},
    "20231204": {401: "Crab", 402: "Crab"},
    "20231205": {501: "Crab", 502: "Crab"},
    "20231206": {601: "Crab"},
    "20231207": {701: "Crab", 702: "Crab"},
    "20231215": {1501: "Crab", 1502: "Crab"},
    "20231216": {1601: "Crab", 1602: "Crab", 1603: "Mrk421"},
}
LATE = frozenset({1502, 1602})
"""Runs whose DL1 is not there yet."""


class SetClock:
    """Stands where it is put."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class PostOffice(FakePostman):
    """Takes mails; what goes to the service itself arrives in its mailbox, too."""

    def __init__(self, mailbox: FakeMailbox) -> None:
        super().__init__(unknown=[CAROL])
        self.mailbox = mailbox

    def send(self, raw: bytes, sender: str, recipients: Sequence[str]) -> tuple[str, ...]:
        refused = super().send(raw, sender, recipients)
        if SERVICE in self.sent[-1][1]:
            self.mailbox.add(raw)
        return refused


class Killed(BaseException):
    """In place of a kill -9."""


class House:
    """One installation below `root`."""

    def __init__(self, root: Path, moment: datetime, database: str = "", last_uid: int = 0) -> None:
        """
        Parameters
        ----------
        database : URL; empty: a SQLite file below the root
        last_uid : of the mails that came before
        """
        self.root = root
        self.clock = SetClock(moment)
        self.mailbox = FakeMailbox(last_uid=last_uid)
        self.post = PostOffice(self.mailbox)
        self.scheduler = DiskScheduler(root / "cluster", self.clock)
        make_data(root / "data")
        self.site_file = write_site(root, database)
        self.site = load_site(self.site_file)
        self._mails = count(1)

    def open(self) -> None:
        """Open the database, which is made if it is not there."""
        self.context = Context(
            site=self.site,
            db=Database.open(self.site.database_url),
            clock=self.clock,
            python=PYTHON,
            make_scheduler=lambda: self.scheduler,
            rng=random.Random(1),
        )

    def mail(self, subject: str, body: str = "", sender: str = ALICE, **headers: str) -> None:
        """A mail arrives."""
        domain = sender.rpartition("@")[2]
        fields = {
            "Authentication-Results": f"{AUTHSERV}; dmarc=pass header.from={domain}",
            "From": sender,
            "To": SERVICE,
            "Subject": subject,
            "Date": f"{self.clock.now():%a, %d %b %Y %H:%M:%S +0000}",
            "Message-ID": f"<{next(self._mails)}.{self.clock.now():%Y%m%d%H%M%S}@client.test>",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "".join(f"{name}: {value}\n" for name, value in fields.items())
        self.mailbox.add(f"{head}\n{body}".replace("\n", "\r\n").encode())

    @contextmanager
    def connected(self, seed: int = 1) -> Iterator[None]:
        """ASTRAN finds the stand-ins in place of IMAP and SMTP, and no chance."""
        numbers = count(seed * 1000)

        def token(length: int = 4) -> str:
            return f"{next(numbers):0{2 * length}x}"

        @contextmanager
        def inbox(settings: object) -> Iterator[FakeMailbox]:
            del settings
            yield self.mailbox

        random.seed(seed)
        with ExitStack() as stack:
            stack.enter_context(patch.object(intake, "Inbox", inbox))
            stack.enter_context(patch.object(delivery, "Inbox", inbox))
            stack.enter_context(patch.object(delivery, "SmtpPostman", lambda server: self.post))
            stack.enter_context(patch.object(delivery, "Inbox", inbox))
            stack.enter_context(patch.object(secrets, "token_hex", token))
            yield


def killed_in(module: ModuleType, name: str) -> Any:
    """ASTRAN dies where it would call this function of a module."""

    def die(*words: object) -> None:
        raise Killed

    return patch.object(module, name, die)


def write_site(root: Path, database: str = "") -> Path:
    """The site configuration, and what it names."""
    secret = root / "password"
    secret.touch(mode=0o600)
    secret.write_text("x\n")
    server = {"host": "127.0.0.1", "port": 9, "security": "none", "password": {"file": str(secret)}}
    programs = make_environment(root / "lstchain")
    settings = {
        "site": "Upgrade",
        "workdir": str(root / "work"),
        "database": database or f"sqlite:///{root}/astran.sqlite",
        "scheduler": {
            "kind": "slurm",
            "slurm": {"poll_shortest_s": 0, "poll_longest_s": 0},
        },
        "lstchain": {"default": "0.12", "environments": {"0.12": {"bin": str(programs)}}},
        "data": data_settings(root / "data"),
        "disk_reserve_gb": 0.0,
        "mail": {
            "address": SERVICE,
            "allow": [ALICE, CAROL, DORA],
            "operator": OPERATOR,
            "authserv_id": AUTHSERV,
            "imap": server,
            "smtp": server,
        },
    }
    path = root / "site.yml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def data_settings(data: Path) -> dict[str, object]:
    return {
        "open_dl1": False,  # they are not real ones
        "dl1": f"{data}/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-1.Run{{run}}.h5",
        "run_catalog": f"{data}/RunCatalog_{{date}}.ecsv",
        "models": f"{data}/models",
        "mc_dl2": f"{data}/mc/{{dec}}/node_*/dl2_*.h5",
    }


def make_data(data: Path, runs: Mapping[str, Mapping[int, str]] = RUNS) -> None:
    """Files of which only name, size and time count."""
    names = ("reg_energy", "cls_gh", "reg_disp_norm", "cls_disp_sign")
    for name in (*(f"{name}.sav" for name in names), "training_dirs.ecsv"):
        stub(data / "models/dec_2276" / name)
        stub(data / "models/dec_3822" / name)
    for line in ("dec_2276", "dec_3822"):
        for node in NODES:
            stub(data / "mc" / line / f"node_{node}_" / "dl2_gamma.h5")
    for night, numbers in runs.items():
        rows = "".join(f"{run} {source}\n" for run, source in numbers.items())
        head = "# %ECSV 1.0\n# ---\n# schema: astropy-2.0\nrun_id source_name\n"
        stub(data / f"RunCatalog_{night}.ecsv", head + rows)
        for run in numbers.keys() - LATE:
            make_dl1(data, night, run)


def make_dl1(data: Path, night: str, run: int) -> None:
    stub(data / f"DL1/{night}/v0.10/tailcut84/dl1_LST-1.Run{run:05d}.h5")


def stub(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (WRITTEN, WRITTEN))
