"""A throw-away Slurm cluster on loopback: munged, slurmctld, slurmd's; with accounting also
mariadbd and slurmdbd. Several virtual nodes on one machine need nothing but `slurmd -N`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from services.daemon import Daemon, free_ports, is_root, listening, my_name, scratch, wait_until

HOW = (
    "Install it: apt-get install --no-install-recommends slurm-wlm slurmdbd "
    "slurm-wlm-mysql-plugin munge mariadb-server"
)
SBIN = "/usr/sbin:/usr/local/sbin"
CORE = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db", "mariadb-admin", "mariadb", "sacctmgr")


def program(name: str) -> str | None:
    """Daemons are often on root's PATH only."""
    return shutil.which(name) or shutil.which(name, path=SBIN)


def missing(accounting: bool = True) -> list[str]:
    """Programs that a cluster needs and this machine lacks."""
    return [p for p in CORE + (ACCOUNTING if accounting else ()) if program(p) is None]


class SlurmCluster:
    """Context manager. Jobs run as whoever starts it.

    Client commands find the cluster by the environment variable SLURM_CONF alone (`conf`).
    """

    def __init__(
        self,
        *,
        accounting: bool = True,
        nodes: int = 2,
        cpus: int = 8,
        memory_mb: int = 64_000,
        extra: str = "",
    ) -> None:
        self.accounting = accounting
        self.nodes = nodes
        self._cpus = cpus
        self._memory_mb = memory_mb
        self._extra = extra
        self._stack = ExitStack()
        self.daemons: dict[str, Daemon] = {}

    def __enter__(self) -> SlurmCluster:
        self.folder = self._stack.enter_context(scratch("slurm"))
        for name in ("etc", "log", "munge", "db", "state", "spool", "work"):
            (self.folder / name).mkdir()
        self._host = socket.gethostname().split(".")[0]
        self._db_port, self._dbd_port, self._ctld_port, *self._node_ports = free_ports(
            3 + self.nodes
        )
        self.conf = self.folder / "etc" / "slurm.conf"
        self._socket = self.folder / "munge" / "socket"
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    # for tests

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with the cluster in it."""
        foreign = ("SLURM_", "SBATCH_", "SACCT_", "SQUEUE_")
        rest = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        return {**rest, "SLURM_CONF": str(self.conf)}

    def run(self, *argv: str | Path, check: bool = True) -> str:
        """Output of a client command."""
        done = subprocess.run(
            [str(word) for word in argv],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check and done.returncode:
            raise RuntimeError(f"{argv[0]}: {done.stderr.strip()}")
        return done.stdout

    def sql(self, statement: str) -> None:
        """Change the accounting database, for ends that this machine cannot bring about."""
        client = [str(program("mariadb")), "--no-defaults", f"--socket={self.folder}/db/socket"]
        subprocess.run([*client, "-uroot", "-e", statement], check=True, timeout=60)

    def cancel_all(self) -> None:
        """End every job and wait until none is left."""
        for state in ("PENDING", "RUNNING", "SUSPENDED"):
            self.run("scancel", "--full", f"--state={state}", check=False)
        wait_until(
            "the queue is empty",
            lambda: not self.run("squeue", "-h", "-o", "%i").strip(),
            timeout=30,
            every=0.1,
        )

    def stop_daemon(self, name: str) -> None:
        self.daemons[name].stop()

    def start_daemon(self, name: str) -> None:
        """Start one again: slurmctld, slurmdbd or a node (n1, n2, ...)."""
        if name == "slurmctld":
            self._start_slurmctld()
        elif name == "slurmdbd":
            self._start_slurmdbd()
        else:
            self._start_node(name)

    # starting

    def _spawn(self, name: str, *argv: str | Path, user: str | None = None) -> Daemon:
        found = program(str(argv[0]))
        if found is None:
            raise RuntimeError(f"{argv[0]} is not here. {HOW}")
        log = self.folder / "log" / f"{name}.out"
        daemon = Daemon(name, [found, *argv[1:]], log, env=self.env, user=user)
        self.daemons[name] = daemon
        return daemon

    def _start(self) -> None:
        self._start_munge()
        if self.accounting:
            self._start_database()
            self._write_dbd_config()
        self.conf.write_text(self._config())
        version = self.run("scontrol", "--version").split()[-1]
        if tuple(int(part) for part in version.split(".")[:2]) >= (23, 11):
            # newer daemons insist on a word about control groups
            (self.folder / "etc" / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        if self.accounting:
            self._start_slurmdbd()
            self.run("sacctmgr", "-i", "add", "cluster", "astran", check=False)
        self._start_slurmctld()
        for number in range(self.nodes):
            self._start_node(f"n{number + 1}")
        wait_until("all nodes are idle", lambda: set(self._node_states()) == {"idle"})

    def _node_states(self) -> list[str]:
        return self.run("sinfo", "-h", "-N", "-p", "short", "-o", "%T").split()

    def _start_munge(self) -> None:
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        here = self.folder / "munge"
        daemon = self._spawn(
            "munged",
            "munged",
            "-F",
            f"--socket={self._socket}",
            f"--key-file={key}",
            f"--pid-file={here}/pid",
            f"--seed-file={here}/seed",
            f"--log-file={here}/log",
            "--num-threads=4",
        )
        daemon.wait_for(self._socket.exists)

    def _start_database(self) -> None:
        data = self.folder / "db"
        owner = "mysql" if is_root() else my_name()
        if is_root():
            shutil.chown(data, owner, owner)
        made = subprocess.run(
            [
                str(program("mariadb-install-db")),
                "--no-defaults",
                f"--datadir={data}",
                f"--user={owner}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        if made.returncode:
            raise RuntimeError(f"mariadb-install-db: {made.stderr[-2000:]}")
        sock = f"--socket={data}/socket"
        daemon = self._spawn(
            "mariadbd",
            "mariadbd",
            "--no-defaults",
            f"--datadir={data}",
            sock,
            f"--pid-file={data}/pid",
            f"--user={owner}",
            "--bind-address=127.0.0.1",
            f"--port={self._db_port}",
            "--skip-log-bin",
            "--skip-name-resolve",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=64M",
            "--innodb-lock-wait-timeout=900",
            "--innodb-flush-log-at-trx-commit=2",
        )
        client = ("--no-defaults", sock, "-uroot")

        def answers() -> bool:
            ping = [str(program("mariadb-admin")), *client, "ping"]
            return subprocess.run(ping, capture_output=True, timeout=20).returncode == 0

        daemon.wait_for(answers)
        statements = "create database acct; create user slurm@'127.0.0.1' identified by 'acct';"
        statements += "grant all on acct.* to slurm@'127.0.0.1';"
        subprocess.run([str(program("mariadb")), *client, "-e", statements], check=True, timeout=60)

    def _write_dbd_config(self) -> None:
        path = self.folder / "etc" / "slurmdbd.conf"
        path.write_text(
            f"""\
AuthType=auth/munge
AuthInfo=socket={self._socket}
DbdHost={self._host}
DbdAddr=127.0.0.1
DbdPort={self._dbd_port}
SlurmUser={my_name()}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={self._db_port}
StorageUser=slurm
StoragePass=acct
StorageLoc=acct
LogFile={self.folder}/log/slurmdbd.log
PidFile={self.folder}/slurmdbd.pid
"""
        )
        path.chmod(0o600)

    def _start_slurmdbd(self) -> None:
        self._spawn("slurmdbd", "slurmdbd", "-D").wait_for(lambda: listening(self._dbd_port))

    def _start_slurmctld(self) -> None:
        daemon = self._spawn("slurmctld", "slurmctld", "-D", "-f", self.conf)
        daemon.wait_for(lambda: "is UP" in self.run("scontrol", "ping", check=False))

    def _start_node(self, name: str) -> None:
        (self.folder / "spool" / name).mkdir(exist_ok=True)
        self._spawn(name, "slurmd", "-D", "-N", name, "-f", self.conf)

    def _config(self) -> str:
        here, me = self.folder, my_name()
        accounting = (
            f"""\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={self._dbd_port}
AccountingStoragePass={self._socket}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
"""
            if self.accounting
            else "AccountingStorageType=accounting_storage/none\n"
            "JobAcctGatherType=jobacct_gather/none\n"
        )
        # one line per node: each needs a port of its own, and free ports are not in a row
        nodes = "".join(
            f"NodeName=n{i + 1} NodeHostname={self._host} NodeAddr=127.0.0.1 Port={port} "
            f"CPUs={self._cpus} RealMemory={self._memory_mb}\n"
            for i, port in enumerate(self._node_ports)
        )
        return f"""\
ClusterName=astran
SlurmctldHost={self._host}(127.0.0.1)
SlurmctldPort={self._ctld_port}
SlurmUser={me}
SlurmdUser={me}
AuthType=auth/munge
AuthInfo=socket={self._socket},cred_expire=5
CredType=cred/munge
StateSaveLocation={here}/state
SlurmdSpoolDir={here}/spool/%n
SlurmctldPidFile={here}/slurmctld.pid
SlurmdPidFile={here}/slurmd.%n.pid
SlurmctldLogFile={here}/log/slurmctld.log
SlurmdLogFile={here}/log/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
PropagateResourceLimits=NONE
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0
MaxArraySize=1001
MinJobAge=60
KillWait=2
MessageTimeout=10
SlurmctldTimeout=10
SlurmdTimeout=20
BatchStartTimeout=10
{accounting}{nodes}PartitionName=short Nodes=ALL Default=YES MaxTime=1-0 DefaultTime=10
{self._extra}
"""

    # stopping

    def _stop(self) -> None:
        controller = self.daemons.get("slurmctld")
        if controller is not None and controller.alive:
            # whatever is left is ended below in any case
            with suppress(RuntimeError, TimeoutError, subprocess.TimeoutExpired):
                self.cancel_all()
        nodes = [name for name in self.daemons if name.startswith("n")]
        for name in (*nodes, "slurmctld", "slurmdbd", "mariadbd", "munged"):
            if name in self.daemons:
                self.daemons[name].stop()
        self._end_strays()
        self._stack.close()

    def _end_strays(self) -> None:
        """Job steps are daemons of their own; those of this cluster carry its SLURM_CONF."""
        ours = f"SLURM_CONF={self.conf}".encode()
        for _ in range(20):
            strays = []
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit() or int(entry.name) == os.getpid():
                    continue
                try:
                    environ = (entry / "environ").read_bytes().split(b"\0")
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                job = any(word.startswith(b"SLURM_JOB_ID=") for word in environ)
                if ours in environ and (job or b"slurmstepd" in command):
                    strays.append(int(entry.name))
            if not strays:
                return
            for pid in strays:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.1)
