"""A throw-away HTCondor pool on loopback: master, collector, negotiator, schedd and machines.

Root cannot submit jobs. Where the tests run as root, daemons and commands run in a user namespace
in which root has the number of an ordinary user: to HTCondor they are that user, to the files of
this machine still its owner.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

from services.daemon import Daemon, free_ports, is_root, my_name, scratch, wait_until

OWN = Path("/opt/astran-htcondor")
"""Where `.ci/htcondor` puts the programs on a Debian that has none."""
HOW = "Install it: make services"
COMMANDS = (
    "condor_submit", "condor_q", "condor_history", "condor_rm", "condor_hold", "condor_release",
    "condor_status", "condor_config_val", "condor_version", "condor_vacate_job", "condor_qedit",
    "condor_off", "condor_on",
)  # fmt: skip
ORDINARY = "backup"
"""The user that root is to HTCondor."""
_AS_USER = ("unshare", "--user", f"--map-user={ORDINARY}", f"--map-group={ORDINARY}")
_GIVE_UP_S = 15.0

_CONFIG = """
RELEASE_DIR = {home}
BIN = {home}/bin
SBIN = {home}/sbin
LIBEXEC = {libexec}
LOCAL_DIR = {dir}
LOG = $(LOCAL_DIR)/log
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/run
DAEMON_SOCKET_DIR = $(LOCK)/ds
PROCD_ADDRESS = $(LOCK)/procd_pipe
SEC_TOKEN_DIRECTORY = $(LOCAL_DIR)/tokens
SEC_TOKEN_SYSTEM_DIRECTORY = $(LOCAL_DIR)/tokens
SEC_PASSWORD_DIRECTORY = $(LOCAL_DIR)/passwords
SEC_DEFAULT_AUTHENTICATION = OPTIONAL
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
SEC_CLIENT_AUTHENTICATION_METHODS = FS
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_NEGOTIATOR = *
ALLOW_ADMINISTRATOR = {user}@pool.test, condor@pool.test
UID_DOMAIN = pool.test
FILESYSTEM_DOMAIN = pool.test
DEFAULT_DOMAIN_NAME = pool.test
FULL_HOSTNAME = localhost
NETWORK_HOSTNAME = localhost
NO_DNS = True
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
# the collector does not come up behind a shared port here
USE_SHARED_PORT = False
DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD {startds}
NUM_CPUS = {cpus}
MEMORY = {memory_mb}
NUM_SLOTS = 1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
SUSPEND = False
PREEMPT = False
KILL = False
RUNBENCHMARKS = False
# a startd that can ask for no GPUs ends
MACHINE_RESOURCE_INVENTORY_GPUS =
STARTD_ENFORCE_DISK_LIMITS = False
# virtual machines have no control groups of their own
CGROUP_MEMORY_LIMIT_POLICY = none
BASE_CGROUP =
DISCARD_SESSION_KEYRING_ON_STARTUP = False
CREATE_LOCKS_ON_LOCAL_DISK = False
MAIL = /bin/true
HIBERNATE = none
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_UPDATE_INTERVAL = 5
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
PERIODIC_EXPR_INTERVAL = 1
MAX_PERIODIC_EXPR_INTERVAL = 2
UPDATE_INTERVAL = 5
POLLING_INTERVAL = 1
STARTER_UPDATE_INTERVAL = 1
STARTER_INITIAL_UPDATE_INTERVAL = 1
SHADOW_QUEUE_UPDATE_INTERVAL = 1
SHUTDOWN_GRACEFUL_TIMEOUT = 5
SHUTDOWN_FAST_TIMEOUT = 3
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 2
JOB_DEFAULT_LEASE_DURATION = 20
# nobody is to pay for the jobs of earlier tests
PRIORITY_HALFLIFE = 1
"""
_FOLDERS = ("log", "spool", "execute", "lock", "run", "tokens", "passwords")


def home() -> Path | None:
    """The folder above bin and sbin; None where HTCondor is not here."""
    if (OWN / ".made").exists():
        return OWN
    found = shutil.which("condor_master") or shutil.which("condor_master", path="/usr/sbin")
    return None if found is None else Path(found).parent.parent


def user() -> str:
    """The name of the user whose the jobs are."""
    return ORDINARY if is_root() else my_name()


class CondorPool:
    """Context manager. Clients find the pool by CONDOR_CONFIG, and its commands by PATH (`env`)."""

    def __init__(self, *, machines: int = 2, cpus: int = 8, memory_mb: int = 8000) -> None:
        self.machines = [f"m{number + 1}" for number in range(machines)]
        self._cpus = cpus
        self._memory_mb = memory_mb
        self._stack = ExitStack()

    def __enter__(self) -> CondorPool:
        found = home()
        if found is None:
            raise RuntimeError(f"HTCondor is not here. {HOW}")
        self._home = found
        self.folder = self._stack.enter_context(scratch("condor"))
        self.config = self.folder / "condor_config"
        try:
            self._write_config()
            self._write_commands()
            self._master = Daemon(
                "condor_master",
                [*self._prefix, self._home / "sbin" / "condor_master", "-f"],
                self.folder / "master.out",
                env=self.env,
            )
            self._master.wait_for(self._is_up)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_master"):
            below = self._below_master()
            self._master.stop(signal.SIGQUIT, timeout=_GIVE_UP_S)
            for pid in below:  # a daemon that was stopped by a signal cannot end by itself
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._stack.close()

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with the pool in it."""
        rest = {k: v for k, v in os.environ.items() if not k.upper().startswith("_CONDOR_")}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**rest, "CONDOR_CONFIG": str(self.config), "PATH": path}

    def run(self, *argv: str | Path, check: bool = True) -> str:
        """Output of a client command."""
        done = subprocess.run(
            [str(word) for word in argv], env=self.env, capture_output=True, text=True, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"{argv[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def cancel_all(self) -> None:
        """End every job and wait until none is left."""
        self.run("condor_rm", "-all", check=False)
        wait_until(
            "the queue is empty",
            lambda: not self.run("condor_q", "-af", "ClusterId", check=False).strip(),
            timeout=30,
            every=0.1,
        )

    def signal(self, daemon: str, number: signal.Signals, machine: str = "") -> int:
        """Send a signal to a daemon (schedd, collector, startd, starter, shadow); the number of
        processes that got it. `machine`: only that one's."""
        pids = [pid for pid in self._below_master() if _is(pid, f"condor_{daemon}", machine)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return len(pids)

    def wait_until_up(self) -> None:
        """After daemons were killed: the master starts them again."""
        wait_until("the pool answers", self._is_up, timeout=60, every=0.2)

    # starting

    @property
    def _prefix(self) -> tuple[str, ...]:
        return _AS_USER if is_root() else ()

    def _write_config(self) -> None:
        (port,) = free_ports(1)
        for name in _FOLDERS:
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o755)
        for name in ("tokens", "passwords"):
            (self.folder / name).chmod(0o700)
        libexec = self._home / "libexec" / "condor"
        daemons, more = [], []
        for number, machine in enumerate(self.machines):
            # with -local-name alone all machines have one name, and the collector shows one of them
            name = "STARTD" if number == 0 else f"STARTD_{machine.upper()}"
            place = self.folder / machine
            for folder in ("log", "execute", "lock"):
                (place / folder).mkdir(parents=True)
            values = {
                "STARTD_NAME": machine,
                "STARTD_LOG": place / "log" / "StartLog",
                "STARTER_LOG": place / "log" / "StarterLog",
                "EXECUTE": place / "execute",
                "LOCK": place / "lock",
            }
            words = " ".join(f"_CONDOR_{key}={value}" for key, value in values.items())
            daemons.append(name)
            more += [f"{name} = $(SBIN)/condor_startd", f"{name}_ARGS = -f -local-name {machine}"]
            more += [f'{name}_ENVIRONMENT = "{words}"']
        text = _CONFIG.format(
            home=self._home, libexec=libexec, dir=self.folder, port=port, user=user(),
            cpus=self._cpus, memory_mb=self._memory_mb, startds=" ".join(daemons),
        )  # fmt: skip
        self.config.write_text(text + "\n".join(more) + "\n")

    def _write_commands(self) -> None:
        folder = self.folder / "bin"
        folder.mkdir()
        for name in COMMANDS:
            found = next(
                path for kind in ("bin", "sbin") if (path := self._home / kind / name).exists()
            )
            words = " ".join((*self._prefix, str(found)))
            (folder / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            (folder / name).chmod(0o755)

    def _is_up(self) -> bool:
        schedds = self.run("condor_status", "-schedd", "-af", "Name", check=False).split()
        found = self.run("condor_status", "-af", "Name", check=False).split()
        if not schedds or len(found) < len(self.machines):
            return False
        # the collector keeps the names of daemons that have died
        asked = subprocess.run(["condor_q"], env=self.env, capture_output=True, timeout=60)
        return asked.returncode == 0

    def _below_master(self) -> list[int]:
        """Processes that the master, and what it started, started."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError, IndexError, ValueError):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    children.setdefault(int(stat[1]), []).append(int(entry.name))
        found, rest = [], [self._master.pid]
        while rest:
            below = children.get(rest.pop(), [])
            found += below
            rest += below
        return found


def _is(pid: int, program: str, machine: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return Path(words[0]).name == program and (not machine or machine in words)
