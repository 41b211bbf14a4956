"""A throw-away PostgreSQL server on loopback."""

from __future__ import annotations

import shutil
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

from services.daemon import Daemon, free_ports, is_root, scratch

HOW = "Install it: apt-get install --no-install-recommends postgresql"


def binaries() -> Path | None:
    """Folder of the newest server programs; Debian keeps them off PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Postgres:
    """Context manager; as root the server runs as user `postgres`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._made = 0

    def __enter__(self) -> Postgres:
        programs = binaries()
        if programs is None:
            raise RuntimeError(f"no PostgreSQL. {HOW}")
        self._programs = programs
        self.folder = self._stack.enter_context(scratch("postgres"))
        self._user = "postgres" if is_root() else None
        if self._user:
            shutil.chown(self.folder, self._user, self._user)
        (self.port,) = free_ports(1)
        try:
            self._create()
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop(signal.SIGINT)
        self._stack.close()

    def _create(self) -> None:
        who = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        made = subprocess.run(
            [
                self._programs / "initdb",
                f"--pgdata={self.folder}/data",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            **who,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr[-2000:]}")

    def start(self) -> None:
        """Start (again) on the same data."""
        # the data are thrown away: no need to wait for a disk
        fast = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
        settings = (
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            "max_connections=60",
            *fast,
        )
        argv = [self._programs / "postgres", "-D", self.folder / "data"]
        for setting in settings:
            argv += ["-c", setting]
        log = self.folder / "postgres.log"
        self.server = Daemon("postgres", argv, log, user=self._user)
        self.server.wait_for(self._ready)

    def crash(self) -> None:
        """Immediate shutdown, as after a power cut; `start` recovers."""
        self.server.stop(signal.SIGQUIT)

    def _ready(self) -> bool:
        asked = subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            timeout=10,
        )
        return asked.returncode == 0

    def dsn(self, database: str = "postgres") -> str:
        """libpq URL, for psycopg."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy URL."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Create an empty database and return its name."""
        import psycopg

        self._made += 1
        name = f"test{self._made}"
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f"create database {name} template template0")
        return name
