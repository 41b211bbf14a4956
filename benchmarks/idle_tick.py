"""What does a minute without mail cost?

Measures in turns, on the same mailbox and as whole processes:

  ours   astran-launcher: nothing new, nothing under way
  peer   a bare script: log in with imap_tools, search, log out

The bar: ours takes at most 4 times as long as the peer, and imports none of the heavy packages.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

BAR = 4.0
HEAVY = ("numpy", "astropy", "gammapy", "matplotlib", "lstchain")
USER = "astran@astran.test"
ROOT = Path(__file__).resolve().parent.parent

PEER_TLS = """\
import ssl, sys
from imap_tools import MailBox
host, port, user, password, ca = sys.argv[1:]
trust = ssl.create_default_context(cafile=ca)
with MailBox(host, int(port), ssl_context=trust).login(user, password) as box:
    box.uids("UID 1:*")
"""
PEER_PLAIN = """\
import sys
from imap_tools import MailBoxUnencrypted
host, port, user, password, ca = sys.argv[1:]
with MailBoxUnencrypted(host, int(port)).login(user, password) as box:
    box.uids("UID 1:*")
"""
MODULES = """\
import json, sys
from astran.cli.launcher import main
code = main(sys.argv[1:])
print(json.dumps(sorted(sys.modules)))
sys.exit(code)
"""


@dataclass(frozen=True)
class Server:
    """An IMAP server with one account."""

    kind: str
    port: int
    user: str
    password: str
    ca_file: Path | None
    """None: without TLS."""


@dataclass(frozen=True)
class Cost:
    """Of one process [s]."""

    wall: float
    cpu: float


def old_mail(number: int) -> EmailMessage:
    """A mail that is no request."""
    message = EmailMessage()
    message["From"] = "alice@astran.test"
    message["To"] = USER
    message["Subject"] = f"Minutes of meeting {number}"
    message["Message-ID"] = f"<old.{number}@astran.test>"
    message.set_content("Nothing that concerns ASTRAN.\n")
    return message


@contextmanager
def imap_server(mails: int) -> Iterator[Server]:
    """Dovecot with TLS where it is installed, else the small server of the demo."""
    sys.path.insert(0, str(ROOT / "tests"))
    from services import dovecot

    if dovecot.present():
        with dovecot.Dovecot() as real:
            for number in range(mails):
                real.deliver(old_mail(number), USER)
            yield Server("dovecot", real.imaps_port, USER, real.users[USER], real.ca_file)
        return
    from astran.demo.servers import MailServers

    with tempfile.TemporaryDirectory() as folder, MailServers(Path(folder), ["astran"]) as small:
        for number in range(mails):
            small.send("astran", old_mail(number))
        yield Server("pymap", small.imap_port, "astran", small.passwords["astran"], None)


def write_site(folder: Path, server: Server) -> Path:
    """A site whose only live part is the mailbox."""
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(server.password)
    imap: dict[str, Any] = {
        "host": "localhost",
        "port": server.port,
        "user": server.user,
        "security": "tls" if server.ca_file else "none",
        "password": {"file": str(secret)},
    }
    if server.ca_file:
        imap["ca_file"] = str(server.ca_file)
    mail = {
        "address": USER,
        "imap": imap,
        # an idle tick sends nothing
        "smtp": {"host": "localhost", "port": 9, "security": "none"},
        "authserv_id": "mx.astran.test",
    }
    site = {
        "site": "Benchmark",
        "workdir": str(folder / "work"),
        "mail": mail,
        "scheduler": {"kind": "local"},
    }
    path = folder / "site.yml"
    path.write_text(json.dumps(site))  # JSON is YAML
    return path


def cost(argv: Sequence[str]) -> Cost:
    """Run a command to its end; it must succeed."""
    begun = time.perf_counter()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(argv)} ended with return code {child.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def imported(site: Path) -> list[str]:
    """Modules that a tick has in memory at its end."""
    argv = [sys.executable, "-c", MODULES, "--site", str(site)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


def measure(repeat: int, mails: int) -> dict[str, Any]:
    """The whole comparison, as the JSON object that is printed."""
    launcher = Path(sys.executable).with_name("astran-launcher")
    with tempfile.TemporaryDirectory() as folder, imap_server(mails) as server:
        site = write_site(Path(folder), server)
        ours = [str(launcher), "--site", str(site)]
        script = Path(folder, "peer.py")
        script.write_text(PEER_TLS if server.ca_file else PEER_PLAIN)
        words = ["localhost", str(server.port), server.user, server.password]
        peer = [sys.executable, str(script), *words, str(server.ca_file or "")]
        for _ in range(3):  # makes the database, takes the old mails in, warms the disk cache
            cost(ours)
            cost(peer)
        modules = imported(site)
        pairs = [(cost(ours), cost(peer)) for _ in range(repeat)]
        bare = [cost([sys.executable, "-c", "pass"]) for _ in range(5)]
    our_s = statistics.median(a.wall for a, _ in pairs)
    peer_s = statistics.median(b.wall for _, b in pairs)
    return {
        "name": "idle_tick",
        "ours": round(our_s, 4),
        "peer": round(peer_s, 4),
        "ratio": round(our_s / peer_s, 3),
        "unit": "s",
        "bar": BAR,
        "ours_cpu": round(statistics.median(a.cpu for a, _ in pairs), 4),
        "peer_cpu": round(statistics.median(b.cpu for _, b in pairs), 4),
        "python_start": round(statistics.median(c.wall for c in bare), 4),
        "heavy_imports": [name for name in HEAVY if name in modules],
        "modules": len(modules),
        "server": server.kind,
        "tls": server.ca_file is not None,
        "mails_in_folder": mails,
        "repeat": repeat,
    }


def main() -> int:
    """Measure and print; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--repeat", type=int, default=15, help="pairs of runs (default: 15)")
    parser.add_argument("--mails", type=int, default=20, help="old mails in the folder")
    args = parser.parse_args()
    result = measure(args.repeat, args.mails)
    tls = "with TLS" if result["tls"] else "without TLS"
    print(f"server            {result['server']}, {tls}, {result['mails_in_folder']} old mails")
    print(f"astran-launcher   {result['ours']:.3f} s  (CPU {result['ours_cpu']:.3f} s)")
    print(f"bare script       {result['peer']:.3f} s  (CPU {result['peer_cpu']:.3f} s)")
    print(f"empty Python      {result['python_start']:.3f} s")
    print(f"ratio             {result['ratio']:.2f}  (bar: {BAR:g})")
    print(f"heavy imports     {', '.join(result['heavy_imports']) or 'none'}")
    if args.json:
        print(json.dumps(result))
    return int(result["ratio"] > BAR or bool(result["heavy_imports"]))


if __name__ == "__main__":
    sys.exit(main())
