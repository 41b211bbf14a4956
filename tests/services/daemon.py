"""What the private test services share: scratch folders, free ports, processes stopped by pid."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SHM = Path("/dev/shm")


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A new folder, in memory where possible (service start-up is then fast and steady)."""
    base = SHM if os.access(SHM, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=f"astran-{name}-", dir=base))
    folder.chmod(0o755)  # daemons that drop root must reach what lies below
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def listening(port: int) -> bool:
    """Does anybody accept connections on that loopback port?"""
    with socket.socket() as sock:
        sock.settimeout(0.5)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    what: str, condition: Callable[[], object], *, timeout: float = 60.0, every: float = 0.05
) -> None:
    """Wait until `condition()` is true; TimeoutError with `what` in its text otherwise."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        time.sleep(every)


def is_root() -> bool:
    return os.geteuid() == 0


def my_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def group_of(user: str) -> str:
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


class Daemon:
    """One foreground process of a service; known by the pid that we got when we started it."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.log = log
        who: dict[str, object] = {}
        if user is not None and is_root() and user != "root":
            entry = pwd.getpwnam(user)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if env is None else dict(env),
                cwd="/",
                start_new_session=True,
                **who,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, condition: Callable[[], object], timeout: float = 60.0) -> None:
        """Wait until the service answers; tells the end of its log if it died instead."""

        def ready() -> bool:
            if not self.alive:
                said = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} ended {self.process.returncode}:\n{said}")
            return bool(condition())

        wait_until(f"{self.name} answers", ready, timeout=timeout)

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            self.process.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process for a while: connections are accepted, nothing is answered."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 20.0) -> None:
        if not self.alive:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout)
