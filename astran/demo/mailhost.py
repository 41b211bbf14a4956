"""A tiny mail provider on this machine: SMTP with log-in, and IMAP, over the same maildirs.

Runs as a child process of `astran.demo.servers`: it reads what to serve as one line of JSON on its
standard input, answers with one line of JSON (the ports), and ends when that input is closed or on
SIGTERM. So nothing stays behind when the parent is killed.

SMTP is aiosmtpd, IMAP is pymap (started as a process of its own). No encryption: loopback only.
Known of pymap 0.36: COPY leaves an empty mail behind (MOVE is right), and mails that come within
the same moment may get their UIDs in another order.
"""

from __future__ import annotations

import asyncio
import json
import mailbox
import signal
import socket
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_KEYWORDS = ("$Forwarded", "$Claimed", "$Done")
_START_TIME = 30.0  # s for pymap to answer
_TRIES = 3
_LARGEST_MAIL = 25 * 2**20


class Deliveries:
    """aiosmtpd handler: takes mails for known users, and puts them into their maildirs."""

    def __init__(self, boxes: dict[str, mailbox.Maildir]) -> None:
        self._boxes = boxes

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if local_part(address) not in self._boxes:
            return "550 5.1.1 There is no such user here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        content = f"Return-Path: <{envelope.mail_from or ''}>\r\n".encode() + envelope.content
        for user in dict.fromkeys(map(local_part, envelope.rcpt_tos)):
            self._boxes[user].add(content)
        return "250 2.0.0 Delivered"


def local_part(address: str) -> str:
    """The user to whom an address belongs; it is also the log-in name."""
    return address.strip("<>").split("@")[0].lower()


def prepare(folder: Path, users: dict[str, str]) -> dict[str, mailbox.Maildir]:
    """Make the maildirs, and the files in which pymap looks for users, passwords and keywords."""
    from pysasl.hashing import BuiltinHash

    folder.mkdir(parents=True, exist_ok=True)
    accounts = "".join(f"{user}:x:::,:{folder / user}:\n" for user in users)
    hashes = {user: BuiltinHash().hash(password) for user, password in users.items()}
    secrets = folder / "pymap-etc-shadow"
    secrets.touch(mode=0o600)
    secrets.write_text("".join(f"{user}:{value}:::::::\n" for user, value in hashes.items()))
    (folder / "pymap-etc-passwd").write_text(accounts)
    boxes = {user: mailbox.Maildir(folder / user, create=True) for user in users}
    # pymap drops keywords that are not declared
    keywords = "".join(f"{number} {word}\n" for number, word in enumerate(_KEYWORDS))
    for user in users:
        (folder / user / "dovecot-keywords").write_text(keywords)
    return boxes


async def serve(folder: Path, users: dict[str, str]) -> None:
    """Serve until standard input ends or SIGTERM comes; the ports go to standard output."""
    from aiosmtpd.smtp import SMTP, AuthResult

    # a log-in without TLS is meant: the servers listen on loopback only
    warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
    boxes = prepare(folder, users)

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        user, password = local_part(data.login.decode()), data.password.decode()
        return AuthResult(success=users.get(user) == password, handled=False)

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    smtp = await loop.create_server(
        lambda: SMTP(
            Deliveries(boxes),
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=False,
            decode_data=False,
            enable_SMTPUTF8=True,
            data_size_limit=_LARGEST_MAIL,
            hostname="localhost",
        ),
        HOST,
        0,
    )
    imap, imap_port = await _start_pymap(folder)
    ports = {"smtp": smtp.sockets[0].getsockname()[1], "imap": imap_port}
    print(json.dumps(ports), flush=True)
    ended = asyncio.create_task(imap.wait())
    await asyncio.wait(
        [ended, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED
    )
    smtp.close()
    with suppress(ProcessLookupError):
        imap.terminate()
    await ended


async def _start_pymap(folder: Path) -> tuple[asyncio.subprocess.Process, int]:
    """pymap wants to be told its port: another process may take it in between, so try again."""
    program = "from pymap.main import main; main()"
    for _ in range(_TRIES):
        port = _free_port()
        with (folder / "pymap.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", program),
                *("--host", HOST, "--port", str(port), "--no-tls", "maildir", str(folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if await _answers(process, port):
            return process, port
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    raise SystemExit(f"pymap did not start; its words are in {folder / 'pymap.log'}")


async def _answers(process: asyncio.subprocess.Process, port: int) -> bool:
    """Whether the server greets; False once it has ended or taken too long."""
    deadline = asyncio.get_running_loop().time() + _START_TIME
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, port)
            greeting = await reader.readline()
            writer.close()
            if greeting.startswith(b"* OK"):
                return True
        await asyncio.sleep(0.05)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Read the order, serve."""
    order = json.loads(sys.stdin.readline())
    asyncio.run(serve(Path(order["folder"]), order["users"]))


if __name__ == "__main__":
    main()
