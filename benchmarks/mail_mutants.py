"""Mails of any kind, their mutants and bombs: none raises, launches or takes long.

    .venv/bin/python benchmarks/mail_mutants.py [FOLDER ...] [--mutants 20000] [--seed 1]

FOLDERs hold mails (.eml, .msg, .txt, .mbox) of other projects; those of Python's own tests are
always taken. Each is judged as it stands, and once more as a mail of an allowed sender with keyword
and passed verification; mutants are made of both. Ends with 1 where one fails.
"""

from __future__ import annotations

import argparse
import base64
import mailbox
import random
import re
import resource
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "mail"))

from mail_samples import ALICE, BLOCK, LAUNCH, PASSED, mail, settings

from astran.base.night import Night
from astran.service.intake.decision import MailOutcome, decide_mail

TODAY = Night.parse("20231210")
MOST_S, MOST_MB = 0.5, 200.0
_SUFFIXES = {".eml", ".msg", ".txt", ".email", ".mail"}
_OWN = re.compile(
    rb"(?im)^(from|subject|authentication-results|sender|to)\s*:.*\r?\n([ \t].*\r?\n)*"
)
_BITS = (
    b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\xff", b"\xc3", b"=?utf-8?q?", b"=?utf-7?q?+2AA?=",
    b"--", b"Subject: ASTRAN-LAUNCH\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"<style>", b"<!--", b"&#x", b"target: Crab\r\n",
    b"runs: 1-", b"> ", b"\xe2\x80\xae", b"(" * 40, b"<" * 40, b"date: 20231207\r\n",
)  # fmt: skip


def fixtures(folders: list[Path]) -> Iterator[bytes]:
    """Mails of other projects."""
    own = Path(sysconfig.get_paths()["stdlib"]) / "test" / "test_email" / "data"
    for folder in [own, *folders]:
        for path in sorted(folder.rglob("*")):
            if path.suffix == ".mbox":
                yield from (message.as_bytes() for message in mailbox.mbox(path))
            elif path.suffix in _SUFFIXES and path.is_file():
                raw = path.read_bytes()
                if b":" in raw[:2000]:
                    yield raw


def graft(raw: bytes) -> bytes:
    """The same from an allowed sender, verified, with the keyword."""
    head, *rest = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)
    kept = _OWN.sub(b"", head + b"\r\n")
    own = f"{PASSED}From: {ALICE}\r\nTo: astran@lst.example\r\nSubject: {LAUNCH}\r\n"
    return own.encode() + kept + b"\r\n" + b"".join(rest)


def mutate(raw: bytes, rng: random.Random) -> bytes:
    """One to six small changes."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[place:place] = rng.choice(_BITS)
            case 1:
                del data[place : place + rng.randint(1, 60)]
            case 2 if data:
                data[min(place, len(data) - 1)] = rng.randrange(256)
            case 3:
                data[place:place] = data[place : place + rng.randint(1, 400)]
            case _:
                lines = bytes(data).split(b"\n")
                rng.shuffle(lines[: rng.randint(1, 8)])
                other = rng.randrange(len(lines))
                lines.insert(rng.randrange(len(lines) + 1), lines[other])
                data = bytearray(b"\n".join(lines))
    return bytes(data)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Mails whose size or shape may cost much."""
    n = 20_000
    for name, body in {
        "words": "a " * (10 * n), "blank lines": "\n" * (10 * n), "quotes": "> " * n,
        "deep quotes": "\n".join(">" * i for i in range(600)), "runs": "runs: " + "1-" * n,
        "run list": "runs: " + ", ".join(map(str, range(n))), "keys": "target: x\n" * n,
        "colons": ":" * (5 * n), "dates": "date: " + "2023-" * n,
        "blanks": "target:" + " " * (5 * n),
        "tabs": "target:" + "\t" * (5 * n) + "x", "brackets": "(" * (5 * n), "dots": "." * (5 * n),
        "signature": "-- \n" * n, "commas": "runs: " + "," * (5 * n), "nbsp": "\u00a0" * (3 * n),
        "combining": "e" + "\u0301" * (3 * n), "bidi": "\u202e" * n, "digits": "9" * (5 * n),
        "ranges": "runs: " + ",".join(f"{i}-{i + 10**9}" for i in range(2000)),
    }.items():  # fmt: skip
        yield name, mail(body=body)
        yield f"{name}, with a block", mail(body=body + "\n" + BLOCK)
    html = "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
    for name, body in {
        "deep html": "<div>" * n, "open tags": "<" * (5 * n),
        "attributes": "<p " + "a=b " * n + ">x",
        "entities": "&amp;" * n, "half entities": "&" * (3 * n), "comments": "<!--" * n,
        "styles": "<style>" + "a{b:c}" * n + "</style>x",
        "selectors": "<style>" + "a " * n + "{}</style>",
        "nested tables": "<table><tr><td>" * 3000 + "x",
        "unclosed style": "<style>" + "x" * (5 * n),
    }.items():  # fmt: skip
        yield name, mail(PASSED + html, body)
    parts = "".join(
        f"--b{i}\r\nContent-Type: multipart/mixed; boundary=b{i + 1}\r\n\r\n" for i in range(400)
    )
    yield "nested parts", mail(PASSED + "Content-Type: multipart/mixed; boundary=b0\r\n", parts)
    yield (
        "many parts",
        mail(PASSED + "Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\n\r\nx\r\n" * n),
    )
    rfc = "Content-Type: message/rfc822\r\n\r\n" * 800
    yield "nested mails", mail(PASSED + "Content-Type: message/rfc822\r\n", rfc)
    yield (
        "base64",
        mail(
            PASSED + "Content-Transfer-Encoding: base64\r\n",
            base64.b64encode(b"x" * 500_000).decode(),
        ),
    )
    yield "many headers", mail(PASSED + "X-A: b\r\n" * n)
    yield "long header", mail(PASSED + "X-A: " + "b" * (10 * n) + "\r\n")
    yield "many received", mail(PASSED + "Received: from a by b; x\r\n" * 5000)
    yield "encoded words", mail(Subject="=?utf-8?q?a?= " * 5000)
    yield "addresses", mail(To=", ".join(f"a{i}@b.example" for i in range(5000)))
    yield "references", mail(References=" ".join(f"<{i}@b.example>" for i in range(5000)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    found = list(fixtures(args.folders))
    known = [*found, *map(graft, found)]
    faults, slowest_s, launches = 0, 0.0, 0
    rules = settings()

    def judge(name: str, raw: bytes, may_launch: bool) -> None:
        nonlocal faults, slowest_s, launches
        begun = time.process_time()
        try:
            outcome = decide_mail(raw, rules, TODAY).outcome
        except Exception as error:  # noqa: BLE001 - any fault at all is what is looked for
            faults += 1
            print(f"{name}: {error!r}")
            return
        spent_s = time.process_time() - begun
        slowest_s = max(slowest_s, spent_s)
        launched = outcome is MailOutcome.LAUNCH
        launches += launched
        if spent_s > MOST_S or (launched and not may_launch):
            faults += 1
            print(f"{name}: {outcome.value} in {spent_s:.2f} s")

    judge("warm up", mail(), True)
    for number, raw in enumerate(known):
        judge(f"mail {number}", raw, False)
    for number in range(args.mutants):
        raw = mutate(rng.choice(known), rng)
        # a mutant may hold a whole request, where target and date were put into a grafted mail
        asks = b"target: Crab" in raw and b"date: 20231207" in raw
        judge(f"mutant {number}", raw, asks)
    kinds = list(bombs())
    for name, raw in kinds:
        judge(f"bomb {name}", raw, BLOCK.encode() in raw)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(found)} mails, as many grafted, {args.mutants} mutants, {len(kinds)} bombs: "
        f"{faults} faults, {launches} launches, slowest {slowest_s:.2f} s of CPU, "
        f"{peak_mb:.0f} MB in all"
    )
    return 1 if faults or peak_mb > MOST_MB else 0


if __name__ == "__main__":
    sys.exit(main())
