"""An idle minute on a mailbox with 50,000 old mails: bytes over the wire, and time.

Ours is astran-launcher on a real Dovecot, all bytes of the TLS line counted by a proxy. The peer is
what a simple script does: imap_tools' fetch(subject=…), on the same mailbox by the same way.

    python benchmarks/inbox_50k.py --json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FULL, EMPTY = "astran@astran.test", "bob@astran.test"
BAR_BYTES = 20_000
BAR_TIME = 2.0
ROOT = Path(__file__).resolve().parent.parent

PEER = """\
import ssl, sys
from imap_tools import AND, MailBox
port, user, password, ca = sys.argv[1:]
trust = ssl.create_default_context(cafile=ca)
with MailBox("localhost", int(port), ssl_context=trust).login(user, password) as box:
    for mail in box.fetch(AND(subject="ASTRAN-LAUNCH"), mark_seen=False):
        print(mail.subject)
"""


class Meter:
    """Passes everything on to a port and counts the bytes of both directions."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.bytes = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self.bytes += len(data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    wall: float
    """[s]"""
    bytes: int


def fill(maildir: Path, number: int, owner: str) -> None:
    """Old mails, put where Dovecot finds them. They came in today, as after a move of the mailbox;
    none speaks to ASTRAN, because what does is filed when it is taken."""
    account = pwd.getpwnam(owner)
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)
    begin = 1_600_000_000
    for n in range(number):
        text = (
            f"From: Alice <alice@astran.test>\nTo: {FULL}\nSubject: Minutes of meeting {n}\n"
            f"Message-ID: <old.{n}@astran.test>\nDate: Sun, 13 Sep 2020 12:26:40 +0000\n"
            f"\nNothing new.\n{'word ' * 100}\n"
        )
        path = maildir / "cur" / f"{begin + n}.M{n}P1.old:2,S"
        path.write_text(text)
    for path in (maildir.parent, maildir, *maildir.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)
    for path in (maildir / "cur").iterdir():
        os.chown(path, account.pw_uid, account.pw_gid)


def write_site(folder: Path, user: str, password: str, port: int, ca: Path) -> Path:
    """A site whose only live part is the mailbox."""
    folder.mkdir()
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    imap = {"host": "localhost", "port": port, "user": user, "timeout": 120}
    imap |= {"password": {"file": str(secret)}, "ca_file": str(ca)}
    smtp = {"host": "localhost", "port": 9, "security": "none"}
    mail = {"address": user, "imap": imap, "smtp": smtp, "authserv_id": "mx.astran.test"}
    site: dict[str, Any] = {"site": "Benchmark", "workdir": str(folder / "work"), "mail": mail}
    site["scheduler"] = {"kind": "local"}
    path = folder / "site.yml"
    path.write_text(json.dumps(site))  # JSON is YAML
    return path


def cost(argv: Sequence[str], meter: Meter) -> Cost:
    """Run a command to its end; it must succeed."""
    before, begun = meter.bytes, time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - begun
    time.sleep(0.05)  # the last bytes of the farewell
    return Cost(wall, meter.bytes - before)


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(one.wall for one in costs),
        int(statistics.median(one.bytes for one in costs)),
    )


def measure(mails: int, repeat: int) -> dict[str, Any]:
    """The whole comparison, as the JSON object that is printed."""
    sys.path.insert(0, str(ROOT / "tests"))
    from services import dovecot

    if not dovecot.present():
        raise SystemExit(f"This needs Dovecot. {dovecot.HOW}")
    launcher = str(Path(sys.executable).with_name("astran-launcher"))
    with tempfile.TemporaryDirectory() as scratch, dovecot.Dovecot() as server:
        folder = Path(scratch)
        owner = "mail" if os.geteuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        fill(server.folder / "mail" / FULL / "Maildir", mails, owner)
        meter = Meter(server.imaps_port)
        try:
            sites = {
                user: write_site(folder / user, user, server.users[user], meter.port,
                                 server.ca_file)
                for user in (FULL, EMPTY)
            }  # fmt: skip
            script = folder / "peer.py"
            script.write_text(PEER)
            words = [str(meter.port), FULL, server.users[FULL], str(server.ca_file)]
            peer = [sys.executable, str(script), *words]
            ours = {user: [launcher, "--site", str(site)] for user, site in sites.items()}
            first = cost(ours[FULL], meter)
            for _ in range(3):
                cost(ours[FULL], meter)
                cost(ours[EMPTY], meter)
            cost(peer, meter)
            rounds = [
                (cost(ours[FULL], meter), cost(ours[EMPTY], meter), cost(peer, meter))
                for _ in range(repeat)
            ]
        finally:
            meter.close()
        shutil.rmtree(server.folder / "mail" / FULL, ignore_errors=True)
    full, empty, plain = (median(costs) for costs in zip(*rounds, strict=True))
    return {
        "name": "inbox_50k",
        "ours": full.bytes,
        "peer": plain.bytes,
        "ratio": round(full.bytes / plain.bytes, 4),
        "unit": "B",
        "bar_bytes": BAR_BYTES,
        "ours_s": round(full.wall, 4),
        "ours_empty_s": round(empty.wall, 4),
        "peer_s": round(plain.wall, 4),
        "time_ratio_to_empty": round(full.wall / empty.wall, 3),
        "bar_time_ratio": BAR_TIME,
        "first_tick_s": round(first.wall, 2),
        "first_tick_bytes": first.bytes,
        "mails": mails,
        "repeat": repeat,
    }


def main() -> int:
    """Measure and print; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--mails", type=int, default=50_000, help="old mails (default: 50000)")
    parser.add_argument("--repeat", type=int, default=7, help="rounds (default: 7)")
    args = parser.parse_args()
    found = measure(args.mails, args.repeat)
    print(f"idle tick, {found['mails']} mails   {found['ours']} B, {found['ours_s']:.3f} s")
    print(f"idle tick, empty mailbox  {found['ours_empty_s']:.3f} s")
    print(f"imap_tools by subject     {found['peer']} B, {found['peer_s']:.3f} s")
    print(f"first tick                {found['first_tick_bytes']} B, {found['first_tick_s']} s")
    if args.json:
        print(json.dumps(found))
    return int(found["ours"] > BAR_BYTES or found["time_ratio_to_empty"] > BAR_TIME)


if __name__ == "__main__":
    sys.exit(main())
